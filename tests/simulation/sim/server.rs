//! A Streamable HTTP server (2025-11-25, basic/transports), as a model: sessions, streams that can be resumed, and
//! everything that can go wrong.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Response};
use http_body::{Body, Frame, SizeHint};
use mcp_tether::http::simulated::Network;
use mcp_tether::random::simulated::step;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep};

use super::world::{Fault, State, World};

type Piece = Result<Bytes, io::Error>;

/// What the server is like, and what it has.
pub struct Server {
    /// It is stateless (2026-07-28): it knows neither sessions nor resumption, and asks nothing.
    pub modern: bool,
    /// It gives sessions ids.
    with_sessions: bool,
    /// Events have ids, and streams can be resumed.
    pub resumable: bool,
    /// The first event of a stream has an id and nothing else.
    priming: bool,
    /// It has a standalone stream.
    standalone: bool,
    /// It answers with JSON, in so many of a thousand cases.
    json: u64,
    pub sessions: BTreeMap<u64, Session>,
    next_session: u64,
    next_question: u64,
    /// The session that asked each question.
    questions: BTreeMap<String, u64>,
    down_until: Option<Instant>,
    /// `initialize` requests that are being answered.
    initializing: u32,
    /// How often each request was carried out.
    pub carried_out: BTreeMap<u64, u32>,
    /// Requests whose answer never comes.
    pub stalled: std::collections::BTreeSet<u64>,
    /// Messages that something has happened to on their way.
    pub touched: std::collections::BTreeSet<u64>,
    /// Sessions that were ended by `DELETE`.
    pub gone: std::collections::BTreeSet<u64>,
}

#[derive(Default)]
pub struct Session {
    /// The server knows it.
    pub alive: bool,
    /// When the bridge was told of it.
    pub told: Option<Instant>,
    /// The bridge has tried to end it.
    pub ended: bool,
    streams: Vec<Stream>,
    standalone: Option<usize>,
}

#[derive(Default)]
struct Stream {
    events: Vec<Bytes>,
    /// How many of them are no answers and no primings.
    numbered: i64,
    finished: bool,
    out: Option<UnboundedSender<Piece>>,
}

/// A message of the client that the server has taken.
pub struct Arrival {
    pub n: u64,
    /// It is a notification or a response.
    pub barrier: bool,
    /// It is a response, and an `initialize` had no answer when it left.
    pub early: bool,
    pub at: Instant,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a str>,
    params: Option<Numbered>,
    result: Option<Numbered>,
}

#[derive(Deserialize)]
struct Numbered {
    n: Option<u64>,
}

/// The network between the bridge and the server.
#[derive(Clone)]
pub struct Wire(pub Arc<World>);

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Server {
    pub fn new(dice: &mut u64) -> Server {
        let mut often = |percent: u64| step(dice) % 100 < percent;
        let modern = often(12);
        Server {
            modern,
            with_sessions: often(85) && !modern,
            resumable: often(65) && !modern,
            priming: often(60),
            standalone: often(75) && !modern,
            json: if often(25) { 900 } else { 150 },
            sessions: BTreeMap::new(),
            next_session: 1,
            next_question: 1,
            questions: BTreeMap::new(),
            down_until: None,
            initializing: 0,
            carried_out: BTreeMap::new(),
            stalled: Default::default(),
            touched: Default::default(),
            gone: Default::default(),
        }
    }

    /// Whether every stream has an id before anything else, so that it can always be resumed.
    pub fn never_loses(&self) -> bool {
        self.resumable && self.priming
    }
}

impl State {
    fn is_down(&self) -> bool {
        !self.calm && self.server.down_until.is_some_and(|until| Instant::now() < until)
    }

    fn touch(&mut self, n: Option<u64>) {
        self.server.touched.extend(n);
    }

    fn restart(&mut self) {
        for session in self.server.sessions.values_mut() {
            session.alive = false;
            for stream in &mut session.streams {
                if let Some(out) = stream.out.take() {
                    let _ = out.send(Err(io::ErrorKind::ConnectionReset.into()));
                }
            }
        }
        self.see("sessions lost");
    }

    /// The session that a request is for; status and text of the refusal if there is none.
    fn session_of(&mut self, headers: &HeaderMap) -> Result<u64, (u16, &'static str)> {
        if !self.server.with_sessions {
            self.server.sessions.entry(0).or_default().alive = true;
            return Ok(0);
        }
        match named(headers) {
            None => Err((400, "Bad Request: No valid session ID provided")),
            Some(id) if self.server.sessions.get(&id).is_some_and(|session| session.alive) => {
                Ok(id)
            }
            Some(_) => Err((404, "Session not found")),
        }
    }

    fn arrives(&mut self, n: u64, barrier: bool, response: bool) {
        // It may have been on its way for a moment.
        let recent = |at: Instant| at.elapsed() < Duration::from_millis(120);
        let early = response
            && self
                .asked
                .values()
                .any(|asked| asked.method == "initialize" && asked.answered.is_none_or(recent));
        self.note(|| format!("server takes {n}"));
        if self.arrivals.iter().all(|arrival| arrival.n != n) {
            self.arrivals.push(Arrival { n, barrier, early, at: Instant::now() });
        }
    }

    fn new_stream(&mut self, session: u64) -> (usize, Pieces) {
        let (out, pieces) = Pieces::new(None);
        let label;
        {
            let session = self.server.sessions.entry(session).or_default();
            session.streams.push(Stream { out: Some(out), ..Stream::default() });
            label = session.streams.len() - 1;
        }
        if self.server.resumable && self.server.priming {
            self.push(session, label, "", false);
        }
        (label, pieces)
    }

    /// Adds an event to a stream, and sends it if somebody listens and nothing goes wrong.
    fn push(&mut self, session: u64, stream: usize, data: &str, may_fail: bool) {
        let resumable = self.server.resumable;
        let Some(known) = self.server.sessions.get_mut(&session).filter(|known| known.alive) else {
            return;
        };
        let this = &mut known.streams[stream];
        let id = this.events.len();
        let event = match resumable {
            true => format!("id: {session}/{stream}/{id}\ndata: {data}\n\n"),
            false => format!("data: {data}\n\n"),
        };
        let event = Bytes::from(event);
        this.events.push(event.clone());
        let Some(out) = this.out.clone() else { return };
        let clean = self.chance(500);
        let end = move |out: &UnboundedSender<Piece>| {
            if !clean {
                let _ = out.send(Err(io::ErrorKind::ConnectionReset.into()));
            }
        };
        let detach = |state: &mut State| {
            if let Some(known) = state.server.sessions.get_mut(&session) {
                known.streams[stream].out = None;
            }
        };
        if may_fail && self.strikes(Fault::CutEvent) {
            let at = self.pick(event.len() as u64) as usize;
            let _ = out.send(Ok(event.slice(..at)));
            end(&out);
            detach(self);
        } else {
            let at = if self.chance(100) { self.pick(event.len() as u64) as usize } else { 0 };
            if at > 0 {
                let _ = out.send(Ok(event.slice(..at)));
            }
            let _ = out.send(Ok(event.slice(at..)));
            if may_fail && self.strikes(Fault::CutBody) {
                end(&out);
                detach(self);
            } else if may_fail && self.strikes(Fault::CloseRetry) {
                let retry = [50, 500, 3000, 20_000][self.pick(4) as usize];
                let _ = out.send(Ok(Bytes::from(format!("retry: {retry}\n\n"))));
                detach(self);
            }
        }
    }

    /// A notification or request of the server on a stream.
    fn say(&mut self, session: u64, stream: usize) {
        let Some(known) = self.server.sessions.get_mut(&session).filter(|known| known.alive) else {
            return;
        };
        let k = known.streams[stream].numbered;
        known.streams[stream].numbered += 1;
        let params = format!(r#""params":{{"s":"{session}/{stream}","k":{k}}}"#);
        let data = if self.chance(300) && !self.server.modern {
            let id = self.server.next_question;
            self.server.next_question += 1;
            // Ids begin anew with every session on real servers; these show whose they are.
            let id = format!("q{id}");
            self.server.questions.insert(id.clone(), session);
            format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"elicitation/create",{params}}}"#)
        } else {
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/message",{params}}}"#)
        };
        self.push(session, stream, &data, true);
    }

    fn finish(&mut self, session: u64, stream: usize) {
        if let Some(known) = self.server.sessions.get_mut(&session) {
            known.streams[stream].finished = true;
            known.streams[stream].out = None;
        }
    }

    /// The result of a request, in the server's spelling of its id.
    fn result(&mut self, id: &str, n: u64, method: &str, label: Option<(u64, usize)>) -> String {
        let id = if self.chance(200) { respelled(id) } else { id.to_owned() };
        let place = match label {
            Some((session, stream)) => {
                let numbered = self
                    .server
                    .sessions
                    .get(&session)
                    .map_or(0, |known| known.streams[stream].numbered);
                format!(r#","s":"{session}/{stream}","k":{numbered}"#)
            }
            None => String::new(),
        };
        let more = match method {
            "initialize" => {
                r#","protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"model","version":"1"}"#.to_owned()
            }
            _ if self.strikes(Fault::Large) => format!(r#","text":"{}""#, "x".repeat(300_000)),
            _ if self.server.modern => r#","resultType":"complete""#.to_owned(),
            _ => String::new(),
        };
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"n":{n}{place}{more}}}}}"#)
    }
}

impl Network for Wire {
    fn connect<'a>(&'a self, head: &'a http::request::Parts) -> BoxFuture<'a, bool> {
        let wait = {
            let mut state = self.0.state();
            if head.method == Method::DELETE
                && let Some(session) = named(&head.headers)
                && let Some(known) = state.server.sessions.get_mut(&session)
            {
                known.ended = true;
            }
            state.latency()
        };
        async move {
            sleep(wait).await;
            let mut state = self.0.state();
            let refused = state.is_down() || state.strikes(Fault::Refuse);
            if refused {
                state.note(|| format!("{} refused", head.method));
            }
            !refused
        }
        .boxed()
    }

    fn exchange(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Option<Response<reqwest::Body>>> {
        exchange(self.0.clone(), request).boxed()
    }
}

/// Counts the `initialize` requests under way.
struct Initializing(Arc<World>);

impl Initializing {
    fn begin(world: &Arc<World>) -> Initializing {
        let mut state = world.state();
        state.server.initializing += 1;
        if state.server.initializing > 1 && state.struck(Fault::Anew) == 0 && !state.over {
            state.violation("two sessions are made at once".into());
        }
        Initializing(world.clone())
    }
}

impl Drop for Initializing {
    fn drop(&mut self) {
        self.0.state().server.initializing -= 1;
    }
}

async fn exchange(
    world: Arc<World>,
    request: http::Request<Bytes>,
) -> Option<Response<reqwest::Body>> {
    let (head, body) = request.into_parts();
    let message: Option<Head> =
        if body.is_empty() { None } else { serde_json::from_slice(&body).ok() };
    let n = message
        .as_ref()
        .and_then(|m| m.params.as_ref().or(m.result.as_ref()))
        .and_then(|params| params.n);
    let method = message.as_ref().and_then(|message| message.method);
    let _initializing = (method == Some("initialize")).then(|| Initializing::begin(&world));
    let latency = world.state().latency();
    sleep(latency).await;
    let delay = {
        let mut state = world.state();
        if state.strikes(Fault::Restart) {
            state.restart();
            if state.strikes(Fault::Down) {
                let time = Duration::from_millis(state.pick(60_000));
                state.server.down_until = Some(Instant::now() + time);
            }
        }
        if state.is_down() || state.strikes(Fault::CutBefore) {
            state.touch(n);
            return None;
        }
        state.strikes(Fault::Delay).then(|| {
            state.touch(n);
            Duration::from_millis([300, 3000, 12_000, 40_000, 70_000][state.pick(5) as usize])
        })
    };
    if let Some(delay) = delay {
        sleep(delay).await;
    }
    let stalls = {
        let mut state = world.state();
        let stalls = state.strikes(Fault::Stall);
        if stalls {
            state.touch(n);
            state.server.stalled.extend(n);
        }
        stalls
    };
    if stalls {
        std::future::pending::<()>().await;
    }
    let answer = {
        let mut state = world.state();
        if let Some(refusal) = overloaded(&mut state) {
            state.touch(n);
            return Some(refusal);
        }
        match (&head.method, message) {
            (&Method::GET, _) => get(&world, &mut state, &head.headers),
            (&Method::DELETE, _) => match state.session_of(&head.headers) {
                Ok(session) => {
                    state.note(|| format!("session {session} ended"));
                    state.see("DELETE");
                    state.server.sessions.remove(&session);
                    state.server.gone.insert(session);
                    status(200)
                }
                Err((code, text)) => {
                    let session = named(&head.headers).unwrap_or_default();
                    if state.server.gone.contains(&session) {
                        state.violation(format!("session {session} is ended twice"));
                    }
                    refusal(code, text)
                }
            },
            (_, Some(message)) => post(&world, &mut state, &head.headers, &message, n),
            _ => refusal(400, "no message"),
        }
    };
    if !answer.status().is_success() {
        world.state().touch(n);
    }
    let (cut, latency) = {
        let mut state = world.state();
        let cut = state.strikes(Fault::CutAfter);
        if cut {
            state.touch(n);
        }
        (cut, state.latency())
    };
    if cut {
        return None;
    }
    sleep(latency).await;
    if let Some(session) = named(answer.headers())
        && let Some(known) = world.state().server.sessions.get_mut(&session)
    {
        known.told = Some(Instant::now());
    }
    Some(answer)
}

fn overloaded(state: &mut State) -> Option<Response<reqwest::Body>> {
    let status = if state.strikes(Fault::TooMany) {
        429
    } else if state.strikes(Fault::Unavailable) {
        503
    } else if state.strikes(Fault::ServerError) {
        [500, 502][state.pick(2) as usize]
    } else if state.strikes(Fault::Unauthorized) {
        401
    } else {
        return None;
    };
    let mut response = refusal(status, "not now");
    if matches!(status, 429 | 503) && state.chance(700) {
        let seconds = [0, 1, 5, 60][state.pick(4) as usize];
        response.headers_mut().insert("retry-after", seconds.into());
    }
    Some(response)
}

fn get(world: &Arc<World>, state: &mut State, headers: &HeaderMap) -> Response<reqwest::Body> {
    let session = match state.session_of(headers) {
        Ok(session) => session,
        Err((code, text)) => return refusal(code, text),
    };
    let cursor = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    if let Some(cursor) = cursor {
        let mut parts = cursor.split('/').filter_map(|part| part.parse::<usize>().ok());
        let (Some(of), Some(stream), Some(event)) = (parts.next(), parts.next(), parts.next())
        else {
            state.violation(format!("the cursor {cursor} is no event id of this server"));
            return refusal(400, "unknown event");
        };
        if of as u64 != session {
            return refusal(400, "unknown event");
        }
        let again = state.strikes(Fault::Duplicate);
        let (out, pieces) = Pieces::new(None);
        let Some(known) =
            state.server.sessions.get_mut(&session).and_then(|s| s.streams.get_mut(stream))
        else {
            return refusal(400, "unknown event");
        };
        let from = if again { event } else { event + 1 };
        for missed in known.events.iter().skip(from) {
            let _ = out.send(Ok(missed.clone()));
        }
        if !known.finished {
            known.out = Some(out);
        }
        state.note(|| format!("stream {session}/{stream} resumed behind {event}"));
        state.see("stream resumed");
        return events(pieces);
    }
    if !state.server.standalone {
        return status(405);
    }
    let open = state
        .server
        .sessions
        .get(&session)
        .and_then(|known| known.standalone.map(|at| &known.streams[at]));
    if open.is_some_and(|stream| stream.out.as_ref().is_some_and(|out| !out.is_closed())) {
        state.violation("two standalone streams are open at once".into());
    }
    let (stream, pieces) = state.new_stream(session);
    if let Some(known) = state.server.sessions.get_mut(&session) {
        known.standalone = Some(stream);
    }
    state.note(|| format!("standalone stream {session}/{stream}"));
    state.see("standalone stream");
    tokio::spawn(stand_alone(world.clone(), session, stream));
    events(pieces)
}

/// What the server says outside of requests.
async fn stand_alone(world: Arc<World>, session: u64, stream: usize) {
    let count = world.state().pick(6);
    for _ in 0..count {
        let wait = Duration::from_millis(world.state().pick(8000));
        sleep(wait).await;
        let mut state = world.state();
        if !state.server.sessions.get(&session).is_some_and(|known| known.alive) {
            return;
        }
        state.say(session, stream);
        if state.strikes(Fault::GetEnds)
            && let Some(known) = state.server.sessions.get_mut(&session)
        {
            known.streams[stream].out = None;
        }
    }
}

fn post(
    world: &Arc<World>,
    state: &mut State,
    headers: &HeaderMap,
    message: &Head<'_>,
    n: Option<u64>,
) -> Response<reqwest::Body> {
    let id = message.id.map(|id| id.get().to_owned());
    let method = message.method.unwrap_or_default().to_owned();
    if method == "initialize" {
        let n = n.unwrap_or_default();
        state.arrives(n, false, false);
        let session = if state.server.with_sessions { state.server.next_session } else { 0 };
        state.server.next_session += 1;
        state.note(|| format!("session {session} made"));
        state.see("session made");
        state.server.sessions.entry(session).or_default().alive = true;
        let mut response = answer(world, state, session, id.unwrap_or_default(), n, method);
        if session > 0 {
            let name = format!("s{session}").parse().expect("letters and digits");
            response.headers_mut().insert("mcp-session-id", name);
        }
        return response;
    }
    if state.server.modern && headers.get("mcp-method").is_none_or(|mirrored| *mirrored != method) {
        state.violation(format!("the header of a {method} names another method"));
    }
    let session = match state.session_of(headers) {
        Ok(session) => session,
        Err((code, text)) => {
            state.note(|| format!("{} is for no session", n.unwrap_or_default()));
            return refusal(code, text);
        }
    };
    let Some(n) = n else {
        // A message that the bridge has made.
        return refusal(400, "not one of ours");
    };
    match id {
        Some(id) if method.is_empty() => {
            state.arrives(n, true, true);
            let asked_in = state.server.questions.get(id.trim_matches('"')).copied();
            if asked_in != Some(session) {
                state.violation(format!(
                    "the answer to {id} of session {asked_in:?} came to session {session}"
                ));
            }
            state.see("question answered");
            status(202)
        }
        None => {
            state.arrives(n, true, false);
            status(202)
        }
        Some(id) => {
            state.arrives(n, false, false);
            let times = state.server.carried_out.entry(n).or_default();
            *times += 1;
            if *times > 1 && method == "tools/call" {
                state.violation(format!("tool call {n} was carried out twice"));
            }
            answer(world, state, session, id, n, method)
        }
    }
}

/// Answers a request in one of the ways that there are.
fn answer(
    world: &Arc<World>,
    state: &mut State,
    session: u64,
    id: String,
    n: u64,
    method: String,
) -> Response<reqwest::Body> {
    if state.chance(state.server.json) {
        let text = Bytes::from(state.result(&id, n, &method, None));
        let body = if state.strikes(Fault::CutJson) {
            state.touch(Some(n));
            let (out, pieces) = Pieces::new(Some(text.len() as u64));
            let half = state.pick(text.len() as u64) as usize;
            let _ = out.send(Ok(text.slice(..half)));
            let _ = out.send(Err(io::ErrorKind::UnexpectedEof.into()));
            reqwest::Body::wrap(pieces)
        } else {
            reqwest::Body::from(text)
        };
        return with_type(body, "application/json");
    }
    if method != "initialize" && !state.server.modern && state.strikes(Fault::Elsewhere) {
        state.server.stalled.insert(n);
        let standalone = state.server.sessions.get(&session).and_then(|known| known.standalone);
        if let Some(stream) = standalone {
            let text = state.result(&id, n, &method, None);
            let world = world.clone();
            tokio::spawn(async move {
                sleep(Duration::from_millis(200)).await;
                world.state().push(session, stream, &text, true);
            });
        }
        return status(202);
    }
    let (stream, pieces) = state.new_stream(session);
    let said = if method == "initialize" { state.pick(2) } else { state.pick(5) };
    let world = world.clone();
    tokio::spawn(async move {
        for _ in 0..said {
            pause(&world).await;
            world.state().say(session, stream);
        }
        pause(&world).await;
        let mut state = world.state();
        if state.strikes(Fault::StreamStall) {
            state.server.stalled.insert(n);
            return;
        }
        let text = state.result(&id, n, &method, Some((session, stream)));
        state.push(session, stream, &text, true);
        state.finish(session, stream);
    });
    events(pieces)
}

async fn pause(world: &World) {
    let time = {
        let mut state = world.state();
        Duration::from_millis(if state.chance(100) { state.pick(15_000) } else { state.pick(100) })
    };
    sleep(time).await;
}

fn named(headers: &HeaderMap) -> Option<u64> {
    headers.get("mcp-session-id")?.to_str().ok()?.strip_prefix('s')?.parse().ok()
}

/// Another spelling of the same id.
fn respelled(id: &str) -> String {
    match id.strip_suffix(".0") {
        Some(number) => number.to_owned(),
        None => id.replace("\"r", "\"\\u0072"),
    }
}

fn status(status: u16) -> Response<reqwest::Body> {
    let mut response = Response::new(reqwest::Body::from(Bytes::new()));
    *response.status_mut() = status.try_into().expect("a status");
    response
}

fn refusal(code: u16, text: &str) -> Response<reqwest::Body> {
    let text =
        format!(r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":-32000,"message":"{text}"}}}}"#);
    let mut response = with_type(text.into(), "application/json");
    *response.status_mut() = code.try_into().expect("a status");
    response
}

fn with_type(body: reqwest::Body, name: &'static str) -> Response<reqwest::Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", name.parse().expect("a content type"));
    response
}

fn events(pieces: Pieces) -> Response<reqwest::Body> {
    with_type(reqwest::Body::wrap(pieces), "text/event-stream")
}

/// A body that comes piece by piece.
struct Pieces {
    receiver: UnboundedReceiver<Piece>,
    length: Option<u64>,
}

impl Pieces {
    fn new(length: Option<u64>) -> (UnboundedSender<Piece>, Pieces) {
        let (sender, receiver) = unbounded_channel();
        (sender, Pieces { receiver, length })
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.receiver.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
