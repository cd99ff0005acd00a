//! POST: messages from the client (transports, "Sending Messages to the Server").

use std::sync::Arc;

use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper::body::Incoming as HttpBody;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::{Request, json_response};
use super::console::Exchange;
use super::guard;
use super::initialize::{self, InitializeParams};
use super::refusal::Refusal;
use super::request_body;
use super::response::{self, Response};
use super::revision::Revision;
use super::rpc::{self, Incoming, PARSE_ERROR, Params, RequestId, RpcError};
use super::server::Server;
use super::session::Session;

/// Parameters of `notifications/cancelled`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CancelledParams {
    request_id: RequestId,
}

/// What a POST carries.
enum Posted {
    One(Incoming),
    Batch(Vec<Box<RawValue>>),
}

/// Serves a POST.
///
/// # Errors
/// The refusals of the transport, and the simulated 503.
pub async fn post(
    server: &Server,
    request: http::Request<HttpBody>,
    exchange: &mut Exchange,
) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let headers = head.headers;
    let body = request_body::read(body, &server.limits).await?;
    let posted = read(&body);
    exchange.rpc_method = posted.as_ref().ok().and_then(Posted::method);
    if server.faults.post_is_unavailable() {
        return Err(Refusal::later(
            StatusCode::SERVICE_UNAVAILABLE,
            "Unavailable on purpose: try again",
        ));
    }
    guard::check_post(&headers)?;
    match posted.map_err(|error| Refusal::with_error(StatusCode::BAD_REQUEST, error))? {
        Posted::One(Incoming::Request { id, method, params }) if method == "initialize" => {
            initialize(server, &headers, &id, &params, exchange)
        }
        Posted::One(message) => {
            let is_request = matches!(message, Incoming::Request { .. });
            let session = find_session(server, &headers, is_request)?;
            serve_one(server, &session, message).await
        }
        Posted::Batch(members) => {
            let session = find_session(server, &headers, true)?;
            serve_batch(server, &session, &members).await
        }
    }
}

fn read(body: &[u8]) -> Result<Posted, RpcError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| RpcError::new(PARSE_ERROR, "the body is not UTF-8"))?;
    if text.trim_start().starts_with('[') {
        serde_json::from_str(text)
            .map(Posted::Batch)
            .map_err(|error| RpcError::new(PARSE_ERROR, format!("not JSON: {error}")))
    } else {
        Incoming::parse(text).map(Posted::One)
    }
}

impl Posted {
    fn method(&self) -> Option<String> {
        match self {
            Self::One(Incoming::Request { method, .. } | Incoming::Notification { method, .. }) => {
                Some(method.clone())
            }
            Self::One(Incoming::Response { .. }) | Self::Batch(_) => None,
        }
    }
}

/// The session that the headers name.
///
/// # Errors
/// 400 without one or for an unsupported revision, 404 for an unknown one.
fn find_session(
    server: &Server,
    headers: &HeaderMap,
    is_request: bool,
) -> Result<Arc<Session>, Refusal> {
    if is_request && server.faults.request_forgets_sessions() {
        server.console.line("fault: all sessions forgotten");
        server.sessions.forget_all();
    }
    server.session(headers)
}

fn initialize(
    server: &Server,
    headers: &HeaderMap,
    id: &RequestId,
    params: &Params,
    exchange: &mut Exchange,
) -> Result<Response, Refusal> {
    if guard::session_id(headers).is_some() {
        return Err(Refusal::invalid("initialize begins a session: send no Mcp-Session-Id"));
    }
    let params: InitializeParams = match params.read() {
        Ok(params) => params,
        Err(error) => return Ok(json_response(rpc::response(id, &Err(error)))),
    };
    let revision = Revision::negotiate(&params.protocol_version);
    let session = server
        .sessions
        .create(revision, params.capabilities)
        .map_err(|error| Refusal::later(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()))?;
    exchange.session = Some(session.id.clone());
    let mut response = json_response(rpc::response(id, &Ok(initialize::result(revision))));
    let name = HeaderValue::from_str(&session.id).expect("base64 is visible ASCII");
    response.headers_mut().insert(guard::SESSION_ID, name);
    Ok(response)
}

async fn serve_one(
    server: &Server,
    session: &Arc<Session>,
    message: Incoming,
) -> Result<Response, Refusal> {
    let _busy = session.busy();
    match message {
        Incoming::Request { id, method, params } => {
            let request = Request { server, session, id, method, params };
            request.respond().await
        }
        other => {
            take_note(session, other);
            Ok(response::empty(StatusCode::ACCEPTED))
        }
    }
}

/// Serves what is not answered: notifications and responses.
fn take_note(session: &Session, message: Incoming) {
    match message {
        Incoming::Notification { method, params } => match method.as_str() {
            "notifications/initialized" => session.set_initialized(),
            "notifications/cancelled" => {
                // One that names no running call is to be ignored, whatever it looks like.
                if let Ok(params) = params.read::<CancelledParams>() {
                    session.calls.cancel(&params.request_id);
                }
            }
            _ => {}
        },
        Incoming::Response { id: Some(id), outcome } => {
            session.questions.answer(&id, outcome);
        }
        Incoming::Response { id: None, .. } | Incoming::Request { .. } => {}
    }
}

/// Serves a batch, which only revision 2025-03-26 has: all answers in one JSON array.
async fn serve_batch(
    server: &Server,
    session: &Arc<Session>,
    members: &[Box<RawValue>],
) -> Result<Response, Refusal> {
    if !session.revision.has_batches() {
        return Err(Refusal::invalid("The negotiated revision has no batches"));
    }
    if members.is_empty() || members.len() > server.limits.batch {
        let limit = server.limits.batch;
        return Err(Refusal::invalid(format!("A batch has 1 to {limit} messages")));
    }
    let _busy = session.busy();
    let mut answers = Vec::new();
    for member in members {
        match Incoming::parse(member.get()) {
            Err(error) => answers.push(Member::Ready(rpc::error_without_id(&error))),
            Ok(Incoming::Request { id, method, params }) => {
                answers.push(Member::Request(Request { server, session, id, method, params }))
            }
            Ok(other) => take_note(session, other),
        }
    }
    if answers.is_empty() {
        return Ok(response::empty(StatusCode::ACCEPTED));
    }
    let answers = join_all(answers.into_iter().map(Member::answer)).await;
    Ok(json_response(format!("[{}]", answers.join(","))))
}

/// A member of a batch that has an answer.
enum Member<'a> {
    Ready(String),
    Request(Request<'a>),
}

impl Member<'_> {
    async fn answer(self) -> String {
        match self {
            Self::Ready(text) => text,
            Self::Request(request) => request.answer_as_json().await,
        }
    }
}
