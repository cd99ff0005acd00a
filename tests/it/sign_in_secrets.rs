//! Nothing of a sign-in that is secret comes out: whatever the servers do, and however loud the
//! bridge is.

use proptest::prelude::*;
use serde_json::json;

use crate::support::oauth::{At, Iss, Options, State};
use crate::support::*;

/// One thing that goes differently from what it should.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Nothing,
    EchoAtToken(u16),
    EchoAtServer(u16),
    EchoInHtml,
    EchoInChallenge,
    Refusal,
    WrongIssuer,
    NoResource,
    Useless,
    Expiry,
    Secret,
}

const TURNS: [Turn; 14] = [
    Turn::Nothing,
    Turn::EchoAtToken(400),
    Turn::EchoAtToken(200),
    Turn::EchoAtToken(500),
    Turn::EchoAtServer(400),
    Turn::EchoAtServer(500),
    Turn::EchoInHtml,
    Turn::EchoInChallenge,
    Turn::Refusal,
    Turn::WrongIssuer,
    Turn::NoResource,
    Turn::Useless,
    Turn::Expiry,
    Turn::Secret,
];

/// Everything that a server was sent, in its words.
fn echo(request: &Request) -> String {
    let mut text = format!("{} {}", request.uri, request.text());
    for (name, value) in &request.headers {
        text += &format!(" {name}: {}", value.to_str().unwrap_or_default());
    }
    let decoded: String = text.replace('+', " ");
    decoded.replace(['"', '\\', '\n'], " ")
}

fn change(options: &mut Options, turn: Turn) {
    match turn {
        Turn::Refusal => options.refuses = Some(("access_denied", "no")),
        Turn::WrongIssuer => options.iss = Iss::Other("https://attacker.invalid".into()),
        Turn::NoResource => options.refuses_resource = Some((At::Token, "invalid_target", "no")),
        Turn::Useless => options.useful = false,
        Turn::Secret => {
            options.metadata =
                json!({ "token_endpoint_auth_methods_supported": ["client_secret_basic"] });
        }
        _ => {}
    }
}

fn script(realm: &Realm, turn: Turn) {
    match turn {
        Turn::EchoAtToken(status) => realm.issuer.maybe("token", move |r| {
            let text = echo(r);
            r.text().contains("refresh_token=").then(|| {
                let body = json!({ "error": "invalid_request", "error_description": text });
                Reply::body(status, "application/json", body.to_string())
            })
        }),
        Turn::EchoAtServer(status) => {
            realm.mcp.always("tools/call", move |r| Reply::body(status, "text/plain", echo(r)));
        }
        Turn::EchoInHtml => realm.mcp.always("tools/call", |r| {
            Reply::body(200, "text/html", format!("<title>{}</title>", echo(r)))
        }),
        Turn::EchoInChallenge => realm.mcp.always("tools/call", |r| {
            let text = format!("Bearer error=\"invalid_token\", error_description=\"{}\"", echo(r));
            Reply::status(401).header("www-authenticate", &text)
        }),
        _ => {}
    }
}

fn check(turns: &[Turn]) {
    let realm = Realm::new();
    // Some handshakes fail, and the client goes on all the same.
    realm.mcp.mcp().set(|s| s.strict = false);
    for turn in turns {
        realm.set(|o| change(o, *turn));
        script(&realm, *turn);
    }
    let log = tempfile::NamedTempFile::new().unwrap();
    let traces = tempfile::tempdir().unwrap();
    let (trace, trace_of_logout) = (traces.path().join("bridge"), traces.path().join("logout"));
    let bridge = realm
        .bridge()
        .arg("-vv")
        .arg("--auth-timeout=20s")
        .path("--log-file", log.path())
        .path("--trace", &trace)
        .start();
    bridge.send(INITIALIZE);
    let mut out = bridge.answer(0).text;
    bridge.send(INITIALIZED);
    if turns.iter().any(|turn| matches!(turn, Turn::Expiry | Turn::EchoAtToken(_))) {
        realm.state(State::expire);
    }
    for (id, method) in [(1, "tools/call"), (2, "tools/list"), (3, "tools/call")] {
        out += &bridge.ask(id, method).text;
    }
    let exit = bridge.finish();
    let shown = realm.run(&["auth", "status"]);
    let shown_json = realm.run(&["auth", "status", "--json"]);
    let to = trace_of_logout.to_str().unwrap();
    let logout = realm.run(&["logout", &realm.mcp.url(), "-vv", "--trace", to]);
    let logged = std::fs::read_to_string(log.path()).unwrap();
    let traced = std::fs::read_to_string(&trace).unwrap();
    assert!(traced.contains("\"purpose\":\"auth\""), "the sign-in is in the trace: {traced}");
    let mut places = vec![
        ("the trace".to_owned(), traced),
        ("the trace of logout".to_owned(), std::fs::read_to_string(&trace_of_logout).unwrap()),
        ("stdout".to_owned(), out),
        ("stderr".to_owned(), exit.stderr),
        ("log".to_owned(), logged),
    ];
    for shown in [shown, shown_json, logout] {
        places.push(("stdout of a command".to_owned(), shown.stdout));
        places.push(("stderr of a command".to_owned(), shown.stderr));
    }
    for (path, bytes) in realm.kept() {
        if !path.starts_with(realm.home().join("credentials")) {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            places.push((path.display().to_string(), text));
        }
    }
    for page in realm.browser.wait_pages(0) {
        places.push(("a page".to_owned(), page.body));
    }
    for (place, text) in places {
        realm.no_secret_in(&format!("{place}, {turns:?}"), &text);
    }
}

#[test]
fn each_turn_by_itself() {
    for turn in TURNS {
        check(&[turn]);
    }
}

proptest! {
    // Each case starts several processes.
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..Default::default() })]

    #[test]
    fn all_turns_together(turns in prop::collection::vec(prop::sample::select(&TURNS[..]), 1..4)) {
        check(&turns);
    }
}

#[test]
fn secrets_are_on_no_command_line_of_a_child() {
    // What the browser is started with can be read by everybody on the machine.
    let realm = Realm::new();
    realm.login(&[]);
    for url in realm.browser.opened() {
        realm.no_secret_in("the browser's command line", &url);
    }
}
