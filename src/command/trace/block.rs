//! How a block looks on a terminal. All text of others is made harmless here.

use super::context::{About, Block, is_stream};
use super::pretty::{self, Kind};
use crate::cli::trace::BodiesArg;
use crate::command::text::{Style, size, width};
use crate::jsonrpc::member;
use crate::secret::Redactor;
use crate::trace::join::is_bad;
use crate::trace::record::{
    Content, End, Event, Failure, From, How, Message, Note, Purpose, Record, Request, Response,
    Rpc, Start,
};

/// Columns before headers and bodies: a time and two spaces.
const INDENT: usize = 11;

/// Lines of a body that are shown with `--bodies short`.
const SHORT: usize = 12;

const PLAIN: &str = "";
const STRONG: &str = "1";
const FAINT: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";

type Words = Vec<(&'static str, String)>;

/// How blocks are shown.
pub(super) struct View {
    style: Style,
    bodies: BodiesArg,
    cleaner: Redactor,
}

impl View {
    pub fn new(style: Style, bodies: BodiesArg) -> View {
        View { style, bodies, cleaner: Redactor::default() }
    }

    /// The text of a block, with an empty line behind it unless each is one line.
    pub fn text(&self, block: &Block) -> String {
        let mut out = String::new();
        for (at, read) in block.reads.iter().enumerate() {
            match &read.record {
                Record::Start(start) => self.start(&mut out, start),
                Record::Message(message) => self.message(&mut out, message, &block.about),
                Record::Request(request) => self.request(&mut out, request),
                Record::Sent(_) => {}
                Record::Response(response) => {
                    let end = block.reads.get(at + 1).and_then(|next| match &next.record {
                        Record::End(end) => Some(end),
                        _ => None,
                    });
                    self.response(&mut out, response, end, &block.about);
                }
                Record::Event(event) => self.event(&mut out, event, &block.about),
                // The head of the response has shown it.
                Record::End(_) if at > 0 => {}
                Record::End(end) => self.end(&mut out, end, &block.about),
                Record::Failure(failure) => self.failure(&mut out, failure, &block.about),
                Record::Note(note) => self.note(&mut out, note),
                Record::Missed(missed) => {
                    let text =
                        format!("{} records were not written; they came too fast", missed.records);
                    self.head(&mut out, missed.t, (YELLOW, "missed"), vec![(YELLOW, text)]);
                }
            }
        }
        if self.bodies != BodiesArg::None && !out.is_empty() {
            out.push('\n');
        }
        out
    }

    fn start(&self, out: &mut String, start: &Start) {
        let mut words = vec![
            (STRONG, format!("mcp-tether {}", start.version)),
            (PLAIN, start.command.clone()),
            (STRONG, start.server.clone()),
            (FAINT, start.time.replace('T', " ")),
            (FAINT, format!("run {}", start.run)),
        ];
        if start.continues {
            words.push((YELLOW, "what was before has been rotated away".to_owned()));
        }
        self.words(out, String::new(), 0, words);
    }

    fn message(&self, out: &mut String, message: &Message, about: &About) {
        let way = match message.from {
            From::Client => "client → bridge",
            From::Bridge => "client ← bridge",
        };
        let mut words = self.rpc(message.rpc.as_ref(), Some(&message.content), about);
        if words.is_empty() {
            words.push((YELLOW, "no JSON-RPC message".to_owned()));
        }
        words.push((FAINT, figure(&size(message.content.bytes))));
        if let (Some(began), Some("response" | "error")) =
            (about.began, message.rpc.as_ref().map(|rpc| &*rpc.kind))
        {
            words.push((STRONG, figure(&time(message.t - began))));
        }
        self.head(out, message.t, (CYAN, way), words);
        self.body(out, &message.content);
    }

    fn request(&self, out: &mut String, request: &Request) {
        let way = match request.purpose {
            Purpose::Mcp => "bridge → server",
            Purpose::Auth => "bridge → auth",
        };
        let mut words = vec![
            (STRONG, format!("#{} {}", request.n, request.method)),
            (PLAIN, request.url.clone()),
        ];
        words.extend(self.rpc(request.rpc.as_ref(), None, &About::default()));
        if let Some(content) = &request.content {
            words.push((FAINT, figure(&size(content.bytes))));
        }
        self.head(out, request.t, (STRONG, way), words);
        self.headers(out, &request.headers);
        if let Some(content) = &request.content {
            self.body(out, content);
        }
    }

    fn response(&self, out: &mut String, response: &Response, end: Option<&End>, about: &About) {
        let colour = match response.status {
            0..=299 => GREEN,
            300..=399 => YELLOW,
            _ => RED,
        };
        let reason = http::StatusCode::from_u16(response.status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or_default();
        let mut words = vec![
            (STRONG, format!("#{}", response.n)),
            (colour, format!("{} {reason}", response.status).trim_end().to_owned()),
            (FAINT, response.http.clone()),
        ];
        if is_stream(response) {
            words.push((PLAIN, "event stream".to_owned()));
        }
        let content = end.and_then(|end| end.content.as_ref());
        if let Some(end) = end {
            words.extend(self.rpc(end.rpc.as_ref(), content, about));
            words.extend(self.ending(end));
            if end.bytes > 0 {
                words.push((FAINT, figure(&size(end.bytes))));
            }
        }
        let t = end.map_or(response.t, |end| end.t);
        if let Some(began) = about.began {
            words.push((STRONG, figure(&time(t - began))));
            if end.is_some() && response.t - began < 0.9 * (t - began) {
                words.push((FAINT, format!("(first byte {})", fixed(&time(response.t - began)))));
            }
        }
        self.head(out, t, (STRONG, back(about)), words);
        self.headers(out, &response.headers);
        if let Some(content) = content {
            self.body(out, content);
        }
    }

    fn event(&self, out: &mut String, event: &Event, about: &About) {
        let mut words = vec![(STRONG, format!("#{}", event.n)), (PLAIN, "event".to_owned())];
        if event.event != "message" {
            words.push((PLAIN, event.event.clone()));
        }
        if let Some(id) = &event.id {
            words.push((FAINT, format!("id {id}")));
        }
        words.extend(self.rpc(event.rpc.as_ref(), Some(&event.content), about));
        words.push((FAINT, figure(&size(event.content.bytes))));
        if let Some(began) = about.began {
            words.push((PLAIN, figure(&time(event.t - began))));
        }
        self.head(out, event.t, (STRONG, back(about)), words);
        self.body(out, &event.content);
    }

    fn end(&self, out: &mut String, end: &End, about: &About) {
        let mut words = vec![(STRONG, format!("#{}", end.n))];
        words.extend(self.rpc(end.rpc.as_ref(), end.content.as_ref(), about));
        let ending = self.ending(end);
        if ending.is_empty() {
            words.push((PLAIN, "end of the stream".to_owned()));
        }
        words.extend(ending);
        if about.events > 0 {
            let plural = if about.events == 1 { "" } else { "s" };
            words.push((FAINT, figure(&format!("{} event{plural}", about.events))));
        }
        words.push((FAINT, figure(&size(end.bytes))));
        if let Some(began) = about.began {
            words.push((STRONG, figure(&time(end.t - began))));
        }
        self.head(out, end.t, (STRONG, back(about)), words);
        if let Some(content) = &end.content {
            self.body(out, content);
        }
    }

    /// How a response ended, if not as it should.
    fn ending(&self, end: &End) -> Words {
        match end.how {
            How::Whole => vec![],
            How::Closed => vec![(PLAIN, "closed by the bridge".to_owned())],
            How::Broken => {
                let why = end.error.as_deref().unwrap_or("the connection broke");
                vec![(RED, format!("broken: {why}"))]
            }
        }
    }

    fn failure(&self, out: &mut String, failure: &Failure, about: &About) {
        let mut words = vec![
            (STRONG, format!("#{}", failure.n)),
            (RED, format!("failed: {}", failure.kind)),
            (RED, failure.text.clone()),
        ];
        if let Some(began) = about.began {
            words.push((STRONG, figure(&time(failure.t - began))));
        }
        self.head(out, failure.t, (RED, back(about)), words);
    }

    fn note(&self, out: &mut String, note: &Note) {
        let colour = match &*note.level {
            "error" => RED,
            "warn" => YELLOW,
            _ => FAINT,
        };
        let words = vec![
            (colour, note.level.clone()),
            (FAINT, format!("{}:", note.module)),
            (if colour == FAINT { PLAIN } else { colour }, note.text.clone()),
        ];
        self.head(out, note.t, (FAINT, "note"), words);
    }

    /// What a JSON-RPC message is.
    fn rpc(&self, rpc: Option<&Rpc>, content: Option<&Content>, about: &About) -> Words {
        let Some(rpc) = rpc else {
            return vec![];
        };
        let bad = content.is_some_and(|content| is_bad(Some(rpc), content));
        let kind = if bad && rpc.kind == "response" { "failed response" } else { &rpc.kind };
        let mut words = vec![(if bad { RED } else { PLAIN }, kind.to_owned())];
        words.extend(rpc.id.iter().map(|id| (PLAIN, id.clone())));
        let method = rpc.method.as_ref().or(about.method.as_ref());
        words.extend(method.map(|method| (STRONG, method.clone())));
        let json = content.and_then(|content| content.json.as_ref());
        if rpc.kind == "error"
            && let Some(json) = json.map(|json| json.get().as_bytes())
        {
            let code = member::lookup(json, &["error", "code"]).unwrap_or_default();
            let text = member::lookup_string(json, &["error", "message"]).unwrap_or_default();
            words.push((RED, format!("{code} {}", crate::secret::truncate(&text, 200))));
        }
        words
    }

    /// The first line: when, who to whom, what.
    fn head(&self, out: &mut String, t: f64, way: (&str, &str), words: Words) {
        let mut line = self.style.painted(FAINT, &format!("{:>9.3}", t / 1000.0));
        line.push_str("  ");
        line.push_str(&self.style.painted(way.0, way.1));
        line.push_str(&" ".repeat(17_usize.saturating_sub(width(way.1))));
        self.words(out, line, INDENT + 17, words);
    }

    /// Words behind what is in the line; where they do not fit they go on in the next one.
    fn words(&self, out: &mut String, line: String, before: usize, words: Words) {
        let mut line = line;
        let mut used = before;
        let mut begun = false;
        for (colour, text) in words {
            let text = self.cleaner.clean(&text, usize::MAX);
            // A text of several words may be broken; what is coloured as one stays so.
            let mut piece = String::new();
            for word in text.split(' ') {
                let needed = width(word);
                let gap = usize::from(begun);
                if begun && used + gap + needed > self.style.width {
                    line.push_str(&self.style.painted(colour, &piece));
                    piece.clear();
                    out.push_str(line.replace(FIXED, " ").trim_end());
                    out.push('\n');
                    line = " ".repeat(INDENT + 2);
                    used = INDENT + 2;
                } else if begun {
                    if piece.is_empty() {
                        line.push(' ');
                    } else {
                        piece.push(' ');
                    }
                    used += 1;
                }
                piece.push_str(word);
                used += needed;
                begun = true;
            }
            line.push_str(&self.style.painted(colour, &piece));
        }
        let line = line.replace(FIXED, " ");
        out.push_str(line.trim_end());
        out.push('\n');
    }

    fn headers(&self, out: &mut String, headers: &[(String, String)]) {
        if self.bodies == BodiesArg::None {
            return;
        }
        let pad = " ".repeat(INDENT);
        for (name, value) in headers {
            let name = self.cleaner.clean(name, usize::MAX);
            let value = self.cleaner.clean(value, usize::MAX);
            let value = if self.bodies == BodiesArg::Short {
                let room = self.style.width.saturating_sub(INDENT + width(&name) + 2).max(8);
                crate::secret::truncate(&value, room)
            } else {
                value
            };
            out.push_str(&format!("{pad}{}: {value}\n", self.style.painted(CYAN, &name)));
        }
    }

    fn body(&self, out: &mut String, content: &Content) {
        if self.bodies == BodiesArg::None || content.bytes == 0 {
            return;
        }
        let short = self.bodies == BodiesArg::Short;
        let columns = self.style.width.saturating_sub(INDENT).max(20);
        let json = content.json.as_ref();
        let lines: Vec<Vec<pretty::Span>> = match (json, &content.text) {
            (Some(json), _) => pretty::lines(json.get(), columns),
            (None, Some(text)) => {
                let text = self.cleaner.clean_lines(text);
                text.lines().map(|line| vec![(Kind::Other, line.replace('\t', "    "))]).collect()
            }
            (None, None) => vec![],
        };
        let pad = " ".repeat(INDENT);
        // One line more is no longer than saying that there is one.
        let shown = if short && lines.len() > SHORT + 1 { SHORT } else { lines.len() };
        for line in &lines[..shown] {
            out.push_str(&pad);
            let line = if short { pretty::cut(line, columns) } else { line.clone() };
            for (kind, text) in line {
                let text = if json.is_some() { self.cleaner.clean_lines(&text) } else { text };
                let colour = match kind {
                    Kind::Name => CYAN,
                    Kind::Other if json.is_some() => YELLOW,
                    Kind::String | Kind::Other | Kind::Mark => PLAIN,
                };
                let colour = if text.trim().is_empty() { PLAIN } else { colour };
                out.push_str(&self.style.painted(colour, &text));
            }
            out.push('\n');
        }
        let mut say = |text: String| {
            out.push_str(&format!("{pad}{}\n", self.style.painted(FAINT, &text)));
        };
        if shown < lines.len() {
            say(format!("… {} more lines (--full)", lines.len() - shown));
        }
        if content.cut {
            let kept = content.text.as_ref().map_or(0, String::len) as u64;
            say(format!("… cut in the trace: {} of {}", size(kept), size(content.bytes)));
        }
    }
}

fn back(about: &About) -> &'static str {
    if about.auth { "bridge ← auth" } else { "bridge ← server" }
}

/// A space at which no line is broken.
const FIXED: char = '\u{a0}';

fn fixed(text: &str) -> String {
    text.replace(' ', &FIXED.to_string())
}

/// A figure among the words of a line, in one piece.
fn figure(text: &str) -> String {
    fixed(&format!("· {text}"))
}

/// A time for people.
pub(super) fn time(milliseconds: f64) -> String {
    match milliseconds {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 1000.0 => format!("{ms:.1} ms"),
        ms if ms < 60_000.0 => format!("{:.2} s", ms / 1000.0),
        ms => format!("{} min {:.0} s", (ms / 60_000.0).floor(), (ms % 60_000.0) / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::trace::context::Context;
    use crate::trace::read::Read;

    fn shown(colour: bool, lines: &[&str]) -> String {
        let view = View::new(Style { width: 60, colour }, BodiesArg::Short);
        let mut context = Context::new(false);
        let read =
            |line: &&str| Read { record: Record::parse(line).unwrap(), line: (*line).into() };
        let mut blocks: Vec<Block> = lines.iter().flat_map(|it| context.take(read(it))).collect();
        blocks.extend(context.rest());
        blocks.iter().map(|block| view.text(block)).collect()
    }

    const RESPONSE: &str = r#"{"type":"response","t":1500,"n":1,"status":404,"http":"HTTP/1.1","headers":[["a","b"]]}"#;

    #[test]
    fn colours_are_by_meaning() {
        let text = shown(true, &[RESPONSE]);
        assert!(
            text.starts_with("\u{1b}[2m    1.500\u{1b}[0m  \u{1b}[1mbridge ← server\u{1b}[0m  ")
        );
        assert!(text.contains("\u{1b}[31m404 Not Found\u{1b}[0m"), "{text:?}");
        assert!(text.contains("\u{1b}[36ma\u{1b}[0m: b\n"), "{text:?}");
        assert!(!shown(false, &[RESPONSE]).contains('\u{1b}'));
    }

    #[test]
    fn a_response_waits_for_its_end() {
        let end = r#"{"type":"end","t":2500,"n":1,"how":"whole","bytes":4,"content":{"bytes":4,"text":"gone"}}"#;
        assert_eq!(
            shown(false, &[RESPONSE, end]),
            "    2.500  bridge ← server  #1 404 Not Found HTTP/1.1 · 4 B\n           a: b\n           gone\n\n"
        );
    }

    #[test]
    fn foreign_text_is_harmless() {
        let evil = r"\u001b[2J\u202e\u0007\r\n    9.999  note";
        let lines = [
            r#"{"type":"note","t":0,"level":"EVIL","module":"EVIL","text":"EVIL"}"#,
            r#"{"type":"message","t":0,"from":"client","rpc":{"kind":"EVIL","id":"EVIL","method":"EVIL"},"content":{"bytes":1,"text":"EVIL"}}"#,
            r#"{"type":"request","t":0,"n":1,"purpose":"mcp","method":"EVIL","url":"EVIL","headers":[["EVIL","EVIL"]],"content":{"bytes":1,"json":{"\u202e":"\u202e","EVIL":1}}}"#,
            r#"{"type":"failure","t":0,"n":1,"kind":"EVIL","text":"EVIL"}"#,
        ]
        .map(|line| line.replace("EVIL", evil));
        let text = shown(false, &lines.each_ref().map(String::as_str));
        assert!(text.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{text:?}");
        // Only the body of a message may have lines of its own, and they are indented.
        let forged = text.lines().filter(|line| line.starts_with("    9.999")).count();
        assert_eq!(forged, 0, "{text}");
    }

    #[test]
    fn times() {
        let all = [0.5, 99.95, 1500.0, 61_000.0].map(time);
        assert_eq!(all, ["0.50 ms", "100.0 ms", "1.50 s", "1 min 1 s"]);
    }
}
