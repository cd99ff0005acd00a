//! `input_required`: what the client is asked, and what the server gets of it.

use super::*;
use crate::limits::{
    INPUT_PAUSE, INPUT_TIMEOUT, MAX_INPUT_BYTES, MAX_INPUT_QUESTIONS, MAX_INPUT_ROUNDS,
};

const ALL: &str = r#"{"elicitation":{"form":{},"url":{}},"sampling":{"tools":{}},"roots":{}}"#;
const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"n":1.0}}}"#;
const FORM: &str = r#"{"method":"elicitation/create","params":{"mode":"form","message":"m","requestedSchema":{"type":"object","properties":{}}}}"#;
const URL: &str =
    r#"{"method":"elicitation/create","params":{"mode":"url","message":"m","url":"https://x/"}}"#;
const SAMPLING: &str =
    r#"{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1.0}}"#;
const ROOTS: &str = r#"{"method":"roots/list"}"#;

fn required(id: &str, rest: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"input_required",{rest}}}}}"#)
}

/// A bench whose call was answered with these questions, and what was done about them.
fn asked(revision: &str, capabilities: &str, rest: &str) -> (Bench, Vec<String>) {
    let mut bench = Bench::open(revision, capabilities, PLAIN);
    assert_eq!(bench.client(CALL), [format!("server {CALL}")]);
    let done = bench.server(&required("1", rest));
    (bench, done)
}

fn retry(id: u32, rest: &str) -> String {
    format!(
        r#"server {{"jsonrpc":"2.0","id":"mcp-tether/{id}","method":"tools/call","params":{{"name":"t","arguments":{{"n":1.0}}{rest}}}}}"#
    )
}

fn reply(id: u32, rest: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":"mcp-tether/{id}",{rest}}}"#)
}

fn complete(id: u32) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":"mcp-tether/{id}","result":{{"resultType":"complete","content":[]}}}}"#
    )
}

const ANSWER: &str = r#"answer {"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;
const CANCELLED: &str = r#"client {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"mcp-tether/"#;

#[test]
fn all_questions_are_asked_at_once_and_answered_in_one_retry() {
    let rest = format!(
        r#""inputRequests":{{"\u0061":{FORM},"b":{SAMPLING},"c":{ROOTS}}},"requestState":"\u0073 1""#
    );
    let (mut bench, done) = asked("2025-11-25", ALL, &rest);
    assert_eq!(
        done,
        [
            r#"client {"method":"elicitation/create","params":{"mode":"form","message":"m","requestedSchema":{"type":"object","properties":{}}},"jsonrpc":"2.0","id":"mcp-tether/1"}"#,
            r#"client {"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1.0},"jsonrpc":"2.0","id":"mcp-tether/2"}"#,
            r#"client {"method":"roots/list","jsonrpc":"2.0","id":"mcp-tether/3"}"#,
        ]
    );
    // Answers in any order; other calls go on meanwhile.
    assert_eq!(bench.client(&reply(3, r#""result":{"roots":[ ]}"#)), [""; 0]);
    let other = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"u"}}"#;
    assert_eq!(bench.client(other), [format!("server {other}")]);
    let answer = r#"{"jsonrpc":"2.0","id":2,"result":{"content":[]}}"#;
    assert_eq!(bench.server(answer), [format!("answer {answer}")]);
    let model = r#"{ "role":"assistant","content":{"type":"text","text":"x"},"model":"m","n":12345678901234567890 }"#;
    assert_eq!(bench.client(&reply(2, &format!(r#""result":{model}"#))), [""; 0]);
    // Answers that nobody waits for: one more, and one to no question.
    assert_eq!(bench.client(&reply(2, r#""result":{"model":"late"}"#)), [""; 0]);
    assert_eq!(bench.client(&reply(9, r#""result":{}"#)), [""; 0]);
    let form = r#"{"action":"accept","content":{"name":1.0}}"#;
    let sent = bench.client(&reply(1, &format!(r#""result":{form}"#)));
    let input = format!(
        r#","inputResponses":{{"\u0061":{form},"b":{model},"c":{{"roots":[ ]}}}},"requestState":"\u0073 1""#
    );
    // The time for the round took number 4.
    assert_eq!(sent, [retry(5, &input)]);
    assert_eq!(bench.server(&complete(5)), [ANSWER]);
    // The time for a round that is over means nothing.
    assert_eq!(bench.wake(INPUT_TIMEOUT), [""; 0]);
}

#[test]
fn rounds_follow_each_other_and_carry_only_their_own_input() {
    let (mut bench, done) =
        asked("2025-11-25", ALL, &format!(r#""inputRequests":{{"a":{FORM}}},"requestState":"s""#));
    assert_eq!(done.len(), 1);
    let sent = bench.client(&reply(1, r#""result":{"action":"decline"}"#));
    assert_eq!(
        sent,
        [retry(3, r#","inputResponses":{"a":{"action":"decline"}},"requestState":"s""#)]
    );
    // No state this time: none goes back.
    let done =
        bench.server(&required("\"mcp-tether/3\"", &format!(r#""inputRequests":{{"b":{ROOTS}}}"#)));
    assert_eq!(done, [r#"client {"method":"roots/list","jsonrpc":"2.0","id":"mcp-tether/4"}"#]);
    let sent = bench.client(&reply(4, r#""result":{"roots":[]}"#));
    assert_eq!(sent, [retry(6, r#","inputResponses":{"b":{"roots":[]}}"#)]);
    // Only a state: the same again, after a pause.
    let done = bench.server(&required("\"mcp-tether/6\"", r#""requestState":"t""#));
    assert_eq!(done, [""; 0]);
    let sent = bench.wake(INPUT_PAUSE * 4);
    assert_eq!(sent, [retry(8, r#","requestState":"t""#)]);
    assert_eq!(bench.server(&complete(8)), [ANSWER]);
}

#[test]
fn every_method_that_may_need_input_is_sent_again_as_it_was() {
    for method in ["prompts/get", "resources/read"] {
        let mut bench = Bench::open("2025-11-25", ALL, PLAIN);
        let request = format!(
            r#"{{"params":{{"_meta":{{"progressToken":7}},"x":1.0,"requestState":"old"}},"id":1,"method":"{method}","jsonrpc":"2.0"}}"#
        );
        bench.client(&request);
        bench.server(&required("1", &format!(r#""inputRequests":{{"a":{ROOTS}}}"#)));
        assert_eq!(
            bench.client(&reply(1, r#""result":{"roots":[]}"#)),
            [format!(
                r#"server {{"params":{{"_meta":{{"progressToken":7}},"x":1.0,"inputResponses":{{"a":{{"roots":[]}}}}}},"id":"mcp-tether/3","method":"{method}","jsonrpc":"2.0"}}"#
            )]
        );
    }
}

#[test]
fn questions_are_of_the_clients_revision() {
    let elicits = r#"{"elicitation":{}}"#;
    let with_mode = r#""params":{"mode":"form","message""#;
    for (revision, mode) in [("2025-06-18", false), ("2025-11-25", true)] {
        let (_, done) = asked(revision, elicits, &format!(r#""inputRequests":{{"a":{FORM}}}"#));
        assert_eq!(done[0].contains(with_mode), mode, "{revision}: {done:?}");
        assert_eq!(done[0].contains(r#""params":{"message""#), !mode, "{revision}: {done:?}");
    }
    let sampling = r#"{"method":"sampling/createMessage","params":{"messages":[{"role":"user","content":[{"type":"text","text":"1"}, {"type":"image"}]},{"role":"assistant","content":{"type":"text","text":"2"}}],"maxTokens":1}}"#;
    let split = r#"[{"role":"user","content":{"type":"text","text":"1"}},{"role":"user","content":{"type":"image"}},{"role":"assistant","content":{"type":"text","text":"2"}}]"#;
    for (revision, expected) in [
        (
            "2025-06-18",
            sampling.replace(
                &sampling[sampling.find('[').unwrap()..=sampling.rfind(']').unwrap()],
                split,
            ),
        ),
        ("2025-11-25", sampling.to_owned()),
    ] {
        let rest = format!(r#""inputRequests":{{"a":{sampling}}}"#);
        let (_, done) = asked(revision, r#"{"sampling":{}}"#, &rest);
        let expected = expected.strip_suffix('}').unwrap();
        assert_eq!(done, [format!(r#"client {expected},"jsonrpc":"2.0","id":"mcp-tether/1"}}"#)]);
    }
}

#[test]
fn a_visit_to_a_url_gets_an_id_and_is_completed_with_the_call() {
    let rest = format!(r#""inputRequests":{{"a":{URL},"b":{URL}}},"requestState":"s""#);
    let (mut bench, done) = asked("2025-11-25", ALL, &rest);
    assert_eq!(
        done[0],
        r#"client {"method":"elicitation/create","params":{"mode":"url","message":"m","url":"https://x/","elicitationId":"mcp-tether/1"},"jsonrpc":"2.0","id":"mcp-tether/1"}"#
    );
    bench.client(&reply(1, r#""result":{"action":"accept"}"#));
    // Declined: nothing was visited, nothing is completed.
    let sent = bench.client(&reply(2, r#""result":{"action":"decline"}"#));
    assert_eq!(
        sent,
        [retry(
            4,
            r#","inputResponses":{"a":{"action":"accept"},"b":{"action":"decline"}},"requestState":"s""#
        )]
    );
    assert_eq!(
        bench.server(&complete(4)),
        [
            ANSWER,
            r#"client {"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":{"elicitationId":"mcp-tether/1"}}"#
        ]
    );
    // An error says nothing about the visit; an id of the server's own stays.
    let own = URL.replace("\"mode\"", "\"elicitationId\":\"e\",\"mode\"");
    let (mut bench, done) = asked("2025-11-25", ALL, &format!(r#""inputRequests":{{"a":{own}}}"#));
    assert!(done[0].contains(r#""params":{"elicitationId":"e","mode":"url""#), "{done:?}");
    bench.client(&reply(1, r#""result":{"action":"accept"}"#));
    let error = r#"{"jsonrpc":"2.0","id":"mcp-tether/3","error":{"code":1,"message":"m"}}"#;
    assert_eq!(bench.server(error).len(), 1);
}

#[test]
fn elicitation_that_the_client_does_not_offer_is_cancelled_without_asking() {
    for (capabilities, question, offered) in [
        ("{}", FORM, false),
        (r#"{"elicitation":null}"#, FORM, false),
        (r#"{"elicitation":{}}"#, FORM, true),
        (r#"{"elicitation":{"form":{}}}"#, FORM, true),
        (r#"{"elicitation":{"url":{}}}"#, FORM, false),
        (r#"{"elicitation":{}}"#, URL, false),
        (r#"{"elicitation":{"form":{}}}"#, URL, false),
        (r#"{"elicitation":{"url":{}}}"#, URL, true),
        (ALL, r#"{"method":"elicitation/create","params":{"mode":"dance"}}"#, false),
        (ALL, r#"{"method":"elicitation/create","params":{"mode":7}}"#, false),
        (ALL, r#"{"method":"elicitation/create"}"#, true),
    ] {
        let rest = format!(r#""inputRequests":{{"a":{question}}}"#);
        let (_, done) = asked("2025-11-25", capabilities, &rest);
        if offered {
            assert!(done[0].starts_with("client "), "{capabilities} {question}: {done:?}");
        } else {
            let input = r#","inputResponses":{"a":{"action":"cancel"}}"#;
            assert_eq!(done, [retry(1, input)], "{capabilities} {question}");
        }
    }
    // Beside one that is offered.
    let rest = format!(r#""inputRequests":{{"a":{URL},"b":{FORM}}}"#);
    let (mut bench, done) = asked("2025-11-25", r#"{"elicitation":{}}"#, &rest);
    assert_eq!(done.len(), 1);
    let sent = bench.client(&reply(1, r#""result":{"action":"accept","content":{}}"#));
    let input =
        r#","inputResponses":{"a":{"action":"cancel"},"b":{"action":"accept","content":{}}}"#;
    assert_eq!(sent, [retry(3, input)]);
}

#[test]
fn what_cannot_be_asked_fails_the_call_without_asking_anything() {
    let tools = r#"{"method":"sampling/createMessage","params":{"messages":[],"tools":[]}}"#;
    let choice = r#"{"method":"sampling/createMessage","params":{"toolChoice":{"mode":"auto"}}}"#;
    for (capabilities, question, code) in [
        (r#"{"elicitation":{}}"#, SAMPLING, -31024),
        (r#"{"elicitation":{}}"#, ROOTS, -31024),
        (r#"{"elicitation":{},"sampling":{}}"#, tools, -31024),
        (r#"{"elicitation":{},"sampling":{}}"#, choice, -31024),
        (ALL, r#"{"method":"x/y"}"#, -31020),
        (ALL, r#"{"params":{}}"#, -31020),
        (ALL, "7", -31020),
    ] {
        let rest = format!(r#""inputRequests":{{"a":{FORM},"b":{question}}},"requestState":"s""#);
        let (_, done) = asked("2025-11-25", capabilities, &rest);
        assert_error(&done[0], "1", code);
        assert_eq!(done.len(), 1, "{question}");
    }
    for rest in [
        r#""x":1"#,
        r#""inputRequests":{}"#,
        r#""inputRequests":null,"requestState":null"#,
        r#""inputRequests":[],"requestState":"s""#,
        r#""inputRequests":{"a":{"method":"roots/list"},"\u0061":{"method":"roots/list"}}"#,
    ] {
        let (_, done) = asked("2025-11-25", ALL, rest);
        assert_error(&done[0], "1", -31020);
        assert_eq!(done.len(), 1, "{rest}");
    }
}

#[test]
fn an_error_of_the_client_cancels_an_elicitation_and_fails_the_rest() {
    let error = r#""error":{"code":-1,"message":"not\nnow"}"#;
    let rest = format!(r#""inputRequests":{{"a":{FORM},"b":{URL},"c":{SAMPLING},"d":{ROOTS}}}"#);
    let (mut bench, done) = asked("2025-11-25", ALL, &rest);
    assert_eq!(done.len(), 4);
    for id in [1, 2] {
        assert_eq!(bench.client(&reply(id, error)), [""; 0]);
    }
    let done = bench.client(&reply(3, error));
    // The one that is still open is taken back.
    assert!(done[0].starts_with(&format!("{CANCELLED}4\"")), "{done:?}");
    assert_error(&done[1], "1", -31024);
    assert!(done[1].contains("sampling/createMessage") && done[1].contains("not now"), "{done:?}");
    assert_eq!(done.len(), 2);
    assert_eq!(bench.client(&reply(4, r#""result":{"roots":[]}"#)), [""; 0]);

    let (mut bench, _) = asked("2025-11-25", ALL, &format!(r#""inputRequests":{{"a":{FORM}}}"#));
    let sent = bench.client(&reply(1, error));
    assert_eq!(sent, [retry(3, r#","inputResponses":{"a":{"action":"cancel"}}"#)]);
}

#[test]
fn a_client_that_cancels_is_asked_no_more_and_answered_no_more() {
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let rest = format!(r#""inputRequests":{{"a":{FORM},"b":{ROOTS}}}"#);
    let (mut bench, _) = asked("2025-11-25", ALL, &rest);
    bench.client(&reply(1, r#""result":{"action":"accept"}"#));
    let done = bench.client(cancel);
    assert!(done[0].starts_with(&format!("{CANCELLED}2\"")), "{done:?}");
    assert_eq!(done.len(), 1, "the server has nothing of it");
    assert_eq!(bench.client(&reply(2, r#""result":{"roots":[]}"#)), [""; 0]);
    assert_eq!(bench.wake(INPUT_TIMEOUT), [""; 0]);

    // During the pause.
    let (mut bench, _) = asked("2025-11-25", ALL, r#""requestState":"s""#);
    assert_eq!(bench.client(cancel), [""; 0]);
    assert_eq!(bench.wake(INPUT_PAUSE), [""; 0]);

    // While the server has the retry: under its id.
    let (mut bench, _) = asked("2025-11-25", ALL, r#""requestState":"s""#);
    bench.wake(INPUT_PAUSE);
    assert_eq!(
        bench.client(cancel),
        [
            r#"server {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"mcp-tether/2"}}"#
        ]
    );
    assert_eq!(bench.server(&complete(2)), [""; 0]);
}

#[test]
fn rounds_have_an_end() {
    // In time.
    let rest = format!(r#""inputRequests":{{"a":{FORM},"b":{ROOTS}}}"#);
    let (mut bench, _) = asked("2025-11-25", ALL, &rest);
    bench.client(&reply(1, r#""result":{"action":"accept"}"#));
    let done = bench.wake(INPUT_TIMEOUT);
    assert!(done[0].starts_with(&format!("{CANCELLED}2\"")), "{done:?}");
    assert_error(&done[1], "1", -31004);
    assert_eq!(done.len(), 2);

    // In number: of rounds, where nothing but the server's patience would end them,
    let (mut bench, mut done) =
        asked("2025-11-25", "{}", &format!(r#""inputRequests":{{"a":{FORM}}}"#));
    let mut rounds = 1;
    while done[0].starts_with("server ") {
        rounds += 1;
        let id = format!("\"mcp-tether/{}\"", rounds - 1);
        done = bench.server(&required(&id, &format!(r#""inputRequests":{{"a":{FORM}}}"#)));
    }
    assert_error(&done[0], "1", -31020);
    assert_eq!(rounds, MAX_INPUT_ROUNDS + 1);

    // and of questions.
    for (count, fine) in [(MAX_INPUT_QUESTIONS, true), (MAX_INPUT_QUESTIONS + 1, false)] {
        let questions: Vec<String> = (0..count).map(|n| format!(r#""{n}":{ROOTS}"#)).collect();
        let rest = format!(r#""inputRequests":{{{}}}"#, questions.join(","));
        let (_, done) = asked("2025-11-25", ALL, &rest);
        assert_eq!(done.len(), if fine { count } else { 1 });
    }

    // In size: of the state and of the answers.
    let state = "x".repeat(MAX_INPUT_BYTES);
    let (_, done) = asked("2025-11-25", ALL, &format!(r#""requestState":"{state}""#));
    assert_error(&done[0], "1", -31030);
    let rest = format!(r#""inputRequests":{{"a":{ROOTS},"b":{ROOTS}}}"#);
    let (mut bench, _) = asked("2025-11-25", ALL, &rest);
    let done = bench.client(&reply(1, &format!(r#""result":{{"roots":"{state}"}}"#)));
    assert!(done[0].starts_with(&format!("{CANCELLED}2\"")), "{done:?}");
    assert_error(&done[1], "1", -31030);
}

#[test]
fn the_end_fails_what_waits_for_the_client() {
    let (mut bench, _) = asked("2025-11-25", ALL, &format!(r#""inputRequests":{{"a":{FORM}}}"#));
    bench.client(&CALL.replace("\"id\":1", "\"id\":2"));
    let done = bench.end();
    assert!(done[0].starts_with(&format!("{CANCELLED}1\"")), "{done:?}");
    assert_error(&done[1], "1", -31040);
    assert_eq!(done.len(), 2);
    // What the server has goes on, but the client is not asked any more.
    let done = bench.server(&required("2", &format!(r#""inputRequests":{{"a":{FORM}}}"#)));
    assert_error(&done[0], "2", -31040);
    assert_eq!(done.len(), 1);
}
