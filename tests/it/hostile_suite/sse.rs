//! Event streams that never end a line, an event or themselves, or say odd things about reconnecting.

use super::*;
use crate::support::reply::Step;

fn stream(text: impl Into<Vec<u8>>) -> Reply {
    Reply::sse([text.into()])
}

fn good() -> String {
    event(&result(1, "{}"))
}

answers! {
    a_line_of_64_mebibytes: stream(format!("data: {}\n\n", "x".repeat(64 * MIB)))
        => Seen::Failed(&["too_large"]);
    a_line_without_a_name: stream("x".repeat(8 * MIB)) => Seen::Failed(&["too_large", "stream_lost"]);
    a_field_name_of_eight_mebibytes: stream(format!("{}: x\n\n{}", "f".repeat(8 * MIB), good())) => Seen::One;
    comments_of_eight_mebibytes: stream(format!(":{}\n\n{}", "c".repeat(8 * MIB), good())) => Seen::One;
    an_event_name_of_eight_mebibytes:
        stream(format!("event: {}\ndata: x\n\n{}", "e".repeat(8 * MIB), good())) => Seen::One;
    empty_lines_of_data: stream("data\n".repeat(2 * MIB) + "\n" + &good())
        => Seen::Result;
    empty_events: stream("data:\n\n".repeat(200_000) + &good()) => Seen::Result;
    ids_and_nothing_else: stream("id: x\n\n".repeat(200_000) + &good()) => Seen::Result;
    a_byte_order_mark_in_the_middle: stream(format!("\u{feff}: x\n\n\u{feff}{}", good()))
        => Seen::Failed(&["stream_lost", "invalid_response"]);
    a_nul_in_the_data: stream("data: {\"jsonrpc\":\"2.0\",\"id\":1,\0\"result\":{}}\n\n") => NO_ANSWER;
    nuls_between_events: stream(format!("\0\0\0\n\n{}", good())) => Seen::Result;
    nothing_but_carriage_returns: stream(good().replace('\n', "\r")) => Seen::Result;
    half_an_event: stream(r#"data: {"jsonrpc":"2.0","id":1,"result":{}}"#) => Seen::One;
    an_event_of_another_name: stream(format!("event: endpoint\n{}", good())) => NO_ANSWER;
    an_event_that_is_called_error: stream(format!("event: error\n{}", good())) => Seen::One;
    answers_to_nobody: stream(
        (100..3000).map(|id| event(&result(id, "{}"))).collect::<String>() + &good()
    ) => Seen::Result;
    the_answer_a_thousand_times: stream(good().repeat(1000)) => Seen::Result;
    first_an_answer_then_an_error: stream(
        good() + &event(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no"}}"#)
    ) => Seen::Result;
    ids_of_every_type: stream(
        ["\"1\"", "1.5", "[1]", "{\"a\":1}", "true", "1e400"].map(|id| event(&result(id, "\"forged\""))).concat()
            + &event(&result("1", "{}"))
    ) => Seen::One;
    batches_of_answers_to_nobody:
        stream(event(&format!("[{}]", vec![result(5, "0"); 9000].join(","))) + &good()) => Seen::Result;
    an_answer_in_the_middle_of_a_batch: stream(event(&format!(
        "[{},{},{}]", notification("notifications/message"), result(1, "{}"), result(1, "[]")
    ))) => Seen::Result;
    bytes_of_no_language: stream([&b"id: \xff\xfe\ndata: "[..], result(1, "\"\"").as_bytes(), b"\n\n"].concat())
        => Seen::Result;
    waiting_for_all_time: stream(format!("retry: 99999999999999999999\n\n{}", good())) => Seen::Result;
}

/// More than is ever kept goes by while the client waits.
#[test]
fn comments_for_a_long_time() {
    let case = Case::new();
    let server = Server::start();
    let feed = Feed::new();
    server.once("tools/call", Reply::feed(&feed));
    let bridge = victim(&server.url()).ready(&server);
    bridge.send(request(1, "tools/call"));
    let pouring =
        pour(&feed, ": still here\n".repeat(5000).into_bytes(), 24 * MIB, good().into_bytes());
    bridge.answer(1).result();
    assert!(pouring.join().unwrap() >= 24 * MIB);
    case.end(bridge);
}

/// A call is answered with `chunk` again and again. It is read, because what it will be nobody knows, and
/// not kept; others are served, and when the client takes the request back nobody reads any more.
#[track_caller]
fn never_ends(chunk: Vec<u8>) {
    let case = Case::new();
    let server = Server::start();
    let feed = Feed::new();
    server.once("tools/call", Reply::feed(&feed));
    let bridge = victim(&server.url()).ready(&server);
    bridge.send(request(1, "tools/call"));
    // More than a message may have, and then as much as is taken.
    let passed = pour(&feed, chunk.clone(), 16 * MIB, Vec::new()).join().unwrap();
    assert!(passed >= 16 * MIB, "{passed}");
    bridge.ask(2, "tools/list").result();
    let pouring = pour(&feed, chunk, 1 << 40, Vec::new());
    bridge.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    pouring.join().unwrap();
    case.end(bridge);
}

#[test]
fn a_line_that_never_ends() {
    never_ends(vec![b'x'; 1 << 16]);
}

#[test]
fn an_event_that_never_ends() {
    never_ends("data: x\n".repeat(5000).into_bytes());
}

#[test]
fn an_id_that_never_ends() {
    never_ends([&b"id: "[..], &[b'i'; 1 << 16]].concat());
}

#[test]
fn comments_that_never_end() {
    never_ends(": x\n".repeat(5000).into_bytes());
}

#[test]
fn ids_that_never_end() {
    never_ends(format!("id: {}\n\n", "i".repeat(4096)).repeat(10).into_bytes());
}

/// The first stream has `beginning` and breaks; gives the cursor with which it is taken up again.
#[track_caller]
fn cursor_after(beginning: &str) -> Option<Vec<u8>> {
    let case = Case::new();
    let server = Server::start();
    // Of no matter what bytes.
    server.maybe("GET", |r| r.headers.contains_key("last-event-id").then(|| stream(good())));
    let text = format!("retry: 100\nid: first\ndata:\n\n{beginning}");
    server.once("tools/call", Reply::sse([Step::from(text), Step::Abort]));
    let bridge = victim(&server.url()).arg("--resume-timeout=2s").ready(&server);
    assert!(bridge.ask(1, "tools/call").id.is_some());
    bridge.ask(2, "tools/list").result();
    case.end(bridge);
    let gets = server.seen("GET");
    gets.iter().find_map(|r| Some(r.headers.get("last-event-id")?.as_bytes().to_vec()))
}

#[test]
fn ids_that_grow() {
    let growing: String =
        (0..12).map(|n| format!("id: {}\ndata:\n\n", "i".repeat(1 << (8 + n)))).collect();
    let cursor = cursor_after(&growing);
    assert!(cursor.is_none_or(|cursor| cursor.len() <= 4 << 10));
}

#[test]
fn ids_with_control_characters() {
    for id in ["a\x01b", "a\x7fb", "a\x1b[2Jb", "a\0b"] {
        let cursor = cursor_after(&format!("id: {id}\ndata:\n\n")).unwrap_or_default();
        assert!(!cursor.iter().any(|b| *b < b' ' || *b == 0x7f), "{id:?} -> {cursor:?}");
    }
}

#[test]
fn ids_of_many_languages() {
    let cursor = cursor_after("id: \u{e9}\u{202e}\u{1f980}\ndata:\n\n");
    // To the byte, or not at all.
    assert!(
        cursor.is_none_or(
            |cursor| cursor == "\u{e9}\u{202e}\u{1f980}".as_bytes() || cursor == b"first"
        )
    );
}

/// Whatever is said of waiting, the stream is taken up again, and not in a hot loop.
#[test]
fn waiting_times_that_are_none() {
    for retry in ["0", "-1", "1.5", "1e9", "abc", " 5", "\u{662}", "0x10"] {
        let case = Case::new();
        let server = Server::start();
        let start = Instant::now();
        server.maybe("GET", |r| r.header("last-event-id").map(|_| stream(": nothing\n\n")));
        server.once("tools/call", stream(format!("retry: {retry}\nid: a\ndata:\n\n")));
        let bridge = victim(&server.url()).arg("--resume-timeout=1s").ready(&server);
        assert!(bridge.ask(1, "tools/call").is_error, "{retry}");
        // 100 ms apart at least, for as long as it took.
        let most = start.elapsed().as_millis() as usize / 100 + 2;
        let resumed =
            server.seen("GET").iter().filter(|r| r.headers.contains_key("last-event-id")).count();
        assert!(resumed <= most, "{retry}: {resumed} times");
        case.end(bridge);
    }
}

/// The client is answered at the end, though the server would be asked again in a minute.
#[test]
fn a_wait_without_end_is_not_waited_out_at_the_end() {
    let case = Case::new();
    let server = Server::start();
    server.once("tools/call", stream("retry: 4294967295\nid: a\ndata:\n\n"));
    let bridge = victim(&server.url()).ready(&server);
    bridge.send(request(1, "tools/call"));
    server.wait("tools/call", 1);
    case.end_amid(bridge, [1]);
}

/// Each stream of the standalone kind ends at once: it is opened again, with growing pauses.
#[test]
fn a_standalone_stream_that_always_ends() {
    let case = Case::new();
    let server = Server::start();
    let start = Instant::now();
    server.always("GET", |_| stream("retry: 0\n\n"));
    let bridge = victim(&server.url()).ready(&server);
    server.wait("GET", 4);
    let most = start.elapsed().as_millis() as usize / 100 + 2;
    assert!(server.seen("GET").len() <= most);
    bridge.ask(1, "tools/list").result();
    case.end(bridge);
}

#[test]
fn questions_in_answers_to_others() {
    let case = Case::new();
    let server = Server::start();
    // A request of the server under the id of the client's, before and after its answer.
    let question = event(&request(1, "sampling/createMessage"));
    server.once("tools/call", stream(question.clone() + &good() + &question));
    let bridge = victim(&server.url()).ready(&server);
    bridge.ask(1, "tools/call").result();
    bridge.incoming("sampling/createMessage");
    bridge.send(result(1, "{}"));
    server.wait("response", 1);
    case.end(bridge);
}
