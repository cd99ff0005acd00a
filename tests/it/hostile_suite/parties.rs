//! Who hears what: with every party looking at all that it is sent.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use super::raw::{Raw, head};
use super::*;

/// All of a request that its receiver can read.
fn whole(request: &Request) -> String {
    format!("{} {:?} {}", request.uri, request.headers, String::from_utf8_lossy(&request.body))
}

/// A sign-in by each way there is, with a refresh and the revocation at the end. What is configured for the
/// MCP server is in every request of the session, and in none for the authorization server.
#[test]
fn headers_of_the_server_are_for_the_server() {
    for device in [false, true] {
        let case = Case::new();
        let realm = Realm::with_codes(|codes| codes.agreed = true);
        let endpoint = realm.issuer.url_at("/revoke");
        realm.set(|o| o.metadata = serde_json::json!({ "revocation_endpoint": endpoint }));
        realm.mcp.once(
            "notifications/initialized",
            Reply::status(202).header("set-cookie", "crumb=of-the-server; Path=/"),
        );
        let how: &[&str] = if device { &["--device-code"] } else { &[] };
        let bridge =
            how.iter().fold(armed(realm.bridge()), |builder, arg| builder.arg(arg)).start();
        bridge.handshake().result();
        bridge.ask(1, "tools/list").result();
        realm.state(oauth::State::expire);
        bridge.ask(2, "tools/list").result();
        let exit = case.end(bridge);
        realm.no_secret_in("stderr", &exit.stderr);
        realm.run(&["logout", &realm.mcp.url()]).code(0);
        let session = realm.mcp.mcp().session().expect("a session");
        for request in realm.issuer.seen("*") {
            let whole = whole(&request);
            for foreign in [SECRET, "x-key", "crumb=of-the-server", &session, "mcp-session-id"] {
                assert!(!whole.contains(foreign), "{foreign} is in {whole}");
            }
        }
        assert!(!realm.issuer.seen("revoke").is_empty() && realm.count("token") >= 2);
        for request in realm.mcp.seen("*") {
            let document = oauth::endpoint(request.uri.path()).is_some();
            // A document is nobody's in particular, and is asked for as anybody would.
            assert_eq!(request.header("x-key").is_some(), !document, "{}", request.kind);
            assert!(
                !document || !whole(&request).contains("fake-access-token"),
                "{}",
                request.kind
            );
        }
    }
}

/// Neither the log nor the trace has the code of a sign-in, nor what it was exchanged with.
#[test]
fn codes_are_in_no_log() {
    let case = Case::new();
    let realm = Realm::new();
    let (trace, log) = (realm.home().join("trace.jsonl"), realm.home().join("log.txt"));
    let bridge = armed(realm.bridge()).path("--trace", &trace).path("--log-file", &log).start();
    bridge.handshake().result();
    let exit = case.end(bridge);
    let codes: Vec<String> = realm.state(|state| {
        state.secrets.iter().filter(|secret| secret.contains("fake-code-")).cloned().collect()
    });
    assert_eq!(codes.len(), 1);
    for (place, text) in [
        ("stderr", exit.stderr),
        ("the trace", std::fs::read_to_string(&trace).unwrap()),
        ("the log", std::fs::read_to_string(&log).unwrap()),
    ] {
        assert!(!text.is_empty(), "{place} is empty");
        assert!(!text.contains(&codes[0]), "{} is in {place}", codes[0]);
        realm.no_secret_in(place, &text);
    }
}

/// Two servers on one origin, of which one has a token: the other is not shown it.
#[test]
fn two_servers_on_one_origin() {
    let case = Case::new();
    let realm = Realm::new();
    realm.many_clients();
    realm.login(&[]);
    let other = armed(realm.at_home(Bridge::with(&realm.mcp.url_at("/other"))))
        .arg("--auth=stored")
        .start();
    other.send(INITIALIZE);
    assert!(other.answer(0).is_error);
    case.end(other);
    let there: Vec<_> =
        realm.mcp.seen("*").into_iter().filter(|r| r.uri.path() == "/other").collect();
    assert!(!there.is_empty());
    for request in there {
        assert!(!request.headers.contains_key("authorization"), "{}", request.kind);
    }
    // The one that it is for gets it.
    let own = armed(realm.bridge()).arg("--auth=stored").start();
    own.handshake().result();
    case.end(own);
}

/// A proxy for everything that takes down whom it is asked for. `to` is a port for `mcp.invalid`.
fn recording(to: u16) -> (Raw, Arc<Mutex<BTreeSet<String>>>) {
    let asked = Arc::new(Mutex::new(BTreeSet::new()));
    let record = asked.clone();
    let proxy = Raw::start(move |mut client| {
        let head = head(&mut client);
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        record.lock().unwrap().insert(target.clone());
        if target != "mcp.invalid:443" {
            let _ = client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
            return;
        }
        let Ok(mut server) = std::net::TcpStream::connect(("127.0.0.1", to)) else { return };
        let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let (mut back, mut forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut back, &mut forth);
            let _ = forth.shutdown(std::net::Shutdown::Both);
        });
        let _ = std::io::copy(&mut client, &mut server);
        let _ = server.shutdown(std::net::Shutdown::Both);
    });
    (proxy, asked)
}

/// A whole session, with questions, an error and its end, in which every connection goes by a proxy:
/// nobody is connected to but the server.
#[test]
fn no_other_connections() {
    let case = Case::new();
    let tls = tls::Tls::new();
    let server = Server::with_tls(&tls);
    let (proxy, asked) = recording(server.port());
    let bridge = victim("https://mcp.invalid/mcp")
        .path("--ca-cert", &tls.file("ca.pem"))
        .env("ALL_PROXY", proxy.url("http", ""))
        .ready(&server);
    server.once("tools/call", Reply::status(500));
    assert!(bridge.ask(1, "tools/call").is_error);
    for id in 2..20 {
        bridge.ask(id, "tools/list").result();
    }
    case.end(bridge);
    assert_eq!(*asked.lock().unwrap(), BTreeSet::from(["mcp.invalid:443".to_owned()]));
}

/// Where it asks for a sign-in, the authorization server that it names, and no more.
#[test]
fn no_other_connections_for_a_sign_in() {
    let case = Case::new();
    let tls = tls::Tls::new();
    let server = Server::with_tls(&tls);
    server.mcp().set(|s| s.strict = false);
    server.otherwise(|_| Reply::status(401).header("www-authenticate", "Bearer realm=\"x\""));
    server
        .always(DISCOVER, |_| Reply::status(401).header("www-authenticate", "Bearer realm=\"x\""));
    server.always("prm", |_| {
        Reply::json(r#"{"resource":"https://mcp.invalid/mcp","authorization_servers":["https://as.invalid"]}"#)
    });
    let (proxy, asked) = recording(server.port());
    let bridge = victim("https://mcp.invalid/mcp")
        .path("--ca-cert", &tls.file("ca.pem"))
        .arg("--store=file")
        .env("ALL_PROXY", proxy.url("http", ""))
        .start();
    bridge.send(INITIALIZE);
    assert!(bridge.answer(0).is_error);
    case.end(bridge);
    let wanted = ["as.invalid:443", "mcp.invalid:443"].map(str::to_owned);
    assert_eq!(*asked.lock().unwrap(), BTreeSet::from(wanted));
}
