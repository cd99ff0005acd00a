//! HTTP responses that are wrong, endless or ambiguous.

use super::*;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

/// The answer to the call.
fn good() -> String {
    result(1, "{}")
}

/// A response with these header lines, each with its end, and the answer.
fn with(fields: &str) -> Reply {
    let body = good();
    Reply::raw(format!("{HEAD}{fields}content-length: {}\r\n\r\n{body}", body.len()))
}

/// The answer in one chunk, whose size line ends with `extension`, and this behind the last chunk.
fn chunked(extension: &str, trailer: &str) -> Reply {
    let body = good();
    let length = body.len();
    Reply::raw(format!(
        "{HEAD}transfer-encoding: chunked\r\n\r\n{length:x}{extension}\r\n{body}\r\n0\r\n{trailer}\r\n"
    ))
}

/// The answer under another status.
fn under(status: u16) -> Reply {
    Reply::raw(format!(
        "HTTP/1.1 {status} Odd\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
        good().len(),
        good()
    ))
}

answers! {
    a_status_line_of_a_mebibyte:
        Reply::raw(format!("HTTP/1.1 200 {}\r\n\r\n", "A".repeat(MIB))) => NO_ANSWER;
    a_status_line_that_never_ends:
        Reply::raw(format!("HTTP/1.1 200 {}", "A".repeat(4 * MIB))) => NO_ANSWER;
    a_reason_that_moves_the_cursor:
        Reply::raw("HTTP/1.1 500 \x1b[2J\x1b]0;owned\x07\r\ncontent-length: 0\r\n\r\n")
        => Seen::Failed(&["http_status", "invalid_response"]);
    a_header_of_a_mebibyte: with(&format!("x-long: {}\r\n", "A".repeat(MIB))) => NO_ANSWER;
    a_header_name_of_a_mebibyte: with(&format!("{}: x\r\n", "A".repeat(MIB))) => NO_ANSWER;
    ten_thousand_headers: with(&"x-many: y\r\n".repeat(10_000)) => NO_ANSWER;
    headers_that_never_end:
        Reply::raw(format!("{HEAD}{}", "x-many: y\r\n".repeat(400_000))) => NO_ANSWER;
    a_header_with_a_nul: with("x-odd: a\0b\r\n") => NO_ANSWER;
    a_header_that_is_folded: with("x-odd: a\r\n  b: c\r\n") => Seen::One;
    a_header_without_a_colon: with("x-odd\r\n") => NO_ANSWER;
    a_header_name_with_a_space: with("x odd: y\r\n") => NO_ANSWER;
    interim_responses_without_end:
        Reply::raw("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(100_000)) => NO_ANSWER;
    another_protocol_that_nobody_wanted:
        Reply::raw("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nx") => Seen::One;
    http_0_9: Reply::raw(good()) => NO_ANSWER;
    http_3_0: Reply::raw(format!("HTTP/3.0 200 OK\r\n\r\n{}", good())) => NO_ANSWER;
    frames_of_http_2: Reply::raw(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80".to_vec())
        => NO_ANSWER;
    two_lengths_that_differ: with("content-length: 5\r\n") => NO_ANSWER;
    a_length_below_zero:
        Reply::raw(format!("{HEAD}content-length: -1\r\n\r\n{}", good())) => NO_ANSWER;
    a_length_with_a_sign:
        Reply::raw(format!("{HEAD}content-length: +{}\r\n\r\n{}", good().len(), good())) => NO_ANSWER;
    a_length_of_more_than_there_are_bytes:
        Reply::raw(format!("{HEAD}content-length: 99999999999999999999999\r\n\r\n{}", good())) => NO_ANSWER;
    a_length_that_is_all_memory:
        Reply::raw(format!("{HEAD}content-length: 9223372036854775807\r\n\r\n{}", good()))
        => Seen::Failed(&["invalid_response", "stream_lost", "too_large"]);
    a_length_of_less_than_there_is:
        Reply::raw(format!("{HEAD}content-length: 10\r\n\r\n{}", good())) => NO_ANSWER;
    length_and_chunks: Reply::raw(format!(
        "{HEAD}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n", good().len(), good()
    )) => Seen::One;
    a_transfer_coding_that_nobody_knows: with("transfer-encoding: xchunked\r\n") => Seen::One;
    a_chunk_of_all_memory:
        Reply::raw(format!("{HEAD}transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n{}", good())) => NO_ANSWER;
    a_chunk_size_that_overflows:
        Reply::raw(format!("{HEAD}transfer-encoding: chunked\r\n\r\n1{}\r\n{}", "0".repeat(64), good())) => NO_ANSWER;
    a_chunk_extension_of_a_mebibyte: chunked(&format!(";x={}", "y".repeat(MIB)), "") => NO_ANSWER;
    trailers_of_a_mebibyte: chunked("", &"x-late: y\r\n".repeat(MIB / 11)) => Seen::One;
    trailers_that_would_be_headers:
        chunked("", "content-type: text/html\r\nmcp-session-id: stolen\r\n") => Seen::Result;
    chunks_of_one_byte: Reply::raw(format!(
        "{HEAD}transfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
        result(1, &format!("\"{}\"", "x".repeat(100_000))).chars().map(|c| format!("1\r\n{c}\r\n")).collect::<String>()
    )) => Seen::Result;
    no_content_that_has_some: under(204) => NO_ANSWER;
    reset_content: under(205) => Seen::One;
    partial_content_that_nobody_asked_for: under(206) => Seen::One;
    not_modified: under(304) => Seen::Failed(&["redirect", "http_status", "invalid_response"]);
    a_status_of_999: under(999) => Seen::One;
    a_status_of_42: Reply::raw("HTTP/1.1 42 Odd\r\n\r\n") => NO_ANSWER;
    a_type_of_a_hundred_kibibytes:
        Reply::body(200, &format!("application/json; x={}", "y".repeat(100 << 10)), good()) => Seen::One;
    two_types: Reply::json(good()).header("content-type", "text/html") => Seen::One;
    a_type_with_bytes_of_no_language:
        Reply::raw(format!("HTTP/1.1 200 OK\r\ncontent-type: \u{e9}\u{202e}\r\n\r\n{}", good())) => NO_ANSWER;
    a_page_whose_title_moves_the_cursor:
        Reply::body(502, "text/html", "<title>\x1b[31mred\u{202e}\u{7}\r\n</title>")
        => Seen::Failed(&["http_status"]);
    a_pause_of_all_time: Reply::status(429).header("retry-after", "99999999999999999999")
        => Seen::Failed(&["rate_limited"]);
    a_pause_of_less_than_nothing: Reply::status(503).header("retry-after", "-5")
        => Seen::Failed(&["rate_limited"]);
    a_pause_until_another_age: Reply::status(503).header("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT")
        => Seen::Failed(&["rate_limited"]);
}

/// What follows a response on its connection is the answer to nothing, though it has the right id.
#[test]
fn a_response_ahead_of_its_request() {
    let case = Case::new();
    let server = Server::start();
    let early = result("\"after\"", "\"forged\"");
    let response = |body: &str| format!("{HEAD}content-length: {}\r\n\r\n{body}", body.len());
    server.once("tools/call", Reply::raw(response(&good()) + &response(&early)));
    let bridge = victim(&server.url()).ready(&server);
    bridge.ask(1, "tools/call").result();
    assert_ne!(bridge.ask("\"after\"", "tools/list").result(), "forged");
    case.end(bridge);
}

#[test]
fn cookies_without_end() {
    let case = Case::new();
    let server = Server::start();
    server.always("tools/call", |r| {
        let id = r.id.clone().unwrap_or_default();
        (0..60).fold(Reply::json(r.result("{}")), |reply, n| {
            reply.header("set-cookie", &format!("c-{id}-{n}={}; Path=/", "v".repeat(1000)))
        })
    });
    let bridge = victim(&server.url()).ready(&server);
    for id in 1..=50 {
        bridge.ask(id, "tools/call").result();
    }
    case.end(bridge);
    for request in server.seen("*") {
        let length = request.header("cookie").map_or(0, str::len);
        assert!(length <= 16 << 10, "{length} bytes of cookies");
    }
}
