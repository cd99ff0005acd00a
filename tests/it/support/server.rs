//! A scripted HTTP server on a real socket: it records every request in order of arrival, and
//! answers with what the test scripted, else as the well-behaved server of [`mcp`](super::mcp).

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::mcp::Mcp;
use super::modern::Modern;
use super::oauth;
use super::reply::{self, Content, Reply};
use super::tls::Tls;
use super::{DEADLINE, DISCOVER, Gate, RUNTIME};

/// One request as it arrived, body included.
#[derive(Debug)]
pub struct Request {
    /// When its body was complete.
    pub at: Instant,
    /// The HTTP method.
    pub http: Method,
    /// The request target.
    pub uri: http::Uri,
    /// The HTTP version.
    pub version: http::Version,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, exactly.
    pub body: Bytes,
    /// The client's certificate, as `x5t#S256` has it (RFC 8705, section 3.1).
    pub certificate: Option<String>,
    /// What it is for: an endpoint of sign-in ([`oauth::endpoint`]), the JSON-RPC method, `response`
    /// for an answer, else the HTTP method.
    pub kind: String,
    /// JSON text of the id of a JSON-RPC request or response.
    pub id: Option<String>,
}

impl Request {
    /// A header as text, if it is there exactly once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?.to_str().ok();
        if values.next().is_some() { None } else { first }
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("bodies are UTF-8")
    }

    /// The text of a result for this request; `result` is JSON text.
    pub fn result(&self, result: &str) -> String {
        super::result(self.id.as_deref().expect("a request with an id"), result)
    }

    /// Whether it is a JSON-RPC request, which needs an answer.
    pub fn wants_answer(&self) -> bool {
        self.id.is_some() && self.kind != "response"
    }
}

type Rule = Arc<dyn Fn(&Request) -> Option<Reply> + Send + Sync>;

/// What the connections and the test share.
pub struct Shared {
    log: Mutex<Vec<Arc<Request>>>,
    arrived: Condvar,
    once: Mutex<Vec<(String, Reply)>>,
    rules: Mutex<Vec<(String, Rule)>>,
    connections: AtomicUsize,
    stopped: Gate,
    /// The well-behaved server.
    pub mcp: Mcp,
    /// The one that is in its place.
    pub modern: Option<Modern>,
}

/// A running server. When it is dropped it stops, and breaches of the protocol that it saw fail
/// the test.
pub struct Server {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
}

impl Server {
    /// Starts on a free port of 127.0.0.1.
    pub fn start() -> Server {
        Server::launch("127.0.0.1:0", None, false).expect("127.0.0.1 has free ports")
    }

    /// Starts a stateless server.
    pub fn modern() -> Server {
        Server::launch("127.0.0.1:0", None, true).expect("127.0.0.1 has free ports")
    }

    /// Starts a stateless server with TLS.
    pub fn modern_with_tls(tls: &Tls) -> Server {
        Server::launch("127.0.0.1:0", Some(tls.acceptor()), true).expect("127.0.0.1 has free ports")
    }

    /// Starts on a port that another server had.
    pub fn on_port(port: u16, modern: bool) -> Server {
        let address = format!("127.0.0.1:{port}");
        let end = Instant::now() + DEADLINE;
        loop {
            match Server::launch(&address, None, modern) {
                Ok(server) => return server,
                Err(error) => assert!(Instant::now() < end, "port {port}: {error}"),
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// The stateless server, to configure it or to look at its subscriptions.
    pub fn stateless(&self) -> &Modern {
        self.shared.modern.as_ref().expect("the server is a modern one")
    }

    /// Starts on another address, if the machine has it.
    pub fn on_address(address: &str) -> std::io::Result<Server> {
        Server::launch(address, None, false)
    }

    /// Starts with TLS on a free port of 127.0.0.1.
    pub fn with_tls(tls: &Tls) -> Server {
        Server::launch("127.0.0.1:0", Some(tls.acceptor()), false)
            .expect("127.0.0.1 has free ports")
    }

    /// Starts with TLS on another address, if the machine has it.
    pub fn on_tls_address(address: &str, tls: &Tls) -> std::io::Result<Server> {
        Server::launch(address, Some(tls.acceptor()), false)
    }

    fn launch(
        address: &str,
        tls: Option<tokio_rustls::TlsAcceptor>,
        modern: bool,
    ) -> std::io::Result<Server> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let runtime = RUNTIME.enter();
        let listener = TcpListener::from_std(listener)?;
        drop(runtime);
        let shared = Arc::new(Shared {
            log: Mutex::default(),
            arrived: Condvar::new(),
            once: Mutex::default(),
            rules: Mutex::default(),
            connections: AtomicUsize::new(0),
            stopped: Gate::new(),
            mcp: Mcp::default(),
            modern: modern.then(Modern::default),
        });
        let scheme = if tls.is_some() { "https" } else { "http" };
        let server = Server { address: listener.local_addr()?, scheme, shared: shared.clone() };
        RUNTIME.spawn(async move {
            let stopped = shared.stopped.clone();
            tokio::select! {
                () = accept(listener, tls, shared) => {}
                () = stopped.passed() => {}
            }
        });
        Ok(server)
    }

    /// The address of the MCP endpoint.
    pub fn url(&self) -> String {
        self.url_at("/mcp")
    }

    /// The address of another path on this server.
    pub fn url_at(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The well-behaved server, to configure it or to push messages.
    pub fn mcp(&self) -> &Mcp {
        &self.shared.mcp
    }

    /// Answers the next request of this kind with `reply`. Further calls queue up.
    pub fn once(&self, kind: &str, reply: Reply) {
        self.shared.once.lock().unwrap().push((kind.to_owned(), reply));
    }

    /// Answers every request of this kind (`*` is any) with what `rule` says. A later rule goes
    /// before an earlier one.
    pub fn always(&self, kind: &str, rule: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        self.maybe(kind, move |request| Some(rule(request)));
    }

    /// Like [`always`](Server::always), but `None` leaves the request to the next rule.
    pub fn maybe(
        &self,
        kind: &str,
        rule: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
    ) {
        self.shared.rules.lock().unwrap().push((kind.to_owned(), Arc::new(rule)));
    }

    /// Answers every request that nothing else answers, before the well-behaved server.
    pub fn otherwise(&self, rule: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        let rule: Rule = Arc::new(move |request| Some(rule(request)));
        self.shared.rules.lock().unwrap().insert(0, ("*".to_owned(), rule));
    }

    /// Waits until `count` requests of this kind (`*` is any but `server/discover`) have arrived, and gives all of them.
    #[track_caller]
    pub fn wait(&self, kind: &str, count: usize) -> Vec<Arc<Request>> {
        let end = Instant::now() + DEADLINE;
        let mut log = self.shared.log.lock().unwrap();
        loop {
            let found: Vec<_> = log.iter().filter(|r| matches(kind, r)).cloned().collect();
            if found.len() >= count {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            let kinds: Vec<_> = log.iter().map(|r| r.kind.clone()).collect();
            assert!(!left.is_zero(), "waited for {count} x {kind}, but arrived: {kinds:?}");
            log = self.shared.arrived.wait_timeout(log, left).unwrap().0;
        }
    }

    /// Everything of this kind (`*` is any) that has arrived by now.
    pub fn seen(&self, kind: &str) -> Vec<Arc<Request>> {
        self.wait(kind, 0)
    }

    /// The kinds of all requests that have arrived by now, in order.
    pub fn kinds(&self) -> Vec<String> {
        self.seen("*").iter().map(|r| r.kind.clone()).collect()
    }

    /// How many connections have been accepted.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.open();
        if !std::thread::panicking() {
            let mut breaches = self.shared.mcp.breaches();
            breaches.extend(self.shared.modern.iter().flat_map(Modern::breaches));
            assert!(breaches.is_empty(), "the bridge broke the protocol: {breaches:#?}");
        }
    }
}

/// The question of which era a server is comes before everything else; `*` does not mean it.
fn matches(kind: &str, request: &Request) -> bool {
    kind == request.kind || (kind == "*" && request.kind != DISCOVER)
}

async fn accept(
    listener: TcpListener,
    tls: Option<tokio_rustls::TlsAcceptor>,
    shared: Arc<Shared>,
) {
    loop {
        let Ok((tcp, _)) = listener.accept().await else { continue };
        let _ = tcp.set_nodelay(true);
        let (shared, tls) = (shared.clone(), tls.clone());
        shared.connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let stopped = shared.stopped.clone();
            let connection = async move {
                match tls {
                    None => serve(tcp, false, None, shared).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(tcp).await {
                            let session = stream.get_ref().1;
                            let h2 = session.alpn_protocol() == Some(b"h2");
                            let shown = session.peer_certificates().and_then(<[_]>::first);
                            let certificate = shown.map(|leaf| super::tls::thumbprint(leaf));
                            serve(stream, h2, certificate, shared).await;
                        }
                    }
                }
            };
            tokio::select! {
                () = connection => {}
                () = stopped.passed() => {}
            }
        });
    }
}

/// A stream whose TCP socket can be reset.
trait Socket: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for tokio_rustls::server::TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Serves one connection until it ends, or until a reply takes over the socket.
async fn serve<S: Socket>(socket: S, h2: bool, peer: Option<String>, shared: Arc<Shared>) {
    let (raw, mut raws) = mpsc::channel::<(Bytes, bool)>(1);
    let service = hyper::service::service_fn(move |request| {
        let (shared, raw, peer) = (shared.clone(), raw.clone(), peer.clone());
        async move { Ok::<_, Infallible>(shared.answer(request, peer, raw).await) }
    });
    let io = TokioIo::new(socket);
    if h2 {
        let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = http.serve_connection(io, service).await;
        return;
    }
    let http = hyper::server::conn::http1::Builder::new();
    let mut connection = http.serve_connection(io, service);
    let (bytes, reset) = tokio::select! {
        _ = &mut connection => return,
        Some(raw) = raws.recv() => raw,
    };
    let mut socket = connection.into_parts().io.into_inner();
    let _ = socket.write_all(&bytes).await;
    let _ = socket.flush().await;
    if reset {
        let _ = socket.tcp().set_zero_linger();
    } else {
        let _ = socket.shutdown().await;
    }
}

impl Shared {
    async fn answer(
        &self,
        request: hyper::Request<hyper::body::Incoming>,
        certificate: Option<String>,
        raw: mpsc::Sender<(Bytes, bool)>,
    ) -> Response<Body> {
        let (head, body) = request.into_parts();
        let Ok(body) = axum::body::to_bytes(Body::new(body), usize::MAX).await else {
            return Response::new(Body::empty());
        };
        let endpoint = oauth::endpoint(head.uri.path());
        let (kind, id) = match endpoint {
            Some(endpoint) => (endpoint.to_owned(), None),
            None => classify(&head.method, &body),
        };
        if id.is_none() || kind == "response" {
            // What was sent before it may be on a connection that has yet to be accepted, for which
            // a busy machine needs a few turns. Requests that follow it are not sent meanwhile.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
        let request = Arc::new(Request {
            at: Instant::now(),
            http: head.method,
            uri: head.uri,
            version: head.version,
            headers: head.headers,
            body,
            certificate,
            kind,
            id,
        });
        self.log.lock().unwrap().push(request.clone());
        match &self.modern {
            Some(modern) if endpoint.is_none() => modern.observe(&request),
            None if endpoint.is_none() && request.kind != DISCOVER => self.mcp.observe(&request),
            _ => {}
        }
        let reply = self.scripted(&request);
        self.arrived.notify_all();
        let reply = reply.unwrap_or_else(|| match endpoint {
            Some(_) => Reply::status(404),
            None => match &self.modern {
                Some(modern) => modern.answer(&request),
                None => self.mcp.answer(&request),
            },
        });
        for step in &reply.first {
            reply::wait(step).await;
        }
        match reply.content {
            Content::Raw { bytes, reset } => {
                let _ = raw.send((bytes, reset)).await;
                std::future::pending().await
            }
            Content::Never => std::future::pending().await,
            content => {
                let mut response = Response::builder().status(reply.status);
                for (name, value) in &reply.headers {
                    response = response.header(name, value);
                }
                let body = match content {
                    Content::Whole(bytes) => Body::from(bytes),
                    other => reply::body(reply::run(other)),
                };
                response.body(body).expect("a valid reply")
            }
        }
    }

    fn scripted(&self, request: &Request) -> Option<Reply> {
        let mut once = self.once.lock().unwrap();
        if let Some(at) = once.iter().position(|(kind, _)| matches(kind, request)) {
            return Some(once.remove(at).1);
        }
        drop(once);
        let rules = self.rules.lock().unwrap().clone();
        rules.iter().rev().filter(|(kind, _)| matches(kind, request)).find_map(|(_, r)| r(request))
    }
}

/// What a request is for, and its JSON-RPC id.
fn classify(method: &Method, body: &[u8]) -> (String, Option<String>) {
    if method != Method::POST {
        return (method.to_string(), None);
    }
    let members: HashMap<String, &RawValue> = serde_json::from_slice(body).unwrap_or_default();
    let id = members.get("id").map(|raw| raw.get().to_owned());
    match members.get("method").and_then(|raw| serde_json::from_str(raw.get()).ok()) {
        Some(method) => (method, id),
        None if id.is_some() => ("response".into(), id),
        None => ("POST".into(), None),
    }
}
