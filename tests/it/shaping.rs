//! What of a server the client gets to see, and pings.

use std::sync::Arc;

use serde_json::Value;

use crate::support::bridge::Builder;
use crate::support::server::Request;
use crate::support::*;

/// Three pages of tools: `look` (read-only), `touch`, and `drop_all` with `look_again` (read-only).
fn paged(server: &Server) {
    server.always("tools/list", |request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let page = match body["params"]["cursor"].as_str() {
            None => {
                r#""tools":[{"name":"look","annotations":{"readOnlyHint":true},"n":1.0,"inputSchema":{"type":"object"}}],"nextCursor":"2""#
            }
            Some("2") => {
                r#""tools":[ {"name":"touch","n":12345678901234567890,"inputSchema":{"type":"object"}} ],"nextCursor":"3""#
            }
            Some("3") => {
                r#""tools":[{"name":"drop_all","inputSchema":{"type":"object"}},{"name":"look_again","annotations":{"readOnlyHint":true},"inputSchema":{"type":"object"}}]"#
            }
            Some(other) => panic!("no page {other}"),
        };
        let modern = if request.header("mcp-method").is_some() {
            r#","resultType":"complete","ttlMs":0,"cacheScope":"private""#
        } else {
            ""
        };
        Reply::json(request.result(&format!("{{{page}{modern}}}")))
    });
}

fn list(id: usize, cursor: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{{"cursor":"{cursor}"}}}}"#
    )
}

fn call(id: usize, name: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","arguments":{{}}}}}}"#
    )
}

fn names(line: &Line) -> Vec<String> {
    let tools = line.result()["tools"].as_array().unwrap().clone();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

fn called(requests: &[Arc<Request>]) -> Vec<String> {
    let name = |request: &Arc<Request>| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        body["params"]["name"].as_str().unwrap().to_owned()
    };
    requests.iter().map(name).collect()
}

/// Against a server of each era.
fn with_both(test: impl Fn(Server)) {
    for server in [Server::start(), Server::modern()] {
        paged(&server);
        test(server);
    }
}

fn bridge(server: &Server, args: &[&str]) -> Bridge {
    let add = |builder: Builder, arg: &&str| builder.arg(arg);
    let bridge = args.iter().fold(Bridge::with(&server.url()), add).start();
    bridge.handshake().result();
    bridge
}

#[track_caller]
fn refused(line: &Line, reason: &str) {
    let error = &line.value()["error"];
    assert_eq!(error["code"], -32602, "{}", line.text);
    assert!(error["message"].as_str().unwrap().contains(reason), "{}", line.text);
}

#[test]
fn hidden_tools_are_on_no_page_and_calling_them_asks_nobody() {
    with_both(|server| {
        let bridge = bridge(
            &server,
            &["--allow-tool", "look*", "--allow-tool=touch", "--deny-tool", "*AGAIN"],
        );
        assert_eq!(names(&bridge.ask(1, "tools/list")), ["look"]);
        bridge.send(list(2, "2"));
        assert_eq!(names(&bridge.answer(2)), ["touch"]);
        bridge.send(list(3, "3"));
        assert_eq!(names(&bridge.answer(3)), [""; 0]);
        bridge.send(call(4, "look_again"));
        refused(&bridge.answer(4), "--deny-tool");
        bridge.send(call(5, "drop_all"));
        refused(&bridge.answer(5), "--allow-tool");
        // One that wants no answer is not carried out either.
        bridge.send(r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"drop_all"}}"#);
        bridge.send(call(6, "touch"));
        bridge.answer(6).result();
        bridge.finish().clean();
        assert_eq!(called(&server.seen("tools/call")), ["touch"]);
    });
}

#[test]
fn read_only_asks_for_the_list_where_it_does_not_know_a_tool() {
    with_both(|server| {
        let bridge = bridge(&server, &["--read-only"]);
        bridge.send(call(1, "look_again"));
        bridge.answer(1).result();
        let asked = server.seen("tools/list").len();
        assert!(asked >= 3, "{asked}");
        bridge.send(call(2, "touch"));
        refused(&bridge.answer(2), "--read-only");
        bridge.send(call(3, "look"));
        bridge.answer(3).result();
        assert_eq!(server.seen("tools/list").len(), asked);
        bridge.send(call(4, "unheard"));
        refused(&bridge.answer(4), "does not list");
        bridge.send(list(5, "3"));
        assert_eq!(names(&bridge.answer(5)), ["look_again"]);
        bridge.finish().clean();
        assert_eq!(called(&server.seen("tools/call")), ["look_again", "look"]);
    });
}

#[test]
fn a_list_that_cannot_be_had_lets_nothing_through() {
    let server = Server::start();
    server.always("tools/list", |_| Reply::body(500, "text/plain", "broken"));
    let bridge = bridge(&server, &["--read-only"]);
    bridge.send(call(1, "look"));
    refused(&bridge.answer(1), "does not list");
    bridge.finish().clean();
    assert!(server.seen("tools/call").is_empty());
}

#[test]
fn what_was_read_only_is_asked_again_after_the_tools_changed() {
    let server = Server::start();
    paged(&server);
    let notice = event(&notification("notifications/tools/list_changed"));
    server.once("tools/call", Reply::sse([notice, event(&result(1, "{}"))]));
    let bridge = bridge(&server, &["--read-only"]);
    bridge.send(call(1, "look"));
    bridge.answer(1).result();
    bridge.incoming("notifications/tools/list_changed");
    server.always("tools/list", |request| {
        Reply::json(
            request.result(r#"{"tools":[{"name":"look","inputSchema":{"type":"object"}}]}"#),
        )
    });
    bridge.send(call(2, "look"));
    refused(&bridge.answer(2), "--read-only");
    bridge.finish().clean();
}

#[test]
fn pages_come_as_one_list() {
    with_both(|server| {
        let bridge = bridge(&server, &["--merge-pages", "--deny-tool", "touch"]);
        let answer = bridge.ask(1, "tools/list");
        assert_eq!(names(&answer), ["look", "drop_all", "look_again"]);
        assert!(answer.result().get("nextCursor").is_none());
        assert!(answer.text.contains(r#""n":1.0"#), "{}", answer.text);
        // A client that reads pages gets pages.
        bridge.send(list(2, "2"));
        let page = bridge.answer(2);
        assert_eq!(page.result()["nextCursor"], "3");
        assert_eq!(names(&page), [""; 0]);
        bridge.finish().clean();
    });
    let server = Server::start();
    paged(&server);
    let bridge = bridge(&server, &["--merge-pages"]);
    let answer = bridge.ask("\"x\"", "tools/list");
    assert_eq!(names(&answer), ["look", "touch", "drop_all", "look_again"]);
    assert!(answer.text.contains("12345678901234567890"), "{}", answer.text);
    bridge.finish().clean();
}

#[test]
fn a_page_that_fails_fails_the_list() {
    let server = Server::start();
    server.always("prompts/list", |request| {
        if request.text().contains("cursor") {
            let text = r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"worn out"}}"#;
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            return Reply::json(text.replace("ID", &body["id"].to_string()));
        }
        Reply::json(request.result(r#"{"prompts":[{"name":"p"}],"nextCursor":"2"}"#))
    });
    let bridge = bridge(&server, &["--merge-pages"]);
    let answer = bridge.ask(7, "prompts/list");
    assert_eq!(answer.value()["error"]["message"], "worn out");
    bridge.finish().clean();
}

#[test]
fn a_list_that_is_taken_back_while_it_is_put_together() {
    let server = Server::start();
    let gate = Gate::new();
    let held = gate.clone();
    server.always("tools/list", move |request| {
        if request.text().contains("cursor") {
            return Reply::json(request.result(r#"{"tools":[]}"#)).after(&held);
        }
        Reply::json(request.result(r#"{"tools":[],"nextCursor":"2"}"#))
    });
    let bridge = bridge(&server, &["--merge-pages"]);
    bridge.send(request(1, "tools/list"));
    server.wait("tools/list", 2);
    bridge.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    // The client's own, and that for the request that the server knows.
    let notices = server.wait("notifications/cancelled", 2);
    let page: Value = serde_json::from_slice(&server.seen("tools/list")[1].body).unwrap();
    let told = |notice: &Arc<Request>| {
        let notice: Value = serde_json::from_slice(&notice.body).unwrap();
        notice["params"]["requestId"] == page["id"]
    };
    assert_eq!(notices.iter().filter(|notice| told(notice)).count(), 1);
    gate.open();
    bridge.ask(2, "prompts/list").result();
    let exit = bridge.finish();
    exit.clean();
    assert_eq!(exit.rest, []);
}

#[test]
fn the_server_gets_another_name() {
    for server in [Server::start(), Server::modern()] {
        let bridge = Bridge::with(&server.url()).arg("--rename-server").arg("work").start();
        assert_eq!(bridge.handshake().result()["serverInfo"]["name"], "work");
        bridge.finish().clean();
    }
}

#[test]
fn a_quiet_session_is_pinged_and_the_client_sees_nothing() {
    let server = Server::start();
    let bridge = bridge(&server, &["--keep-alive=1s"]);
    let pings = server.wait("ping", 2);
    assert!(pings[0].header("mcp-session-id").is_some());
    bridge.ask(1, "tools/list").result();
    let exit = bridge.finish();
    exit.clean();
    assert_eq!(exit.rest, []);
}

#[test]
fn a_ping_finds_a_session_that_is_lost() {
    let server = Server::start();
    let bridge = bridge(&server, &["--keep-alive=1s"]);
    server.mcp().forget();
    server.wait("initialize", 2);
    // The new session may have other tools.
    bridge.incoming("notifications/tools/list_changed");
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();
}

#[test]
fn who_knows_no_pings_gets_no_more_of_them() {
    let server = Server::start();
    server.always("ping", |request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let text = r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32601,"message":"what?"}}"#;
        Reply::json(text.replace("ID", &body["id"].to_string()))
    });
    let bridge = Bridge::with(&server.url()).arg("--keep-alive=1s").arg("-v").ready(&server);
    bridge.wait_stderr("knows no ping");
    bridge.finish().clean();
    assert_eq!(server.seen("ping").len(), 1);
}

#[test]
fn a_stateless_server_is_not_pinged() {
    let server = Server::modern();
    let bridge = bridge(&server, &["--keep-alive=1s"]);
    std::thread::sleep(std::time::Duration::from_millis(2500));
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();
    assert!(server.seen("ping").is_empty());
}
