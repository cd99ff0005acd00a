//! A modern client: in front of a stateless server its messages pass as they are, in front of one
//! that keeps sessions they are translated. What each translation does in detail is tested beside it.

use serde_json::{Value, json};

use crate::support::modern::{ask, cancel, request};
use crate::support::*;

fn legacy_server() -> Server {
    let server = Server::start();
    server.mcp().set(|s| {
        s.recorded = true;
        s.capabilities = r#"{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"logging":{}}"#;
    });
    server
}

fn start(server: &Server) -> Bridge {
    Bridge::with(&server.url()).recorded(MODERN).start()
}

#[test]
fn modern_on_both_sides_changes_no_byte() {
    let server = Server::modern();
    let bridge = Bridge::start(&server);
    let text = r#" {"params" : {"name":"échø","arguments":{"n":12345678901234567890,"f":1.0},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"x":12345678901234567890123.0}} , "method":"tools\/call","id":1.0,"jsonrpc":"2.0"} "#;
    let answer = r#"{ "result" : {"resultType":"complete","ttlMs":1.0,"content":[12345678901234567890]},"id":1.0,"jsonrpc":"2.0" }"#;
    server.once("tools/call", Reply::json(answer));
    bridge.send(text);
    assert_eq!(bridge.answer("1.0").text, answer);
    let call = &server.seen("tools/call")[0];
    assert_eq!(call.text(), text.trim());
    assert_eq!(call.header("mcp-name"), Some("=?base64?w6ljaMO4?="));
    // An unfinished call is the client's to go on with.
    let round = r#"{"jsonrpc":"2.0","id":2,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}},"requestState":"s"}}"#;
    server.once("tools/call", Reply::json(round));
    bridge.send(request(2, "tools/call", r#""name":"x","#, r#"{"roots":{}}"#));
    assert_eq!(bridge.answer(2).text, round);
    bridge.finish().clean();
}

#[test]
fn a_request_without_a_revision_proves_nothing() {
    let server = Server::modern();
    // A client's fault is passed on.
    server.stateless().set(|s| s.recorded = false);
    let bridge = Bridge::start(&server);
    ask(&bridge, 1, "server/discover", "").result();
    bridge.send(super::support::request(2, "server/discover"));
    assert_eq!(bridge.answer(2).value()["error"]["code"], -32602);
    // A method of an earlier time, in the form of this one.
    assert_eq!(ask(&bridge, 3, "initialize", "").value()["error"]["code"], -32601);
    assert_eq!(ask(&bridge, 4, "tools/list", "").result()["resultType"], "complete");
    bridge.finish().clean();
    assert_eq!(server.kinds(), ["initialize", "tools/list"]);
}

#[test]
fn a_subscription_with_a_stateless_server() {
    let server = Server::modern();
    let bridge = start(&server);
    bridge.send(request(
        "\"s\"",
        "subscriptions/listen",
        r#""notifications":{"toolsListChanged":true,"resourceSubscriptions":["a:/1"]},"#,
        "{}",
    ));
    let acknowledged = bridge.incoming("notifications/subscriptions/acknowledged");
    assert_eq!(
        acknowledged.value()["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"],
        "s"
    );
    server.stateless().stream(1).notify("notifications/tools/list_changed", "");
    bridge.incoming("notifications/tools/list_changed");
    // A gap: it is opened again, and everything counts as changed.
    server.stateless().stream(1).abort();
    let again = server.stateless().stream(2);
    assert_eq!(again.id, "\"s\"");
    bridge.incoming("notifications/tools/list_changed");
    let updated = bridge.incoming("notifications/resources/updated").value();
    assert_eq!(updated["params"]["uri"], "a:/1");
    assert_eq!(updated["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "s");
    again.finish();
    assert_eq!(bridge.answer("\"s\"").result()["resultType"], "complete");
    // One that is cancelled is closed and not answered; one that is open at the end is.
    bridge.send(request(
        5,
        "subscriptions/listen",
        r#""notifications":{"toolsListChanged":true},"#,
        "{}",
    ));
    let third = server.stateless().stream(3);
    cancel(&bridge, 5);
    server.stateless().only_open(0);
    third.wait_closed();
    bridge.send(request(
        6,
        "subscriptions/listen",
        r#""notifications":{"toolsListChanged":true},"#,
        "{}",
    ));
    server.stateless().stream(4);
    let exit = bridge.finish();
    exit.code(0);
    let answered: Vec<_> =
        exit.rest.iter().filter(|line| line.method.is_none()).map(|line| line.id.clone()).collect();
    assert_eq!(answered, [Some("6".to_owned())]);
}

#[test]
fn a_subscription_that_is_cancelled_at_the_very_end_is_not_answered() {
    for server in [Server::modern(), legacy_server()] {
        let bridge = start(&server);
        let filter = r#""notifications":{"toolsListChanged":true},"#;
        bridge.send(request(1, "subscriptions/listen", filter, "{}"));
        bridge.incoming("notifications/subscriptions/acknowledged");
        cancel(&bridge, 1);
        bridge.finish().clean();
    }
}

#[test]
fn a_subscription_that_is_refused() {
    let server = Server::modern();
    server.once(
        "subscriptions/listen",
        Reply::body(
            404,
            "application/json",
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#,
        ),
    );
    server.once("subscriptions/listen", Reply::status(500));
    let bridge = start(&server);
    assert_eq!(
        ask(&bridge, 1, "subscriptions/listen", r#""notifications":{},"#).value()["error"]["code"],
        -32601
    );
    ask(&bridge, 2, "subscriptions/listen", r#""notifications":{},"#).failed("http_status");
    bridge.finish().clean();
}

#[test]
fn a_server_that_keeps_sessions_is_introduced() {
    let server = legacy_server();
    let bridge = start(&server);
    let result = ask(&bridge, 1, "server/discover", "").result();
    assert_eq!(result["supportedVersions"], json!([MODERN]));
    assert_eq!(result["resultType"], "complete");
    assert_eq!(result["capabilities"]["resources"]["subscribe"], true);
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "scripted");
    let listed = ask(&bridge, 2, "tools/list", "").result();
    assert_eq!((&listed["ttlMs"], &listed["cacheScope"]), (&json!(0), &json!("private")));
    server.wait("GET", 1);
    bridge.finish().clean();
    // The bridge keeps the protocol of the session; the server checks that.
    let list = &server.seen("tools/list")[0];
    assert!(!list.text().contains("io.modelcontextprotocol"), "{}", list.text());
    assert_eq!(server.seen("initialize").len(), 1);
    assert_eq!(server.wait("DELETE", 1).len(), 1);
}

#[test]
fn a_lost_session_is_made_anew() {
    let server = legacy_server();
    let bridge = start(&server);
    ask(&bridge, 1, "tools/list", "").result();
    server.mcp().forget();
    ask(&bridge, 2, "tools/list", "").result();
    assert_eq!(server.seen("initialize").len(), 2);
    bridge.finish().clean();
}

#[test]
fn what_is_not_of_this_revision_is_refused() {
    let server = legacy_server();
    let bridge = start(&server);
    ask(&bridge, 1, "server/discover", "").result();
    bridge.send(super::support::request(2, "tools/list"));
    assert_eq!(bridge.answer(2).value()["error"]["code"], -32602);
    bridge.send(request(3, "tools/list", "", "{}").replace(MODERN, "2031-01-01"));
    let error = bridge.answer(3).value()["error"].take();
    assert_eq!((&error["code"], &error["data"]["supported"]), (&json!(-32022), &json!([MODERN])));
    assert_eq!(ask(&bridge, 4, "ping", "").value()["error"]["code"], -32601);
    bridge.finish().clean();
}

#[test]
fn a_question_in_the_middle_of_a_call() {
    let server = legacy_server();
    let feed = Feed::new();
    let open = feed.clone();
    server.maybe("tools/call", move |_| Some(Reply::feed(&open)));
    let bridge = start(&server);
    let capabilities = r#"{"elicitation":{"form":{}}}"#;
    bridge.send(request(1, "tools/call", r#""name":"ask","arguments":{"n":1.0},"#, capabilities));
    let upstream = server.wait("tools/call", 1)[0].id.clone().unwrap();
    feed.send(event(
        r#"{"jsonrpc":"2.0","id":77,"method":"elicitation/create","params":{"message":"Who?","requestedSchema":{"type":"object","properties":{}}}}"#,
    ));
    let asked = bridge.answer(1).result();
    assert_eq!(asked["resultType"], "input_required");
    let (key, question) = asked["inputRequests"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(question["params"]["message"], "Who?");
    let state = &asked["requestState"];
    let params = format!(
        r#""name":"ask","arguments":{{"n":1.0}},"requestState":{state},"inputResponses":{{"{key}":{{"action":"accept","content":{{"name":"Ada","n":1.0}}}}}},"#
    );
    bridge.send(request(2, "tools/call", &params, capabilities));
    let response = &server.wait("response", 1)[0];
    assert_eq!(response.id.as_deref(), Some("77"));
    assert!(response.text().contains(r#"{"name":"Ada","n":1.0}"#), "{}", response.text());
    feed.send(event(&result(&upstream, r#"{"content":[]}"#)));
    feed.end();
    assert_eq!(bridge.answer(2).result()["resultType"], "complete");
    // Used up.
    bridge.send(request(3, "tools/call", &params, capabilities));
    assert_eq!(bridge.answer(3).value()["error"]["code"], -32602);
    bridge.finish().clean();
    assert_eq!(server.seen("tools/call").len(), 1);
}

#[test]
fn a_question_belongs_to_the_call_on_whose_stream_it_comes() {
    let server = legacy_server();
    let feeds = [Feed::new(), Feed::new()];
    let open = feeds.clone();
    server.maybe("tools/call", move |request| {
        let second = request.text().contains(r#""name":"second""#);
        Some(Reply::feed(&open[usize::from(second)]))
    });
    let bridge = start(&server);
    let capabilities = r#"{"roots":{}}"#;
    for (id, name) in [(1, "first"), (2, "second")] {
        bridge.send(request(id, "tools/call", &format!(r#""name":"{name}","#), capabilities));
        server.wait("tools/call", id);
    }
    feeds[1].send(event(r#"{"jsonrpc":"2.0","id":77,"method":"roots/list"}"#));
    assert_eq!(bridge.answer(2).result()["resultType"], "input_required");
    for call in server.seen("tools/call") {
        let second = call.text().contains(r#""name":"second""#);
        feeds[usize::from(second)].send(event(&call.result(r#"{"content":[]}"#)));
    }
    assert_eq!(bridge.answer(1).result()["resultType"], "complete");
    bridge.finish().clean();
}

#[test]
fn a_question_that_the_client_cannot_answer() {
    let server = legacy_server();
    let feed = Feed::new();
    let open = feed.clone();
    server.maybe("tools/call", move |_| Some(Reply::feed(&open)));
    let bridge = start(&server);
    bridge.send(request(1, "tools/call", r#""name":"ask","#, "{}"));
    let upstream = server.wait("tools/call", 1)[0].id.clone().unwrap();
    feed.send(event(r#"{"jsonrpc":"2.0","id":77,"method":"roots/list"}"#));
    let response: Value = serde_json::from_slice(&server.wait("response", 1)[0].body).unwrap();
    assert_eq!((&response["id"], &response["error"]["code"]), (&json!(77), &json!(-32601)));
    feed.send(event(&result(&upstream, r#"{"content":[],"isError":true}"#)));
    feed.end();
    bridge.answer(1).result();
    bridge.finish().clean();
}

#[test]
fn a_subscription_with_a_server_that_keeps_sessions() {
    let server = legacy_server();
    let bridge = start(&server);
    bridge.send(request("\"s\"", "subscriptions/listen", r#""notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourceSubscriptions":["a:/1"]},"#, "{}"));
    let acknowledged = bridge.incoming("notifications/subscriptions/acknowledged").value();
    assert_eq!(
        acknowledged["params"]["notifications"],
        json!({"toolsListChanged": true, "resourceSubscriptions": ["a:/1"]})
    );
    server.mcp().push(event(&notification("notifications/tools/list_changed")));
    let changed = bridge.incoming("notifications/tools/list_changed").value();
    assert_eq!(changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "s");
    server.mcp().push(event(r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:/1","n":1.0}}"#));
    let updated = bridge.incoming("notifications/resources/updated");
    assert!(updated.text.contains(r#""n":1.0"#), "{updated}");
    // Nobody asked for these.
    server.mcp().push(event(&notification("notifications/resources/list_changed")));
    cancel(&bridge, "\"s\"");
    server.wait("resources/unsubscribe", 1);
    server.mcp().push(event(&notification("notifications/tools/list_changed")));
    ask(&bridge, 9, "tools/list", "").result();
    bridge.finish().clean();
}

#[test]
fn log_messages_only_for_those_who_ask() {
    let server = legacy_server();
    server.maybe("tools/call", |request| {
        let log = |level: &str| {
            event(&format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","data":1}}}}"#
            ))
        };
        Some(Reply::sse([log("debug"), log("error"), event(&request.result(r#"{"content":[]}"#))]))
    });
    let bridge = start(&server);
    ask(&bridge, 1, "tools/call", r#""name":"x","#).result();
    let asking = request(2, "tools/call", r#""name":"x","#, "{}")
        .replace("\"_meta\":{", "\"_meta\":{\"io.modelcontextprotocol/logLevel\":\"warning\",");
    bridge.send(asking);
    let log = bridge.incoming("notifications/message").value();
    assert_eq!(log["params"]["level"], "error");
    bridge.answer(2).result();
    bridge.finish().clean();
    let level = &server.wait("logging/setLevel", 1)[0];
    assert!(level.text().contains(r#""level":"warning""#));
}

#[test]
fn a_cancelled_call_is_cancelled_at_the_server() {
    let server = legacy_server();
    server.maybe("tools/call", |_| Some(Reply::sse([reply::Step::Hold])));
    let bridge = start(&server);
    bridge.send(request(1, "tools/call", r#""name":"slow","#, "{}"));
    let upstream = server.wait("tools/call", 1)[0].id.clone().unwrap();
    cancel(&bridge, 1);
    let cancelled: Value =
        serde_json::from_slice(&server.wait("notifications/cancelled", 1)[0].body).unwrap();
    assert_eq!(cancelled["params"]["requestId"].to_string(), upstream);
    ask(&bridge, 2, "tools/list", "").result();
    bridge.finish().clean();
}

#[test]
fn a_resource_that_is_not_there() {
    let server = legacy_server();
    server.maybe("resources/read", |request| {
        let id = request.id.as_deref().unwrap();
        Some(Reply::json(format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32002,"message":"Resource not found","data":{{"uri":"a:/1"}}}}}}"#
        )))
    });
    let bridge = start(&server);
    let error = ask(&bridge, 1, "resources/read", r#""uri":"a:/1","#).value()["error"].take();
    assert_eq!((&error["code"], &error["data"]["uri"]), (&json!(-32602), &json!("a:/1")));
    bridge.finish().clean();
}

#[test]
fn capabilities_that_matter_have_a_session_of_their_own() {
    let server = legacy_server();
    let bridge = start(&server);
    for (id, capabilities) in [(1, "{}"), (2, r#"{"roots":{}}"#), (3, "{}"), (4, r#"{"roots":{}}"#)]
    {
        bridge.send(request(id, "tools/list", "", capabilities));
        bridge.answer(id).result();
    }
    bridge.finish().clean();
    assert_eq!(server.seen("initialize").len(), 2);
    assert_eq!(server.wait("DELETE", 2).len(), 2);
}

#[test]
fn a_server_that_cannot_be_reached() {
    let bridge = Bridge::with(&format!("http://127.0.0.1:{}/mcp", dead_port())).start();
    ask(&bridge, 1, "server/discover", "").failed("connect");
    ask(&bridge, 2, "tools/list", "").failed("connect");
    bridge.finish().clean();

    // A server that refuses the session tells why, to everybody who waits for it.
    let server = Server::start();
    server.always("initialize", |r| {
        let id = r.id.as_deref().unwrap();
        Reply::json(format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-31999,"message":"closed today"}}}}"#
        ))
    });
    let bridge = Bridge::start(&server);
    ask(&bridge, 1, "server/discover", "");
    assert!(ask(&bridge, 2, "tools/list", "").text.contains("closed today"));
    bridge.finish().clean();
}
