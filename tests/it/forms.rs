//! What a command shows and asks on a terminal: forms of the server, progress, and pictures.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::terminal::Terminal;
use crate::support::*;

/// A server whose tool asks something, and then says that it is done.
struct Asking {
    server: Server,
    feed: Feed,
}

impl Asking {
    fn new(params: &str) -> Asking {
        let server = Server::start();
        server.always("tools/list", |request| {
            Reply::json(request.result(r#"{"tools":[{"name":"ask","inputSchema":{}}]}"#))
        });
        let feed = Feed::roomy();
        let body = feed.clone();
        let question = event(&format!(
            r#"{{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{params}}}"#
        ));
        server.always("tools/call", move |_| {
            body.push(question.clone());
            Reply::feed(&body)
        });
        Asking { server, feed }
    }

    fn call(&self) -> Terminal {
        Terminal::run(&["call", &self.server.url(), "ask"])
    }

    /// What was answered; then the call is over.
    #[track_caller]
    fn answer(&self, terminal: &mut Terminal) -> Value {
        let answer: Value =
            serde_json::from_slice(&self.server.wait("response", 1)[0].body).unwrap();
        let call = self.server.seen("tools/call")[0].clone();
        self.feed.push(event(&call.result(r#"{"content":[{"type":"text","text":"done"}]}"#)));
        self.feed.end();
        assert_eq!(terminal.code(), Some(0), "{}", terminal.screen());
        assert!(terminal.screen().ends_with("\ndone"), "{}", terminal.screen());
        answer["result"].clone()
    }
}

const FORM: &str = r#"{"message":"A few things\u001b[2J","requestedSchema":{"type":"object","properties":{
    "name":{"type":"string","title":"Your name","description":"As on the door"},
    "age":{"type":"integer","minimum":18,"maximum":120},
    "weight":{"type":"number","default":70.5},
    "member":{"type":"boolean"},
    "colour":{"type":"string","enum":["red","light blue"]},
    "day":{"oneOf":[{"const":"mo","title":"Monday"},{"const":"tu","title":"Tuesday"}]},
    "note":{"type":"string"}
},"required":["name","age","member","colour"]}}"#;

fn form() -> Asking {
    Asking::new(&FORM.replace('\n', " "))
}

#[test]
fn a_form_with_every_kind_of_field() {
    let asking = form();
    let mut terminal = asking.call();
    terminal.sees("Answer? [Y/n] ");
    terminal.enter("y");
    for (question, said) in [
        ("Your name, string: ", ""),
        ("not what is expected: string\nYour name, string: ", "Ann Example"),
        ("age, integer, at least 18, at most 120: ", "17"),
        ("at most 120\nage, integer, at least 18, at most 120: ", "1e2"),
        ("weight, number [70.5]: ", ""),
        ("member, boolean: ", "y"),
        ("colour, one of \"red\", \"light blue\": ", "green"),
        ("light blue\"\ncolour, one of \"red\", \"light blue\": ", "light blue"),
        ("day, one of \"mo\", \"tu\" (may be left out): ", "tu"),
        ("note, string (may be left out): ", ""),
    ] {
        terminal.sees(question);
        terminal.enter(said);
    }
    let answer = asking.answer(&mut terminal);
    assert_eq!(
        answer,
        json!({ "action": "accept", "content": {
            "name": "Ann Example", "age": 1e2, "weight": 70.5, "member": true,
            "colour": "light blue", "day": "tu",
        } })
    );
    assert_eq!(
        terminal.screen(),
        "\
The server asks: A few things\\u{1b}[2J
Answer? [Y/n] y
  As on the door
Your name, string:
That is not what is expected: string
Your name, string: Ann Example
age, integer, at least 18, at most 120: 17
That is not what is expected: integer, at least 18, at most 120
age, integer, at least 18, at most 120: 1e2
weight, number [70.5]:
member, boolean: y
colour, one of \"red\", \"light blue\": green
That is not what is expected: one of \"red\", \"light blue\"
colour, one of \"red\", \"light blue\": light blue
day, one of \"mo\", \"tu\" (may be left out): tu
note, string (may be left out):
done"
    );
}

#[test]
fn a_form_is_declined_and_cancelled() {
    let asking = form();
    let mut terminal = asking.call();
    terminal.sees("Answer? [Y/n] ");
    terminal.enter("n");
    assert_eq!(asking.answer(&mut terminal), json!({ "action": "decline" }));
    let asking = form();
    let mut terminal = asking.call();
    terminal.sees("Answer? [Y/n] ");
    terminal.enter("");
    terminal.sees("Your name, string: ");
    terminal.press("\x04");
    assert_eq!(asking.answer(&mut terminal), json!({ "action": "cancel" }));
}

#[test]
fn an_address_is_shown_and_not_opened() {
    let url =
        r#"{"mode":"url","message":"Pay","url":"https://pay.example/x?a=1","elicitationId":"e"}"#;
    for (said, action) in [("y", "accept"), ("", "decline")] {
        let asking = Asking::new(url);
        let mut terminal = asking.call();
        terminal.sees("open https://pay.example/x?a=1\n");
        terminal.sees("Done? [y/N] ");
        terminal.enter(said);
        assert_eq!(asking.answer(&mut terminal), json!({ "action": action }));
    }
}

#[test]
fn progress_is_a_bar_that_is_gone_in_the_end() {
    let asking = Asking::new("{}");
    let (feed, body) = (asking.feed.clone(), asking.feed.clone());
    asking.server.always("tools/call", move |_| Reply::feed(&body));
    let mut terminal = asking.call();
    let call = asking.server.wait("tools/call", 1)[0].clone();
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let token = &body["params"]["_meta"]["progressToken"];
    for (progress, bar) in
        [(1, "[#####---------------]  25 %  step 1"), (3, "[###############-----]  75 %  step 3")]
    {
        feed.push(event(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":{progress},"total":4,"message":"step {progress}"}}}}"#
        )));
        terminal.line_is(bar);
    }
    // That of somebody else is not shown.
    feed.push(event(
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"x","progress":2,"total":4}}"#,
    ));
    feed.push(event(&call.result(r#"{"content":[{"type":"text","text":"done"}]}"#)));
    feed.end();
    assert_eq!(terminal.code(), Some(0));
    assert_eq!(terminal.screen(), "done");
}

/// The smallest PNG: one transparent pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

#[test]
fn pictures_are_shown_where_the_terminal_can_and_nowhere_else() {
    let asking = Asking::new("{}");
    asking.server.always("tools/call", |request| {
        Reply::json(request.result(&format!(
            r#"{{"content":[{{"type":"image","mimeType":"image/png","data":"{PNG}"}}]}}"#
        )))
    });
    let url = asking.server.url();
    let kitty = format!("\x1b_Ga=T,f=100,q=2,m=0;{PNG}\x1b\\");
    let iterm = format!("\x1b]1337;File=inline=1;size=70:{PNG}\x07");
    for (arg, environment, sequence) in [
        ("--images=auto", &[("KITTY_WINDOW_ID", "1")][..], Some(&kitty)),
        ("--images=auto", &[("TERM_PROGRAM", "iTerm.app")], Some(&iterm)),
        ("--images=auto", &[("KITTY_WINDOW_ID", "1"), ("TMUX", "x")], None),
        ("--images=auto", &[], None),
        ("--images=iterm", &[], Some(&iterm)),
        ("--images=never", &[("KITTY_WINDOW_ID", "1")], None),
    ] {
        let home = Arc::new(tempfile::tempdir().unwrap());
        let mut terminal = Terminal::run_in(&home, &["call", &url, "ask", arg], environment);
        assert_eq!(terminal.code(), Some(0));
        let bytes = String::from_utf8(terminal.bytes()).unwrap();
        match sequence {
            Some(sequence) => assert!(bytes.contains(sequence), "{arg} {environment:?}: {bytes:?}"),
            None => assert!(!bytes.contains(PNG), "{arg} {environment:?}: {bytes:?}"),
        }
        assert!(bytes.contains("[image, image/png, 70 B; --save FOLDER"), "{bytes:?}");
    }
    // Nothing goes to a pipe.
    let piped = crate::client_commands::run_with(
        &["call", &url, "ask", "--images=kitty"],
        &[("KITTY_WINDOW_ID", "1")],
        "",
    );
    assert!(!String::from_utf8(piped.stdout).unwrap().contains('\x1b'));
}
