//! Secrets that were given to the bridge never come out of it again, however loud it is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::*;

const TOKEN: &str = "sk-fake-0123456789abcdef";
const KEY: &str = "fake-api-key-fedcba9876543210";
const PASSWORD: &str = "fake-pass-word-42";
const QUERY: &str = "fake-query-secret-4711";
const SESSION: &str = "fake-session-secret-0815";
const COOKIE: &str = "fake-cookie-secret-1234";

#[test]
fn in_no_log_and_in_no_error() {
    let server = Server::start();
    server.mcp().set(|s| s.strict = false);
    server.always("*", |r| {
        // Servers show what they were sent: every header, and the query.
        let mut echo = format!("{}\n", r.uri);
        for (name, value) in &r.headers {
            echo += &format!("{name}: {}\n", value.to_str().unwrap_or_default());
        }
        let status = r.id.as_deref().and_then(|id| id.parse().ok()).unwrap_or(202);
        match r.kind.as_str() {
            "initialize" => {
                let body = r.result(
                    r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"x","version":"1"}}"#,
                );
                Reply::json(body)
                    .header("mcp-session-id", SESSION)
                    .header("set-cookie", &format!("lb={COOKIE}"))
            }
            "tools/call" => Reply::body(status, "text/plain", echo),
            "prompts/get" => {
                let one_line = echo.replace('\n', " ");
                Reply::body(status, "text/html", format!("<title>{one_line}</title>"))
            }
            "resources/read" => {
                let message = serde_json::to_string(&echo).unwrap();
                let body = format!(
                    r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":1,"message":{message}}}}}"#
                );
                Reply::body(status, "application/json", body)
            }
            "tools/list" => Reply::status(307)
                .header("location", &format!("http://u:{PASSWORD}@other.invalid/{TOKEN}?k={QUERY}")),
            "prompts/list" => Reply::sse([event(&echo.replace('\n', " "))]),
            "GET" => Reply::body(401, "text/plain", echo)
                .header("www-authenticate", &format!("Bearer error_description=\"{TOKEN}\"")),
            _ => Reply::body(status, "text/plain", echo),
        }
    });
    let log = tempfile::NamedTempFile::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let url = format!("http://user:{PASSWORD}@127.0.0.1:{}/mcp?api_key={QUERY}", server.port());
    let bridge = Bridge::with(&url)
        .header(&format!("Authorization: Bearer {TOKEN}"))
        .header("X-Api-Key: ${FAKE_KEY}")
        .env("FAKE_KEY", KEY)
        .arg("-vv")
        .path("--log-file", log.path())
        .path("--trace", &trace)
        .start();
    bridge.handshake().result();
    let mut out = String::new();
    for status in [200, 400, 401, 403, 404, 500, 503] {
        for method in ["tools/call", "prompts/get", "resources/read"] {
            out += &bridge.ask(status, method).text;
        }
    }
    out += &bridge.ask(1, "tools/list").text;
    out += &bridge.ask(2, "prompts/list").text;
    bridge.send(notification("notifications/roots/list_changed"));
    let exit = bridge.finish();
    // Errors of the server with no id of ours may be passed on; they are the server's words.
    out.extend(
        exit.rest.iter().filter(|l| l.id.as_deref() != Some("null")).map(|l| l.text.as_str()),
    );
    let logged = std::fs::read_to_string(log.path()).unwrap();
    assert!(logged.len() > 500, "-vv says something: {logged}");
    let traced = std::fs::read_to_string(&trace).unwrap();
    assert!(traced.len() > 10_000, "everything is in the trace: {traced}");
    let basic = STANDARD.encode(format!("user:{PASSWORD}"));
    for secret in [TOKEN, KEY, PASSWORD, QUERY, SESSION, COOKIE, &basic] {
        let places =
            [("stderr", &exit.stderr), ("log file", &logged), ("stdout", &out), ("trace", &traced)];
        for (place, text) in places {
            let at = text.lines().find(|line| line.contains(secret));
            assert_eq!(at, None, "{secret} in the {place}");
        }
    }
    // They did reach the server, though.
    let call = &server.seen("tools/call")[0];
    assert_eq!(call.header("x-api-key"), Some(KEY));
    assert_eq!(call.header("mcp-session-id"), Some(SESSION));
    assert!(call.uri.query().unwrap().contains(QUERY));
}

#[test]
fn a_header_that_cannot_be_used_is_not_shown() {
    let server = Server::start();
    for header in [format!("Bad Name: {TOKEN}"), format!("X: {TOKEN}\u{1}"), TOKEN.to_owned()] {
        let exit = Bridge::with(&server.url()).header(&header).start().wait();
        exit.code(1);
        assert!(!exit.stderr.contains(TOKEN), "{}", exit.stderr);
        assert!(!exit.stderr.is_empty());
    }
    assert_eq!(server.connections(), 0);
}
