//! A well-behaved server of the deprecated HTTP+SSE transport (2024-11-05).

use std::sync::{Arc, Mutex};
use std::time::Instant;

use http::Method;

use super::bridge::Builder;
use super::{Bridge, DEADLINE, Feed, Reply, Request, Server, event};

/// The server: its stream is at `/sse`, messages are POSTed to `/messages`. What a test scripts for
/// the server beneath goes first. Requests that break the transport's rules fail the test.
pub struct HttpSse {
    server: Option<Server>,
    state: Arc<Mutex<State>>,
}

/// How it behaves, and what it has seen.
pub struct State {
    /// The data of the `endpoint` event; `{}` is the number of the session.
    pub endpoint: String,
    /// JSON text of its capabilities.
    pub capabilities: &'static str,
    /// The revision that it answers with.
    pub revision: &'static str,
    /// What it says to a POST to the address of its stream.
    pub post: Reply,
    /// Methods that it accepts and never answers.
    pub silent: Vec<&'static str>,
    at: &'static str,
    streams: Vec<Feed>,
    breaches: Vec<String>,
}

impl HttpSse {
    /// Starts one.
    pub fn start() -> HttpSse {
        let server = Server::start();
        let mut transport = HttpSse::at(&server, "/sse");
        transport.server = Some(server);
        transport
    }

    /// Makes a server one, with its stream at this path.
    pub fn at(server: &Server, path: &'static str) -> HttpSse {
        server.mcp().set(|settings| settings.strict = false);
        let state = Arc::new(Mutex::new(State {
            endpoint: "/messages?session_id=session-{}".into(),
            capabilities: r#"{"tools":{"listChanged":true},"logging":{}}"#,
            revision: "2024-11-05",
            post: Reply::body(405, "text/plain", "Method Not Allowed"),
            silent: Vec::new(),
            at: path,
            streams: Vec::new(),
            breaches: Vec::new(),
        }));
        let shared = state.clone();
        server.otherwise(move |request| shared.lock().unwrap().answer(request));
        HttpSse { server: None, state }
    }

    /// The server beneath, if it is its own.
    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("it was started")
    }

    /// The address of its stream.
    pub fn url(&self) -> String {
        self.server().url_at("/sse")
    }

    /// Changes how it behaves.
    pub fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    /// A bridge that is told what the server speaks.
    pub fn bridge(&self) -> Builder {
        Bridge::with(&self.url()).arg("--transport=sse")
    }

    /// The same, after the handshake.
    #[track_caller]
    pub fn ready(&self) -> Bridge {
        let bridge = self.bridge().start();
        bridge.handshake().result();
        self.server().wait("notifications/initialized", 1);
        bridge
    }

    /// The newest stream.
    #[track_caller]
    pub fn stream(&self) -> Feed {
        self.state.lock().unwrap().streams.last().expect("a stream").clone()
    }

    /// Waits until so many streams have been opened.
    #[track_caller]
    pub fn wait_streams(&self, count: usize) {
        let end = Instant::now() + DEADLINE;
        while self.state.lock().unwrap().streams.len() < count {
            assert!(Instant::now() < end, "there are no {count} streams");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Sends a message on the newest stream.
    #[track_caller]
    pub fn push(&self, message: &str) {
        assert!(self.stream().push(event(message)), "the stream was closed by the bridge");
    }

    /// All messages of one kind, which came to the address of a session.
    pub fn posted(&self, kind: &str) -> Vec<Arc<Request>> {
        let mut all = self.server().seen(kind);
        all.retain(|request| request.uri.path() == "/messages");
        all
    }
}

impl Drop for HttpSse {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let breaches = std::mem::take(&mut self.state.lock().unwrap().breaches);
            assert!(breaches.is_empty(), "the bridge broke the protocol: {breaches:#?}");
        }
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Reply {
        self.check(request);
        match (&request.http, request.uri.path()) {
            (&Method::GET, path) if path == self.at => {
                let stream = Feed::roomy();
                self.streams.push(stream.clone());
                let address = self.endpoint.replace("{}", &self.streams.len().to_string());
                stream.push(format!("event: endpoint\ndata: {address}\n\n"));
                Reply::feed(&stream)
            }
            (&Method::POST, "/messages") => self.message(request),
            (&Method::POST, path) if path == self.at => self.post.clone(),
            _ => Reply::body(404, "text/plain", "Not Found"),
        }
    }

    fn message(&mut self, request: &Request) -> Reply {
        let number =
            request.uri.query().and_then(|query| query.strip_prefix("session_id=session-"));
        let number: usize = number.and_then(|number| number.parse().ok()).unwrap_or(0);
        let stream = number.checked_sub(1).and_then(|at| self.streams.get(at));
        let Some(stream) = stream.filter(|stream| stream.is_open()) else {
            return Reply::body(404, "text/plain", "Could not find session");
        };
        if request.wants_answer() && !self.silent.contains(&request.kind.as_str()) {
            let result = match request.kind.as_str() {
                "initialize" => format!(
                    r#"{{"protocolVersion":"{}","capabilities":{},"serverInfo":{{"name":"scripted","version":"1"}}}}"#,
                    self.revision, self.capabilities
                ),
                "tools/list" => r#"{"tools":[]}"#.to_owned(),
                _ => "{}".to_owned(),
            };
            stream.push(event(&request.result(&result)));
        }
        Reply::body(202, "text/plain", "Accepted")
    }

    fn check(&mut self, request: &Request) {
        let mut breach = |what: &str| self.breaches.push(format!("{}: {what}", request.kind));
        match request.http {
            Method::GET if request.header("accept") != Some("text/event-stream") => {
                breach("Accept");
            }
            Method::DELETE => breach("this transport has no DELETE"),
            _ => {}
        }
        for header in ["mcp-session-id", "last-event-id"] {
            if request.headers.contains_key(header) {
                breach(header);
            }
        }
        let expected = (self.revision != "2024-11-05"
            && request.http == Method::POST
            && request.kind != "initialize")
            .then_some(self.revision);
        if request.header("mcp-protocol-version") != expected {
            breach("mcp-protocol-version");
        }
    }
}
