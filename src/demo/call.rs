//! What a running tool can do besides answering: report progress, log, ask the client.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::time::timeout;

use super::log_level::LogLevel;
use super::questions::Question;
use super::rpc::{self, RequestId, RpcError};
use super::session::Session;
use super::stream::Stream;
use crate::json;

/// A tool call in progress.
#[derive(Debug)]
pub struct Call {
    /// Whose call it is.
    pub session: Arc<Session>,
    /// The stream that will carry the answer; without one, messages go to the standalone stream.
    pub stream: Option<Arc<Stream>>,
    /// What progress has to be reported under; without one it is not reported.
    pub progress_token: Option<RequestId>,
}

/// Why a question to the client has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// There is no stream on which the client would see the question.
    #[error("no stream is open on which the client could be asked")]
    NoStream,
    /// It took too long.
    #[error("the client did not answer within {} seconds", .0.as_secs())]
    Timeout(Duration),
    /// The session ended.
    #[error("the session ended before the client answered")]
    SessionOver,
    /// The client answered with an error.
    #[error("the client answered with error {}: {}", .0.code, .0.message)]
    Refused(RpcError),
}

/// Parameters of `notifications/progress`.
#[derive(Serialize)]
struct Progress<'a> {
    #[serde(rename = "progressToken")]
    token: &'a RequestId,
    progress: u64,
    total: u64,
    message: &'a str,
}

impl Call {
    fn send(&self, message: &str) {
        match &self.stream {
            Some(stream) => stream.send(message),
            None => self.session.notify(message),
        }
    }

    /// Reports progress if the client asked for it.
    pub fn progress(&self, progress: u64, total: u64, message: &str) {
        if let Some(token) = &self.progress_token {
            let params = Progress { token, progress, total, message };
            self.send(&rpc::notification("notifications/progress", &params));
        }
    }

    /// Sends a log message if the session's level lets it through.
    pub fn log(&self, level: LogLevel, logger: &str, data: &str) {
        if level >= self.session.contents().log_level {
            let params = json!({"level": json::of(&level), "logger": logger, "data": data});
            self.send(&rpc::notification("notifications/message", &params));
        }
    }

    /// Sends a request to the client and waits for its answer. If it is given up, by this method
    /// or by the caller dropping the future, the client is told with `notifications/cancelled`.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn ask(&self, method: &str, params: &Value) -> Result<Value, Unanswered> {
        if self.stream.is_none() && !self.session.streams.standalone().is_connected() {
            return Err(Unanswered::NoStream);
        }
        let mut asked = Asked { call: self, question: self.session.questions.ask(), open: true };
        self.send(&rpc::request(&asked.question.id, method, params));
        let limit = self.session.limits.client_answer;
        let Ok(answer) = timeout(limit, asked.question.answer()).await else {
            return Err(Unanswered::Timeout(limit));
        };
        asked.open = false;
        match answer {
            None => Err(Unanswered::SessionOver),
            Some(Err(error)) => Err(Unanswered::Refused(error)),
            Some(Ok(result)) => Ok(result),
        }
    }
}

/// A question that is taken back when dropped unanswered.
struct Asked<'a> {
    call: &'a Call,
    question: Question,
    open: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.open {
            let params = json!({"requestId": self.question.id, "reason": "no longer needed"});
            self.call.send(&rpc::notification("notifications/cancelled", &params));
        }
    }
}
