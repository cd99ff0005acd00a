//! Requests of the server that wait for the client's answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::oneshot;

use super::rpc::{RequestId, RpcError};

/// What the client answered.
type Answer = Result<Value, RpcError>;

/// The open questions of one session.
#[derive(Debug, Default)]
pub struct Questions {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    asked: u64,
    waiting: HashMap<String, oneshot::Sender<Answer>>,
}

impl Questions {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a question with a fresh id; it stays open until answered or dropped.
    pub fn ask(self: &Arc<Self>) -> Question {
        let mut open = self.open();
        open.asked += 1;
        let id = format!("question-{}", open.asked);
        let (sender, answer) = oneshot::channel();
        open.waiting.insert(key(&id), sender);
        Question { questions: Arc::clone(self), id, answer }
    }

    /// Hands an answer to whoever asked; false if nobody waits for it.
    pub fn answer(&self, id: &RequestId, answer: Answer) -> bool {
        let sender = self.open().waiting.remove(&id.key());
        sender.is_some_and(|sender| sender.send(answer).is_ok())
    }

    /// Gives up all open questions.
    pub fn give_up(&self) {
        self.open().waiting.clear();
    }
}

/// The form of a textual id that [`RequestId::key`] gives.
fn key(id: &str) -> String {
    Value::from(id).to_string()
}

/// One open question.
#[derive(Debug)]
pub struct Question {
    questions: Arc<Questions>,
    /// The id of the request to the client.
    pub id: String,
    answer: oneshot::Receiver<Answer>,
}

impl Question {
    /// Waits for the answer; `None` if the session gave up its questions.
    pub async fn answer(&mut self) -> Option<Answer> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.questions.open().waiting.remove(&key(&self.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> RequestId {
        serde_json::from_str(&key(text)).unwrap()
    }

    #[tokio::test]
    async fn an_answer_reaches_its_question_once() {
        let questions = Arc::new(Questions::default());
        let mut first = questions.ask();
        let mut second = questions.ask();
        assert_ne!(first.id, second.id);
        assert!(questions.answer(&id(&second.id), Ok(Value::from(2))));
        assert!(!questions.answer(&id(&second.id), Ok(Value::from(3))));
        assert!(!questions.answer(&id("question-99"), Ok(Value::Null)));
        assert_eq!(second.answer().await, Some(Ok(Value::from(2))));
        questions.give_up();
        assert_eq!(first.answer().await, None);
    }

    #[test]
    fn a_dropped_question_is_forgotten() {
        let questions = Arc::new(Questions::default());
        let question = questions.ask();
        let asked = id(&question.id);
        drop(question);
        assert!(!questions.answer(&asked, Ok(Value::Null)));
        assert!(questions.open().waiting.is_empty());
    }
}
