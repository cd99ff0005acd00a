//! A modern MCP server (2026-07-28) that answers whatever a test leaves unscripted, and the checks
//! that every request is held against.

use std::sync::{Condvar, Mutex};
use std::time::Instant;

use http::Method;
use serde_json::Value;

use super::record::{Direction, Record};
use super::reply::{Feed, Reply, event};
use super::{Bridge, DEADLINE, DISCOVER, Line, Request};

/// The revision that it speaks.
pub const MODERN: &str = "2026-07-28";

const META: &str = "io.modelcontextprotocol";

/// State and settings of the server.
pub struct Modern {
    state: Mutex<State>,
    listening: Condvar,
    record: Record,
}

struct State {
    settings: Settings,
    streams: Vec<Stream>,
    breaches: Vec<String>,
}

/// What a test may change.
#[derive(Clone)]
pub struct Settings {
    /// JSON text of the capabilities.
    pub capabilities: &'static str,
    /// JSON text of further members of a `DiscoverResult`, each with a comma before it.
    pub more: &'static str,
    /// Whether requests are held against the protocol.
    pub strict: bool,
    /// Whether they are recorded for the check against the schema.
    pub recorded: bool,
}

/// One open `subscriptions/listen`.
#[derive(Clone)]
pub struct Stream {
    /// JSON text of its id.
    pub id: String,
    /// What it asks for.
    pub filter: Value,
    feed: Feed,
}

impl Stream {
    /// Whether the bridge still reads it.
    pub fn is_open(&self) -> bool {
        self.feed.is_open()
    }

    /// Returns when the peer has closed it.
    #[track_caller]
    pub fn wait_closed(&self) {
        self.feed.wait_closed();
    }

    /// Sends a notification, tagged as the protocol wants it. `params` is JSON text of members with a
    /// comma behind each.
    pub fn notify(&self, method: &str, params: &str) -> bool {
        let id = &self.id;
        self.feed.push(event(&format!(
            r#"{{"jsonrpc":"2.0","method":"{method}","params":{{{params}"_meta":{{"{META}/subscriptionId":{id}}}}}}}"#
        )))
    }

    /// Sends any bytes.
    pub fn send(&self, bytes: String) -> bool {
        self.feed.push(bytes)
    }

    /// Ends it in good order.
    pub fn finish(&self) {
        let id = &self.id;
        self.feed.push(event(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","_meta":{{"{META}/subscriptionId":{id}}}}}}}"#
        )));
        self.feed.end();
    }

    /// Breaks the connection.
    pub fn abort(&self) {
        self.feed.abort();
    }
}

impl Default for Modern {
    fn default() -> Modern {
        let settings = Settings {
            capabilities: r#"{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"logging":{}}"#,
            more: r#","instructions":"Be kind.""#,
            strict: true,
            recorded: true,
        };
        Modern {
            state: Mutex::new(State { settings, streams: Vec::new(), breaches: Vec::new() }),
            listening: Condvar::new(),
            record: Record::new(MODERN),
        }
    }
}

impl Modern {
    /// Changes settings.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.state.lock().unwrap().settings);
    }

    /// The `count`th subscription (from 1), once it is there.
    #[track_caller]
    pub fn stream(&self, count: usize) -> Stream {
        let end = Instant::now() + DEADLINE;
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some(stream) = state.streams.get(count - 1) {
                return stream.clone();
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "there are {} subscriptions, not {count}",
                state.streams.len()
            );
            state = self.listening.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits until the bridge reads no subscription any more but the last `count`.
    #[track_caller]
    pub fn only_open(&self, count: usize) {
        let end = Instant::now() + DEADLINE;
        loop {
            let streams = self.state.lock().unwrap().streams.clone();
            let earlier = streams.len() - count;
            // A comment, so that a connection that is gone is noticed.
            let open =
                streams[..earlier].iter().filter(|s| s.send(": alive\n\n".into()) && s.is_open());
            let open = open.count();
            if open == 0 {
                assert!(streams[earlier..].iter().all(Stream::is_open), "closed too early");
                return;
            }
            assert!(Instant::now() < end, "{open} subscriptions are open that should not be");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// What requests did that the protocol forbids.
    pub fn breaches(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        if state.settings.strict { state.breaches.clone() } else { Vec::new() }
    }

    /// Takes note of a request and holds it against the protocol, whoever answers it.
    pub fn observe(&self, request: &Request) {
        let breaches = check(request);
        let mut state = self.state.lock().unwrap();
        if request.http == Method::POST && state.settings.recorded {
            self.record.message(Direction::ToServer, request.text(), true);
        }
        state.breaches.extend(breaches.into_iter().map(|what| format!("{}: {what}", request.kind)));
    }

    /// Answers a request as a good server would.
    pub fn answer(&self, request: &Request) -> Reply {
        if request.http != Method::POST {
            return Reply::status(405);
        }
        let mut state = self.state.lock().unwrap();
        let settings = state.settings.clone();
        let info =
            format!(r#""_meta":{{"{META}/serverInfo":{{"name":"scripted","version":"1.2.3"}}}}"#);
        let complete = format!(r#""resultType":"complete",{info}"#);
        let listed = format!(r#"{complete},"ttlMs":1000,"cacheScope":"public""#);
        let result = match request.kind.as_str() {
            DISCOVER => format!(
                r#"{{"supportedVersions":["{MODERN}"],"capabilities":{}{},{listed}}}"#,
                settings.capabilities, settings.more,
            ),
            "subscriptions/listen" => return self.listen(&mut state, request),
            "tools/list" => {
                format!(
                    r#"{{"tools":[{{"name":"echo","inputSchema":{{"type":"object"}}}}],{listed}}}"#
                )
            }
            "tools/call" => {
                format!(r#"{{"content":[{{"type":"text","text":"called"}}],{complete}}}"#)
            }
            "resources/list" => format!(r#"{{"resources":[],{listed}}}"#),
            "resources/templates/list" => {
                format!(
                    r#"{{"resourceTemplates":[{{"name":"any","uriTemplate":"file:///{{any}}"}}],{listed}}}"#
                )
            }
            "resources/read" => format!(r#"{{"contents":[],{listed}}}"#),
            "prompts/list" => format!(r#"{{"prompts":[],{listed}}}"#),
            "prompts/get" => format!(r#"{{"messages":[],{complete}}}"#),
            "completion/complete" => format!(r#"{{"completion":{{"values":[]}},{complete}}}"#),
            other => {
                let id = request.id.as_deref().unwrap_or("null");
                let body = format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"no method {other}"}}}}"#
                );
                return Reply::body(404, "application/json", body);
            }
        };
        Reply::json(request.result(&result))
    }

    fn listen(&self, state: &mut State, request: &Request) -> Reply {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let filter = body["params"]["notifications"].clone();
        let id = request.id.clone().expect("a request");
        let feed = Feed::roomy();
        let stream = Stream { id, filter, feed: feed.clone() };
        let text = format!(r#""notifications":{},"#, stream.filter);
        stream.notify("notifications/subscriptions/acknowledged", &text);
        state.streams.push(stream);
        self.listening.notify_all();
        Reply::feed(&feed)
    }
}

/// What is wrong with a request (basic/transports/streamable-http, "Server Validation").
fn check(request: &Request) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut expect = |what: &str, got: Option<&str>, wanted: Option<&str>| {
        if got != wanted {
            breaches.push(format!("{what} is {got:?}, not {wanted:?}"));
        }
    };
    expect("HTTP method", Some(request.http.as_str()), Some("POST"));
    if request.http != Method::POST {
        return breaches;
    }
    for name in ["mcp-session-id", "last-event-id"] {
        expect(name, request.header(name), None);
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let meta = |name: &str| &body["params"]["_meta"][format!("{META}/{name}")];
    let version = meta("protocolVersion").as_str();
    expect("protocolVersion", version, Some(MODERN));
    expect("MCP-Protocol-Version", request.header("mcp-protocol-version"), version);
    expect("Mcp-Method", request.header("mcp-method"), body["method"].as_str());
    let name = match body["method"].as_str() {
        Some("tools/call" | "prompts/get") => body["params"]["name"].as_str(),
        Some("resources/read") => body["params"]["uri"].as_str(),
        _ => None,
    };
    if name.is_none_or(str::is_ascii) {
        expect("Mcp-Name", request.header("mcp-name"), name);
    }
    if !meta("clientCapabilities").is_object() {
        breaches.push("no clientCapabilities".into());
    }
    if body.get("id").is_none() {
        breaches.push("a notification or response".into());
    }
    let accept = request.header("accept").unwrap_or_default();
    if !(accept.contains("application/json") && accept.contains("text/event-stream")) {
        breaches.push(format!("Accept is {accept:?}"));
    }
    breaches
}

/// The members of `_meta` that every request of the tests' modern client has.
const CLIENT: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"it","version":"1"}"#;

/// A modern request. `params` is JSON text of members with a comma behind each, `capabilities` an
/// object.
pub fn request(
    id: impl std::fmt::Display,
    method: &str,
    params: &str,
    capabilities: &str,
) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}"_meta":{{{CLIENT},"io.modelcontextprotocol/clientCapabilities":{capabilities}}}}}}}"#
    )
}

/// Sends a modern request without capabilities and gives its answer.
#[track_caller]
pub fn ask(bridge: &Bridge, id: impl std::fmt::Display, method: &str, params: &str) -> Line {
    bridge.send(request(&id, method, params, "{}"));
    bridge.answer(&id)
}

/// Takes a request back.
pub fn cancel(bridge: &Bridge, id: impl std::fmt::Display) {
    bridge.send(format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
    ));
}
