//! Configurations of mcp-remote and mcp-stdio, with nothing changed but the program.

use crate::support::*;

#[track_caller]
fn started(server: &Server, args: &[&str]) -> Bridge {
    let mut bridge = Bridge::with(&server.url());
    for arg in args {
        bridge = bridge.arg(arg);
    }
    let bridge = bridge.env("AUTH_HEADER", "Bearer fake-token").start();
    bridge.handshake().result();
    bridge
}

#[test]
fn headers_from_arguments_and_files() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headers.txt");
    std::fs::write(&file, "# credentials\n\nX-Team: blue sky\r\nX-Key:${AUTH_HEADER}\n").unwrap();
    let bridge = started(
        &server,
        &[
            "--header-file",
            file.to_str().unwrap(),
            "--header",
            "Authorization:${AUTH_HEADER}",
            "--enable-proxy",
        ],
    );
    let exit = bridge.finish();
    exit.clean();
    let seen = server.seen("initialize");
    for (name, value) in [
        ("x-team", "blue sky"),
        ("x-key", "Bearer fake-token"),
        ("authorization", "Bearer fake-token"),
    ] {
        assert_eq!(seen[0].header(name), Some(value));
    }
}

#[test]
fn a_file_of_headers_that_is_wrong_is_said_before_anything_is_sent() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headers.txt");
    std::fs::write(&file, "X-A: b\nfake-secret\n").unwrap();
    for (path, said) in [(file.to_str().unwrap(), "line 2 of "), ("missing.txt", "missing.txt")] {
        let bridge = Bridge::with(&server.url()).arg("--header-file").arg(path).start();
        bridge.send(INITIALIZE);
        let exit = bridge.wait();
        assert_eq!(exit.code, Some(1));
        assert!(
            exit.stderr.contains(said) && !exit.stderr.contains("fake-secret"),
            "{}",
            exit.stderr
        );
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn tools_are_hidden_in_any_case_of_letters() {
    let server = Server::start();
    server.always("tools/list", |request| {
        Reply::json(request.result(r#"{"tools":[{"name":"deleteTask"},{"name":"getTask"}]}"#))
    });
    let bridge = started(&server, &["--ignore-tool", "DELETE*", "--ignore-tool", "x"]);
    let tools = bridge.ask(1, "tools/list").result();
    assert_eq!(tools["tools"].as_array().unwrap().len(), 1);
    bridge.finish().clean();
}

#[test]
fn transports_by_their_names() {
    for (strategy, connects) in
        [("http-first", true), ("http-only", true), ("sse-first", true), ("streamable-http", true)]
    {
        let server = Server::start();
        server.mcp().set(|s| s.listens = false);
        let bridge = started(&server, &["--transport", strategy]);
        assert_eq!(
            connects,
            bridge.ask(1, "tools/list").value().get("result").is_some(),
            "{strategy}"
        );
        bridge.finish().clean();
    }
    for strategy in ["http-first", "sse-first", "sse-only"] {
        let sse = HttpSse::start();
        let bridge = Bridge::with(&sse.url()).arg("--transport").arg(strategy).start();
        bridge.handshake().result();
        bridge.finish().clean();
        let kinds = sse.server().kinds();
        let at = |kind: &str| kinds.iter().position(|other| other == kind).unwrap();
        // A server that has both is spoken to in the way that was asked for first.
        assert_eq!(at("GET") < at("initialize"), strategy != "http-first", "{strategy}: {kinds:?}");
    }
}

#[test]
fn what_is_of_no_use_here_is_taken() {
    let server = Server::start();
    let bridge = started(
        &server,
        &[
            "9696",
            "--headers-timeout",
            "300",
            "--body-timeout",
            "0",
            "--connect-timeout",
            "5",
            "--auth-timeout",
            "60",
            "--silent",
            "--disable-cookies",
            "--ipv4",
            "--keep-alive",
            "--ping-interval",
            "60",
            "--protocol",
            "legacy",
            "--disable-resource-parameter",
            "--host",
            "127.0.0.1",
            "--callback-path",
            "/cb",
            "--authorize-param",
            "prompt=consent",
        ],
    );
    let exit = bridge.finish();
    exit.clean();
    assert_eq!(exit.stderr, "");
    let bridge = started(
        &server,
        &[
            "--bearer-token",
            "fake-bearer",
            "--timeout-connect",
            "5",
            "--timeout-read",
            "120",
            "--protocol-era",
            "auto",
        ],
    );
    bridge.finish().clean();
    let seen = server.seen("initialize");
    assert_eq!(seen[1].header("authorization"), Some("Bearer fake-bearer"));
}
