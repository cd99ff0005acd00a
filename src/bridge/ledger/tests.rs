//! The invariant, by example and under random faults.

use std::io::{self, Write};
use std::sync::mpsc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::error::FailureKind;
use crate::jsonrpc::Source;
use crate::limits::MAX_REQUESTS_IN_FLIGHT;

/// A stdout whose lines come out of a channel.
struct Lines(mpsc::Sender<u8>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        bytes
            .iter()
            .try_for_each(|b| self.0.send(*b))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn ledger() -> (Ledger, Outbox, mpsc::Receiver<u8>) {
    let (sender, receiver) = mpsc::channel();
    let outbox = Outbox::spawn(Lines(sender), None, None).unwrap();
    (Ledger::new(outbox.clone(), MAX_REQUESTS_IN_FLIGHT), outbox, receiver)
}

fn id(raw: &str) -> Id {
    Id::from_raw(Bytes::copy_from_slice(raw.as_bytes())).unwrap()
}

fn response(raw_id: &str) -> Message {
    let text = format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"result":{{}}}}"#);
    Message::parse(Bytes::from(text), Source::Server).unwrap()
}

fn failure() -> Failure {
    Failure::new(FailureKind::StreamLost, "lost")
}

async fn written(outbox: &Outbox, output: &mpsc::Receiver<u8>) -> Vec<String> {
    outbox.flush().await.unwrap();
    let bytes: Vec<u8> = output.try_iter().collect();
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn the_first_answer_is_the_only_one() {
    let (ledger, outbox, output) = ledger();
    let ticket = ledger.open(&id("1"), "ping").unwrap();
    assert_eq!(ledger.open(&id("1.0"), "ping").unwrap_err(), Refused::Duplicate);
    assert!(ledger.answer(&response("1")).await);
    assert!(!ledger.answer(&response("1")).await);
    assert!(!ledger.fail(&ticket, &failure()).await);
    assert!(!ticket.is_open());
    ticket.closed().await;
    assert_eq!(written(&outbox, &output).await.len(), 1);
    // The id is free again, and the old ticket does not reach the new request.
    let again = ledger.open(&id("1"), "ping").unwrap();
    assert!(!ledger.fail(&ticket, &failure()).await);
    assert!(again.is_open());
}

#[tokio::test]
async fn the_clients_spelling_comes_back() {
    let (ledger, outbox, output) = ledger();
    ledger.open(&id("\"\\u0061\""), "ping").unwrap();
    ledger.open(&id("1.0"), "ping").unwrap();
    assert!(ledger.answer(&response("\"a\"")).await);
    assert!(ledger.answer(&response("1")).await);
    assert!(!ledger.answer(&response("\"1\"")).await);
    assert_eq!(
        written(&outbox, &output).await,
        [
            r#"{"jsonrpc":"2.0","id":"\u0061","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1.0,"result":{}}"#
        ]
    );
}

#[tokio::test]
async fn cancelled_requests_get_no_answer() {
    let (ledger, outbox, output) = ledger();
    let ticket = ledger.open(&id("1"), "tools/call").unwrap();
    ledger.cancel(&id("1"));
    ledger.empty().await;
    assert!(!ledger.answer(&response("1")).await && !ledger.fail(&ticket, &failure()).await);
    assert_eq!(written(&outbox, &output).await, [""; 0]);
}

#[tokio::test]
async fn the_ledger_is_bounded() {
    let (ledger, _, _output) = ledger();
    for n in 0..MAX_REQUESTS_IN_FLIGHT {
        ledger.open(&id(&n.to_string()), "ping").unwrap();
    }
    assert_eq!(ledger.open(&id("-1"), "ping").unwrap_err(), Refused::Full);
    assert_eq!(ledger.fail_all(&failure()).await, MAX_REQUESTS_IN_FLIGHT);
    assert_eq!(ledger.count(), 0);
    for n in 0..MAX_SERVER_REQUESTS * 2 {
        ledger.server_request(&id(&n.to_string()), 7);
    }
    assert_eq!(ledger.table().asked.len(), MAX_SERVER_REQUESTS);
    assert_eq!(ledger.server_response(&id("0"), 7), None);
}

#[tokio::test]
async fn responses_belong_to_the_session_that_asked() {
    let (ledger, _, _output) = ledger();
    ledger.server_request(&id("0"), 1);
    ledger.server_request(&id("1"), 1);
    ledger.server_request(&id("2"), 1);
    ledger.server_cancelled(&id("2"), 1);
    let ended: Vec<String> =
        ledger.server_requests_before(2).iter().map(ToString::to_string).collect();
    assert_eq!(ended, ["0", "1"]);
    assert!(ledger.server_requests_before(2).is_empty());
    ledger.server_request(&id("0"), 2);
    assert_eq!(ledger.server_response(&id("0"), 2), Some(2));
    assert_eq!(ledger.server_response(&id("0"), 2), Some(1));
    assert_eq!(ledger.server_response(&id("1"), 2), Some(1));
    assert_eq!(ledger.server_response(&id("2"), 2), None);
}

#[derive(Clone, Debug)]
enum Step {
    Open(u8),
    Answer(u8),
    Fail(prop::sample::Index),
    Cancel(u8),
    /// Starts an answer and drops it in the middle of its wait.
    Abandon(u8),
    FailAll,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6u8).prop_map(Step::Open),
        3 => (0..6u8).prop_map(Step::Answer),
        2 => any::<prop::sample::Index>().prop_map(Step::Fail),
        1 => (0..6u8).prop_map(Step::Cancel),
        1 => (0..6u8).prop_map(Step::Abandon),
        1 => Just(Step::FailAll),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Answers written for an id = requests opened with it - cancelled ones, in every interleaving
    /// of answers, duplicates, failures, cancellations and dropped tasks.
    #[test]
    fn exactly_one_answer(steps in proptest::collection::vec(step(), 0..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (ledger, outbox, output) = ledger();
            let mut expected = [0_usize; 6];
            let mut tickets = Vec::new();
            for step in steps {
                match step {
                    Step::Open(n) => {
                        if let Ok(ticket) = ledger.open(&id(&n.to_string()), "x") {
                            expected[usize::from(n)] += 1;
                            tickets.push(ticket);
                        }
                    }
                    Step::Answer(n) => {
                        let open = ledger.find(&id(&n.to_string())).is_some();
                        assert_eq!(ledger.answer(&response(&n.to_string())).await, open);
                    }
                    Step::Fail(pick) if !tickets.is_empty() => {
                        let ticket = pick.get(&tickets);
                        let open = ticket.is_open();
                        assert_eq!(ledger.fail(ticket, &failure()).await, open);
                    }
                    Step::Fail(_) => {}
                    Step::Cancel(n) => {
                        expected[usize::from(n)] -= usize::from(ledger.find(&id(&n.to_string())).is_some());
                        ledger.cancel(&id(&n.to_string()));
                    }
                    Step::Abandon(n) => {
                        use futures_util::FutureExt;
                        let message = response(&n.to_string());
                        let _ = ledger.answer(&message).now_or_never();
                    }
                    Step::FailAll => {
                        let open = ledger.count();
                        assert_eq!(ledger.fail_all(&failure()).await, open);
                    }
                }
            }
            ledger.fail_all(&failure()).await;
            ledger.empty().await;
            let mut seen = [0_usize; 6];
            for line in written(&outbox, &output).await {
                let value: serde_json::Value = serde_json::from_str(&line).unwrap();
                seen[usize::try_from(value["id"].as_u64().unwrap()).unwrap()] += 1;
            }
            assert_eq!(seen, expected);
        });
    }
}
