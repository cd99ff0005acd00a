//! From a request to its HTTP response: one JSON document, or a stream.

use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::call::Call;
use super::calls::{self, Running};
use super::fault::Cut;
use super::refusal::Refusal;
use super::response::{self, Response};
use super::rpc::{self, CANCELLED, INVALID_REQUEST, Params, RequestId, RpcError};
use super::server::Server;
use super::session::Session;
use super::sse_body::sse_body;
use super::stream::{Connection, Stream};
use super::tools::Tool;
use super::{dispatch, tool_calls};

/// The parameters of `tools/call`.
#[derive(Deserialize)]
struct CallParams {
    name: String,
    #[serde(default)]
    arguments: Option<Box<RawValue>>,
    #[serde(default, rename = "_meta")]
    meta: Meta,
}

/// The part of `_meta` that the server cares about.
#[derive(Default, Deserialize)]
struct Meta {
    #[serde(default, rename = "progressToken")]
    progress_token: Option<RequestId>,
}

/// A request of a session, to be answered.
pub struct Request<'a> {
    /// The server it came to.
    pub server: &'a Server,
    /// The session it belongs to.
    pub session: &'a Arc<Session>,
    /// Its id.
    pub id: RequestId,
    /// Its method.
    pub method: String,
    /// Its parameters.
    pub params: Params,
}

/// A tool call that was accepted.
struct Accepted {
    tool: Tool,
    arguments: Params,
    progress_token: Option<RequestId>,
    running: Running,
}

/// Why a request is answered without being carried out.
enum Declined {
    /// With this JSON-RPC error.
    Rpc(RpcError),
    /// With 429.
    TooMany,
}

impl Request<'_> {
    /// Answers by a stream where messages may come before the answer, otherwise by JSON.
    ///
    /// # Errors
    /// 429 when too many calls are running.
    pub async fn respond(self) -> Result<Response, Refusal> {
        let accepted = match self.accept() {
            Ok(Some(accepted)) => accepted,
            Ok(None) => return Ok(json_response(self.answer_at_once())),
            Err(Declined::Rpc(error)) => {
                return Ok(json_response(rpc::response(&self.id, &Err(error))));
            }
            Err(Declined::TooMany) => {
                return Err(Refusal::later(
                    StatusCode::TOO_MANY_REQUESTS,
                    "Too many calls at once",
                ));
            }
        };
        let streams = accepted.tool.streams()
            || (accepted.tool == Tool::Big && tool_calls::big_streams(&accepted.arguments));
        if streams && !self.server.faults.json_only {
            Ok(self.respond_by_stream(accepted))
        } else {
            Ok(json_response(self.finish_as_json(accepted).await))
        }
    }

    /// Answers by the text of a JSON-RPC response, as for a member of a batch.
    pub async fn answer_as_json(self) -> String {
        match self.accept() {
            Ok(Some(accepted)) => self.finish_as_json(accepted).await,
            Ok(None) => self.answer_at_once(),
            Err(declined) => {
                let error = match declined {
                    Declined::Rpc(error) => error,
                    Declined::TooMany => RpcError::new(rpc::REFUSED, "Too many calls at once"),
                };
                rpc::response(&self.id, &Err(error))
            }
        }
    }

    /// Checks the request; gives the tool call if it is one.
    fn accept(&self) -> Result<Option<Accepted>, Declined> {
        if !self.session.is_initialized() && self.method != "ping" {
            return Err(Declined::Rpc(RpcError::new(
                INVALID_REQUEST,
                "Not initialized yet: send notifications/initialized first",
            )));
        }
        if self.method != "tools/call" {
            return Ok(None);
        }
        let params: CallParams = self.params.read().map_err(Declined::Rpc)?;
        let tool = Tool::find(&params.name, &self.session.contents())
            .ok_or_else(|| Declined::Rpc(RpcError::params("Unknown tool")))?;
        let running =
            self.session.calls.begin(&self.id, self.session.limits.calls).map_err(|refusal| {
                match refusal {
                    calls::Refusal::TooMany => Declined::TooMany,
                    calls::Refusal::Duplicate => Declined::Rpc(RpcError::new(
                        INVALID_REQUEST,
                        "A request with this id is still running",
                    )),
                }
            })?;
        Ok(Some(Accepted {
            tool,
            arguments: Params::new(params.arguments),
            progress_token: params.meta.progress_token,
            running,
        }))
    }

    fn answer_at_once(&self) -> String {
        let outcome = dispatch::answer(self.session, &self.method, &self.params);
        rpc::response(&self.id, &outcome)
    }

    /// Starts the call in a task of its own, which lives on when the connection does not: a lost
    /// connection does not cancel a call (transports, "Sending Messages to the Server").
    /// The task gives `None` if the call was cancelled.
    fn start(
        &self,
        accepted: Accepted,
        stream: Option<Arc<Stream>>,
    ) -> tokio::task::JoinHandle<Option<Value>> {
        let call = Call {
            session: Arc::clone(self.session),
            stream,
            progress_token: accepted.progress_token,
        };
        let busy = self.session.busy();
        tokio::spawn(async move {
            let _busy = busy;
            tokio::select! {
                biased;
                () = accepted.running.cancelled() => None,
                result = tool_calls::run(&accepted.tool, &accepted.arguments, &call) => Some(result),
            }
        })
    }

    async fn finish_as_json(&self, accepted: Accepted) -> String {
        // The exchange needs some body, so a cancelled call is answered, which a client ignores.
        let outcome = finished(self.start(accepted, None).await)
            .unwrap_or_else(|| Err(RpcError::new(CANCELLED, "Cancelled")));
        rpc::response(&self.id, &outcome)
    }

    fn respond_by_stream(self, accepted: Accepted) -> Response {
        let stream = self.session.streams.open();
        let priming = self.session.revision.has_priming_events();
        if priming {
            stream.prime(self.server.faults.priming_retry());
        }
        let connection = stream.resume(0, true).expect("place 0 exists in every stream");
        let task = self.start(accepted, Some(Arc::clone(&stream)));
        let response = stream_response(
            self.server,
            self.session,
            connection,
            self.server.faults.next_cut(priming),
        );
        let (session, id) = (Arc::clone(self.session), self.id);
        tokio::spawn(async move {
            if let Some(outcome) = finished(task.await) {
                stream.send(&rpc::response(&id, &outcome));
            }
            session.streams.finish(&stream);
        });
        response
    }
}

/// What a call's task ended with; `None` if the call was cancelled.
fn finished(
    outcome: Result<Option<Value>, tokio::task::JoinError>,
) -> Option<Result<Value, RpcError>> {
    match outcome {
        Ok(result) => result.map(Ok),
        Err(error) => {
            log::error!("a tool of the demo server failed: {error}");
            Some(Err(RpcError::new(rpc::INTERNAL_ERROR, "The tool failed")))
        }
    }
}

/// The response that is an answer in one JSON document.
pub fn json_response(body: String) -> Response {
    response::json(StatusCode::OK, body)
}

/// A response that is a stream.
pub fn stream_response(
    server: &Server,
    session: &Arc<Session>,
    connection: Connection,
    cut: Cut,
) -> Response {
    let body = sse_body(
        connection,
        session.busy(),
        cut,
        server.limits.keep_alive,
        Arc::clone(&server.console),
    );
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    response
}
