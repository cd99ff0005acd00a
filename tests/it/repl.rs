//! The interactive session: on a pseudo-terminal, and as a script.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::client_commands::run_with;
use crate::support::terminal::Terminal;
use crate::support::*;

const PROMPT: &str = "scripted> ";

/// A server with two tools.
fn server(modern: bool) -> Server {
    let server = if modern { Server::modern() } else { Server::start() };
    server.always("tools/list", |request| {
        Reply::json(request.result(
            r#"{"tools":[{"name":"search","inputSchema":{"type":"object","properties":{"query":{"type":"string"},"order":{"enum":["price","age"]}},"required":["query"]}},{"name":"seal","inputSchema":{"type":"object"}}]}"#,
        ))
    });
    server.maybe("tools/call", move |request| {
        let kind = if modern { r#","resultType":"complete""# } else { "" };
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let text = Value::from(body["params"]["arguments"].to_string());
        Some(Reply::json(
            request.result(&format!(
                r#"{{"content":[{{"type":"text","text":{text}}}],"n":1.0{kind}}}"#
            )),
        ))
    });
    server
}

fn repl(server: &Server) -> Terminal {
    let terminal = Terminal::run(&["repl", &server.url()]);
    terminal.sees(PROMPT);
    terminal
}

#[test]
fn tools_are_called_and_the_end_is_in_good_order() {
    for modern in [false, true] {
        let server = server(modern);
        let mut terminal = repl(&server);
        terminal.enter("search query='red shoes'");
        terminal.sees("\n{\"query\":\"red shoes\"}\n");
        terminal.sees(PROMPT);
        terminal.enter("serach query=x");
        terminal.sees("is search meant?");
        terminal.sees(PROMPT);
        terminal.enter(":output json");
        terminal.sees(PROMPT);
        terminal.enter("call search query=x");
        terminal.sees("\"n\":1.0");
        terminal.sees(PROMPT);
        let file = terminal.home().path().join("saved");
        terminal.enter(&format!(":save {}", file.display()));
        terminal.sees(PROMPT);
        terminal.enter(":save /no/such/folder/file");
        terminal.sees("mcp-tether: :save: ");
        terminal.sees(PROMPT);
        terminal.press("\x04");
        assert_eq!(terminal.code(), Some(0));
        assert_eq!(
            std::fs::read_to_string(file).unwrap(),
            r#"{"content":[{"type":"text","text":"{\"query\":\"x\"}"}],"n":1.0}"#
        );
        assert_eq!(server.seen("DELETE").len(), usize::from(!modern));
    }
}

#[test]
fn tab_completes_names_arguments_and_values() {
    let server = server(false);
    server.mcp().set(|settings| {
        settings.capabilities = r#"{"tools":{},"prompts":{},"completions":{}}"#;
    });
    server.always("prompts/list", |request| {
        Reply::json(
            request.result(r#"{"prompts":[{"name":"review","arguments":[{"name":"language"}]}]}"#),
        )
    });
    server.always("completion/complete", |request| {
        Reply::json(request.result(r#"{"completion":{"values":["rust","ruby\u001b[2J"]}}"#))
    });
    let mut terminal = repl(&server);
    // What is offered is asked for in the background.
    terminal.press("se");
    terminal.line_is("scripted> se");
    terminal.press_until("\t", "scripted> sea");
    terminal.press("r\t");
    terminal.line_is("scripted> search ");
    terminal.press("o\t");
    terminal.line_is("scripted> search order=");
    terminal.press("\t\t");
    terminal.sees("order=price  order=age");
    terminal.press("a\t");
    terminal.line_is("scripted> search order=age");
    // Ctrl-C gives up the line, and nothing else.
    terminal.press("\x03");
    terminal.sees("ends.");
    terminal.sees(PROMPT);
    terminal.press("prompt review language=");
    terminal.press_until("\t", "scripted> prompt review language=rust");
    terminal.press("\x03");
    terminal.sees("ends.");
    terminal.sees(PROMPT);
    terminal.press(":out\traw\r");
    terminal.sees(":output raw\n");
    terminal.sees(PROMPT);
    terminal.press("\x04");
    assert_eq!(terminal.code(), Some(0));
    assert_eq!(server.seen("tools/call").len(), 0);
}

#[test]
fn the_history_outlives_the_session_and_has_no_secrets() {
    let server = server(false);
    let args = ["repl", &server.url(), "--header", "X-Key: fake-key-12345"];
    let home = Arc::new(tempfile::tempdir().unwrap());
    let mut terminal = Terminal::run_in(&home, &args, &[]);
    for line in ["search query=first", " seal", "search query=fake-key-12345"] {
        terminal.sees(PROMPT);
        terminal.enter(line);
        terminal.sees("\n{");
    }
    terminal.sees(PROMPT);
    terminal.press("\x04");
    assert_eq!(terminal.code(), Some(0));
    let file = home.path().join("state/repl-history");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "search query=first\n");
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let mut again = Terminal::run_in(&home, &args, &[]);
    again.sees(PROMPT);
    again.press("\x1b[A");
    again.line_is("scripted> search query=first");
    again.press("\r");
    again.sees("\n{\"query\":\"first\"}\n");
    again.sees(PROMPT);
    again.enter(":quit");
    assert_eq!(again.code(), Some(0));
}

#[test]
fn notifications_leave_the_line_alone() {
    let server = server(false);
    let mut terminal = repl(&server);
    terminal.press("search query=unfin");
    terminal.line_is("scripted> search query=unfin");
    let text = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"a\u001b[2J\nb"}}"#;
    server.mcp().push(event(text));
    terminal.sees("« notifications/message {\"level\":\"info\",\"data\":\"a\\u001b[2J\\nb\"}");
    terminal.line_is("scripted> search query=unfin");
    terminal.enter("ished");
    terminal.sees("\n{\"query\":\"unfinished\"}\n");
    terminal.sees(PROMPT);
    terminal.press("\x04");
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn an_interrupt_takes_the_request_back_and_nothing_else() {
    let server = server(false);
    server.always("tools/call", |_| Reply::never());
    let mut terminal = repl(&server);
    terminal.enter("seal");
    let id = server.wait("tools/call", 1)[0].id.clone().unwrap();
    terminal.press("\x03");
    terminal.sees("taken back");
    let cancelled: Value =
        serde_json::from_slice(&server.wait("notifications/cancelled", 1)[0].body).unwrap();
    assert_eq!(cancelled["params"]["requestId"].to_string(), id);
    terminal.sees(PROMPT);
    terminal.enter("tools seal");
    terminal.sees("\nseal\n");
    terminal.sees(PROMPT);
    terminal.press("\x04");
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn a_signal_at_the_prompt_leaves_the_terminal_as_it_was() {
    let server = server(false);
    let mut terminal = repl(&server);
    terminal.press("half a li");
    terminal.line_is("scripted> half a li");
    terminal.signal("-TERM");
    assert_eq!(terminal.code(), Some(143));
    let bytes = terminal.bytes();
    let (on, off) = (&b"\x1b[?2004h"[..], &b"\x1b[?2004l"[..]);
    let last = |of: &[u8]| bytes.windows(of.len()).rposition(|part| part == of);
    assert!(last(off) > last(on));
    assert_eq!(server.seen("DELETE").len(), 1);
}

#[test]
fn a_question_of_the_server_waits_for_the_line() {
    let server = server(false);
    let mut terminal = repl(&server);
    let question = r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"Who?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}}}"#;
    server.mcp().push(event(question));
    terminal.sees("press Enter to see it");
    terminal.press("\r");
    terminal.sees("The server asks: Who?");
    terminal.sees("Answer? [Y/n] ");
    terminal.enter("");
    terminal.sees("name, string: ");
    terminal.enter("me");
    let answer: Value = serde_json::from_slice(&server.wait("response", 1)[0].body).unwrap();
    assert_eq!(answer["result"], json!({ "action": "accept", "content": { "name": "me" } }));
    terminal.sees(PROMPT);
    // Neither the answers nor the line are commands of before.
    terminal.press("\x1b[A\x04");
    assert_eq!(terminal.code(), Some(0));
    assert!(!terminal.home().path().join("state/repl-history").exists());
}

#[test]
fn another_session_on_demand() {
    let server = server(false);
    let mut terminal = repl(&server);
    terminal.enter(":reconnect");
    terminal.sees(PROMPT);
    terminal.enter("seal");
    terminal.sees("\n{}\n");
    terminal.sees(PROMPT);
    terminal.press("\x04");
    assert_eq!(terminal.code(), Some(0));
    assert_eq!((server.seen("initialize").len(), server.seen("DELETE").len()), (2, 2));
}

#[test]
fn traces_are_turned_on_and_off() {
    let server = server(false);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let script = format!(
        "seal\n:trace on {}\nsearch query=seen\n:reconnect\nsearch query=after\n:trace off\nseal\n",
        path("one")
    );
    let output = run_with(&["repl", &server.url()], &[], &script);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = std::fs::read_to_string(path("one")).unwrap();
    let count = |what: &str| text.matches(what).count();
    assert!(count("\"seen\"") > 0 && count("\"after\"") > 0, "{text}");
    assert_eq!(count("\"name\":\"seal\",\"arguments\""), 0, "{text}");
    assert!(count("\"type\":\"note\"") > 0, "{text}");
    // From the start, and a file that cannot be written.
    let trace = format!("--trace={}", path("two"));
    let output = run_with(&["repl", &server.url(), &trace], &[], ":trace on /no/such/x\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("line 1: :trace: /no/such/x"));
    assert!(std::fs::read_to_string(path("two")).unwrap().contains("initialize"));
    let output = run_with(&["repl", &server.url()], &[], ":trace on\n");
    assert!(String::from_utf8(output.stderr).unwrap().contains("into which file?"));
}

#[test]
fn a_script_ends_at_the_first_command_that_fails() {
    let server = server(false);
    let url = server.url();
    let script = "# two calls\nsearch query='a b'\n\n:output json\nseal\nsearch qurey=x\nseal\n";
    let output = run_with(&["repl", &url], &[], script);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let second = r#"{"content":[{"type":"text","text":"{}"}],"n":1.0}"#;
    assert_eq!(stdout, format!("{{\"query\":\"a b\"}}\n{second}\n"));
    let error: Value = serde_json::from_str(&stderr).unwrap();
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("line 6: qurey: "), "{message}");
    assert_eq!(server.seen("tools/call").len(), 2);
    // Those of the server are the same as for other commands.
    server.always("resources/read", |request| {
        let id = request.id.as_deref().unwrap();
        Reply::json(format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32002,"message":"no"}}}}"#
        ))
    });
    let output = run_with(&["repl", &url], &[], "read a:b\nseal\n");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(5), 0));
    let fine = run_with(&["repl", &url], &[], "seal\nquit\nnonsense");
    assert_eq!(
        (fine.status.code(), &*fine.stdout, &*fine.stderr),
        (Some(0), &b"{}\n"[..], &b""[..])
    );
    assert!(server.seen("initialize")[0].text().contains(r#""capabilities":{}"#));
    assert_eq!(server.seen("DELETE").len(), 3);
}
