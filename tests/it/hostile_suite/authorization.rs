//! Refusals that never end, and metadata that are endless, deep, or about themselves.

use serde_json::json;

use super::raw::{Raw, head};
use super::*;
use crate::support::reply::Step;

/// `initialize` at this realm is answered once, with an error unless `may_succeed`.
#[track_caller]
fn refused(case: &Case, realm: &Realm, what: &str, may_succeed: bool) -> Exit {
    let bridge = armed(realm.bridge()).start();
    bridge.send(INITIALIZE);
    let answer =
        bridge.find_within(Duration::from_secs(110), "its answer", |line| line.answers("0"));
    assert!(answer.is_error || may_succeed, "{what}: {answer}");
    case.end(bridge)
}

/// Header fields `WWW-Authenticate` of a refusal.
#[track_caller]
fn challenged(fields: Vec<String>) -> Realm {
    let case = Case::new();
    let realm = Realm::new();
    let what = format!("{:.60}", fields.concat());
    realm.set(|o| o.challenge = Some(fields));
    refused(&case, &realm, &what, true);
    realm
}

#[test]
fn a_challenge_of_a_hundred_kibibytes() {
    challenged(vec![format!("Bearer realm=\"{}\"", "r".repeat(100 << 10))]);
}

#[test]
fn eighty_challenges() {
    challenged(
        (0..80).map(|n| format!("Scheme{n} realm=\"{n}\", Bearer scope=\"s{n}\"")).collect(),
    );
}

#[test]
fn challenges_that_are_none() {
    for field in [
        "",
        ",",
        ",,,,",
        "=",
        "\"",
        "Bearer",
        "Bearer ",
        "Bearer =",
        "Bearer realm",
        "Bearer realm=",
        "Bearer realm=\"",
        "Bearer realm=\"\\",
        "Bearer realm=\"a\\\"",
        "Bearer scope=\"a\", scope=\"b\"",
        "Bearer error=\"invalid_token\", error=\"insufficient_scope\"",
        "\u{e9}\u{202e}",
        "Bearer resource_metadata=",
        "Bearer resource_metadata=\"\"",
        "Bearer resource_metadata=\"http://[::\"",
        "Bearer scope=\"%0d%0a %1b[2J $(x) &redirect_uri=https://attacker.invalid/\"",
    ] {
        let realm = challenged(vec![field.to_owned()]);
        for asked in realm.authorizations() {
            assert!(asked["redirect_uri"].starts_with("http://127.0.0.1:"), "{field}: {asked:?}");
        }
    }
}

#[test]
fn a_challenge_of_commas() {
    challenged(vec![",".repeat(60_000)]);
    challenged(vec!["a=,".repeat(20_000)]);
    challenged(vec!["Bearer realm=\"".repeat(4_000)]);
}

/// 401 again and again, without anything to sign in to.
#[test]
fn refusals_without_end() {
    for status in [401, 403, 407] {
        let case = Case::new();
        let server = Server::start();
        let bridge = victim(&server.url()).ready(&server);
        server.always("tools/call", move |_| Reply::status(status));
        for id in 1..=10 {
            assert!(bridge.ask(id, "tools/call").is_error);
        }
        assert!(
            server.seen("tools/call").len() <= 40,
            "{status}: {}",
            server.seen("tools/call").len()
        );
        bridge.ask("\"after\"", "tools/list").result();
        case.end(bridge);
    }
}

/// More scope each time, another one for every request.
#[test]
fn another_scope_each_time() {
    let case = Case::new();
    let realm = Realm::with(|o| o.guards = |r| r.kind == "tools/call");
    let count = std::sync::atomic::AtomicUsize::new(0);
    realm.mcp.maybe("tools/call", move |r| {
        r.header("authorization")?;
        let n = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let field = format!("Bearer error=\"insufficient_scope\", scope=\"s{n}\"");
        Some(Reply::status(403).header("www-authenticate", &field))
    });
    let bridge = armed(realm.bridge()).ready(&realm.mcp);
    for id in 1..=6 {
        assert!(bridge.ask(id, "tools/call").is_error);
    }
    case.end(bridge);
    assert!(realm.browser.opened().len() <= 3, "{:?}", realm.browser.opened());
    assert!(realm.mcp.seen("tools/call").len() <= 30);
}

/// 401, 403 and 404 in turn.
#[test]
fn refusals_of_all_kinds_in_turn() {
    let case = Case::new();
    let realm = Realm::with(|o| o.guards = |r| r.kind == "initialize");
    let count = std::sync::atomic::AtomicUsize::new(0);
    realm.mcp.maybe("tools/call", move |_| {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Some(match n % 3 {
            0 => Reply::status(401).header("www-authenticate", "Bearer error=\"invalid_token\""),
            1 => Reply::status(403)
                .header("www-authenticate", "Bearer error=\"insufficient_scope\", scope=\"more\""),
            _ => Reply::body(404, "text/plain", "no such session"),
        })
    });
    let bridge = armed(realm.bridge()).start();
    bridge.handshake().result();
    for id in 1..=5 {
        assert!(bridge.ask(id, "tools/call").is_error);
    }
    case.end(bridge);
    assert!(realm.mcp.seen("tools/call").len() <= 60, "{}", realm.mcp.seen("tools/call").len());
    assert!(realm.browser.opened().len() <= 4, "{:?}", realm.browser.opened());
}

/// Of ten thousand authorization servers five are asked.
#[test]
fn ten_thousand_authorization_servers() {
    let case = Case::new();
    let nobody = Server::start();
    let realm = Realm::new();
    let issuers = (0..10_000).map(|n| nobody.url_at(&format!("/tenant-{n}"))).collect();
    realm.set(|o| o.issuers = Some(issuers));
    refused(&case, &realm, "many", false);
    let asked = nobody.seen("metadata").len();
    assert!((1..=15).contains(&asked), "{asked} documents were asked for");
}

/// The MCP server names itself, and its metadata name another.
#[test]
fn authorization_servers_that_name_each_other() {
    let case = Case::new();
    let realm = Realm::new();
    let own = realm.mcp.url_at("");
    realm.set(|o| o.issuers = Some(vec![own.clone()]));
    let (mcp, issuer) = (own, realm.issuer_url());
    let body = json!({ "issuer": issuer, "authorization_servers": [mcp], "token_endpoint": format!("{mcp}/mcp") });
    realm.mcp.always("metadata", move |_| Reply::json(body.to_string()));
    refused(&case, &realm, "circle", false);
    assert!(realm.mcp.seen("metadata").len() <= 3);
    assert_eq!(realm.browser.opened(), [""; 0]);
}

/// The endpoint for tokens is the MCP server itself, which would get the code and its verifier. It is
/// what its own authorization server says; nothing of another server goes there.
#[test]
fn a_token_endpoint_that_is_the_server() {
    let case = Case::new();
    let realm = Realm::new();
    let endpoint = realm.mcp.url();
    realm.many_clients();
    realm.set(|o| o.metadata = json!({ "token_endpoint": endpoint }));
    let exit = refused(&case, &realm, "the server", false);
    realm.no_secret_in("stderr", &exit.stderr);
}

/// Documents of one kind are all like this.
#[track_caller]
fn documents_are(kind: &str, reply: impl Fn() -> Reply + Send + Sync + 'static, bounds: Bounds) {
    let case = Case::within(bounds);
    let realm = Realm::new();
    let server = if kind == "prm" { &realm.mcp } else { &realm.issuer };
    server.always(kind, move |_| reply());
    refused(&case, &realm, kind, false);
    assert_eq!(realm.browser.opened(), [""; 0]);
    assert!(realm.count(kind) <= 6, "{}", realm.count(kind));
}

#[test]
fn documents_that_are_nested() {
    for kind in ["prm", "metadata"] {
        documents_are(kind, || Reply::json("{\"a\":".repeat(150_000)), Bounds::USUAL);
        documents_are(kind, || Reply::json("[".repeat(1_000_000)), Bounds::USUAL);
    }
}

#[test]
fn documents_of_a_hundred_thousand_members() {
    for kind in ["prm", "metadata"] {
        let text: String = (0..60_000).map(|n| format!("\"m{n}\":{n},")).collect();
        documents_are(kind, move || Reply::json(format!("{{{text}\"z\":0}}")), Bounds::memory(96));
    }
}

#[test]
fn lists_of_a_hundred_thousand_scopes() {
    let case = Case::within(Bounds::memory(96));
    let realm = Realm::new();
    let scopes: Vec<String> = (0..100_000).map(|n| format!("s{n}")).collect();
    realm.set(|o| o.metadata = json!({ "scopes_supported": scopes }));
    refused(&case, &realm, "scopes", true);
    for url in realm.browser.opened() {
        assert!(url.len() < 32 << 10, "an address of {} bytes", url.len());
    }
}

/// The same in the metadata of the resource, which say what to ask for.
#[test]
fn more_scopes_than_an_address_holds() {
    let case = Case::within(Bounds::memory(96));
    let realm = Realm::new();
    let scopes: Vec<&'static str> = vec!["one-scope-of-many"; 40_000];
    realm.set(|o| o.resource_scopes = Some(scopes));
    refused(&case, &realm, "scopes", true);
}

#[test]
fn documents_that_never_end() {
    for kind in ["prm", "metadata"] {
        let spaces =
            || Reply::steps("application/json", vec![" ".repeat(4 * MIB).into(), Step::Hold]);
        documents_are(kind, spaces, Bounds::USUAL);
    }
}

#[test]
fn documents_that_lead_in_circles() {
    for kind in ["prm", "metadata"] {
        let case = Case::new();
        let realm = Realm::new();
        let server = if kind == "prm" { &realm.mcp } else { &realm.issuer };
        server.always(kind, |r| Reply::status(302).header("location", &r.uri.to_string()));
        refused(&case, &realm, kind, false);
        assert!(realm.count(kind) <= 36, "{}", realm.count(kind));
    }
}

/// Each byte comes in time, the document never: the limit is for the whole of it.
#[test]
fn a_document_that_trickles() {
    let case = Case::within(Bounds::after(Duration::from_secs(60)));
    let issuer = Raw::start(|mut socket| {
        head(&mut socket);
        raw::trickle(&mut socket, "HTTP/1.1 200 OK\r\n\r\n".bytes().chain(std::iter::repeat(b' ')));
    });
    let realm = Realm::new();
    realm.set(|o| o.issuers = Some(vec![issuer.url("http", "")]));
    refused(&case, &realm, "trickle", false);
    assert!(issuer.connections() <= 6, "{}", issuer.connections());
}

/// No authorization server whose certificate is not right is told anything.
#[test]
fn an_authorization_server_that_nobody_vouches_for() {
    let case = Case::new();
    let issuer = Server::with_tls(&tls::Tls::new());
    let realm = Realm::new();
    realm.set(|o| o.issuers = Some(vec![issuer.url_at("")]));
    refused(&case, &realm, "certificate", false);
    assert_eq!(issuer.seen("*").len(), 0, "{:?}", issuer.kinds());
    assert_eq!(realm.browser.opened(), [""; 0]);
}

/// It is trusted when it is asked for its metadata, and its token endpoint is not.
#[test]
fn a_token_endpoint_that_nobody_vouches_for() {
    let case = Case::new();
    let stranger = Server::with_tls(&tls::Tls::new());
    let realm = Realm::new();
    let endpoint = stranger.url_at("/token");
    realm.set(|o| o.metadata = json!({ "token_endpoint": endpoint }));
    let exit = refused(&case, &realm, "certificate", false);
    assert_eq!(stranger.seen("*").len(), 0, "a code went there");
    realm.no_secret_in("stderr", &exit.stderr);
}

/// Half of TLS, and rubbish in its place.
#[test]
fn an_authorization_server_that_speaks_no_tls() {
    let case = Case::within(Bounds::after(Duration::from_secs(30)));
    let issuer = Raw::start(|mut socket| {
        use std::io::Write as _;
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let realm = Realm::new();
    realm.set(|o| o.issuers = Some(vec![issuer.url("https", "")]));
    refused(&case, &realm, "no TLS", false);
}
