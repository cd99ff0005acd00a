//! The well-behaved MCP server that answers whatever a test leaves unscripted, and the protocol
//! checks that every request of every test is held against.

use std::collections::HashSet;
use std::sync::Condvar;
use std::sync::Mutex;
use std::time::Instant;

use http::Method;

use super::record::{Direction, Record};
use super::reply::{Feed, Reply};
use super::{DEADLINE, DISCOVER, Request};

/// State and settings of the server.
pub struct Mcp {
    state: Mutex<State>,
    listening: Condvar,
    record: Record,
}

struct State {
    settings: Settings,
    started: usize,
    session: Option<String>,
    initialized: bool,
    live: HashSet<String>,
    streams: Vec<Feed>,
    breaches: Vec<String>,
}

/// What a test may change before the handshake.
#[derive(Clone)]
pub struct Settings {
    /// Whether `initialize` gives a `Mcp-Session-Id`.
    pub sessions: bool,
    /// The revision that `initialize` answers with.
    pub revision: &'static str,
    /// JSON text of the server's capabilities.
    pub capabilities: &'static str,
    /// Whether GET opens a standalone stream, else 405.
    pub listens: bool,
    /// Whether requests are held against the protocol.
    pub strict: bool,
    /// Whether messages are recorded for the check against the schema.
    pub recorded: bool,
}

impl Default for Mcp {
    fn default() -> Mcp {
        let record = Record::new("2025-11-25");
        Mcp { state: Mutex::default(), listening: Condvar::new(), record }
    }
}

impl Default for State {
    fn default() -> State {
        State {
            settings: Settings {
                sessions: true,
                revision: "2025-11-25",
                capabilities: r#"{"tools":{"listChanged":true},"logging":{}}"#,
                listens: true,
                strict: true,
                recorded: false,
            },
            started: 0,
            session: None,
            initialized: false,
            live: HashSet::new(),
            streams: Vec::new(),
            breaches: Vec::new(),
        }
    }
}

impl Mcp {
    /// Changes settings.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.state.lock().unwrap().settings);
    }

    /// Forgets all sessions: requests that carry one get 404 until a new one is started.
    pub fn forget(&self) {
        let mut state = self.state.lock().unwrap();
        state.live.clear();
        state.streams.drain(..).for_each(|stream| stream.end());
    }

    /// Numbers the sessions from here on, so that they differ from those of an earlier server.
    pub fn number_from(&self, first: usize) {
        self.state.lock().unwrap().started = first - 1;
    }

    /// The current session.
    pub fn session(&self) -> Option<String> {
        self.state.lock().unwrap().session.clone()
    }

    /// Sends bytes on the newest standalone stream, once there is one.
    #[track_caller]
    pub fn push(&self, bytes: impl Into<bytes::Bytes>) {
        let stream = self.stream();
        assert!(stream.send(bytes), "the standalone stream was closed by the bridge");
    }

    /// The newest standalone stream, once there is one.
    #[track_caller]
    pub fn stream(&self) -> Feed {
        let end = Instant::now() + DEADLINE;
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some(stream) = state.streams.last().filter(|stream| !stream.has_ended()) {
                return stream.clone();
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no standalone stream was opened");
            state = self.listening.wait_timeout(state, left).unwrap().0;
        }
    }

    /// What requests did that the protocol forbids.
    pub fn breaches(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        if state.settings.strict { state.breaches.clone() } else { Vec::new() }
    }

    /// Takes note of a request and holds it against the protocol, whoever answers it.
    pub fn observe(&self, request: &Request) {
        let mut state = self.state.lock().unwrap();
        if state.settings.recorded && request.http == Method::POST {
            self.record.message(Direction::ToServer, request.text(), true);
        }
        state.check(request);
        match request.kind.as_str() {
            "initialize" => state.initialized = false,
            "notifications/initialized" => state.initialized = true,
            _ => {}
        }
    }

    /// Answers a request as a good server would.
    pub fn answer(&self, request: &Request) -> Reply {
        let mut state = self.state.lock().unwrap();
        if request.kind == DISCOVER {
            // As the TypeScript SDK 1.x says it.
            return Reply::body(
                400,
                "application/json",
                r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: Unsupported protocol version: 2026-07-28 (supported versions: 2025-11-25, 2025-06-18)"},"id":null}"#,
            );
        }
        if request.kind == "initialize" {
            return state.initialize(request);
        }
        let session = request.header("mcp-session-id").map(str::to_owned);
        if state.settings.sessions && !session.as_ref().is_some_and(|s| state.live.contains(s)) {
            let status = if session.is_some() { 404 } else { 400 };
            return Reply::body(status, "text/plain", "no such session");
        }
        match request.http {
            Method::GET if state.settings.listens => {
                let stream = Feed::new();
                state.streams.push(stream.clone());
                self.listening.notify_all();
                return Reply::feed(&stream);
            }
            Method::GET => return Reply::status(405),
            Method::DELETE => {
                session.map(|session| state.live.remove(&session));
                return Reply::status(204);
            }
            _ => {}
        }
        if !request.wants_answer() {
            return Reply::status(202);
        }
        let result = match request.kind.as_str() {
            "tools/list" => r#"{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}"#,
            _ => "{}",
        };
        Reply::json(request.result(result))
    }
}

impl State {
    fn initialize(&mut self, request: &Request) -> Reply {
        self.started += 1;
        let body = request.result(&format!(
            r#"{{"protocolVersion":"{}","capabilities":{},"serverInfo":{{"name":"scripted","version":"1.2.3"}}}}"#,
            self.settings.revision, self.settings.capabilities,
        ));
        if !self.settings.sessions {
            return Reply::json(body);
        }
        let id = format!("session-{}", self.started);
        self.session = Some(id.clone());
        self.live.insert(id.clone());
        Reply::json(body).header("mcp-session-id", &id)
    }

    fn check(&mut self, request: &Request) {
        let accept = request.header("accept").unwrap_or_default().to_ascii_lowercase();
        let mut breach = |what: String| self.breaches.push(format!("{}: {what}", request.kind));
        let json = accept.contains("application/json");
        let stream = accept.contains("text/event-stream");
        match request.http {
            Method::POST if !(json && stream) => breach(format!("Accept is {accept:?}")),
            Method::GET if !stream => breach(format!("Accept is {accept:?}")),
            _ => {}
        }
        if request.http == Method::POST {
            let content_type = request.header("content-type").unwrap_or_default();
            if !content_type.starts_with("application/json") {
                breach(format!("Content-Type is {content_type:?}"));
            }
        }
        let version = request.header("mcp-protocol-version");
        let session = request.header("mcp-session-id");
        if request.kind == "initialize" {
            if version.is_some() || session.is_some() {
                breach(format!("carries version {version:?}, session {session:?}"));
            }
            return;
        }
        if request.http == Method::GET && self.started == 0 {
            // `initialize` was refused: maybe it is a server of HTTP+SSE.
            return;
        }
        if version != Some(self.settings.revision) {
            breach(format!("MCP-Protocol-Version is {version:?}"));
        }
        if self.settings.sessions && session.is_none() {
            breach("no Mcp-Session-Id".into());
        }
        let known = session.is_none_or(|session| self.live.contains(session));
        let handshake = ["notifications/initialized", "ping", "response", "DELETE"];
        if known && !self.initialized && !handshake.contains(&request.kind.as_str()) {
            breach("arrived before notifications/initialized".into());
        }
    }
}
