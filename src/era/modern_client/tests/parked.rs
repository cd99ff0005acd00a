//! Rounds of questions: the retry, its state, and calls that nobody sends again.

use super::*;
use crate::limits::MAX_PARKED_CALLS;

const BOTH: &str = r#"{"roots":{},"elicitation":{"form":{},"url":{}}}"#;

/// A call that waits for answers to `roots/list` requests with these ids: the id that the server
/// knows the call by, the state, and the keys of the questions in the order of the ids.
fn parked(rig: &mut Rig, call: &str, questions: &[&str]) -> (String, String, Vec<String>) {
    let id = rig.call(BOTH, call);
    for question in questions {
        rig.server(&ask(question));
    }
    let actions = rig.wake();
    (id, state_of(&actions), keys(&actions))
}

fn ask(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"roots/list"}}"#)
}

fn keys(actions: &[String]) -> Vec<String> {
    let requests = answer(actions)["result"]["inputRequests"].clone();
    let mut keys: Vec<String> = requests.as_object().unwrap().keys().cloned().collect();
    keys.sort_by_key(|key| (key.len(), key.clone()));
    keys
}

fn again(id: &str, state: &str, responses: &str) -> String {
    request_of(BOTH, id, "tools/call", &retry(state, responses))
}

#[test]
fn the_retry_brings_the_answers_and_gets_the_result() {
    let mut rig = Rig::open(BOTH, "{}");
    let (call, state, keys) = parked(&mut rig, "1", &["5", "\"six\""]);
    let responses = format!(r#"{{"{}":{{"roots":[]}},"{}":{{"b":1.0}}}}"#, keys[1], keys[0]);
    assert_eq!(
        rig.client(&again("\"r\"", &state, &responses)),
        [
            r#"server 0 {"jsonrpc":"2.0","id":5,"result":{"b":1.0}}"#,
            r#"server 0 {"jsonrpc":"2.0","id":"six","result":{"roots":[]}}"#,
        ]
    );
    assert_eq!(answer(&rig.result(&call, "{}"))["id"], "r");
    // The state was good once.
    assert_eq!(refused(&rig.client(&again("3", &state, &responses))), -32602);
}

#[test]
fn what_is_missing_is_asked_again() {
    let mut rig = Rig::open(BOTH, "{}");
    let (call, state, keys_before) = parked(&mut rig, "1", &["5", "6"]);
    let one = format!(r#"{{"{}":{{"n":1}},"nobody asked":{{}}}}"#, keys_before[0]);
    let actions = rig.client(&again("2", &state, &one));
    assert_eq!(to_server(&actions).len(), 1);
    assert_eq!(keys(&actions), keys_before[1..]);
    let next = state_of(&actions);
    assert_ne!(next, state);
    let bare =
        request_of(BOTH, "3", "tools/call", &format!(r#","name":"t","requestState":{next}"#));
    let actions = rig.client(&bare);
    assert_eq!(keys(&actions), keys_before[1..]);
    let other = format!(r#"{{"{}":{{"n":2}}}}"#, keys_before[1]);
    assert_eq!(to_server(&rig.client(&again("4", &state_of(&actions), &other))).len(), 1);
    assert_eq!(answer(&rig.result(&call, "{}"))["id"], 4);
}

#[test]
fn what_is_asked_meanwhile_makes_the_next_round() {
    let mut rig = Rig::open(BOTH, "{}");
    let (call, state, first) = parked(&mut rig, "1", &["5"]);
    assert!(rig.server(&ask("6")).is_empty());
    let actions = rig.client(&again("2", &state, &format!(r#"{{"{}":{{}}}}"#, first[0])));
    assert_eq!(to_server(&actions)[0]["id"], 5);
    assert_eq!(answer(&actions)["id"], 2);
    let second = keys(&actions);
    assert_ne!(first, second);
    rig.client(&again("3", &state_of(&actions), &format!(r#"{{"{}":{{}}}}"#, second[0])));
    // And another, while the retry waits.
    rig.server(&ask("7"));
    let actions = rig.wake();
    assert_eq!(answer(&actions)["id"], 3);
    let third = keys(&actions);
    rig.client(&again("4", &state_of(&actions), &format!(r#"{{"{}":{{}}}}"#, third[0])));
    assert_eq!(answer(&rig.result(&call, "{}"))["id"], 4);
}

#[test]
fn only_the_same_request_may_bring_answers() {
    let mut rig = Rig::open(BOTH, "{}");
    let (_, state, keys) = parked(&mut rig, "1", &["5"]);
    let responses = format!(r#"{{"{}":{{}}}}"#, keys[0]);
    let good = retry(&state, &responses);
    for (method, params) in [
        ("prompts/get", good.clone()),
        ("resources/read", good.clone()),
        ("tools/call", good.replace(r#""name":"t""#, r#""name":"u""#)),
        ("tools/call", good.replace(r#","name":"t""#, "")),
        ("tools/call", retry(r#""guessed""#, &responses)),
        ("tools/call", retry("7", &responses)),
        ("tools/call", retry("null", &responses)),
        ("tools/call", retry(&state, "[]")),
        ("tools/call", retry(&state, &format!(r#"{{"{}":null}}"#, keys[0]))),
    ] {
        let actions = rig.client(&request_of(BOTH, "2", method, &params));
        assert_eq!(refused(&actions), -32602, "{method} {params}");
    }
    // None of them has used the state up.
    assert_eq!(to_server(&rig.client(&again("3", &state, &responses)))[0]["id"], 5);
}

#[test]
fn states_cannot_be_guessed_from_each_other() {
    let state = |seed| {
        let mut rig = Rig::open(BOTH, "{}");
        rig.adapter.seed = seed;
        parked(&mut rig, "1", &["5"]).1
    };
    assert_ne!(state(1), state(2));
}

#[test]
fn a_result_that_comes_while_the_client_is_asked_is_kept() {
    let mut rig = Rig::open(BOTH, "{}");
    let (call, state, keys) = parked(&mut rig, "1", &["5"]);
    assert!(rig.result(&call, r#"{"n":1.0}"#).is_empty());
    let actions = rig.client(&again("2", &state, &format!(r#"{{"{}":{{}}}}"#, keys[0])));
    assert_eq!(to_server(&actions)[0]["id"], 5, "the server's request is answered all the same");
    assert!(actions[1].contains(r#""id":2,"result":{"n":1.0,"resultType":"complete""#));
}

#[test]
fn a_kept_result_needs_no_answers() {
    let mut rig = Rig::open(BOTH, "{}");
    let (call, state, _) = parked(&mut rig, "1", &["5"]);
    rig.result(&call, "{}");
    let actions = rig.client(&again("2", &state, "{}"));
    assert_eq!(answer(&actions)["result"]["resultType"], "complete");
    assert_eq!(to_server(&actions)[0]["error"]["code"], -32603);
}

#[test]
fn an_answer_to_a_question_that_was_taken_back_reaches_nobody() {
    let mut rig = Rig::open(BOTH, "{}");
    let (call, state, keys) = parked(&mut rig, "1", &["5"]);
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}"#;
    assert!(rig.server(cancel).is_empty());
    let retry = again("2", &state, &format!(r#"{{"{}":{{}}}}"#, keys[0]));
    assert!(rig.client(&retry).is_empty());
    assert_eq!(answer(&rig.result(&call, "{}"))["id"], 2);
}

#[test]
fn nobody_sends_it_again() {
    let mut rig = Rig::open(BOTH, "{}");
    let (call, state, _) = parked(&mut rig, "1", &["5"]);
    rig.server(&ask("6"));
    let sent = to_server(&rig.wake());
    assert_eq!(sent[0]["method"], "notifications/cancelled");
    assert_eq!(sent[0]["params"]["requestId"].to_string(), call);
    assert_eq!((&sent[1]["id"], &sent[1]["error"]["code"]), (&5.into(), &(-32603).into()));
    assert_eq!((&sent[2]["id"], &sent[2]["error"]["code"]), (&6.into(), &(-32603).into()));
    assert_eq!(refused(&rig.client(&again("2", &state, "{}"))), -32602);
    assert!(rig.result(&call, "{}").is_empty());
}

#[test]
fn a_finished_call_that_nobody_fetches_is_not_cancelled() {
    let mut rig = Rig::open(BOTH, "{}");
    let (call, _, _) = parked(&mut rig, "1", &["5"]);
    rig.result(&call, "{}");
    let sent = to_server(&rig.wake());
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["id"], 5);
}

#[test]
fn parked_calls_are_bounded() {
    let mut rig = Rig::open(BOTH, "{}");
    let (first, state, _) = parked(&mut rig, "1", &["5"]);
    for n in 1..MAX_PARKED_CALLS {
        parked(&mut rig, "1", &[&format!("\"{n}\"")]);
    }
    rig.call(BOTH, "1");
    rig.server(&ask("6"));
    let sent = to_server(&rig.wake());
    assert_eq!(sent[0]["params"]["requestId"].to_string(), first);
    assert_eq!(sent[1]["id"], 5);
    assert_eq!(refused(&rig.client(&again("2", &state, "{}"))), -32602);
    assert_eq!(rig.adapter.states.len(), MAX_PARKED_CALLS);
}

#[test]
fn early_results_are_bounded() {
    let mut rig = Rig::open(BOTH, "{}");
    let (first, state, _) = parked(&mut rig, "1", &["5"]);
    let (second, other, keys) = parked(&mut rig, "2", &["6"]);
    let large = format!(r#"{{"x":"{}"}}"#, "x".repeat(crate::limits::MAX_PARKED_BYTES));
    assert!(rig.result(&first, &large).is_empty(), "one may be too large alone");
    assert_eq!(to_server(&rig.result(&second, "{}"))[0]["id"], 5);
    assert_eq!(refused(&rig.client(&again("3", &state, "{}"))), -32602);
    let responses = format!(r#"{{"{}":{{}}}}"#, keys[0]);
    assert_eq!(answer(&rig.client(&again("3", &other, &responses)))["id"], 3);
}

#[test]
fn a_retry_that_declares_less_is_asked_less() {
    let mut rig = Rig::open(BOTH, "{}");
    let (call, state, keys) = parked(&mut rig, "1", &["5"]);
    rig.server(&ask("6"));
    let retry = retry(&state, &format!(r#"{{"{}":{{}}}}"#, keys[0]));
    let sent = rig.client(&request_of("{}", "2", "tools/call", &retry));
    let sent = to_server(&sent);
    assert_eq!((&sent[0]["id"], &sent[1]["id"]), (&5.into(), &6.into()));
    assert_eq!(sent[1]["error"]["code"], -32601);
    assert_eq!(answer(&rig.result(&call, "{}"))["id"], 2);
}

#[test]
fn progress_follows_the_retry() {
    let mut rig = Rig::open(BOTH, "{}");
    let token = |text: String, token: &str| {
        text.replace(VERSION, &format!(r#"{VERSION},"progressToken":{token}"#))
    };
    let progress = |token: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":2}}}}"#
        )
    };
    rig.client(&token(request_of(BOTH, "1", "tools/call", r#","name":"t""#), "1"));
    rig.server(&ask("5"));
    assert_eq!(rig.server(&progress("1")).len(), 1);
    let asked = rig.wake();
    assert!(rig.server(&progress("1")).is_empty(), "nobody waits for the call");
    let responses = format!(r#"{{"{}":{{}}}}"#, keys(&asked)[0]);
    rig.client(&token(again("2", &state_of(&asked), &responses), "\"two\""));
    assert_eq!(rig.server(&progress("1")), [format!("client {}", progress("\"two\""))]);
}

/// The error by which 2025-11-25 asks for visits to URLs.
fn visit(id: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32042,"message":"m","data":{{"elicitations":[{{"mode":"url","elicitationId":"e","url":"https://h/1","message":"one"}},{{"elicitationId":"f","url":"https://h/2","message":"two"}}]}}}}}}"#
    )
}

#[test]
fn a_url_that_must_be_visited_first_is_a_question() {
    let mut rig = Rig::open(BOTH, "{}");
    let id = rig.call(BOTH, "1");
    let actions = rig.server(&visit(&id));
    let keys = keys(&actions);
    let requests = &answer(&actions)["result"]["inputRequests"];
    assert_eq!(
        requests[&keys[1]],
        serde_json::json!({"method": "elicitation/create", "params": {"mode": "url", "url": "https://h/2", "message": "two"}})
    );
    assert!(rig.result(&id, "{}").is_empty(), "that call is over");
    // One answer is not enough.
    let one = format!(r#"{{"{}":{{"action":"accept"}}}}"#, keys[0]);
    let actions = rig.client(&again("2", &state_of(&actions), &one));
    assert_eq!(self::keys(&actions), keys[1..]);
    let other = format!(r#"{{"{}":{{"action":"accept"}}}}"#, keys[1]);
    let sent = rig.client(&again("3", &state_of(&actions), &other));
    let next = id_of(&sent, "tools/call");
    assert_ne!(next, id);
    assert_eq!(
        sent,
        [format!(
            r#"server 0 {{"jsonrpc":"2.0","id":{next},"method":"tools/call","params":{{"name":"t"}}}}"#
        )]
    );
    assert_eq!(answer(&rig.result(&next, "{}"))["id"], 3);
}

#[test]
fn a_declined_visit_ends_the_request() {
    let mut rig = Rig::open(BOTH, "{}");
    let id = rig.call(BOTH, "1");
    let actions = rig.server(&visit(&id));
    let responses = format!(r#"{{"{}":{{"action":"decline"}}}}"#, keys(&actions)[0]);
    assert_eq!(refused(&rig.client(&again("2", &state_of(&actions), &responses))), -32602);
    assert!(rig.adapter.calls.is_empty() && rig.adapter.states.is_empty());
}

#[test]
fn a_visit_needs_a_client_that_can_be_asked_for_it() {
    let declared = r#"{"elicitation":{}}"#;
    let mut rig = Rig::open(declared, "{}");
    let id = rig.call(declared, "1");
    let actions = rig.server(&visit(&id));
    assert_eq!(refused(&actions), -32021);
    assert_eq!(
        answer(&actions)["error"]["data"],
        serde_json::json!({"requiredCapabilities": {"elicitation": {"url": {}}}})
    );
}

#[test]
fn an_unfetched_visit_is_forgotten() {
    let mut rig = Rig::open(BOTH, "{}");
    let id = rig.call(BOTH, "1");
    rig.server(&visit(&id));
    assert!(rig.wake().is_empty());
    assert!(rig.adapter.calls.is_empty() && rig.adapter.states.is_empty());
}
