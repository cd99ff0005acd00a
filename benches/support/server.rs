//! The loopback server: hyper on one thread, answers built beforehand, in a process of its own so
//! that its time is neither the client's nor the bridge's.
//!
//! The process is this same executable started with [`SERVE`]. It prints its port and ends when
//! its standard input does, so it cannot outlive the benchmark.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{
    ALLOW, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::Error;
use super::wire::{self, Tool};

/// The argument that makes this executable the server.
pub const SERVE: &str = "--serve";

/// About as many bytes of notifications go out at a time.
const BURST_PIECE: usize = 64 * 1024;

/// The running server process.
pub struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts the server and waits until it listens.
    pub fn start() -> Result<Server, Error> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(SERVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take().ok_or("the server has no stdout")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, line.trim().parse()?));
        Ok(Server { process, address })
    }

    /// The address of the MCP endpoint.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, wire::LEGACY)
    }

    /// The address of the one that wants a token.
    pub fn secured_url(&self) -> String {
        format!("http://{}{}", self.address, wire::SECURED)
    }

    /// The address of the one that speaks 2026-07-28 alone.
    pub fn modern_url(&self) -> String {
        format!("http://{}{}", self.address, wire::MODERN)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Serves until standard input ends: the main function of the server process.
pub fn serve() -> Result<(), Error> {
    std::thread::spawn(|| {
        let mut end = [0; 1];
        while matches!(std::io::stdin().read(&mut end), Ok(1..)) {}
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        // Built before the first measurement, not during it.
        wire::LARGE_TEXT.len();
        let burst = Burst::new();
        println!("{}", listener.local_addr()?.port());
        std::io::stdout().flush()?;
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let burst = burst.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(request, burst.clone()));
                // An error here is a client that went away.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
            });
        }
    })
}

async fn answer(request: Request<Incoming>, burst: Burst) -> Result<Response<Answer>, Infallible> {
    let (head, body) = request.into_parts();
    Ok(match head.method {
        Method::GET if head.uri.path().starts_with("/.well-known/") => document(&head),
        _ if head.uri.path() == wire::SECURED && !is_signed_in(&head.headers) => refused(&head),
        Method::POST if head.uri.path() == wire::MODERN => match read(body).await {
            Some(message) => modern(&message),
            None => status(StatusCode::BAD_REQUEST),
        },
        Method::POST => match read(body).await {
            Some(message) => post(&message, &burst),
            None => status(StatusCode::BAD_REQUEST),
        },
        // The stream for unsolicited messages: open, and silent.
        Method::GET => sse(Answer::Silent),
        Method::DELETE => status(StatusCode::OK),
        _ => {
            let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST, DELETE"));
            response
        }
    })
}

fn post(message: &[u8], burst: &Burst) -> Response<Answer> {
    let Some(id) = wire::id(message) else {
        return status(StatusCode::ACCEPTED);
    };
    if id == 0 {
        let mut response = json([Bytes::from_static(wire::INITIALIZE_RESULT.as_bytes())]);
        response.headers_mut().insert("mcp-session-id", HeaderValue::from_static(wire::SESSION));
        return response;
    }
    match Tool::of(message) {
        Some(Tool::Small) => json([small(id)]),
        Some(Tool::Burst(count)) => sse(Answer::pieces(burst.events(count, id), false)),
        Some(Tool::SmallSse) => sse(Answer::pieces(VecDeque::from([event(&small(id))]), false)),
        Some(Tool::Json(bytes)) => {
            let mut pieces = wire::text(bytes, bytes.max(1));
            pieces.push_front(Bytes::from_static(wire::LARGE_HEAD.as_bytes()));
            pieces.push_back(Bytes::from(format!("{}{id}}}", wire::LARGE_TAIL)));
            typed(Answer::pieces(pieces, true), "application/json")
        }
        Some(Tool::Sse(bytes)) => {
            let mut pieces = wire::text(bytes, wire::PIECE);
            pieces.push_front(Bytes::from(format!("event: message\ndata: {}", wire::LARGE_HEAD)));
            pieces.push_back(Bytes::from(format!("{}{id}}}\n\n", wire::LARGE_TAIL)));
            sse(Answer::pieces(pieces, false))
        }
        None if matches!(wire::id_and_method(message), Some((_, b"tools/list"))) => {
            json([Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{id}{}"#, wire::TOOLS_TAIL))])
        }
        // Its name in a call is that of a small one.
        Some(Tool::Upload(_)) | None => status(StatusCode::BAD_REQUEST),
    }
}

fn is_signed_in(headers: &HeaderMap) -> bool {
    let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    given.and_then(|given| given.strip_prefix(b"Bearer ")) == Some(wire::TOKEN.as_bytes())
}

/// The address of this server, as the client calls it.
fn origin(head: &Parts) -> String {
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    format!("http://{}", host.unwrap_or_default())
}

fn refused(head: &Parts) -> Response<Answer> {
    let challenge = format!(
        r#"Bearer resource_metadata="{}/.well-known/oauth-protected-resource{}""#,
        origin(head),
        wire::SECURED
    );
    let mut response = status(StatusCode::UNAUTHORIZED);
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// What the endpoint that wants a token says of itself (RFC 9728), and its authorization server (RFC 8414).
fn document(head: &Parts) -> Response<Answer> {
    let (path, origin) = (head.uri.path(), origin(head));
    let text = if path == format!("/.well-known/oauth-protected-resource{}", wire::SECURED) {
        format!(
            r#"{{"resource":"{origin}{}","authorization_servers":["{origin}"]}}"#,
            wire::SECURED
        )
    } else if path == "/.well-known/oauth-authorization-server" {
        let (supported, methods) = (r#"["code"]"#, r#"["S256"]"#);
        format!(
            r#"{{"issuer":"{origin}","authorization_endpoint":"{origin}/authorize","token_endpoint":"{origin}/token","registration_endpoint":"{origin}/register","response_types_supported":{supported},"code_challenge_methods_supported":{methods}}}"#
        )
    } else {
        return status(StatusCode::NOT_FOUND);
    };
    json([Bytes::from(text)])
}

fn modern(message: &[u8]) -> Response<Answer> {
    let Some((id, method)) = wire::id_and_method(message) else {
        return status(StatusCode::BAD_REQUEST);
    };
    let tail = match method {
        b"server/discover" => wire::DISCOVER_TAIL,
        b"tools/list" => wire::LIST_TAIL,
        b"tools/call" => wire::MODERN_SMALL_TAIL,
        _ => wire::NO_METHOD_TAIL,
    };
    let answer = [br#"{"jsonrpc":"2.0","id":"#.as_slice(), id, tail.as_bytes()].concat();
    let mut response = json([Bytes::from(answer)]);
    if tail == wire::NO_METHOD_TAIL {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}

/// An event with one message.
fn event(message: &[u8]) -> Bytes {
    let mut event = BytesMut::from("event: message\ndata: ");
    event.extend_from_slice(message);
    event.extend_from_slice(b"\n\n");
    event.freeze()
}

fn small(id: u64) -> Bytes {
    Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{id}{}"#, wire::SMALL_TAIL))
}

/// The events of a burst of notifications: one piece with many of them, sent over and over.
#[derive(Clone)]
struct Burst {
    piece: Bytes,
    event: usize,
}

impl Burst {
    fn new() -> Burst {
        let event = format!("event: message\ndata: {}\n\n", wire::NOTIFICATION);
        Burst { piece: Bytes::from(event.repeat(BURST_PIECE / event.len())), event: event.len() }
    }

    fn events(&self, count: usize, id: u64) -> VecDeque<Bytes> {
        let in_piece = self.piece.len() / self.event;
        let mut pieces: VecDeque<Bytes> =
            std::iter::repeat_n(self.piece.clone(), count / in_piece).collect();
        pieces.push_back(self.piece.slice(..count % in_piece * self.event));
        pieces.push_back(event(&small(id)));
        pieces
    }
}

async fn read(mut body: Incoming) -> Option<Bytes> {
    let mut whole = BytesMut::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(data) = frame.ok()?.into_data() {
            if whole.is_empty() && body.is_end_stream() {
                return Some(data);
            }
            whole.extend_from_slice(&data);
        }
    }
    Some(whole.freeze())
}

fn status(status: StatusCode) -> Response<Answer> {
    let mut response = Response::new(Answer::pieces(VecDeque::new(), true));
    *response.status_mut() = status;
    response
}

fn json<const N: usize>(pieces: [Bytes; N]) -> Response<Answer> {
    typed(Answer::pieces(VecDeque::from(pieces), true), "application/json")
}

fn sse(body: Answer) -> Response<Answer> {
    typed(body, "text/event-stream")
}

fn typed(body: Answer, content_type: &'static str) -> Response<Answer> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A response body.
enum Answer {
    /// Never ends and says nothing.
    Silent,
    /// These pieces, each a frame; with the sum of their lengths announced when `sized`.
    Pieces { pieces: VecDeque<Bytes>, sized: bool },
}

impl Answer {
    fn pieces(mut pieces: VecDeque<Bytes>, sized: bool) -> Answer {
        pieces.retain(|piece| !piece.is_empty());
        Answer::Pieces { pieces, sized }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            // The connection's own reading notices when the client goes away.
            Answer::Silent => Poll::Pending,
            Answer::Pieces { pieces, .. } => {
                Poll::Ready(pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Answer::Pieces { pieces, .. } if pieces.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Answer::Pieces { pieces, sized: true } => {
                SizeHint::with_exact(pieces.iter().map(|piece| piece.len() as u64).sum())
            }
            _ => SizeHint::default(),
        }
    }
}
