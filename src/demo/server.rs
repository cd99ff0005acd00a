//! The one HTTP endpoint: who may talk to it, and what GET and DELETE do. POST is in
//! [`super::post`].

use std::sync::Arc;

use http::{HeaderMap, Method, Request, StatusCode};
use hyper::body::Incoming;

use super::answer::stream_response;
use super::console::{Console, Exchange};
use super::event_log::EventId;
use super::fault::{Cut, Fault, FaultPlan};
use super::guard;
use super::limits::Limits;
use super::post::post;
use super::refusal::Refusal;
use super::response::{self, Response};
use super::session::Session;
use super::sessions::Sessions;
use super::stream::STANDALONE;

/// The path of the endpoint.
pub const PATH: &str = "/mcp";

/// Everything that requests share.
#[derive(Debug)]
pub struct Server {
    /// The sessions.
    pub sessions: Sessions,
    /// The faults to simulate.
    pub faults: FaultPlan,
    /// The bounds.
    pub limits: Arc<Limits>,
    /// Where the exchanges are logged.
    pub console: Arc<Console>,
}

impl Server {
    /// A server without sessions.
    pub fn new(faults: &[Fault], limits: Limits, console: Console) -> Arc<Self> {
        let limits = Arc::new(limits);
        Arc::new(Self {
            sessions: Sessions::new(Arc::clone(&limits)),
            faults: FaultPlan::new(faults),
            limits,
            console: Arc::new(console),
        })
    }

    /// The session that the headers name, with a supported revision.
    ///
    /// # Errors
    /// 400 or 404.
    pub fn session(&self, headers: &HeaderMap) -> Result<Arc<Session>, Refusal> {
        guard::check_version(headers)?;
        let id = guard::session_id(headers)
            .ok_or_else(|| Refusal::invalid("The header Mcp-Session-Id is missing"))?;
        self.sessions.get(id).ok_or_else(Refusal::unknown_session)
    }
}

/// Serves one HTTP request and logs it.
pub async fn handle(server: &Server, request: Request<Incoming>) -> Response {
    let mut exchange = Exchange {
        http_method: request.method().to_string(),
        rpc_method: None,
        session: guard::session_id(request.headers()).map(str::to_owned),
    };
    let response =
        route(server, request, &mut exchange).await.unwrap_or_else(Refusal::into_response);
    server.console.exchange(&exchange, response.status());
    response
}

async fn route(
    server: &Server,
    request: Request<Incoming>,
    exchange: &mut Exchange,
) -> Result<Response, Refusal> {
    guard::check_origin(request.headers())?;
    if request.uri().path() != PATH {
        let message = format!("There is nothing here; the endpoint is {PATH}");
        return Err(Refusal::new(StatusCode::NOT_FOUND, message));
    }
    match *request.method() {
        Method::POST => post(server, request, exchange).await,
        Method::GET if server.faults.no_get => Err(Refusal::method("POST, DELETE")),
        Method::GET => get(server, request.headers()),
        Method::DELETE => {
            let session = server.session(request.headers())?;
            server.sessions.end(&session.id);
            Ok(response::empty(StatusCode::NO_CONTENT))
        }
        _ => Err(Refusal::method("GET, POST, DELETE")),
    }
}

/// Opens the standalone stream, or resumes the stream that `Last-Event-ID` names (transports,
/// "Listening for Messages from the Server" and "Resumability and Redelivery").
fn get(server: &Server, headers: &HeaderMap) -> Result<Response, Refusal> {
    guard::check_get(headers)?;
    let session = server.session(headers)?;
    let connection = match headers.get(guard::LAST_EVENT_ID) {
        Some(seen) => {
            let seen = seen.to_str().ok().and_then(EventId::parse);
            seen.and_then(|seen| {
                let stream = session.streams.get(seen.stream)?;
                stream.resume(seen.event, seen.stream == STANDALONE)
            })
            .ok_or_else(|| Refusal::invalid("The events after this Last-Event-ID are not kept"))?
        }
        None => {
            let standalone = session.streams.standalone();
            let connection = standalone.connect().ok_or_else(|| {
                Refusal::new(StatusCode::CONFLICT, "The standalone stream is already open")
            })?;
            if session.revision.has_priming_events() {
                standalone.prime(None);
            }
            connection
        }
    };
    Ok(stream_response(server, &session, connection, Cut::Never))
}
