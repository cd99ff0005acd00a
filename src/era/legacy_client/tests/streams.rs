//! Subscriptions: which streams are open, and what comes of them.

use super::*;
use crate::limits::{
    ACKNOWLEDGEMENT_TIMEOUT, BACKOFF_FIRST, MAX_HELD_CHANGES, MAX_SUBSCRIPTIONS, OVERLAP,
    RECONNECT_AT_ONCE, STREAM_WORTHWHILE,
};

const TOOLS: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
const RESOURCES: &str = r#"{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}"#;
const LISTS: &str = r#""toolsListChanged":true,"resourcesListChanged":true"#;
const NOTHING: [&str; 0] = [];
/// A server with resources to subscribe to and no changing lists.
const SUBSCRIBE: &str =
    r#"{"supportedVersions":["2026-07-28"],"capabilities":{"resources":{"subscribe":true}}}"#;

/// The line that opens a stream.
fn listen(id: u32, filter: &str) -> String {
    format!(
        r#"server {{"jsonrpc":"2.0","id":"mcp-tether/{id}","method":"subscriptions/listen","params":{{"notifications":{{{filter}}}}}}}"#
    )
}

/// The line that closes one.
fn closed(id: u32) -> String {
    format!(
        r#"server {{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":"mcp-tether/{id}","reason":"the subscriptions have changed"}}}}"#
    )
}

fn acknowledged(id: u32, filter: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":"mcp-tether/{id}"}},"notifications":{{{filter}}}}}}}"#
    )
}

/// A notification of a stream as the server sends it.
fn tagged(id: u32, plain: &str) -> String {
    let tag = format!(r#""_meta":{{"io.modelcontextprotocol/subscriptionId":"mcp-tether/{id}"}}"#);
    match plain.split_once("\"params\":{") {
        Some((head, rest)) => format!(r#"{head}"params":{{{tag},{rest}"#),
        None => plain.replace("\"}", &format!("\",\"params\":{{{tag}}}}}")),
    }
}

fn updated(uri: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"{uri}"}}}}"#
    )
}

fn request(id: u32, verb: &str, uri: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"resources/{verb}","params":{{"uri":"{uri}"}}}}"#
    )
}

fn done(id: u32) -> String {
    format!(r#"answer {{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)
}

fn error(id: u32, code: i32) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":"mcp-tether/{id}","error":{{"code":{code},"message":"m"}}}}"#)
}

fn graceful(id: u32) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":"mcp-tether/{id}","result":{{"resultType":"complete"}}}}"#)
}

/// A bench whose stream for the lists is open. The numbers so far: 1 its id, 2 the time for its
/// acknowledgement, 3 the time after which it was worthwhile.
fn listening() -> Bench {
    let mut bench = Bench::fresh("2025-11-25", "{}", DISCOVERED);
    let started = bench.client(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    assert_eq!(started, [listen(1, LISTS)]);
    assert_eq!(bench.server(&acknowledged(1, LISTS)), NOTHING);
    bench
}

/// The same, subscribed to `a:1` as well. Numbers up to 7 are used; the stream is 4.
fn subscribed() -> Bench {
    let mut bench = listening();
    let with = format!(r#"{LISTS},"resourceSubscriptions":["a:1"]"#);
    assert_eq!(bench.client(&request(1, "subscribe", "a:1")), [listen(4, &with)]);
    assert_eq!(bench.server(&acknowledged(4, &with)), [closed(1), done(1)]);
    assert_eq!(bench.wake(OVERLAP), NOTHING);
    bench
}

#[test]
fn one_stream_for_the_lists_that_the_server_has() {
    let mut bench = listening();
    for change in [TOOLS, RESOURCES] {
        assert_eq!(bench.server(&tagged(1, change)), [format!("client {change}")]);
        // Every time: two changes are two.
        assert_eq!(bench.server(&tagged(1, change)), [format!("client {change}")]);
    }
    // The engine opened it again: its acknowledgement says nothing new.
    assert_eq!(bench.server(&acknowledged(1, LISTS)), NOTHING);
    assert_eq!(bench.end(), [closed(1)]);
    assert_eq!(bench.client(&request(1, "subscribe", "a:1")).len(), 1);
}

#[test]
fn no_stream_for_nothing() {
    let mut bench = Bench::fresh("2025-11-25", "{}", SUBSCRIBE);
    assert_eq!(bench.client(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#), NOTHING);
    let only = r#""resourceSubscriptions":["a:\u0031"]"#;
    let mut actions = Vec::new();
    let subscribe = request(1, "subscribe", r"a:\u0031");
    bench.adapter.take_from_client(&message(&subscribe, Source::Client), &mut actions);
    let [Action::ToServer(_, bytes), Action::Wake(..)] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(
        member::lookup(bytes, &["params", "notifications"]),
        Some(format!("{{{only}}}").as_str())
    );
    // The server spells it its own way.
    assert_eq!(bench.server(&acknowledged(1, r#""resourceSubscriptions":["a:1"]"#)), [done(1)]);
    assert_eq!(bench.server(&tagged(1, &updated("a:1"))), [format!("client {}", updated("a:1"))]);
    // Subscribed already.
    assert_eq!(bench.client(&request(2, "subscribe", "a:1")), [done(2)]);
    // Nothing is left: no stream either.
    assert_eq!(bench.client(&request(3, "unsubscribe", "a:1")), [done(3), closed(1)]);
    assert_eq!(bench.client(&request(4, "unsubscribe", "a:1")), [done(4)]);
}

#[test]
fn a_changed_filter_opens_the_new_stream_before_the_old_is_closed() {
    let mut bench = listening();
    let with = format!(r#"{LISTS},"resourceSubscriptions":["a:1"]"#);
    assert_eq!(bench.client(&request(1, "subscribe", "a:1")), [listen(4, &with)]);
    // Until the acknowledgement, what the old one brings is held; other things are not.
    assert_eq!(bench.server(&tagged(1, TOOLS)), NOTHING);
    let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#;
    assert_eq!(bench.server(log), [format!("client {log}")]);
    assert_eq!(bench.server(&acknowledged(4, &with)), [closed(1), done(1)]);
    // For a moment after it, the same change from the new one is the same change.
    assert_eq!(bench.server(&tagged(4, TOOLS)), NOTHING);
    assert_eq!(bench.server(&tagged(1, TOOLS)), NOTHING);
    assert_eq!(bench.server(&tagged(4, &updated("a:1"))), NOTHING);
    assert_eq!(bench.server(&tagged(4, &updated("a:2"))), NOTHING);
    assert_eq!(
        bench.wake(OVERLAP),
        [
            format!("client {TOOLS}"),
            format!("client {}", updated("a:1")),
            format!("client {}", updated("a:2")),
        ]
    );
    // Then everything is passed on as it comes.
    assert_eq!(bench.server(&tagged(4, TOOLS)), [format!("client {TOOLS}")]);
    assert_eq!(bench.server(&graceful(1)), NOTHING);

    // Unsubscribing is answered at once.
    assert_eq!(bench.client(&request(2, "unsubscribe", "a:1")), [done(2), listen(8, LISTS)]);
    assert_eq!(bench.server(&acknowledged(8, LISTS)), [closed(4)]);
}

#[test]
fn subscriptions_while_a_stream_is_pending_are_merged_into_the_next() {
    let mut bench = listening();
    let one = format!(r#"{LISTS},"resourceSubscriptions":["a:1"]"#);
    let three = format!(r#"{LISTS},"resourceSubscriptions":["a:1","a:2","a:3"]"#);
    assert_eq!(bench.client(&request(1, "subscribe", "a:1")), [listen(4, &one)]);
    for (id, uri) in [(2, "a:2"), (3, "a:3"), (4, "a:1"), (5, "a:4")] {
        assert_eq!(bench.client(&request(id, "subscribe", uri)), NOTHING);
    }
    // One is taken back in time, and answered all the same.
    assert_eq!(bench.client(&request(6, "unsubscribe", "a:4")), [done(5), done(6)]);
    assert_eq!(bench.server(&tagged(1, TOOLS)), NOTHING);
    assert_eq!(
        bench.server(&acknowledged(4, &one)),
        [closed(1), done(1), done(4), listen(8, &three)]
    );
    // What the first overlap held does not wait for the second.
    assert_eq!(bench.server(&tagged(4, RESOURCES)), NOTHING);
    assert_eq!(bench.wake(OVERLAP), [format!("client {TOOLS}")]);
    assert_eq!(bench.server(&acknowledged(8, &three)), [closed(4), done(2), done(3)]);
    assert_eq!(bench.server(&tagged(8, RESOURCES)), NOTHING);
    assert_eq!(bench.wake(OVERLAP), [format!("client {RESOURCES}")]);
}

#[test]
fn wanted_again_before_anything_could_change() {
    let mut bench = subscribed();
    assert_eq!(bench.client(&request(2, "unsubscribe", "a:1")), [done(2), listen(8, LISTS)]);
    assert_eq!(bench.client(&request(3, "subscribe", "a:1")), NOTHING);
    // The smaller stream comes to nothing: the larger one goes on, and is what is wanted.
    assert_eq!(bench.server(&error(8, -32603)), [done(3)]);
    assert_eq!(bench.server(&tagged(4, TOOLS)), [format!("client {TOOLS}")]);
}

#[test]
fn what_the_server_does_not_grant_is_refused() {
    let mut bench = listening();
    let two = format!(r#"{LISTS},"resourceSubscriptions":["a:1"]"#);
    bench.client(&request(1, "subscribe", "a:1"));
    let acknowledged_without = acknowledged(4, LISTS);
    let lines = bench.server(&acknowledged_without);
    assert_eq!(lines[0], closed(1));
    assert_error(&lines[1], "1", -32602);
    assert_eq!(lines.len(), 2);
    // It is asked for again when the client asks again.
    assert_eq!(bench.client(&request(2, "subscribe", "a:1")), [listen(8, &two)]);
}

#[test]
fn a_stream_that_fails_leaves_the_earlier_one() {
    // Refused: the client gets the server's words.
    let mut bench = subscribed();
    bench.client(&request(2, "subscribe", "a:2"));
    assert_eq!(bench.server(&tagged(4, TOOLS)), NOTHING);
    assert_eq!(
        bench.server(&error(8, -32602)),
        [
            r#"answer {"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"m"}}"#.to_owned(),
            format!("client {TOOLS}")
        ]
    );
    assert_eq!(bench.server(&tagged(4, &updated("a:1"))), [format!("client {}", updated("a:1"))]);

    // Ended before it was acknowledged.
    let mut bench = subscribed();
    bench.client(&request(2, "subscribe", "a:2"));
    let lines = bench.server(&graceful(8));
    assert_error(&lines[0], "2", -31020);
    assert_eq!(lines.len(), 1);

    // Never acknowledged.
    let mut bench = subscribed();
    bench.client(&request(2, "subscribe", "a:2"));
    assert_eq!(bench.server(&tagged(4, TOOLS)), NOTHING);
    let lines = bench.wake(ACKNOWLEDGEMENT_TIMEOUT);
    assert_eq!(lines[0], closed(8));
    assert_error(&lines[1], "2", -31004);
    assert_eq!(lines[2..], [format!("client {TOOLS}")]);
    assert_eq!(bench.server(&acknowledged(8, LISTS)), NOTHING);
    assert_eq!(bench.client(&request(3, "subscribe", "a:1")), [done(3)]);
}

#[test]
fn the_first_stream_may_take_its_time_while_nobody_waits_for_it() {
    let mut bench = Bench::open("2025-11-25", "{}", DISCOVERED);
    assert_eq!(bench.wake(ACKNOWLEDGEMENT_TIMEOUT), NOTHING);
    // Whoever then waits gets a stream of his own, with a time of its own.
    let with = format!(r#"{LISTS},"resourceSubscriptions":["a:1"]"#);
    assert_eq!(bench.client(&request(1, "subscribe", "a:1")), [closed(1), listen(3, &with)]);
    let lines = bench.wake(ACKNOWLEDGEMENT_TIMEOUT);
    assert_eq!(lines[0], closed(3));
    assert_error(&lines[1], "1", -31004);
    assert_eq!(lines[2..], [listen(5, LISTS)]);

    // One that waited from the start is not forgotten either.
    let mut bench = Bench::open("2025-11-25", "{}", DISCOVERED);
    assert_eq!(bench.client(&request(1, "subscribe", "a:1")), NOTHING);
    assert_eq!(bench.wake(ACKNOWLEDGEMENT_TIMEOUT), [closed(1), listen(3, &with)]);
    assert_eq!(bench.server(&acknowledged(3, &with)), [done(1)]);

    // A late acknowledgement is one.
    let mut bench = Bench::open("2025-11-25", "{}", DISCOVERED);
    bench.wake(ACKNOWLEDGEMENT_TIMEOUT);
    assert_eq!(bench.server(&tagged(1, TOOLS)), [format!("client {TOOLS}")]);
    assert_eq!(bench.server(&acknowledged(1, LISTS)), NOTHING);
    assert_eq!(bench.client(&request(1, "subscribe", "a:1")), [listen(4, &with)]);
}

#[test]
fn a_stream_that_ends_is_opened_again_and_what_may_have_changed_is_told() {
    let mut bench = subscribed();
    let with = format!(r#"{LISTS},"resourceSubscriptions":["a:1"]"#);
    let told =
        [TOOLS, RESOURCES, &updated("a:1")].map(|notification| format!("client {notification}"));
    assert_eq!(bench.server(&graceful(4)), NOTHING);
    assert_eq!(bench.wake(RECONNECT_AT_ONCE), [listen(9, &with)]);
    assert_eq!(bench.server(&acknowledged(9, &with)), told);
    // Again and again: with longer and longer pauses, until one was worthwhile.
    bench.server(&error(9, -32603));
    assert_eq!(bench.wake(BACKOFF_FIRST), [listen(13, &with)]);
    bench.server(&error(13, -31002));
    assert_eq!(bench.wake(BACKOFF_FIRST * 2), [listen(16, &with)]);
    assert_eq!(bench.server(&acknowledged(16, &with)), told);
    bench.wake(STREAM_WORTHWHILE);
    // Torn down without a response, as on stdio.
    let torn = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"mcp-tether/16"}}"#;
    assert_eq!(bench.server(torn), NOTHING);
    assert_eq!(bench.wake(RECONNECT_AT_ONCE), [listen(20, &with)]);
    // What the client no longer wants is not told.
    assert_eq!(bench.client(&request(5, "unsubscribe", "a:1")), [done(5)]);
    let lines = bench.server(&acknowledged(20, &with));
    assert_eq!(lines[..2], told[..2]);
    assert_eq!(lines[2..], [listen(23, LISTS)]);
}

#[test]
fn a_subscription_does_not_wait_for_the_pause() {
    let mut bench = listening();
    bench.server(&graceful(1));
    let with = format!(r#"{LISTS},"resourceSubscriptions":["a:1"]"#);
    assert_eq!(bench.client(&request(1, "subscribe", "a:1")), [listen(5, &with)]);
    assert_eq!(bench.wake(RECONNECT_AT_ONCE), NOTHING);
    assert_eq!(
        bench.server(&acknowledged(5, &with)),
        [done(1), format!("client {TOOLS}"), format!("client {RESOURCES}")]
    );
}

#[test]
fn a_stream_that_ends_while_it_is_replaced() {
    let mut bench = listening();
    let with = format!(r#"{LISTS},"resourceSubscriptions":["a:1"]"#);
    bench.client(&request(1, "subscribe", "a:1"));
    assert_eq!(bench.server(&tagged(1, TOOLS)), NOTHING);
    // There is nothing to compare with any more.
    assert_eq!(bench.server(&graceful(1)), [format!("client {TOOLS}")]);
    assert_eq!(
        bench.server(&acknowledged(4, &with)),
        [done(1), format!("client {TOOLS}"), format!("client {RESOURCES}")]
    );
}

#[test]
fn a_lasting_refusal_is_not_repeated() {
    for code in [-32601, -32602, -32600] {
        let mut bench = Bench::open("2025-11-25", "{}", DISCOVERED);
        assert_eq!(bench.server(&error(1, code)), NOTHING);
        assert_eq!(bench.wakes.len(), 1, "only the time for the acknowledgement");
        // A subscription is another question.
        assert_eq!(bench.client(&request(1, "subscribe", "a:1")).len(), 1);
    }
    for (data, again) in [
        (r#"{"status":404}"#, false),
        (r#"{"status":429}"#, true),
        (r#"{"status":503}"#, true),
        ("{}", true),
    ] {
        let mut bench = Bench::open("2025-11-25", "{}", DISCOVERED);
        bench.server(&format!(
            r#"{{"jsonrpc":"2.0","id":"mcp-tether/1","error":{{"code":-31010,"message":"m","data":{data}}}}}"#
        ));
        assert_eq!(bench.wakes.len() == 2, again, "{data}");
    }
    // A running stream that is refused for good.
    let mut bench = subscribed();
    let before = bench.wakes.len();
    assert_eq!(bench.server(&error(4, -32601)), NOTHING);
    assert_eq!(bench.wakes.len(), before);

    // The lists are not given up because of a resource.
    let mut bench = Bench::open("2025-11-25", "{}", DISCOVERED);
    bench.client(&request(1, "subscribe", "a:1"));
    let lines = bench.server(&error(1, -32603));
    let with = format!(r#"{LISTS},"resourceSubscriptions":["a:1"]"#);
    assert_eq!(lines, [listen(3, &with)]);
    let lines = bench.server(&error(3, -32602));
    assert_error(&lines[0], "1", -32602);
    assert_eq!(lines[1..], [listen(5, LISTS)]);
}

#[test]
fn a_subscription_that_is_taken_back_is_not_answered() {
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let mut bench = listening();
    let with = format!(r#"{LISTS},"resourceSubscriptions":["a:1"]"#);
    bench.client(&request(1, "subscribe", "a:1"));
    assert_eq!(bench.client(cancel), NOTHING);
    assert_eq!(bench.server(&acknowledged(4, &with)), [closed(1), listen(8, LISTS)]);

    // One that the client has anyway stays.
    let mut bench = listening();
    bench.client(&request(1, "subscribe", "a:1"));
    bench.client(&request(2, "subscribe", "a:1"));
    assert_eq!(bench.client(cancel), NOTHING);
    assert_eq!(bench.server(&acknowledged(4, &with)), [closed(1), done(2)]);
}

#[test]
fn subscriptions_and_held_changes_are_bounded() {
    let mut bench = Bench::open("2025-11-25", "{}", SUBSCRIBE);
    for n in 0..u32::try_from(MAX_SUBSCRIPTIONS).unwrap() {
        bench.client(&request(n + 2, "subscribe", &format!("a:{n}")));
    }
    let lines = bench.client(&request(1, "subscribe", "b:1"));
    assert_error(&lines[0], "1", -31031);
    assert_eq!(lines.len(), 1);
    for missing in ["", r#","params":{}"#, r#","params":{"uri":7}"#] {
        for verb in ["subscribe", "unsubscribe"] {
            let text =
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"resources/{verb}"{missing}}}"#);
            assert_error(&bench.client(&text)[0], "1", -32602);
        }
    }

    let mut bench = subscribed();
    bench.client(&request(2, "subscribe", "a:2"));
    for n in 0..MAX_HELD_CHANGES {
        assert_eq!(bench.server(&tagged(4, &updated(&format!("a:{n}")))), NOTHING);
    }
    assert_eq!(bench.server(&tagged(4, TOOLS)).len(), MAX_HELD_CHANGES + 1);
    let big = updated(&"x".repeat(crate::limits::MAX_HELD_BYTES));
    assert_eq!(bench.server(&tagged(4, &big)), [format!("client {big}")]);
}
