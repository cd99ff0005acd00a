//! The client of these tests: one server per test, plain HTTP requests, events as they come.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::demo::console::{Console, Lines};
use crate::demo::limits::Limits;
use crate::demo::serve;
use crate::demo::server::Server;

/// Longer than anything takes, on a slow machine too.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server on a port of its own, and a client for it.
pub struct Demo {
    pub address: SocketAddr,
    pub http: reqwest::Client,
    pub lines: Lines,
    pub stop: Option<oneshot::Sender<()>>,
    pub serving: JoinHandle<()>,
}

impl Demo {
    pub async fn start(faults: &[&str], limits: Limits) -> Self {
        // An error means that another test was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let faults: Vec<_> = faults.iter().map(|fault| fault.parse().unwrap()).collect();
        let lines = Lines::default();
        let server = Server::new(&faults, limits, Console::new(lines.clone()));
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            serve(&server, listener, async {
                let _ = stopped.await;
            })
            .await;
        });
        Self {
            address,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            lines,
            stop: Some(stop),
            serving,
        }
    }

    /// A server without faults, with the usual bounds.
    pub async fn plain() -> Self {
        Self::start(&[], Limits::default()).await
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// A request as a well-behaved client sends it, apart from the session.
    pub fn request(&self, method: Method) -> RequestBuilder {
        self.http
            .request(method, self.url())
            .header("accept", "application/json, text/event-stream")
    }

    pub fn post(&self, message: &Value) -> RequestBuilder {
        self.request(Method::POST)
            .header("content-type", "application/json")
            .body(message.to_string())
    }

    /// A session of the newest revision.
    pub async fn session(&self) -> Client<'_> {
        self.session_with("2025-11-25", json!({})).await
    }

    /// A session after the whole handshake.
    pub async fn session_with(&self, revision: &str, capabilities: Value) -> Client<'_> {
        let response = send(self.post(&initialize(revision, capabilities))).await;
        assert_eq!(response.status(), StatusCode::OK);
        let id = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        let client = Client { demo: self, id };
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(client.post(&initialized).await.status(), StatusCode::ACCEPTED);
        client
    }
}

pub fn initialize(revision: &str, capabilities: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": "init", "method": "initialize", "params": {
        "protocolVersion": revision,
        "capabilities": capabilities,
        "clientInfo": {"name": "test", "version": "1"},
    }})
}

pub fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

/// A call of a tool with progress wanted.
pub fn call(id: impl Into<Value>, tool: &str, arguments: Value) -> Value {
    let meta = json!({"progressToken": "token"});
    request(id, "tools/call", json!({"name": tool, "arguments": arguments, "_meta": meta}))
}

pub async fn send(request: RequestBuilder) -> Response {
    timeout(PATIENCE, request.send()).await.unwrap().unwrap()
}

pub async fn body(response: Response) -> Value {
    let text = timeout(PATIENCE, response.text()).await.unwrap().unwrap();
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

/// A session, seen from the client.
pub struct Client<'a> {
    pub demo: &'a Demo,
    pub id: String,
}

impl Client<'_> {
    pub async fn post(&self, message: &Value) -> Response {
        send(self.demo.post(message).header("mcp-session-id", &self.id)).await
    }

    /// The JSON-RPC response to a request that is answered by JSON.
    pub async fn ask(&self, method: &str, params: Value) -> Value {
        let response = self.post(&request(1, method, params)).await;
        assert_eq!(response.headers()["content-type"], "application/json");
        body(response).await
    }

    /// The JSON-RPC response to a tool call that is answered by JSON.
    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        body(self.post(&call(1, tool, arguments)).await).await
    }

    /// The stream that answers a request.
    pub async fn stream(&self, message: &Value) -> Events {
        Events::new(self.post(message).await)
    }

    pub async fn get(&self, last_event_id: Option<&str>) -> Response {
        let mut request = self.demo.request(Method::GET).header("mcp-session-id", &self.id);
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        send(request).await
    }

    /// The standalone stream, or the one to be resumed.
    pub async fn listen(&self, last_event_id: Option<&str>) -> Events {
        Events::new(self.get(last_event_id).await)
    }

    pub async fn delete(&self) -> StatusCode {
        let request = self.demo.request(Method::DELETE).header("mcp-session-id", &self.id);
        send(request).await.status()
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: String,
    pub retry: Option<String>,
    pub data: String,
}

impl Event {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }

    pub fn method(&self) -> String {
        self.json()["method"].as_str().unwrap_or_default().to_owned()
    }
}

/// How a stream ended.
#[derive(Debug, PartialEq)]
pub enum End {
    /// In good order.
    Closed,
    /// The connection broke.
    Broken,
}

/// The events of one connection. The server sends line feeds only, so little parsing is needed.
pub struct Events {
    response: Response,
    text: String,
}

impl Events {
    pub fn new(response: Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next event, comments left out.
    pub async fn next(&mut self) -> Result<Event, End> {
        // Comments keep a connection alive, but not a test.
        timeout(PATIENCE, self.next_event()).await.expect("an event or the end of the stream")
    }

    async fn next_event(&mut self) -> Result<Event, End> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if block.starts_with(':') {
                    continue;
                }
                let field = |name: &str| {
                    let mut lines = block.lines();
                    lines.find_map(|line| line.strip_prefix(name)).map(str::to_owned)
                };
                return Ok(Event {
                    id: field("id: ").unwrap(),
                    retry: field("retry: "),
                    data: field("data: ").unwrap(),
                });
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) => self.text.push_str(std::str::from_utf8(&chunk).unwrap()),
                Ok(None) => return Err(End::Closed),
                Err(_) => return Err(End::Broken),
            }
        }
    }

    /// All events that are still to come, and how the stream ends.
    pub async fn rest(mut self) -> (Vec<Event>, End) {
        let mut events = Vec::new();
        loop {
            match self.next().await {
                Ok(event) => events.push(event),
                Err(end) => return (events, end),
            }
        }
    }

    /// Whether a comment comes before the next event.
    pub async fn keeps_alive(mut self) -> bool {
        while let Ok(Some(chunk)) = timeout(PATIENCE, self.response.chunk()).await.unwrap() {
            if chunk.starts_with(b": ") {
                return true;
            }
        }
        false
    }
}
