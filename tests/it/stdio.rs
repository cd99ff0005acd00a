//! The stdio side: framing of lines, lines that are no messages, batches, ids, the line limit.

use crate::support::*;

#[test]
fn line_endings_blank_lines_a_bom_and_a_last_line_without_newline() {
    let server = Server::start();
    let bridge = Bridge::start(&server);
    bridge.send_bytes(format!("\u{feff}{INITIALIZE}\r\n\r\n\n"));
    bridge.answer(0).result();
    bridge.send_bytes(format!("{INITIALIZED}\r\n \t\r\n"));
    bridge.ask(1, "ping").result();
    bridge.send_bytes(request(2, "tools/list"));
    bridge.finish().code(0).rest.iter().for_each(|line| assert!(line.answers("2"), "{line}"));
    let list = &server.wait("tools/list", 1)[0];
    assert_eq!(list.text(), request(2, "tools/list"));
}

#[test]
fn lines_that_are_no_messages_are_answered_and_not_forwarded() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    let before = server.kinds();
    let cases: [(&[u8], i64, &str); 13] = [
        (b"nope", -32700, "null"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":", -32700, "7"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":\"a\\\"b\",\"method\":\"x\",}", -32700, "\"a\\\"b\""),
        (b"{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"x\",\"p\":\"\xff\"}", -32700, "5"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"x\"} {}", -32700, "5"),
        (b"{\"id\":8,\"method\":\"x\"}", -32600, "8"),
        (b"{\"jsonrpc\":\"1.0\",\"id\":8,\"method\":\"x\"}", -32600, "8"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":\"q\"}", -32600, "\"q\""),
        (b"{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":9}", -32600, "9"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":[9],\"method\":\"x\"}", -32600, "null"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"x\"}", -32600, "null"),
        (b"7", -32600, "null"),
        (b"[]", -32600, "null"),
    ];
    for (line, code, id) in cases {
        bridge.send_bytes([line, b"\n"].concat());
        let answer = bridge.line();
        let name = String::from_utf8_lossy(line);
        assert_eq!(answer.value()["error"]["code"], code, "{name}: {answer}");
        assert_eq!(answer.id.as_deref(), Some(id), "{name}: {answer}");
    }
    assert_eq!(server.kinds(), before);
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();
}

#[test]
fn nesting_is_no_way_to_bring_it_down() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    let depth = 200_000;
    for (line, code) in [
        ("[".repeat(depth), -32700),
        ("{\"a\":".repeat(depth), -32700),
        (format!("{}{}", "[".repeat(depth), "]".repeat(depth)), -32600),
    ] {
        bridge.send(line);
        assert_eq!(bridge.line().value()["error"]["code"], code);
    }
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();
}

#[test]
fn a_batch_is_split_and_each_member_handled() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    let first = r#"{"jsonrpc":"2.0",  "id":1, "method":"tools/list"}"#;
    let second = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
    let third = r#"{"jsonrpc":"2.0","id":"2","method":"prompts/list","n":1.0}"#;
    bridge.send(format!("[ {first} , {second},7 ,{third}]"));
    bridge.answer(1).result();
    bridge.answer("\"2\"").result();
    assert_eq!(bridge.answer("null").value()["error"]["code"], -32600);
    let bodies: Vec<_> = server.seen("*").iter().map(|r| r.body.clone()).collect();
    let tail: Vec<_> = bodies.iter().filter(|b| !b.is_empty()).skip(2).collect();
    assert_eq!(tail, [first, second, third].map(str::as_bytes));
    bridge.finish().clean();
}

#[test]
fn ids_keep_their_type_and_spelling() {
    let server = Server::start();
    let ids = [
        "1",
        "\"1\"",
        "1.5",
        "-7",
        "12345678901234567890",
        "12345678901234567891",
        "1e3",
        "\"\\u0062\"",
        "\"\u{e4}\"",
        "\"\"",
    ];
    // Some servers parse an id and write it anew.
    let respelled = [("1e3", "1000"), ("\"\\u0062\"", "\"b\""), ("\"\u{e4}\"", "\"\\u00e4\"")];
    let gate = Gate::new();
    let held = gate.clone();
    server.always("x/any", move |request| {
        let id = request.id.as_deref().unwrap();
        let id = respelled.iter().find(|(ours, _)| *ours == id).map_or(id, |(_, theirs)| theirs);
        Reply::json(result(id, "{}")).after(&held)
    });
    let bridge = Bridge::ready(&server);
    let lines = ids.map(|id| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"x/any"}}"#));
    lines.iter().for_each(|line| bridge.send(line));
    // All are in flight at once: none may be taken for another.
    let mut bodies: Vec<_> =
        server.wait("x/any", ids.len()).iter().map(|r| r.text().to_owned()).collect();
    gate.open();
    for id in ids {
        bridge.answer(id).result();
    }
    bodies.sort();
    let mut sent = lines.to_vec();
    sent.sort();
    assert_eq!(bodies, sent);
    bridge.finish().clean();
}

#[test]
fn an_id_that_is_in_flight_is_refused_the_second_time() {
    let server = Server::start();
    let gate = Gate::new();
    server.once("tools/call", Reply::json(result(1, r#"{"first":true}"#)).after(&gate));
    let bridge = Bridge::ready(&server);
    bridge.send(request(1, "tools/call"));
    server.wait("tools/call", 1);
    bridge.send(request(1, "tools/list"));
    assert_eq!(bridge.answer(1).value()["error"]["code"], -32600);
    gate.open();
    assert_eq!(bridge.answer(1).result()["first"], true);
    assert_eq!(server.seen("tools/list").len(), 0);
    // Afterwards the id is free again.
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();
}

#[test]
fn an_oversized_line_is_discarded_and_answered() {
    let limit = 64 << 10;
    let server = Server::start();
    let bridge = Bridge::with(&server.url()).arg("--max-message-size=64KiB").ready(&server);
    let line = |head: &str, length: usize| {
        let tail = "\"}}";
        format!("{head}{}{tail}", "x".repeat(length - head.len() - tail.len()))
    };
    let early = r#"{"jsonrpc":"2.0","id":"big","method":"tools/call","params":{"a":""#;
    let late = format!(
        r#"{{"jsonrpc":"2.0","method":"tools/call","pad":"{}","id":3,"params":{{"a":""#,
        "y".repeat(2000)
    );
    bridge.send(line(early, limit + 1));
    bridge.answer("\"big\"").failed("too_large");
    bridge.send(line(early, 20 * limit));
    bridge.answer("\"big\"").failed("too_large");
    bridge.send(line(&late, limit + 1));
    bridge.answer("null").failed("too_large");
    assert_eq!(server.seen("tools/call").len(), 0);
    // A message of just the limit passes, and the bridge lives on.
    bridge.send(line(early, limit));
    bridge.answer("\"big\"").result();
    assert_eq!(server.seen("tools/call")[0].body.len(), limit);
    // So it does when the line has no end.
    bridge.send_bytes(line(early, 3 * limit));
    let exit = bridge.finish();
    assert_eq!(exit.rest.len(), 1, "{:?}", exit.rest);
    exit.rest[0].failed("too_large");
    assert_eq!(server.seen("tools/call").len(), 1);
}

#[test]
fn everything_piped_at_once_works_and_keeps_its_order() {
    let server = Server::start();
    let bridge = Bridge::start(&server);
    bridge.send_bytes(format!("{INITIALIZE}\n{INITIALIZED}\n{}", request(1, "tools/list")));
    let exit = bridge.finish();
    let ids: Vec<_> = exit.rest.iter().map(|line| line.id.as_deref()).collect();
    assert_eq!(ids, [Some("0"), Some("1")]);
    exit.rest.iter().for_each(|line| drop(line.result()));
    exit.code(0);
    let kinds = server.kinds();
    assert_eq!(
        kinds,
        ["initialize", "notifications/initialized", "GET", "tools/list", "DELETE"],
        "the order in which the server saw the requests"
    );
}

/// What reads it differs (docs/decisions/0034), what comes of it does not.
#[cfg(unix)]
#[test]
fn stdin_may_be_a_file_a_pipe_of_packets_or_a_socket() {
    use std::io::{Read as _, Seek as _, Write as _};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    let server = Server::start();
    let session = |stdin: OwnedFd, write: &mut dyn FnMut(&str)| {
        let home = tempfile::tempdir().unwrap();
        let mut bridge = std::process::Command::new(env!("CARGO_BIN_EXE_mcp-tether"))
            .arg(server.url())
            .env_clear()
            .envs(crate::support::profile())
            .env("HOME", home.path())
            .stdin(stdin)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        for text in [INITIALIZE, INITIALIZED, &request(1, "tools/list"), ""] {
            write(text);
        }
        let mut printed = String::new();
        bridge.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        assert!(bridge.wait().unwrap().success());
        let ids: Vec<_> = printed.lines().map(|line| line.contains(r#""id":0"#)).collect();
        assert_eq!(ids, [true, false], "{printed}");
    };

    let mut file = tempfile::tempfile().unwrap();
    write!(file, "{INITIALIZE}\n{INITIALIZED}\n{}\n", request(1, "tools/list")).unwrap();
    file.rewind().unwrap();
    session(file.into(), &mut |_| {});

    let (ours, mut theirs) = UnixStream::pair().unwrap();
    session(ours.into(), &mut |text| match text {
        "" => theirs.shutdown(std::net::Shutdown::Write).unwrap(),
        _ => writeln!(theirs, "{text}").unwrap(),
    });

    #[cfg(target_os = "linux")]
    {
        // A read of such a pipe ends with each packet, whatever else there is.
        let flags = rustix::pipe::PipeFlags::DIRECT | rustix::pipe::PipeFlags::CLOEXEC;
        let (ours, theirs) = rustix::pipe::pipe_with(flags).unwrap();
        let mut theirs = Some(std::fs::File::from(theirs));
        let mut all = Vec::new();
        session(ours, &mut |text| match text {
            "" => {
                for piece in all.chunks(100) {
                    theirs.as_ref().unwrap().write_all(piece).unwrap();
                }
                theirs = None;
            }
            _ => all.extend_from_slice(format!("{text}\n").as_bytes()),
        });
    }
}
