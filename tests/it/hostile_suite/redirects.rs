//! Requests that are led to another origin. Whatever kind they are, nobody is there to hear of them.

use super::*;

/// Ways to name another origin, `{}` being host and port of one that listens.
const WAYS: [&str; 6] = [
    "http://{}/mcp",
    "//{}/mcp",
    "\\\\{}\\mcp",
    "http:////{}/mcp",
    "http://x@{}/mcp",
    "http://{}#/mcp",
];

/// Where somebody would be glad of the request.
fn elsewhere() -> Server {
    let server = Server::start();
    server.mcp().set(|s| (s.sessions, s.strict) = (false, false));
    server
}

/// Requests of `kind` are led elsewhere while `act` makes the bridge send them.
#[track_caller]
fn led(kind: &'static str, act: impl Fn(&Bridge, &Server)) {
    for status in [301, 302, 303, 307, 308] {
        let case = Case::new();
        let other = elsewhere();
        let server = Server::start();
        let ways = WAYS.map(|way| way.replace("{}", &format!("127.0.0.1:{}", other.port())));
        let count = std::sync::atomic::AtomicUsize::new(0);
        server.always(kind, move |_| {
            let n = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Reply::status(status).header("location", &ways[n % ways.len()])
        });
        let bridge =
            victim(&server.url()).header("Authorization: Bearer fake-token-of-ours").start();
        bridge.handshake();
        for _ in WAYS {
            act(&bridge, &server);
        }
        case.end(bridge);
        assert_eq!(other.connections(), 0, "{kind} {status}");
        assert!(!server.seen(kind).is_empty(), "{kind}");
    }
}

#[test]
fn a_request() {
    led("tools/call", |bridge, _| drop(bridge.ask(1, "tools/call").failed("redirect")));
}

#[test]
fn a_notification() {
    led("notifications/progress", |bridge, server| {
        let before = server.seen("notifications/progress").len();
        bridge.send(notification("notifications/progress"));
        server.wait("notifications/progress", before + 1);
    });
}

#[test]
fn an_answer_of_the_client() {
    led("response", |bridge, server| {
        let before = server.seen("response").len();
        bridge.send(result("\"q\"", "{}"));
        server.wait("response", before + 1);
    });
}

#[test]
fn the_standalone_stream() {
    led("GET", |bridge, server| {
        server.wait("GET", 1);
        bridge.ask(1, "tools/list").result();
    });
}

#[test]
fn the_farewell() {
    led("DELETE", |bridge, _| drop(bridge.ask(1, "tools/list").result()));
}

#[test]
fn initialize() {
    for status in [301, 302, 303, 307, 308] {
        let case = Case::new();
        let other = elsewhere();
        let server = Server::start();
        server.mcp().set(|s| s.strict = false);
        let to = other.url();
        server.always("*", move |_| Reply::status(status).header("location", &to));
        let to = other.url();
        server.always(DISCOVER, move |_| Reply::status(status).header("location", &to));
        let bridge = victim(&server.url()).start();
        bridge.send(INITIALIZE);
        assert!(bridge.answer(0).is_error);
        case.end(bridge);
        assert_eq!(other.connections(), 0, "{status}");
    }
}

/// A stream that breaks and is to be taken up elsewhere.
#[test]
fn a_stream_that_is_resumed() {
    let case = Case::new();
    let (server, other) = (Server::start(), elsewhere());
    let to = other.url();
    server.maybe("GET", move |r| {
        r.header("last-event-id").map(|_| Reply::status(307).header("location", &to))
    });
    server.once("tools/call", Reply::sse(["retry: 100\nid: a\ndata:\n\n"]));
    let bridge = victim(&server.url()).arg("--resume-timeout=1s").ready(&server);
    assert!(bridge.ask(1, "tools/call").is_error);
    case.end(bridge);
    assert_eq!(other.connections(), 0);
}

/// From https to http on the same host.
#[test]
fn down_to_plain_text() {
    let case = Case::new();
    let tls = tls::Tls::new();
    let (server, other) = (Server::with_tls(&tls), elsewhere());
    let to = other.url();
    server.always("tools/call", move |_| Reply::status(308).header("location", &to));
    let bridge = victim(&server.url()).path("--ca-cert", &tls.file("ca.pem")).ready(&server);
    bridge.ask(1, "tools/call").failed("redirect");
    case.end(bridge);
    assert_eq!(other.connections(), 0);
}

/// A request of sign-in of this kind is led elsewhere; nobody hears of it. `args` are of the bridge.
#[track_caller]
fn led_while_signing_in(kind: &'static str, args: &[&str]) {
    for status in [302, 307, 308] {
        let case = Case::new();
        let other = elsewhere();
        let realm = Realm::with_codes(|codes| codes.agreed = true);
        let server = if kind == "prm" { &realm.mcp } else { &realm.issuer };
        let to = other.url_at(&format!("/{kind}"));
        server.always(kind, move |_| Reply::status(status).header("location", &to));
        let bridge =
            args.iter().fold(armed(realm.bridge()), |builder, arg| builder.arg(arg)).start();
        bridge.send(INITIALIZE);
        assert!(bridge.answer(0).is_error, "{kind} {status}");
        let exit = case.end(bridge);
        realm.no_secret_in("stderr", &exit.stderr);
        assert_eq!(other.connections(), 0, "{kind} {status}");
        assert!(!server.seen(kind).is_empty(), "{kind}");
    }
}

#[test]
fn metadata_of_a_resource() {
    led_while_signing_in("prm", &[]);
}

#[test]
fn metadata_of_an_authorization_server() {
    led_while_signing_in("metadata", &[]);
}

#[test]
fn a_registration() {
    led_while_signing_in("register", &[]);
}

#[test]
fn a_code_and_its_verifier() {
    led_while_signing_in("token", &[]);
}

#[test]
fn a_request_for_a_device_code() {
    led_while_signing_in("device", &["--device-code"]);
}

#[test]
fn a_refresh_token() {
    for status in [301, 302, 303, 307, 308] {
        let case = Case::new();
        let other = elsewhere();
        let realm = Realm::new();
        realm.login_expired(&[]);
        let to = other.url_at("/token");
        realm.issuer.always("token", move |_| Reply::status(status).header("location", &to));
        let bridge = armed(realm.bridge()).arg("--auth=stored").start();
        bridge.send(INITIALIZE);
        assert!(bridge.answer(0).is_error);
        let exit = case.end(bridge);
        realm.no_secret_in("stderr", &exit.stderr);
        assert_eq!(other.connections(), 0, "{status}");
    }
}

#[test]
fn a_token_that_is_revoked() {
    for status in [301, 302, 303, 307, 308] {
        let other = elsewhere();
        let realm = Realm::new();
        let endpoint = realm.issuer.url_at("/revoke");
        realm.set(|o| o.metadata = serde_json::json!({ "revocation_endpoint": endpoint }));
        realm.login(&[]);
        let to = other.url_at("/revoke");
        realm.issuer.always("revoke", move |_| Reply::status(status).header("location", &to));
        let shown = realm.run(&["logout", &realm.mcp.url()]);
        assert!(!realm.issuer.seen("revoke").is_empty());
        assert_eq!(other.connections(), 0, "{status}");
        realm.no_secret_in("stderr", &shown.stderr);
        // What is here is gone in any case.
        realm.state(|state| state.secrets.retain(|secret| secret.contains("token")));
        for (path, bytes) in realm.kept() {
            realm.no_secret_in(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
        }
    }
}
