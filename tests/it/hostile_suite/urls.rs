//! Every URL that a server can name, where it becomes a command (CVE-2025-6514 and its kin), a file or a
//! script.
//!
//! Each test is one member of one document. It goes through [`UNACCEPTABLE`], which must not be used, and
//! through [`INJECTIONS`], which are good URLs to a careful program and commands to a careless one.

use serde_json::{Value, json};

use super::*;
use crate::support::oauth::Options;

/// What is no https URL, nor http on loopback.
const UNACCEPTABLE: [&str; 28] = [
    "file:///etc/passwd",
    "file://attacker.invalid/share/x.exe",
    "FILE:///C:/Windows/System32/calc.exe",
    "\\\\attacker.invalid\\share\\x.exe",
    "C:\\Windows\\System32\\calc.exe",
    "javascript:alert(1)",
    " javascript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "ms-msdt:/id PCWDiagnostic /skip force",
    "search-ms:query=x&crumb=location:\\\\attacker.invalid",
    "ssh://-oProxyCommand=touch%20CANARY/x",
    "git+ssh://x/y",
    "mailto:a@b.invalid",
    "a:$(touch CANARY)?response_type=code",
    "a:$(powershell -c calc)",
    "$(touch CANARY)",
    "`touch CANARY`",
    "; touch CANARY",
    "| touch CANARY",
    "-flag",
    "--version",
    "http://attacker.invalid/?a=b&calc",
    "http://attacker.invalid/\"&calc.exe&\"",
    "https://user:password@attacker.invalid/",
    "https://127.0.0.1@attacker.invalid:99999/",
    "",
];

/// What stands behind the origin of a URL that may be used.
const INJECTIONS: [&str; 14] = [
    "/?a=b&touch CANARY",
    "/?a=b&calc",
    "/?a=$(touch CANARY)",
    "/$(touch CANARY)",
    "/`touch CANARY`",
    "/?a=`touch CANARY`",
    "/';touch CANARY;'",
    "/\";touch CANARY;\"",
    "/?a=|touch CANARY",
    "/?a=%24%28touch%20CANARY%29",
    "/a\ntouch CANARY\n",
    "/?a=%0atouch%20CANARY%0a",
    "/ --version -x",
    "/?a={iex(calc)}&b=^&c=%PATH%&d=!x!;Start-Process calc",
];

/// A member that a server names a URL in: sets it in the options of a realm.
type Member = fn(&mut Options, Value);

/// Where a URL is named, and what becomes of it.
struct Place {
    member: Member,
    /// Whether sign-in needs the URL. If not it succeeds without it.
    needed: bool,
    /// Of the bridge.
    args: &'static [&'static str],
}

fn of_metadata(name: &'static str) -> impl Fn(&mut Options, Value) {
    move |o, url| o.metadata = json!({ name: url })
}

/// One realm with this URL in this place. The file `CANARY` must not appear, and nothing be opened but what
/// is the authorization server's own.
#[track_caller]
fn lead(place: &Place, url: &str, acceptable: bool) {
    let case = Case::new();
    let folder = tempfile::tempdir().unwrap();
    let canary = folder.path().join("canary");
    let realm = Realm::new();
    let origin = if acceptable { realm.issuer.url_at("") } else { String::new() };
    let url = format!("{origin}{}", url.replace("CANARY", &canary.display().to_string()));
    realm.set(|o| (place.member)(o, json!(url)));
    if acceptable {
        // What becomes of it is for the eyes of this test.
        realm.browser.hold();
    }
    // Where a URL leads to the realm's own servers, they may get what is no sign-in.
    realm.many_clients();
    realm.issuer.mcp().set(|s| s.strict = false);
    let builder = place.args.iter().fold(armed(realm.bridge()), |builder, arg| builder.arg(arg));
    let bridge = builder.start();
    bridge.send(INITIALIZE);
    let shown = || bridge.stderr().contains(" enter the code ");
    let done =
        || bridge.has_answered(0) || acceptable && (!realm.browser.opened().is_empty() || shown());
    oauth::wait_for("an outcome", || done().then_some(()));
    if bridge.has_answered(0) {
        let answer = bridge.answer(0);
        assert!(acceptable || answer.is_error == place.needed, "{url:?}: {answer}");
        case.end(bridge);
    } else {
        case.end_amid(bridge, [0]);
    }
    if acceptable {
        realm.state(|state| state.breaches.clear());
    }
    for opened in realm.browser.opened() {
        let opened =
            url::Url::parse(&opened).unwrap_or_else(|e| panic!("{opened:?} was opened: {e}"));
        let ours = opened.origin() == url::Url::parse(&realm.issuer.url()).unwrap().origin();
        assert!(ours, "{url:?}: {opened} was opened");
        assert!(!opened.as_str().contains([' ', '"', '\n', '<', '>']), "{opened}");
    }
    if !acceptable && place.needed {
        assert_eq!(realm.browser.opened(), [""; 0], "{url:?}");
    }
    assert!(!canary.exists(), "{url:?} was run");
}

#[track_caller]
fn all(place: Place) {
    UNACCEPTABLE.iter().for_each(|url| lead(&place, url, false));
    INJECTIONS.iter().for_each(|url| lead(&place, url, true));
}

fn member_of_metadata(member: Member, needed: bool) {
    all(Place { member, needed, args: &[] });
}

#[test]
fn authorization_servers() {
    member_of_metadata(
        |o, url| o.issuers = Some(vec![url.as_str().unwrap_or_default().to_owned()]),
        true,
    );
}

#[test]
fn resource() {
    member_of_metadata(|o, url| o.resource = url.as_str().map(str::to_owned), true);
}

#[test]
fn issuer() {
    member_of_metadata(|o, url| of_metadata("issuer")(o, url), true);
}

#[test]
fn authorization_endpoint() {
    member_of_metadata(|o, url| of_metadata("authorization_endpoint")(o, url), true);
}

#[test]
fn token_endpoint() {
    member_of_metadata(|o, url| of_metadata("token_endpoint")(o, url), true);
}

#[test]
fn registration_endpoint() {
    member_of_metadata(|o, url| of_metadata("registration_endpoint")(o, url), true);
}

#[test]
fn revocation_endpoint() {
    member_of_metadata(|o, url| of_metadata("revocation_endpoint")(o, url), false);
}

#[test]
fn jwks_uri() {
    member_of_metadata(|o, url| of_metadata("jwks_uri")(o, url), false);
}

#[test]
fn other_endpoints_of_metadata() {
    member_of_metadata(
        |o, url| {
            o.metadata = json!({
                "introspection_endpoint": url, "userinfo_endpoint": url, "end_session_endpoint": url,
                "service_documentation": url, "op_policy_uri": url, "op_tos_uri": url,
                "pushed_authorization_request_endpoint": url, "signed_metadata": url,
                "mtls_endpoint_aliases": { "token_endpoint": url, "authorization_endpoint": url },
            });
        },
        false,
    );
}

#[test]
fn members_of_a_registration() {
    member_of_metadata(
        |o, url| {
            o.registered = json!({
                "registration_client_uri": url, "client_uri": url, "logo_uri": url, "policy_uri": url,
                "tos_uri": url, "jwks_uri": url, "initiate_login_uri": url,
            });
        },
        false,
    );
}

#[test]
fn resource_metadata() {
    // A header has one line. A place that is not acceptable is as good as none.
    let member: Member = |o, url| {
        let url = url.as_str().unwrap_or_default().replace(['\n', '"', '\\'], "");
        o.challenge = Some(vec![format!("Bearer resource_metadata=\"{url}\"")]);
    };
    member_of_metadata(member, false);
}

#[test]
fn device_authorization_endpoint() {
    let member: Member = |o, url| of_metadata("device_authorization_endpoint")(o, url);
    all(Place { member, needed: true, args: &["--device-code"] });
}

/// Codes for another device whose answers have these members.
fn of_device(o: &mut Options, members: Value) {
    o.device = Some(oauth::device::Codes { answer: members, ..Default::default() });
}

#[test]
fn verification_uri() {
    let member: Member = |o, url| {
        of_device(o, json!({ "verification_uri": url, "verification_uri_complete": null }))
    };
    all(Place { member, needed: true, args: &["--device-code"] });
}

/// One can do without it: people are told the plain address, and wait for the person is what is told.
#[test]
fn verification_uri_complete() {
    for url in UNACCEPTABLE {
        let case = Case::new();
        let realm = Realm::new();
        realm.set(|o| of_device(o, json!({ "verification_uri_complete": url })));
        let bridge =
            armed(realm.bridge()).arg("--device-code").arg("--initialize-deadline=300ms").start();
        bridge.send(INITIALIZE);
        let code = oauth::wait_for("the code", || oauth::device::printed_code(&bridge.stderr()));
        assert!(!bridge.answer(0).text.contains("attacker"), "{url:?}");
        let said = bridge.stderr();
        let line = said.lines().find(|line| line.contains(" enter the code ")).unwrap_or_default();
        assert!(
            line.contains(&code) && line.contains(&format!("{}/enter", realm.issuer_url())),
            "{line}"
        );
        assert!(url.is_empty() || !line.contains(url), "{url:?}: {line}");
        case.end(bridge);
        assert_eq!(realm.browser.opened(), [""; 0]);
    }
}

/// What a server asks to have opened is the client's to show: the bridge opens nothing.
#[test]
fn url_of_an_elicitation() {
    let case = Case::new();
    let realm = Realm::with(|o| o.guards = |_| false);
    let bridge = armed(realm.bridge()).ready(&realm.mcp);
    for (n, url) in UNACCEPTABLE.iter().chain(&INJECTIONS).enumerate() {
        let ask = json!({
            "jsonrpc": "2.0", "id": format!("q{n}"), "method": "elicitation/create",
            "params": { "mode": "url", "elicitationId": "e", "url": url, "message": "open this" },
        })
        .to_string();
        realm.mcp.mcp().push(event(&ask));
        assert_eq!(bridge.incoming("elicitation/create").text, ask);
        // So does an error that demands it (URLElicitationRequired).
        let error = json!({
            "jsonrpc": "2.0", "id": n, "error": { "code": -32042, "message": "x", "data": {
                "elicitations": [{ "mode": "url", "elicitationId": "e", "url": url, "message": "x" }] } },
        })
        .to_string();
        realm.mcp.once("tools/call", Reply::json(error.clone()));
        assert_eq!(bridge.ask(n, "tools/call").text, error);
    }
    case.end(bridge);
    realm.no_oauth();
}

/// Where a response leads.
#[test]
fn location() {
    let case = Case::new();
    let server = Server::start();
    let bridge = victim(&server.url()).ready(&server);
    for (id, url) in UNACCEPTABLE.iter().enumerate() {
        // A relative one stays where it is, and is followed.
        let location = url.replace('\n', "%0a");
        server.once("tools/call", Reply::status(307).header("location", &location));
        let answer = bridge.ask(id, "tools/call");
        let absolute = url::Url::parse(&location).is_ok();
        assert!(answer.is_error || !absolute, "{url:?}: {answer}");
    }
    bridge.ask("\"after\"", "tools/list").result();
    case.end(bridge);
}

/// The address that a server of HTTP+SSE names.
#[test]
fn endpoint_event() {
    for url in UNACCEPTABLE {
        let case = Case::new();
        let server = Server::start();
        server.mcp().set(|s| s.strict = false);
        let url = url.replace('\n', "");
        server.always("initialize", |_| Reply::status(405));
        server.always("GET", move |_| {
            Reply::sse(vec![
                reply::Step::from(format!("event: endpoint\ndata: {url}\n\n")),
                reply::Step::Hold,
            ])
        });
        let bridge = victim(&server.url()).start();
        bridge.send(INITIALIZE);
        assert!(bridge.answer(0).is_error);
        case.end(bridge);
    }
}
