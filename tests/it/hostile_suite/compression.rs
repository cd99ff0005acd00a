//! Small bodies that are large ones: a few hundred kilobytes of gzip for hundreds of megabytes.

use std::io::Write as _;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn gzip(pieces: &[(&[u8], usize)]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for (piece, times) in pieces {
        (0..*times).for_each(|_| encoder.write_all(piece).unwrap());
    }
    encoder.finish().unwrap()
}

const BLOCK: &[u8] = &[b'x'; 1 << 16];

/// 256 MiB in a JSON string.
static STRING: LazyLock<Vec<u8>> = LazyLock::new(|| {
    gzip(&[(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"", 1), (BLOCK, 4096), (b"\"}", 1)])
});

/// 256 MiB in one event.
static EVENT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    gzip(&[
        (b"data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"", 1),
        (BLOCK, 4096),
        (b"\"}\n\n", 1),
    ])
});

fn packed(status: u16, kind: &str, body: Vec<u8>) -> Reply {
    Reply::body(status, kind, body).header("content-encoding", "gzip")
}

fn good() -> Vec<u8> {
    gzip(&[(result(1, "{}").as_bytes(), 1)])
}

answers! {
    a_bomb_as_json: packed(200, "application/json", STRING.clone()) => Seen::Failed(&["too_large"]);
    a_bomb_as_an_event: packed(200, "text/event-stream", EVENT.clone()) => Seen::Failed(&["too_large"]);
    a_bomb_of_comments:
        packed(200, "text/event-stream", gzip(&[
            (b": x\n", 3 * MIB), (event(&result(1, "{}")).as_bytes(), 1)
        ]))
        => Seen::One;
    a_bomb_as_an_error: packed(500, "text/html", STRING.clone()) => Seen::Failed(&["http_status"]);
    a_bomb_as_a_refusal: packed(403, "application/json", STRING.clone()) => Seen::Failed(&["unauthorized"]);
    a_bomb_as_a_page: packed(200, "text/html", STRING.clone()) => NO_ANSWER;
    a_bomb_in_a_bomb: Reply::json(gzip(&[(&STRING, 1)])).header("content-encoding", "gzip, gzip") => Seen::One;
    a_hundred_codings: Reply::json(good()).header("content-encoding", &["gzip"; 100].join(",")) => Seen::One;
    ten_thousand_members: packed(200, "application/json", [&gzip(&[(b"", 1)])[..]; 10_000].concat()) => Seen::One;
    an_answer_and_rubbish_behind_it:
        packed(200, "application/json", [good(), b"rubbish".to_vec()].concat()) => Seen::One;
    a_bomb_that_is_cut:
        packed(200, "application/json", STRING[..STRING.len() / 512].to_vec())
        => Seen::Failed(&["invalid_response", "stream_lost", "too_large"]);
    a_sum_that_is_wrong: packed(200, "application/json", {
        let mut body = good();
        let at = body.len() - 6;
        body[at] ^= 1;
        body
    }) => Seen::One;
    a_coding_that_nobody_asked_for: Reply::json(good()).header("content-encoding", "br") => NO_ANSWER;
    a_name_in_the_head_of_the_file: packed(200, "application/json", {
        let encoder = flate2::GzBuilder::new().filename(vec![b'n'; MIB]).comment(vec![b'c'; MIB]);
        let mut encoder = encoder.write(Vec::new(), Compression::fast());
        encoder.write_all(result(1, "{}").as_bytes()).unwrap();
        encoder.finish().unwrap()
    }) => Seen::One;
}

/// Nothing waits for the answer to a notification, and nothing unpacks it.
#[test]
fn a_bomb_for_a_notification() {
    let case = Case::new();
    let server = Server::start();
    server.always("notifications/progress", |_| packed(400, "application/json", STRING.clone()));
    let bridge = victim(&server.url()).ready(&server);
    for _ in 0..10 {
        bridge.send(notification("notifications/progress"));
    }
    bridge.ask(1, "tools/list").result();
    case.end(bridge);
}

#[test]
fn a_bomb_on_the_standalone_stream() {
    let case = Case::new();
    let server = Server::start();
    server.once("GET", packed(200, "text/event-stream", EVENT.clone()));
    let bridge = victim(&server.url()).ready(&server);
    bridge.ask(2, "tools/list").result();
    // It is opened again, which the harmless one sees.
    server.wait("GET", 2);
    case.end(bridge);
}

/// Metadata, a registration, a token: none of them is unpacked to the end.
#[test]
fn bombs_of_those_who_sign_people_in() {
    for kind in ["prm", "metadata", "register", "token"] {
        let case = Case::new();
        let realm = Realm::new();
        let server = if kind == "prm" { &realm.mcp } else { &realm.issuer };
        server.always(kind, |_| packed(200, "application/json", STRING.clone()));
        let bridge = armed(realm.bridge()).start();
        bridge.send(INITIALIZE);
        assert!(bridge.answer(0).is_error, "{kind}");
        case.end(bridge);
        assert!(!realm.kept().iter().any(|(_, bytes)| bytes.len() > MIB), "{kind}");
    }
}
