//! A proxy between the bridge and a server that breaks exchanges on purpose.
//!
//! It speaks HTTP/1.1 just far enough to know where a request, a response and each of its events end, and
//! passes the bytes as they are. What it does with each exchange is what a test has asked for, or what a
//! [`Plan`] says. Connections of the bridge and of the server belong together: when one ends, so does the
//! other.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use memchr::memmem;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::RUNTIME;
use super::fault_plan::{Fault, Plan};

/// What happened to one exchange.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// JSON text of the id of its message.
    pub id: Option<String>,
    /// The event behind which a stream is to be opened again.
    pub cursor: Option<String>,
    /// What went wrong.
    pub faults: Vec<Fault>,
}

/// See the module. When it is dropped, it stops.
pub struct FaultProxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    to: u16,
    plan: Mutex<Plan>,
    once: Mutex<Vec<(String, Vec<Fault>)>>,
    log: Mutex<Vec<Exchange>>,
    /// Changes when all connections are to be reset; `None` at the end.
    cut: watch::Sender<Option<u64>>,
}

impl FaultProxy {
    /// In front of the server on this port of 127.0.0.1.
    pub fn to(port: u16) -> FaultProxy {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let own = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            to: port,
            plan: Mutex::new(Plan::none()),
            once: Mutex::default(),
            log: Mutex::default(),
            cut: watch::Sender::new(Some(0)),
        });
        let accepting = shared.clone();
        RUNTIME.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let mut stop = accepting.cut.subscribe();
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    _ = stop.wait_for(Option::is_none) => return,
                };
                if let Ok((client, _)) = accepted {
                    let _ = client.set_nodelay(true);
                    tokio::spawn(connection(client, accepting.clone()));
                }
            }
        });
        FaultProxy { port: own, shared }
    }

    /// The address of the MCP endpoint behind it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// Does this to the next exchange of this kind: a JSON-RPC method, or an HTTP method.
    pub fn once(&self, kind: &str, faults: &[Fault]) {
        self.shared.once.lock().unwrap().push((kind.to_owned(), faults.to_vec()));
    }

    /// Goes by this plan from now on.
    pub fn follow(&self, plan: Plan) {
        *self.shared.plan.lock().unwrap() = plan;
    }

    /// Resets all connections.
    pub fn cut(&self) {
        self.shared.cut.send_modify(|count| *count = count.map(|count| count + 1));
    }

    /// All exchanges so far.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.log.lock().unwrap().clone()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.cut.send_replace(None);
        if std::thread::panicking() {
            self.exchanges().iter().for_each(|exchange| eprintln!("{exchange:?}"));
        }
    }
}

/// How a connection is to end.
enum End {
    /// As the peers ended it.
    Closed,
    /// By a TCP reset.
    Reset,
}

async fn connection(client: TcpStream, shared: Arc<Shared>) {
    let mut cut = shared.cut.subscribe();
    let mut client = Peer { socket: client, bytes: Vec::new() };
    let end = tokio::select! {
        end = exchanges(&mut client, &shared) => end,
        _ = cut.changed() => End::Reset,
    };
    if matches!(end, End::Reset) {
        let _ = client.socket.set_zero_linger();
    }
}

/// One exchange after the other, until one ends the connection.
async fn exchanges(client: &mut Peer, shared: &Shared) -> End {
    let mut server = None;
    loop {
        let Some(head) = client.head().await else { return End::Closed };
        let length = header(&head, "content-length").and_then(|text| text.parse().ok());
        let Some(body) = client.take(length.unwrap_or(0)).await else { return End::Closed };
        let exchange = shared.choose(&head, &body);
        let treatment = Treatment::of(&exchange.faults);
        if treatment.drop {
            return End::Closed;
        }
        if let Some(status) = treatment.status {
            let head = format!("HTTP/1.1 {status} Fault\r\ncontent-length: 0\r\n\r\n");
            if client.socket.write_all(head.as_bytes()).await.is_err() {
                return End::Closed;
            }
            continue;
        }
        let server = match &mut server {
            Some(server) => server,
            None => {
                let Ok(socket) = TcpStream::connect(("127.0.0.1", shared.to)).await else {
                    return End::Closed;
                };
                let _ = socket.set_nodelay(true);
                server.insert(Peer { socket, bytes: Vec::new() })
            }
        };
        let sent = server.socket.write_all(&[&head[..], &body[..]].concat()).await;
        if sent.is_err() {
            return End::Closed;
        }
        // The server has the request when it begins to answer.
        let Some(head) = server.head().await else { return End::Closed };
        if treatment.drop_response {
            return End::Closed;
        }
        tokio::time::sleep(treatment.delay).await;
        if let Some(end) = respond(client, server, head, &treatment).await {
            return end;
        }
    }
}

/// Passes a response on. Gives the end of the connection, if it is one.
async fn respond(
    client: &mut Peer,
    server: &mut Peer,
    head: Vec<u8>,
    treatment: &Treatment,
) -> Option<End> {
    let mut written = 0;
    if header(&head, "transfer-encoding").is_none() {
        let length = header(&head, "content-length").and_then(|text| text.parse().ok());
        let Some(body) = server.take(length.unwrap_or(0)).await else { return Some(End::Closed) };
        // Where every later request got the response to the one before it, a 202 for a notification would
        // tell a request that its answer comes elsewhere. Nobody could know better, so that this ends here.
        let twice = treatment.duplicate && !body.is_empty();
        let response = [head, body].concat();
        for _ in 0..=usize::from(twice) {
            if let Some(end) = client.write(&response, &mut written, treatment).await {
                return Some(end);
            }
        }
        return twice.then_some(End::Closed);
    }
    if let Some(end) = client.write(&head, &mut written, treatment).await {
        return Some(end);
    }
    let mut held: Option<Vec<u8>> = None;
    loop {
        let chunk = tokio::select! {
            chunk = server.chunk() => chunk,
            () = client.gone() => return Some(End::Closed),
        };
        let Some((chunk, last)) = chunk else { return Some(End::Closed) };
        let mut pieces = Vec::new();
        if treatment.reorder && !last {
            match held.take() {
                None => {
                    held = Some(chunk);
                    continue;
                }
                Some(first) => pieces.extend([chunk, first]),
            }
        } else {
            pieces.extend(held.take());
            pieces.push(chunk);
        }
        for piece in pieces {
            let times = if treatment.duplicate && !last { 2 } else { 1 };
            for _ in 0..times {
                if let Some(end) = client.write(&piece, &mut written, treatment).await {
                    return Some(end);
                }
            }
        }
        if last {
            return None;
        }
    }
}

impl Shared {
    /// What is to happen with a request, which is written down.
    fn choose(&self, head: &[u8], body: &[u8]) -> Exchange {
        let message: Value = serde_json::from_slice(body).unwrap_or_default();
        let http = String::from_utf8_lossy(head.split(|b| *b == b' ').next().unwrap_or_default());
        let kind = message["method"].as_str().map_or_else(|| http.into_owned(), str::to_owned);
        let mut once = self.once.lock().unwrap();
        let faults = match once.iter().position(|(wanted, _)| *wanted == kind) {
            Some(at) => once.remove(at).1,
            None => self.plan.lock().unwrap().next(kind == "GET"),
        };
        let id = message.get("id").map(Value::to_string);
        let cursor = header(head, "last-event-id");
        let exchange = Exchange { id, cursor, faults };
        self.log.lock().unwrap().push(exchange.clone());
        exchange
    }
}

/// Faults, by what they do.
#[derive(Default)]
struct Treatment {
    drop: bool,
    drop_response: bool,
    status: Option<u16>,
    delay: Duration,
    duplicate: bool,
    reorder: bool,
    trickle: bool,
    stop: Option<(usize, Stop)>,
}

#[derive(Clone, Copy)]
enum Stop {
    Close,
    Reset,
    Silence(Duration),
}

impl Treatment {
    fn of(faults: &[Fault]) -> Treatment {
        let mut treatment = Treatment::default();
        for fault in faults {
            match *fault {
                Fault::Drop => treatment.drop = true,
                Fault::DropResponse => treatment.drop_response = true,
                Fault::Delay(time) => treatment.delay = time,
                Fault::Duplicate => treatment.duplicate = true,
                Fault::Reorder => treatment.reorder = true,
                Fault::Truncate(at) => treatment.stop = Some((at, Stop::Close)),
                Fault::Reset(at) => treatment.stop = Some((at, Stop::Reset)),
                Fault::HalfOpen(at, time) => treatment.stop = Some((at, Stop::Silence(time))),
                Fault::Trickle => treatment.trickle = true,
                Fault::Status(status) => treatment.status = Some(status),
            }
        }
        treatment
    }
}

/// One side of a connection, and what was read from it and not used yet.
struct Peer {
    socket: TcpStream,
    bytes: Vec<u8>,
}

impl Peer {
    async fn more(&mut self) -> Option<()> {
        match self.socket.read_buf(&mut self.bytes).await {
            Ok(1..) => Some(()),
            _ => None,
        }
    }

    /// Up to, and with, the first of these bytes. Safe to drop while it waits, as are the others.
    async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = memmem::find(&self.bytes, end) {
                return Some(self.bytes.drain(..at + end.len()).collect());
            }
            self.more().await?;
        }
    }

    /// A head of HTTP.
    async fn head(&mut self) -> Option<Vec<u8>> {
        self.until(b"\r\n\r\n").await
    }

    async fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.bytes.len() < length {
            self.more().await?;
        }
        Some(self.bytes.drain(..length).collect())
    }

    /// One chunk of a body with its frame, and whether it is the last.
    async fn chunk(&mut self) -> Option<(Vec<u8>, bool)> {
        loop {
            if let Some(at) = memmem::find(&self.bytes, b"\r\n") {
                let size = std::str::from_utf8(&self.bytes[..at]).ok()?;
                let size = usize::from_str_radix(size, 16).ok()?;
                let whole = at + 2 + size + 2;
                if self.bytes.len() >= whole {
                    return Some((self.bytes.drain(..whole).collect(), size == 0));
                }
            }
            self.more().await?;
        }
    }

    /// Returns when the peer has closed the connection, or says something out of turn.
    async fn gone(&mut self) {
        let _ = self.more().await;
    }

    /// Writes a piece of a response of which `written` bytes are out already.
    async fn write(
        &mut self,
        bytes: &[u8],
        written: &mut usize,
        treatment: &Treatment,
    ) -> Option<End> {
        let stop = treatment.stop.filter(|(at, _)| *at < *written + bytes.len());
        let bytes = stop.map_or(bytes, |(at, _)| &bytes[..at.saturating_sub(*written)]);
        let step = if treatment.trickle { 1 } else { bytes.len().max(1) };
        for part in bytes.chunks(step) {
            if self.socket.write_all(part).await.is_err() {
                return Some(End::Closed);
            }
            if treatment.trickle {
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
        }
        *written += bytes.len();
        Some(match stop?.1 {
            Stop::Close => End::Closed,
            Stop::Reset => End::Reset,
            Stop::Silence(time) => {
                tokio::time::sleep(time).await;
                End::Reset
            }
        })
    }
}

/// A header field, by its name in lower case.
fn header(head: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(head);
    let mut fields = text.split("\r\n").filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(field, _)| field.eq_ignore_ascii_case(name))?;
    Some(value.trim().to_owned())
}
