//! Event streams as answers: parsing, order, answers on the wrong stream.

use crate::support::reply::Step;
use crate::support::*;

/// A stream with everything that WHATWG allows, and what must come out of it.
fn odd_stream() -> (Vec<u8>, Vec<String>) {
    let stream = concat!(
        "\u{feff}: a comment first\r\n",
        "\r\n",
        "event: ping\r\ndata: {\"no\":\"message\"}\r\n\r\n",
        // One message in three data lines, which are joined by newlines.
        "data: {\"jsonrpc\":\"2.0\",\r\ndata:\"method\":\rdata:  \"x/1\"}\n\n",
        // No space after the colon, unknown fields, a field without a colon.
        "data:{\"jsonrpc\":\"2.0\",\"method\":\"x/2\"}\nwhatever: 1\nnothing\n\n",
        // CR alone ends lines and events; the event type is spelled out.
        "event: message\rdata: {\"jsonrpc\":\"2.0\",\"method\":\"x/3\"}\r\r",
        // Separators of Unicode end no line, and neither do VT, FF or NEL.
        "data: {\"jsonrpc\":\"2.0\",\"method\":\"x/4\",\"params\":{\"t\":\"\u{2028}\u{2029}\u{85}\"}}\n\n",
        // Fields that are nearly data.
        "Data: {}\ndata2: {}\n data: {}\n\n",
        "id: \0\nretry: never\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\r\n\r\n",
        ": and a comment last\n\n",
    );
    let lines = [
        r#"{"jsonrpc":"2.0", "method":  "x/1"}"#,
        r#"{"jsonrpc":"2.0","method":"x/2"}"#,
        r#"{"jsonrpc":"2.0","method":"x/3"}"#,
        "{\"jsonrpc\":\"2.0\",\"method\":\"x/4\",\"params\":{\"t\":\"\\u2028\\u2029\u{85}\"}}",
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
    ];
    (stream.as_bytes().to_vec(), lines.map(str::to_owned).to_vec())
}

#[test]
fn events_are_parsed_to_the_letter_however_they_are_cut() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    let (stream, expected) = odd_stream();
    for size in [1, 2, 3, 5, 7, 16, 61, stream.len()] {
        let chunks = stream.chunks(size).map(<[u8]>::to_vec);
        server.once("tools/call", Reply::sse(chunks));
        bridge.send(request(1, "tools/call"));
        for line in &expected {
            assert_eq!(&bridge.line().text, line, "in pieces of {size} bytes");
        }
    }
    bridge.finish().clean();
}

#[test]
fn line_breaks_in_json_become_spaces() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    let pretty =
        "{\r\n  \"jsonrpc\": \"2.0\",\n\t\"id\": 1,\r  \"result\": {\"t\":\"\u{2028}\\n\"}\n}\n";
    let line = "{    \"jsonrpc\": \"2.0\", \t\"id\": 1,   \"result\": {\"t\":\"\\u2028\\n\"} }";
    server.once("tools/call", Reply::json(pretty));
    assert_eq!(bridge.ask(1, "tools/call").text, line);
    bridge.finish().clean();
}

#[test]
fn what_precedes_the_answer_on_its_stream_keeps_its_order() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    let mut messages: Vec<String> = (0..50)
        .map(|n| {
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"n":{n}}}}}"#)
        })
        .collect();
    messages.insert(20, request("\"from the server\"", "elicitation/create"));
    messages.push(result(1, "{}"));
    // What follows the answer is passed on as well.
    messages.push(notification("notifications/message"));
    server.once("tools/call", Reply::sse(messages.iter().map(|m| event(m))));
    bridge.send(request(1, "tools/call"));
    for message in &messages {
        assert_eq!(&bridge.line().text, message);
    }
    let answer = r#"{"jsonrpc":"2.0","id":"from the server","result":{"action":"accept"}}"#;
    bridge.send(answer);
    assert_eq!(server.wait("response", 1)[0].text(), answer);
    bridge.finish().clean();
}

#[test]
fn answers_are_matched_by_id_never_by_stream() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    let (first, second) = (Feed::new(), Feed::new());
    server.once("tools/call", Reply::feed(&first));
    bridge.send(request(1, "tools/call"));
    server.wait("tools/call", 1);
    server.once("tools/call", Reply::feed(&second));
    bridge.send(request(2, "tools/call"));
    bridge.send(request("\"1\"", "prompts/list"));
    server.wait("tools/call", 2);
    bridge.answer("\"1\"").result();
    // Each gets the other's answer, and both again: late ones are dropped.
    first.send(event(&result(2, "{}")));
    bridge.answer(2).result();
    second.send(event(&result(1, "{}")));
    bridge.answer(1).result();
    first.send(event(&result(1, "{}")));
    second.send(event(&result(2, "{}")));
    server.mcp().push(event(&result(2, "{}")));
    server.mcp().push(event(&result(99, "{}")));
    first.end();
    second.end();
    bridge.ask(3, "tools/list").result();
    bridge.finish().clean();
}

#[test]
fn requests_of_the_server_may_use_the_same_ids() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    let feed = Feed::new();
    server.once("tools/call", Reply::feed(&feed));
    bridge.send(request(1, "tools/call"));
    server.wait("tools/call", 1);
    feed.send(event(&request(1, "sampling/createMessage")));
    bridge.incoming("sampling/createMessage");
    bridge.send(result(1, r#"{"role":"assistant"}"#));
    server.wait("response", 1);
    feed.send(event(&result(1, r#"{"done":true}"#)));
    assert_eq!(bridge.answer(1).result()["done"], true);
    feed.end();
    bridge.finish().clean();
}

#[test]
fn a_last_event_without_its_blank_line() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    for end in ["", "\n", "\r\n"] {
        let text = format!("data: {}{end}", result(1, "{}"));
        server.once("tools/call", Reply::sse([text]));
        bridge.ask(1, "tools/call").result();
    }
    bridge.finish().clean();
}

#[test]
fn silence_is_no_reason_to_give_up() {
    let server = Server::start();
    let bridge = Bridge::with(&server.url())
        .arg("--resume-timeout=200ms")
        .arg("--connect-timeout=200ms")
        .ready(&server);
    let gate = Gate::new();
    server.once(
        "tools/call",
        Reply::sse([
            Step::from(": alive\n\n"),
            Step::Pause(std::time::Duration::from_secs(1)),
            Step::from(event(&result(1, "{}"))),
        ]),
    );
    server.once("tools/call", Reply::json(result(2, "{}")).after(&gate));
    bridge.send(request(1, "tools/call"));
    server.wait("tools/call", 1);
    bridge.send(request(2, "tools/call"));
    bridge.answer(1).result();
    gate.open();
    bridge.answer(2).result();
    bridge.finish().clean();
}

#[test]
fn a_cancelled_request_gets_no_answer() {
    let server = Server::start();
    let bridge = Bridge::with(&server.url()).arg("--drain-timeout=100ms").ready(&server);
    let feed = Feed::new();
    server.once("tools/call", Reply::feed(&feed));
    bridge.send(request(1, "tools/call"));
    server.wait("tools/call", 1);
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    bridge.send(cancel);
    assert_eq!(server.wait("notifications/cancelled", 1)[0].text(), cancel);
    bridge.ask(2, "tools/list").result();
    // A server that answers all the same is too late.
    feed.send(event(&notification("notifications/message")));
    feed.send(event(&result(1, "{}")));
    feed.send(event(&notification("notifications/after")));
    bridge.incoming("notifications/message");
    bridge.incoming("notifications/after");
    feed.end();
    bridge.finish().clean();
}
