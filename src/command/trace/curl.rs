//! `mcp-tether trace curl`: an HTTP exchange as a command that sends the request again.

use super::block::time;
use super::quote::{Part, Variables, here_document, word};
use super::source::Source;
use super::{TraceError, tell_passed, write};
use crate::cli::trace::CurlArgs;
use crate::command::text::size;
use crate::platform;
use crate::secret::{Redactor, neutralise};
use crate::trace::record::{Content, Record, Request};

/// Longer bodies are read from stdin: systems have a limit for words, and people for lines.
const LONGEST_WORD: usize = 4 << 10;

/// What became of a request.
#[derive(Default)]
struct Outcome {
    said: Option<String>,
}

pub(super) fn run(args: &CurlArgs) -> Result<(), TraceError> {
    let failed = |source| TraceError::Read { path: args.file.clone(), source };
    let mut source = Source::open(&args.file).map_err(failed)?;
    let (mut found, mut outcome): (Option<Request>, _) = (None, Outcome::default());
    let (mut any, mut least, mut most) = (false, u64::MAX, 0);
    loop {
        let read = match source.next_record().map_err(failed)? {
            None => source.finish(),
            read => read,
        };
        let Some(read) = read else { break };
        any = true;
        match read.record {
            Record::Request(request) => {
                (least, most) = (least.min(request.n), most.max(request.n));
                if request.n == args.exchange {
                    // Where runs were put together, the last one counts.
                    (found, outcome) = (Some(request), Outcome::default());
                }
            }
            Record::Response(response) if response.n == args.exchange => {
                let began = found.as_ref().map_or(response.t, |request| request.t);
                let status = response.status;
                outcome.said =
                    Some(format!("answered {status} after {}", time(response.t - began)));
            }
            Record::Failure(failure) if failure.n == args.exchange => {
                outcome.said = Some(format!("failed: {} ({})", failure.kind, failure.text));
            }
            _ => {}
        }
    }
    if !any {
        return Err(TraceError::NoTrace(args.file.clone()));
    }
    tell_passed(&args.file, source.passed());
    let Some(request) = found else {
        let known = match most {
            0 => ": there are none".to_owned(),
            _ => format!(": they are {least} to {most}"),
        };
        return Err(TraceError::NoExchange { n: args.exchange, path: args.file.clone(), known });
    };
    let text = command(&request, &outcome);
    if platform::stdout_is_terminal() {
        return write(&Redactor::default().clean_lines(&text));
    }
    write(&text)
}

/// The lines of the command, comments first.
fn command(request: &Request, outcome: &Outcome) -> String {
    let mut variables = Variables::default();
    let mut words: Vec<String> = Vec::new();
    let has = |wanted: &str| {
        let mut of_name = request.headers.iter().filter(|it| it.0.eq_ignore_ascii_case(wanted));
        of_name.next().map(|(_, value)| value.as_str())
    };
    let body = request.content.as_ref().filter(|content| content.bytes > 0);

    let url = variables.parts(&request.url, None);
    let mut first = "curl".to_owned();
    if has("accept").is_some_and(|accept| accept.contains("text/event-stream")) {
        first.push_str(" -N");
    }
    // curl would take brackets and braces in a URL as lists.
    let literal =
        |part: &Part| matches!(part, Part::Text(text) if text.contains(['[', ']', '{', '}']));
    if url.iter().any(literal) {
        first.push_str(" -g");
    }
    let usual = if body.is_some() { "POST" } else { "GET" };
    if request.method != usual {
        first.push_str(&format!(" -X {}", word(&[Part::Text(request.method.clone())])));
    }
    // What is no address must not become an option.
    let named = if request.url.starts_with("http") { "" } else { "--url " };
    words.push(format!("{first} {named}{}", word(&url)));

    for (name, value) in &request.headers {
        if name.eq_ignore_ascii_case("accept-encoding") {
            words.push("--compressed".to_owned());
            continue;
        }
        let mut parts = vec![Part::Text(format!("{name}: "))];
        if value.is_empty() {
            // Its way of writing a header without a value.
            parts = vec![Part::Text(format!("{name};"))];
        }
        parts.extend(variables.parts(value, Some(&called(name, value))));
        if let [Part::Text(name), Part::Text(value)] = &parts[..] {
            parts = vec![Part::Text(format!("{name}{value}"))];
        }
        words.push(format!("-H {}", word(&parts)));
    }
    // What curl would add by itself.
    for name in ["accept", "content-type"] {
        if has(name).is_none() && (name == "accept" || body.is_some()) {
            words.push(format!("-H '{name}:'"));
        }
    }
    let mut document = String::new();
    if let Some(content) = body {
        let text = text_of(content);
        let parts = variables.parts(text, None);
        if text.len() > LONGEST_WORD {
            let (quote, end) = (if parts.len() == 1 { "'" } else { "" }, delimiter(text));
            words.push(format!("--data-binary @- <<{quote}{end}{quote}"));
            document = format!("{}\n{end}\n", here_document(&parts));
        } else {
            words.push(format!("--data-raw {}", word(&parts)));
        }
    }

    let mut out = format!("# exchange {}", request.n);
    if let Some(method) = request.rpc.as_ref().and_then(|rpc| rpc.method.as_ref()) {
        out.push_str(&format!(", {}", neutralise(method)));
    }
    if let Some(said) = &outcome.said {
        out.push_str(&format!(": {}", neutralise(said)));
    }
    out.push('\n');
    if let Some(content) = body.filter(|content| content.cut) {
        let (kept, whole) = (size(text_of(content).len() as u64), size(content.bytes));
        out.push_str(&format!("# The body is cut: only {kept} of {whole} are in the trace.\n"));
    }
    if !variables.order.is_empty() {
        let names = variables.order.join(", ");
        out.push_str(&format!("# Set first, secrets are not in a trace: {names}\n"));
    }
    out.push_str(&words.join(" \\\n  "));
    out.push('\n');
    out + &document
}

/// What the secret in a header is called.
fn called(name: &str, value: &str) -> String {
    match &*name.to_ascii_lowercase() {
        "authorization" if value.to_ascii_lowercase().starts_with("bearer ") => "token".to_owned(),
        "authorization" if value.contains(' ') => "credentials".to_owned(),
        "mcp-session-id" => "session_id".to_owned(),
        other => other.to_owned(),
    }
}

fn text_of(content: &Content) -> &str {
    match (&content.json, &content.text) {
        (Some(json), _) => json.get(),
        (None, Some(text)) => text,
        (None, None) => "",
    }
}

/// The end of a here-document, which is no line of it.
fn delimiter(text: &str) -> String {
    let mut end = "EOF".to_owned();
    while text.lines().any(|line| line == end) {
        end.push('_');
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(more: &str) -> Request {
        let line = format!(
            r#"{{"type":"request","t":0,"n":3,"purpose":"mcp","method":"POST","url":"http://127.0.0.1/mcp","headers":{more}}}"#
        );
        match Record::parse(&line) {
            Ok(Record::Request(request)) => request,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_call() {
        let request = request(
            r#"[["accept","application/json, text/event-stream"],["authorization","Bearer [redacted 3f9c1a]"],["mcp-session-id","[redacted b7]"],["x-empty",""]],"rpc":{"kind":"request","id":"1","method":"tools/call"},"content":{"bytes":13,"json":{"a": "it's"}}"#,
        );
        let outcome = Outcome { said: Some("answered 200 after 3.00 ms".to_owned()) };
        assert_eq!(
            command(&request, &outcome),
            r#"# exchange 3, tools/call: answered 200 after 3.00 ms
# Set first, secrets are not in a trace: TOKEN, SESSION_ID
curl -N http://127.0.0.1/mcp \
  -H 'accept: application/json, text/event-stream' \
  -H "authorization: Bearer $TOKEN" \
  -H "mcp-session-id: $SESSION_ID" \
  -H 'x-empty;' \
  -H 'content-type:' \
  --data-raw '{"a": "it'\''s"}'
"#
        );
    }

    #[test]
    fn a_large_or_cut_body() {
        let text = format!("EOF\n$x `\\ [redacted ab]{}", "y".repeat(LONGEST_WORD));
        let content = serde_json::json!({"bytes": 99_999, "text": text, "cut": true});
        let text = command(&request(&format!("[],\"content\":{content}")), &Outcome::default());
        assert!(text.contains("# The body is cut: only 4.0 KiB of 97.7 KiB are"), "{text}");
        assert!(text.contains("--data-binary @- <<EOF_\nEOF\n\\$x \\`\\\\ ${VALUE}yyy"), "{text}");
        assert!(text.ends_with("yyy\nEOF_\n"), "{text}");
    }

    #[test]
    fn foreign_text_cannot_end_a_comment() {
        let mut request = request("[]");
        request.rpc = Some(crate::trace::record::Rpc {
            kind: "request".into(),
            id: None,
            method: Some("x\nrm -r y".into()),
        });
        let text = command(&request, &Outcome { said: Some("failed\r\nrm".into()) });
        assert!(text.starts_with("# exchange 3, x rm -r y: failed rm\ncurl -X POST "), "{text}");
    }
}
