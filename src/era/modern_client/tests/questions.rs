//! Requests of the server: which call carries them, and what is answered without the client.

use super::*;
use crate::limits::{MAX_QUESTIONS, QUESTIONS_GATHERED};

const EVERYTHING: &str =
    r#"{"roots":{},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}}}"#;
const FORM: &str =
    r#""method":"elicitation/create","params":{"message":"m","requestedSchema":{"type":"object"}}"#;
const ROOTS: &str = r#""method":"roots/list""#;

fn ask(id: &str, rest: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},{rest}}}"#)
}

/// The error that the server gets, as the one action.
fn refusal(actions: &[String]) -> i64 {
    assert_eq!(actions.len(), 1, "{actions:?}");
    to_server(actions)[0]["error"]["code"].as_i64().unwrap()
}

#[test]
fn a_ping_is_answered_here() {
    let mut rig = Rig::open("{}", "{}");
    assert_eq!(
        rig.server(&ask("1.0", r#""method":"ping""#)),
        [r#"server 0 {"jsonrpc":"2.0","id":1.0,"result":{}}"#]
    );
}

#[test]
fn what_the_client_cannot_be_asked_is_refused_as_it_would() {
    let sampling = r#""method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}"#;
    let tools = r#""method":"sampling/createMessage","params":{"messages":[],"tools":[]}"#;
    let url = r#""method":"elicitation/create","params":{"mode":"url","url":"a:b"}"#;
    let other = r#""method":"elicitation/create","params":{"mode":"dance"}"#;
    for (declared, request, code) in [
        ("{}", ROOTS, -32601),
        ("{}", sampling, -32601),
        ("{}", tools, -32601),
        (r#"{"sampling":{}}"#, tools, -32602),
        ("{}", FORM, -32601),
        (r#"{"elicitation":{"url":{}}}"#, FORM, -32602),
        (r#"{"elicitation":{}}"#, url, -32602),
        (EVERYTHING, other, -32602),
        (EVERYTHING, r#""method":"elicitation/create""#, -32602),
        (EVERYTHING, r#""method":"roots/list","params":[]"#, -32602),
        (EVERYTHING, r#""method":"tasks/get","params":{}"#, -32601),
    ] {
        let mut rig = Rig::open(declared, "{}");
        rig.call(declared, "1");
        assert_eq!(refusal(&rig.server(&ask("5", request))), code, "{declared} {request}");
    }
}

#[test]
fn without_an_open_call_nobody_can_be_asked() {
    let mut rig = Rig::open(EVERYTHING, "{}");
    assert_eq!(refusal(&rig.server(&ask("5", ROOTS))), -32601);
    rig.client(&request_of(EVERYTHING, "1", "tools/list", ""));
    assert_eq!(refusal(&rig.server(&ask("5", ROOTS))), -32601, "a list may not wait for input");
}

#[test]
fn questions_end_the_request_that_they_are_asked_for() {
    let mut rig = Rig::open(EVERYTHING, "{}");
    rig.call(EVERYTHING, "1");
    assert_eq!(rig.server(&ask("5", FORM)), [format!("wake {QUESTIONS_GATHERED:?}")]);
    let sampling = r#""method":"sampling/createMessage","params":{"messages":[],"task":{"ttl":1},"_meta":{"progressToken":1,"x":1.0}}"#;
    assert!(rig.server(&ask("\"six\"", sampling)).is_empty());
    let url = r#""method":"elicitation/create","params":{"mode":"url","elicitationId":"e","url":"a:b","message":"m","_meta":{"progressToken":1}}"#;
    assert!(rig.server(&ask("7", url)).is_empty());
    assert!(rig.server(&ask("8", ROOTS)).is_empty());
    let actions = rig.wake();
    let asked = answer(&actions);
    assert_eq!(actions.len(), 2, "{actions:?}");
    assert_eq!(asked["id"], 1);
    assert_eq!(asked["result"]["resultType"], "input_required");
    assert!(asked["result"]["requestState"].is_string());
    assert_eq!(asked["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "s");
    assert_eq!(asked["result"].get("ttlMs"), None);
    let requests: Vec<&Value> =
        asked["result"]["inputRequests"].as_object().unwrap().values().collect();
    let expected = [
        r#"{"method":"elicitation/create","params":{"message":"m","requestedSchema":{"type":"object"}}}"#,
        r#"{"method":"sampling/createMessage","params":{"messages":[],"_meta":{"x":1.0}}}"#,
        r#"{"method":"elicitation/create","params":{"mode":"url","url":"a:b","message":"m"}}"#,
        r#"{"method":"roots/list"}"#,
    ];
    let parsed = expected.map(|text| serde_json::from_str::<Value>(text).unwrap());
    assert_eq!(requests.len(), 4);
    assert!(parsed.iter().all(|one| requests.contains(&one)), "{requests:?}");
}

#[test]
fn the_oldest_call_that_can_carries_a_question() {
    let mut rig = Rig::open(EVERYTHING, "{}");
    rig.client(&request_of(EVERYTHING, "0", "tools/list", ""));
    rig.call(EVERYTHING, "1");
    rig.call(EVERYTHING, "2");
    rig.server(&ask("5", ROOTS));
    assert_eq!(answer(&rig.wake())["id"], 1);
    // The first waits for the client now.
    rig.server(&ask("6", ROOTS));
    assert_eq!(answer(&rig.wake())["id"], 2);
    // All do: it joins the next round of the first.
    assert!(rig.server(&ask("7", ROOTS)).is_empty());
}

#[test]
fn a_question_on_the_stream_of_a_call_is_of_that_call() {
    let mut rig = Rig::open(EVERYTHING, "{}");
    let first = rig.call(EVERYTHING, "1");
    let second = rig.call(EVERYTHING, "2");
    rig.server_during(0, &ask("5", FORM), Some(&second));
    let asked = rig.wake();
    assert_eq!(answer(&asked)["id"], 2);
    // Also while it is parked; and what comes meanwhile on the other stream is of the other.
    assert!(rig.server_during(0, &ask("6", ROOTS), Some(&second)).is_empty());
    rig.server_during(0, &ask("7", ROOTS), Some(&first));
    assert_eq!(answer(&rig.wake())["id"], 1);
    // It ends with its call, although another is open that could carry it.
    rig.call(EVERYTHING, "3");
    let actions = rig.result(&second, "{}");
    assert_eq!(refusal(&actions), -32603, "the one that was not handed over");
}

#[test]
fn a_question_on_the_stream_of_a_call_that_cannot_carry_it() {
    let mut rig = Rig::open(EVERYTHING, "{}");
    let list = id_of(&rig.client(&request_of(EVERYTHING, "1", "tools/list", "")), "tools/list");
    let over = rig.call(EVERYTHING, "2");
    rig.result(&over, "{}");
    rig.call(EVERYTHING, "3");
    for during in [&list, &over] {
        assert_eq!(refusal(&rig.server_during(0, &ask("5", ROOTS), Some(during))), -32601);
    }
}

#[test]
fn an_answer_that_comes_first_wins() {
    let mut rig = Rig::open(EVERYTHING, "{}");
    let id = rig.call(EVERYTHING, "1");
    rig.server(&ask("5", ROOTS));
    let actions = rig.result(&id, "{}");
    assert_eq!(answer(&actions)["result"]["resultType"], "complete");
    assert_eq!(refusal(&actions[1..]), -32601, "and the question has nobody to go to");
    assert!(rig.wake().is_empty());
}

#[test]
fn a_question_outlives_the_call_that_it_was_given_to() {
    let mut rig = Rig::open(EVERYTHING, "{}");
    let first = rig.call(EVERYTHING, "1");
    rig.call(EVERYTHING, "2");
    rig.server(&ask("5", ROOTS));
    let actions = rig.result(&first, "{}");
    assert_eq!(actions[1..], [format!("wake {QUESTIONS_GATHERED:?}")]);
    assert_eq!(answer(&rig.wake())["id"], 2);
}

#[test]
fn the_server_may_take_a_question_back() {
    let mut rig = Rig::open(EVERYTHING, "{}");
    let id = rig.call(EVERYTHING, "1");
    rig.server(&ask("5", ROOTS));
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}"#;
    assert!(rig.server(cancel).is_empty());
    assert!(rig.wake().is_empty());
    assert_eq!(answer(&rig.result(&id, "{}"))["id"], 1);
}

#[test]
fn a_cancelled_call_leaves_no_question_unanswered() {
    let mut rig = Rig::open(EVERYTHING, "{}");
    let id = rig.call(EVERYTHING, "1");
    rig.server(&ask("5", ROOTS));
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let sent = to_server(&rig.client(cancel));
    assert_eq!(sent[0]["params"]["requestId"].to_string(), id);
    assert_eq!((&sent[1]["id"], &sent[1]["error"]["code"]), (&5.into(), &(-32603).into()));
    assert!(rig.wake().is_empty());
}

#[test]
fn questions_are_bounded() {
    let mut rig = Rig::open(EVERYTHING, "{}");
    rig.call(EVERYTHING, "1");
    for n in 0..MAX_QUESTIONS {
        assert!(to_server(&rig.server(&ask(&n.to_string(), ROOTS))).is_empty());
    }
    assert_eq!(refusal(&rig.server(&ask("\"more\"", ROOTS))), -32601);
    let large = format!(
        r#""method":"elicitation/create","params":{{"message":"{}"}}"#,
        "x".repeat(crate::limits::MAX_PARKED_BYTES)
    );
    let mut rig = Rig::open(EVERYTHING, "{}");
    rig.call(EVERYTHING, "1");
    assert_eq!(rig.server(&ask("1", &large)).len(), 1, "one may be too large alone");
    assert_eq!(refusal(&rig.server(&ask("2", FORM))), -32603);
}
