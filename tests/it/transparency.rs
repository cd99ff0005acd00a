//! What is relayed keeps its bytes, in both directions.

use std::sync::{Arc, Mutex};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::*;

/// JSON text that a parse tree would not keep: odd numbers, escapes, white space, duplicate keys.
fn json() -> impl Strategy<Value = String> {
    let atom = prop_oneof![
        proptest::sample::select(vec![
            "null",
            "true",
            "-0",
            "0.0",
            "1.0",
            "1e400",
            "-1E-400",
            "12345678901234567890123",
            "0.10",
            "9007199254740993",
            "1e+2",
            "\"\"",
            "{}",
            "[ ]",
        ])
        .prop_map(str::to_owned),
        string(),
    ];
    atom.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            (vec(inner.clone(), 0..6), space())
                .prop_map(|(items, s)| format!("[{s}{}{s}]", items.join(&format!(",{s}")))),
            (vec((key(), inner), 0..6), space()).prop_map(|(members, s)| {
                let members: Vec<_> =
                    members.into_iter().map(|(k, v)| format!("{k}{s}:{s}{v}")).collect();
                format!("{{{}{s}}}", members.join(&format!("{s},")))
            }),
        ]
    })
}

/// White space that JSON allows between tokens, line breaks included.
fn space() -> impl Strategy<Value = String> {
    proptest::sample::select(vec!["", " ", "\t", "  ", "\n", "\r\n", "\r"]).prop_map(str::to_owned)
}

/// Keys that repeat, and keys that look like the members of a message.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "\"a\"",
            "\"id\"",
            "\"method\"",
            "\"\\u0069d\"",
            "\"result\""
        ])
        .prop_map(str::to_owned),
        string(),
    ]
}

fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c < ' ' => format!("\\u{:04X}", u32::from(c)),
            c => c.to_string(),
        }),
        any::<u16>().prop_map(|unit| format!("\\u{unit:04x}")),
        proptest::sample::select(vec![
            "\\/",
            "/",
            "\\n",
            "\u{2028}",
            "\u{2029}",
            "\u{feff}",
            "\\ud800",
            "\u{10ffff}"
        ])
        .prop_map(str::to_owned),
    ];
    vec(piece, 0..12).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// Puts the text into so many arrays.
fn nested(text: &str, depth: usize) -> String {
    format!("{}{text}{}", "[".repeat(depth), "]".repeat(depth))
}

/// What a client must see of a text that a server wrote.
fn as_seen(text: &str) -> String {
    text.replace(['\r', '\n'], " ").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[test]
fn random_json_in_both_directions() {
    let server = Server::start();
    let answer = Arc::new(Mutex::new((String::new(), false)));
    let scripted = answer.clone();
    server.always("tools/call", move |r| {
        let (text, stream) = scripted.lock().unwrap().clone();
        let id = r.id.as_deref().unwrap();
        let body = format!("{{ \"result\":{text} ,\"id\":{id},\"jsonrpc\":\"2.0\"}}");
        if !stream {
            return Reply::json(body);
        }
        // An SSE client joins data lines with LF, whatever ended them.
        let lines: Vec<_> =
            body.split(['\n', '\r']).map(|line| format!("data: {line}\n")).collect();
        Reply::sse([lines.concat() + "\n"])
    });
    let bridge = Bridge::ready(&server);
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let depth = prop_oneof![9 => Just(0_usize), 1 => 1_usize..5000];
    let case = (json(), json(), depth, any::<bool>());
    let mut id = 0;
    let counter = Mutex::new(&mut id);
    let outcome = runner.run(&case, |(params, answered, depth, stream)| {
        let id = {
            let mut counter = counter.lock().unwrap();
            **counter += 1;
            **counter
        };
        let answered = nested(&answered, depth);
        *answer.lock().unwrap() = (answered.clone(), stream);
        let params = nested(&params.replace(['\r', '\n'], " "), depth);
        let line =
            format!(r#"{{"params":{params},"method":"tools/call" , "jsonrpc":"2.0","id":{id}}}"#);
        bridge.send(&line);
        let expected =
            as_seen(&format!("{{ \"result\":{answered} ,\"id\":{id},\"jsonrpc\":\"2.0\"}}"));
        let got = bridge.answer(id);
        prop_assert_eq!(&got.text, &expected);
        let calls = server.seen("tools/call");
        prop_assert_eq!(calls.last().expect("it was sent").text(), &line);
        Ok(())
    });
    outcome.unwrap();
    bridge.finish().clean();
}

#[test]
fn every_kind_of_message_keeps_its_bytes() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    let odd = r#"{"a":1.0,"a":2,"\u0041":"\/","deep":[[[{}]]], "big":1e400}"#;
    for line in [
        format!(r#"{{"params":{odd},"method":"x\/y","jsonrpc":"2.0"}}"#),
        format!(r#"{{"result":{odd},"id":"s","jsonrpc":"2.0"}}"#),
        format!(r#"{{"error":{{"code":-1.0,"message":"m","data":{odd}}},"id":7,"jsonrpc":"2.0"}}"#),
        format!(r#"{{"id":1,"x-extra":{odd},"jsonrpc":"2.0","method":"a\u002fb"}}"#),
    ] {
        let before = server.kinds().len();
        bridge.send(&line);
        assert_eq!(server.wait("*", before + 1)[before].text(), line);
    }
    bridge.answer(1).result();
    for line in [
        format!(r#"{{"params":{odd},"method":"x\/y","jsonrpc":"2.0"}}"#),
        format!(r#"{{"params":{odd},"id":1.50,"method":"x\/y","jsonrpc":"2.0"}}"#),
        // Servers that forget the version are tolerated.
        r#"{"method":"without/version"}"#.to_owned(),
    ] {
        server.mcp().push(event(&line));
        assert_eq!(bridge.line().text, line);
    }
    bridge.finish().clean();
}

#[test]
fn the_initialize_of_the_client_is_not_touched() {
    let server = Server::start();
    let bridge = Bridge::start(&server);
    let line = r#"{"id":"\u0069","params":{"capabilities":{"x":1.0,"x":2},"protocolVersion":"2099-01-01","clientInfo":{"name":"\/","version":"1"}},"jsonrpc":"2.0","method":"initialize"}"#;
    bridge.send(line);
    bridge.answer(r#""\u0069""#).result();
    assert_eq!(server.seen("initialize")[0].text(), line);
    bridge.finish().clean();
}
