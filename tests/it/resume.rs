//! Response streams that break: resumed by event id, sent again where that is harmless, or failed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::reply::Step;
use crate::support::*;

/// The replies to the GETs that resume, in order; the standalone GET is left to the server.
fn script_resumption(server: &Server, replies: Vec<Reply>) {
    let next = AtomicUsize::new(0);
    server.maybe("GET", move |request| {
        request.header("last-event-id")?;
        let at = next.fetch_add(1, Ordering::SeqCst);
        Some(replies.get(at).cloned().unwrap_or_else(|| Reply::status(405)))
    });
}

/// The `Last-Event-ID` of the GETs that resumed something.
fn cursors(server: &Server) -> Vec<String> {
    let gets = server.seen("GET");
    gets.iter().filter_map(|r| r.header("last-event-id").map(str::to_owned)).collect()
}

fn progress(n: usize) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"n":{n}}}}}"#)
}

#[test]
fn resumed_across_two_drops_and_an_empty_resume() {
    let server = Server::start();
    script_resumption(
        &server,
        vec![
            // The second drop comes before any new event: the cursor stays.
            Reply::sse([Step::from(": welcome back\n\n"), Step::Abort]),
            Reply::sse([event_id("a3", &progress(2))]),
            // An empty resume.
            Reply::sse([""]),
            Reply::sse([event_id("a4", &result(1, "{}"))]),
        ],
    );
    server.once(
        "tools/call",
        Reply::sse([
            Step::from("retry: 100\nid: a1\ndata:\n\n"),
            Step::from(event_id("a2", &progress(1))),
            Step::Abort,
        ]),
    );
    let bridge = Bridge::ready(&server);
    bridge.send(request(1, "tools/call"));
    assert_eq!(bridge.line().text, progress(1));
    assert_eq!(bridge.line().text, progress(2));
    bridge.answer(1).result();
    assert_eq!(cursors(&server), ["a2", "a2", "a3", "a3"]);
    assert_eq!(server.seen("tools/call").len(), 1);
    bridge.finish().clean();
}

#[test]
fn a_stream_closed_on_purpose_is_polled_after_the_servers_retry() {
    let retry = Duration::from_millis(700);
    let server = Server::start();
    let again = format!("retry: {}\nid: p2\n\n", retry.as_millis());
    script_resumption(
        &server,
        vec![Reply::sse([again]), Reply::sse([event_id("p3", &result(1, "{}"))])],
    );
    server.once(
        "tools/call",
        Reply::sse([format!("id: p1\nretry: {}\ndata: \n\n", retry.as_millis())]),
    );
    let bridge = Bridge::ready(&server);
    bridge.ask(1, "tools/call").result();
    // The second event had an id and nothing else: it moves the cursor all the same.
    assert_eq!(cursors(&server), ["p1", "p2"]);
    let call = server.seen("tools/call")[0].at;
    let gets = server.seen("GET");
    let (first, second) = (gets[1].at, gets[2].at);
    assert!(first - call >= retry, "{:?}", first - call);
    assert!(second - first >= retry, "{:?}", second - first);
    bridge.finish().clean();
}

#[test]
fn a_retry_of_nothing_is_no_hot_loop() {
    let server = Server::start();
    script_resumption(&server, vec![Reply::sse([""]), Reply::sse([event(&result(1, "{}"))])]);
    server.once("tools/call", Reply::sse(["retry: 0\nid: z\ndata: \n\n"]));
    let bridge = Bridge::ready(&server);
    bridge.ask(1, "tools/call").result();
    let gets = server.seen("GET");
    let pause = gets[1].at - server.seen("tools/call")[0].at;
    assert!(pause >= Duration::from_millis(100), "{pause:?}");
    assert!(gets[2].at - gets[1].at >= Duration::from_millis(100));
    bridge.finish().clean();
}

#[test]
fn each_stream_has_its_own_cursor() {
    let server = Server::start();
    server.maybe("GET", |request| {
        let id = match request.header("last-event-id")? {
            "one" => 1,
            "two" => 2,
            _ => return None,
        };
        Some(Reply::sse([event(&result(id, "{}"))]))
    });
    let bridge = Bridge::ready(&server);
    server.mcp().push(format!("retry: 100\n{}", event_id("standalone", &progress(0))));
    bridge.incoming("notifications/progress");
    for (id, cursor) in [(1, "one"), (2, "two")] {
        server.once("tools/call", Reply::sse([format!("retry: 100\nid: {cursor}\ndata:\n\n")]));
        bridge.send(request(id, "tools/call"));
        server.wait("tools/call", id);
    }
    bridge.answer(1).result();
    bridge.answer(2).result();
    server.mcp().stream().end();
    let gets = server.wait("GET", 4);
    assert_eq!(gets[3].header("last-event-id"), Some("standalone"));
    bridge.finish().clean();
}

#[test]
fn without_an_event_id_only_what_is_read_only_is_sent_again() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    let broken = || Reply::sse([Step::from(": begun\n\n"), Step::Abort]);
    let again = [
        "ping",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "prompts/get",
        "completion/complete",
    ];
    for method in again {
        server.once(method, broken());
        bridge.ask(1, method).result();
        let sent = server.seen(method);
        assert_eq!(sent.len(), 2, "{method}");
        assert_eq!(sent[0].body, sent[1].body);
        // Once, not for ever.
        server.always(method, move |_| broken());
        bridge.ask(2, method).failed("stream_lost");
        assert_eq!(server.seen(method).len(), 4, "{method}");
    }
    // So it is when the connection broke before the response, or in the middle of it.
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    for (id, reply) in [Reply::raw(""), Reply::reset_after(""), Reply::raw(head)].iter().enumerate()
    {
        let before = server.seen("tools/list").len();
        server.maybe("tools/list", |r| Some(Reply::json(r.result("{}"))));
        server.once("tools/list", reply.clone());
        bridge.ask(id, "tools/list").result();
        assert_eq!(server.seen("tools/list").len(), before + 2);
        server.once("x/list", reply.clone());
        assert!(bridge.ask(id, "x/list").is_error);
        assert_eq!(server.seen("x/list").len(), id + 1);
    }
    let never = ["tools/call", "logging/setLevel", "resources/subscribe", "x/own"];
    for method in never {
        server.always(method, move |_| broken());
        bridge.ask(1, method).failed("stream_lost");
        assert_eq!(server.seen(method).len(), 1, "{method}");
    }
    bridge.finish().clean();
}

#[test]
fn any_event_id_that_fits_a_header_comes_back() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    for id in ["a b", "\u{e4}\u{4e2d}", "x=1;y=\"2\"", "0"] {
        let answer = event(&result(1, "{}"));
        let expected = id.as_bytes().to_vec();
        server.maybe("GET", move |request| {
            let cursor = request.headers.get("last-event-id")?;
            Some(if cursor.as_bytes() == expected {
                Reply::sse([answer.clone()])
            } else {
                Reply::status(405)
            })
        });
        server.once("tools/call", Reply::sse([format!("retry: 100\nid: {id}\ndata:\n\n")]));
        bridge.ask(1, "tools/call").result();
    }
    // One that does not fit is as if there were none.
    let long = "x".repeat(100_000);
    server.once("tools/call", Reply::sse([format!("retry: 100\nid: {long}\ndata:\n\n")]));
    bridge.ask(1, "tools/call").failed("stream_lost");
    bridge.finish().clean();
}

#[test]
fn an_empty_id_clears_the_cursor() {
    let server = Server::start();
    let bridge = Bridge::ready(&server);
    let reset = format!("id: a\ndata: {}\n\nid\n\n", progress(1));
    server.once("tools/call", Reply::sse([Step::from(reset), Step::Abort]));
    bridge.ask(1, "tools/call").failed("stream_lost");
    bridge.incoming("notifications/progress");
    assert_eq!(cursors(&server), Vec::<String>::new());
    bridge.finish().clean();
}

#[test]
fn a_server_that_cannot_resume_says_so() {
    for status in [400, 404, 405, 501] {
        let server = Server::start();
        server.mcp().set(|s| s.sessions = false);
        script_resumption(&server, vec![Reply::status(status)]);
        server.once("tools/call", Reply::sse(["retry: 100\nid: a\ndata:\n\n"]));
        let bridge = Bridge::ready(&server);
        bridge.ask(1, "tools/call").failed("resume_failed");
        assert_eq!(cursors(&server), ["a"], "{status}");
        bridge.ask(2, "tools/list").result();
        bridge.finish().clean();
    }
}

#[test]
fn a_resume_that_fails_for_the_moment_is_tried_again() {
    let server = Server::start();
    let ok = Reply::sse([event(&result(1, "{}"))]);
    script_resumption(
        &server,
        vec![Reply::status(500), Reply::status(503), Reply::reset_after(""), Reply::raw(""), ok],
    );
    server.once("tools/call", Reply::sse(["retry: 100\nid: a\ndata:\n\n"]));
    let bridge = Bridge::ready(&server);
    bridge.ask(1, "tools/call").result();
    assert_eq!(cursors(&server), ["a"; 5]);
    bridge.finish().clean();
}

#[test]
fn without_progress_resuming_is_given_up() {
    let server = Server::start();
    server.maybe("GET", |request| {
        request.header("last-event-id")?;
        Some(Reply::sse([""]))
    });
    server.once("tools/call", Reply::sse(["retry: 100\nid: a\ndata:\n\n"]));
    let bridge = Bridge::with(&server.url()).arg("--resume-timeout=3s").ready(&server);
    bridge.ask(1, "tools/call").failed("resume_failed");
    assert!(cursors(&server).len() > 1);
    bridge.ask(2, "tools/list").result();
    bridge.finish().clean();
}

#[test]
fn a_resume_that_is_never_answered_is_given_up_too() {
    let server = Server::start();
    script_resumption(&server, vec![Reply::never(), Reply::never(), Reply::never()]);
    server.once("tools/call", Reply::sse(["retry: 100\nid: a\ndata:\n\n"]));
    let bridge = Bridge::with(&server.url()).arg("--resume-timeout=1s").ready(&server);
    bridge.ask(1, "tools/call").failed("resume_failed");
    bridge.ask(2, "tools/list").result();
    bridge.finish().clean();
}

#[test]
fn with_progress_it_goes_on_beyond_the_timeout() {
    let server = Server::start();
    let rounds = 12;
    server.maybe("GET", move |request| {
        let n: usize = request.header("last-event-id")?.parse().ok()?;
        let message = if n < rounds { progress(n) } else { result(1, "{}") };
        Some(Reply::sse([event_id(&(n + 1).to_string(), &message)]))
    });
    server.once("tools/call", Reply::sse(["retry: 200\nid: 0\ndata:\n\n"]));
    // Twelve rounds of 200 ms take longer than what one may take.
    let bridge = Bridge::with(&server.url()).arg("--resume-timeout=2s").ready(&server);
    bridge.ask(1, "tools/call").result();
    for n in 0..rounds {
        assert_eq!(bridge.line().text, progress(n));
    }
    bridge.finish().clean();
}

#[test]
fn an_answer_elsewhere_ends_the_resuming() {
    let server = Server::start();
    script_resumption(&server, vec![Reply::sse([Step::from("id: b\n\n"), Step::Hold])]);
    server.once("tools/call", Reply::sse(["retry: 100\nid: a\ndata:\n\n"]));
    let bridge = Bridge::ready(&server);
    bridge.send(request(1, "tools/call"));
    server.wait("GET", 2);
    server.mcp().push(event(&result(1, "{}")));
    bridge.answer(1).result();
    bridge.finish().clean();
}
