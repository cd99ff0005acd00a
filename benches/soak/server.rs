//! The server: resumable, with event ids, sessions and faults, on one port for all bridges. A header tells
//! them apart.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::Error;
use super::answers::{self, Call};
use super::log::{Log, Next};
use super::realm::Realm;
use super::seat::Seat;

/// Largest body that is read: requests of the soak are small.
const MAX_BODY: usize = 1 << 20;

/// Tells the bridges apart.
pub const SEAT: &str = "x-seat";

/// The parts of a message that matter here.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<String>,
    #[serde(default)]
    params: Params,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params {
    /// Number of the request, by which both sides know it.
    n: Option<u64>,
    /// The tool.
    name: Option<String>,
    request_id: Option<u64>,
    #[serde(rename = "_meta", default)]
    meta: Option<Meta>,
}

/// Of a request that is answered on a stream: how many notifications come first.
#[derive(Deserialize)]
struct Meta {
    steps: Option<u64>,
}

/// Accepts connections for ever.
pub async fn serve(listener: TcpListener, seats: Arc<Vec<Arc<Seat>>>, realm: Option<Arc<Realm>>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let _ = socket.set_nodelay(true);
        tokio::spawn(connection(socket, seats.clone(), realm.clone()));
    }
}

/// One connection, until it ends or its seat is cut.
async fn connection(socket: TcpStream, seats: Arc<Vec<Arc<Seat>>>, realm: Option<Arc<Realm>>) {
    let whose = watch::Sender::new(None::<Arc<Seat>>);
    let mut known = whose.subscribe();
    let (broken, mut breaks) = tokio::sync::mpsc::channel::<()>(1);
    let service = service_fn(move |request: Request<Incoming>| {
        let seat = request.headers().get(SEAT).and_then(|value| value.to_str().ok()?.parse().ok());
        let seat = seat.and_then(|seat: usize| seats.get(seat)).cloned();
        if let Some(seat) = &seat {
            whose.send_if_modified(|whose| whose.replace(seat.clone()).is_none());
        }
        let (realm, broken) = (realm.clone(), broken.clone());
        async move {
            if let Some(realm) = realm.as_ref().filter(|_| request.uri().path() != "/mcp") {
                return Ok(realm.metadata());
            }
            let Some(seat) = seat else { return Ok::<_, Infallible>(status(404)) };
            if let Some(refusal) = realm.as_ref().and_then(|realm| realm.guard(&request)) {
                return Ok(refusal);
            }
            match answer(request, &seat).await {
                Some(response) => Ok(response),
                None => {
                    let _ = broken.send(()).await;
                    std::future::pending().await
                }
            }
        }
    });
    let mut http =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    let cut = async {
        let cut = known.wait_for(Option::is_some).await;
        let cut = cut.ok().and_then(|seat| Some(seat.as_ref()?.cut.subscribe()));
        let Some(mut cut) = cut else { return std::future::pending().await };
        let _ = cut.changed().await;
    };
    let reset = tokio::select! {
        _ = &mut http => return,
        () = cut => true,
        _ = breaks.recv() => false,
    };
    let socket = http.into_parts().io.into_inner();
    if reset {
        let _ = socket.set_zero_linger();
    }
}

fn status(status: u16) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response
}

/// Answers a request; `None` breaks its connection.
async fn answer(request: Request<Incoming>, seat: &Arc<Seat>) -> Option<Response<Body>> {
    let (head, body) = request.into_parts();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let body = to_bytes(Body::new(body), MAX_BODY).await.ok()?;
    {
        let mut state = seat.lock();
        if state.storm.is_some_and(|end| Instant::now() < end) {
            let mut busy = status([502, 503, 503, 504][state.random.below(4) as usize]);
            if state.random.permille(300) {
                busy.headers_mut().insert("retry-after", 1.into());
            }
            return Some(busy);
        }
    }
    let session = header("mcp-session-id");
    match head.method {
        Method::POST => post(&body, session, seat),
        Method::GET => Some(get(header("last-event-id"), session, seat)),
        Method::DELETE => {
            let mut state = seat.lock();
            if state.session.as_ref().is_some_and(|live| Some(live.id.as_str()) == session) {
                state.forget();
            }
            Some(status(200))
        }
        _ => Some(status(405)),
    }
}

/// Opens a stream, or resumes one.
fn get(cursor: Option<&str>, session: Option<&str>, seat: &Arc<Seat>) -> Response<Body> {
    let state = seat.lock();
    let Some(live) = state.session.as_ref().filter(|live| Some(live.id.as_str()) == session) else {
        return status(404);
    };
    let from = match cursor {
        // Nothing of the stream has been received: it begins with everything.
        None => Some((live.standalone.clone(), 0)),
        Some(event) => state.find(event),
    };
    from.map_or_else(|| status(400), |(log, seen)| stream(log, seen, None))
}

fn post(body: &[u8], session: Option<&str>, seat: &Arc<Seat>) -> Option<Response<Body>> {
    let Ok(message) = serde_json::from_slice::<Message>(body) else { return Some(status(400)) };
    let id = message.id.map(RawValue::get);
    let mut state = seat.lock();
    match message.method.as_deref() {
        // As a server of the revisions before 2026-07-28 says it.
        Some("server/discover") => {
            let mut response = answers::json(
                r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: Unsupported protocol version"},"id":null}"#,
            );
            *response.status_mut() = StatusCode::BAD_REQUEST;
            return Some(response);
        }
        Some("initialize") => {
            let session = state.start_session();
            let mut response = answers::json(&answers::result(id?, answers::INITIALIZE));
            response.headers_mut().insert("mcp-session-id", session.parse().expect("visible"));
            return Some(response);
        }
        _ => {}
    }
    let live = state.session.as_ref().is_some_and(|live| Some(live.id.as_str()) == session);
    if !live {
        return Some(status(404));
    }
    let Some(method) = message.method.as_deref() else {
        let asked = serde_json::from_str::<String>(id?).ok().and_then(|id| {
            let asked = state.asked.get_mut(&id)?;
            asked.1 += 1;
            Some(asked.1)
        });
        if asked != Some(1) {
            state.wrong.push(format!("an answer to {id:?} that nobody waits for: {asked:?}"));
        }
        return Some(status(202));
    };
    let Some(id) = id else {
        let session = state.session.as_mut().expect("just looked");
        match (method, message.params.request_id) {
            ("notifications/initialized", _) => session.initialized = true,
            ("notifications/cancelled", Some(cancelled)) => {
                let cancelled = cancelled.to_string();
                let mut streams = session.streams.iter();
                if let Some((_, log, _)) = streams.find(|(.., id)| *id == cancelled) {
                    log.end();
                }
            }
            _ => {}
        }
        return Some(status(202));
    };
    let Some(n) = message.params.n else {
        // A request of the bridge's own, or one that has no parameters.
        if method == "resources/subscribe" {
            state.session.as_mut().expect("just looked").subscribed = true;
        }
        return Some(answers::json(&answers::result(id, "{}")));
    };
    let executes = method == "tools/call";
    let hit = state.hits && state.random.permille(30) && state.hit.insert(n);
    if hit {
        match state.random.below(3) {
            0 => {
                // Waited out, and sent again.
                let mut busy = status(503);
                let wait = state.random.below(2);
                busy.headers_mut().insert("retry-after", wait.into());
                return Some(busy);
            }
            which => {
                // Closed before the request was carried out, or after it.
                if executes {
                    state.doomed.insert(n);
                    if which == 2 {
                        *state.executed.entry(n).or_default() += 1;
                    }
                }
                return None;
            }
        }
    }
    if executes {
        *state.executed.entry(n).or_default() += 1;
    }
    let call =
        Call::of(method, message.params.name.as_deref(), message.params.meta.and_then(|m| m.steps));
    if let Call::Stream { steps, slow } = call {
        let log = state.open_stream(id);
        // The stream breaks after so many events: the first of them primes it.
        let breaks = state.hits && state.random.permille(100);
        let breaks = breaks.then(|| 1 + state.random.below(steps + 1) as usize);
        tokio::spawn(answers::tell(log.clone(), id.to_owned(), n, steps, slow));
        return Some(stream(log, 0, breaks));
    }
    let text = state.random.below(1 << 20) as usize;
    drop(state);
    Some(answers::whole(call, id, n, text))
}

/// The events of a log from `seen` on; the connection breaks after `breaks` of them.
fn stream(log: Arc<Log>, seen: usize, breaks: Option<usize>) -> Response<Body> {
    let state = (log, seen, breaks, false);
    let events = futures_util::stream::unfold(state, |(log, seen, breaks, pause)| async move {
        if pause {
            // Lets what has been written reach the socket, so that what precedes a break does arrive.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if breaks == Some(0) {
            return Some((Err(std::io::Error::other("a fault")), (log, seen, None, false)));
        }
        match log.after(seen).await {
            Next::Event(event) => {
                let breaks = breaks.map(|left| left - 1);
                Some((Ok::<Bytes, _>(event), (log, seen + 1, breaks, true)))
            }
            Next::End => None,
        }
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert("content-type", "text/event-stream".parse().expect("visible"));
    response
}

/// Something to keep: pieces of a large body.
pub fn pieces(pieces: VecDeque<Bytes>) -> Body {
    Body::from_stream(futures_util::stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)))
}

/// Listens on a free port of the loopback.
pub async fn listen() -> Result<(TcpListener, String), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    Ok((listener, origin))
}
