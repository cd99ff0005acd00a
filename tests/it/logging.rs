//! What stands on stderr and in the log file.

use crate::support::*;

#[test]
fn one_line_when_connected_and_no_other() {
    for revision in ["2025-03-26", "2025-11-25"] {
        let server = Server::start();
        server.mcp().set(|s| s.revision = revision);
        let bridge = Bridge::with(&server.url_at("/mcp?key=hidden")).ready(&server);
        bridge.ask(1, "tools/list").result();
        let exit = bridge.finish();
        exit.clean();
        let head = format!(
            "mcp-tether: connected to scripted 1.2.3 at {} (MCP {revision}, ",
            server.url()
        );
        let rest = exit.stderr.strip_prefix(&head).unwrap_or_else(|| panic!("{}", exit.stderr));
        let time = rest.strip_suffix(" ms)\n").unwrap_or_else(|| panic!("{}", exit.stderr));
        time.parse::<u64>().unwrap_or_else(|_| panic!("{}", exit.stderr));
    }
}

#[test]
fn one_line_for_an_incident() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    bridge.wait_stderr("connected to");
    server.once("tools/call", Reply::body(500, "text/plain", "the disk is full"));
    bridge.ask(1, "tools/call").failed("http_status");
    bridge.ask(2, "tools/list").result();
    let exit = bridge.finish();
    let lines: Vec<_> = exit.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{}", exit.stderr);
    assert!(lines[1].starts_with("mcp-tether: "), "{}", lines[1]);
    assert!(lines[1].contains("500"), "{}", lines[1]);
}

#[test]
fn a_lost_session_is_an_incident() {
    let server = Server::start();
    server.mcp().set(|s| s.capabilities = "{}");
    let bridge = Bridge::ready(&server);
    server.mcp().forget();
    bridge.ask(1, "tools/call").result();
    let exit = bridge.finish();
    exit.clean();
    assert!(exit.stderr.lines().count() >= 2, "{}", exit.stderr);
    assert!(exit.stderr.contains("session"), "{}", exit.stderr);
}

#[test]
fn control_characters_of_foreign_text_are_neutralised() {
    let server = Server::start();
    let name = "\\u001b[31mred\\u0007\\nmcp-tether: forged\\u0085\\u202e";
    let log = tempfile::NamedTempFile::new().unwrap();
    server.always("initialize", move |r| {
        Reply::json(r.result(&format!(
            r#"{{"protocolVersion":"2025-11-25","capabilities":{{}},"serverInfo":{{"name":"{name}","version":"1\r2"}}}}"#
        )))
        .header("mcp-session-id", "s")
    });
    let page = "<title>\u{1b}]0;owned\u{7} &amp; \u{9b}31m</title>";
    server.always("tools/call", move |_| Reply::body(500, "text/html", page));
    server.mcp().set(|s| (s.strict, s.sessions) = (false, false));
    let bridge = Bridge::with(&server.url()).arg("-vv").path("--log-file", log.path()).start();
    bridge.handshake().result();
    bridge.ask(1, "tools/call").failed("http_status");
    let exit = bridge.finish();
    let logged = std::fs::read_to_string(log.path()).unwrap();
    for text in [&exit.stderr, &logged] {
        let odd = text.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(odd, None, "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("mcp-tether: forged")), "{text}");
        assert!(text.contains("red"), "{text}");
    }
}

#[test]
fn louder_on_request_and_into_a_file() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("bridge.log");
    let mut sizes = Vec::new();
    for level in ["--no-cookies", "-v", "-vv"] {
        let bridge = Bridge::with(&server.url()).arg(level).path("--log-file", &log).ready(&server);
        bridge.ask(1, "tools/list").result();
        let exit = bridge.finish();
        exit.clean();
        sizes.push(exit.stderr.lines().count());
        assert!(std::fs::read_to_string(&log).unwrap().contains("connected to scripted"));
    }
    assert_eq!(sizes[0], 1);
    assert!(sizes[0] < sizes[1] && sizes[1] < sizes[2], "{sizes:?}");
}

#[cfg(unix)]
#[test]
fn a_new_log_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    Bridge::with(&server.url()).path("--log-file", &log).ready(&server).finish().clean();
    let mode = std::fs::metadata(&log).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_log_file_that_cannot_be_written_is_an_error_of_usage() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing/bridge.log");
    let exit = Bridge::with(&server.url()).path("--log-file", &path).start().wait();
    exit.code(1);
    assert!(exit.stderr.contains("bridge.log"), "{}", exit.stderr);
    assert_eq!(server.connections(), 0);
}

#[test]
fn nobody_needs_to_read_stderr() {
    let server = Server::start();
    let bridge = Bridge::with(&server.url()).arg("-vv").stderr_unread().ready(&server);
    let note = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/message","params":"{}"}}"#,
        "x".repeat(300)
    );
    server.always("tools/call", move |r| {
        Reply::sse([event(&note).repeat(50), event(&r.result("{}"))])
    });
    // At a line a message this is a multiple of what a pipe holds.
    for id in 0..40 {
        bridge.ask(id, "tools/call").result();
        for _ in 0..50 {
            bridge.line();
        }
    }
    bridge.finish().clean();
}
