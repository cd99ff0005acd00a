//! A proxy that knows nothing of HTTP: it passes bytes between the bridge and a server, and breaks connections
//! after so many of them. It can be one that has to be asked for its connections, and cannot resolve names.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::RUNTIME;

/// A fatal alert of TLS, `handshake_failure`, unprotected (RFC 8446, section 6).
const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];

/// How a connection is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Not at all.
    Open,
    /// With `CONNECT` (RFC 9110, section 9.3.6).
    Connect,
    /// With SOCKS 5 (RFC 1928).
    Socks,
}

/// What ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wound {
    /// An alert of TLS, then the end.
    Alert,
    /// The end of the stream.
    Close,
    /// A TCP reset.
    Reset,
}

/// See the module. When it is dropped, it stops.
pub struct FaultTunnel {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    to: u16,
    door: Door,
    /// Whether names can be resolved.
    resolves: Mutex<bool>,
    refused: AtomicUsize,
    wounded: AtomicUsize,
    /// For the next connections: after how many bytes of the server what happens.
    wounds: Mutex<VecDeque<(usize, Wound)>>,
    /// Changes when all connections are to end; `None` at the end.
    cut: watch::Sender<Option<(u64, Wound)>>,
}

impl FaultTunnel {
    /// In front of the server on this port of 127.0.0.1, whatever name is asked for.
    pub fn to(port: u16, door: Door) -> FaultTunnel {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            to: port,
            door,
            resolves: Mutex::new(true),
            refused: AtomicUsize::new(0),
            wounded: AtomicUsize::new(0),
            wounds: Mutex::default(),
            cut: watch::Sender::new(Some((0, Wound::Reset))),
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
                    tokio::spawn(connection(client, accepting.clone()));
                }
            }
        });
        FaultTunnel { address, shared }
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether names can be resolved from now on.
    pub fn resolves(&self, resolves: bool) {
        *self.shared.resolves.lock().unwrap() = resolves;
    }

    /// How often a name could not be resolved.
    pub fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::SeqCst)
    }

    /// Ends the next connection after so many bytes of the server. Further calls are for those after it.
    pub fn wound(&self, after: usize, wound: Wound) {
        self.shared.wounds.lock().unwrap().push_back((after, wound));
    }

    /// No further connection is to end.
    pub fn heal(&self) {
        self.shared.wounds.lock().unwrap().clear();
    }

    /// How many connections were ended.
    pub fn wounded(&self) -> usize {
        self.shared.wounded.load(Ordering::SeqCst)
    }

    /// Ends all connections.
    pub fn cut(&self, wound: Wound) {
        self.shared.cut.send_modify(|cut| *cut = cut.map(|(count, _)| (count + 1, wound)));
    }
}

impl Drop for FaultTunnel {
    fn drop(&mut self) {
        self.shared.cut.send_replace(None);
    }
}

async fn connection(mut client: TcpStream, shared: Arc<Shared>) {
    let mut cut = shared.cut.subscribe();
    let _ = client.set_nodelay(true);
    let wound = tokio::select! {
        wound = pipe(&mut client, &shared) => wound.unwrap_or(Some(Wound::Close)),
        _ = cut.changed() => cut.borrow().map(|(_, wound)| wound),
    };
    match wound {
        Some(Wound::Alert) => {
            let _ = client.write_all(&ALERT).await;
            // What the client has said meanwhile would make a reset of the end, and take the alert away.
            let _ = client.shutdown().await;
            let mut rest = [0; 4096];
            while matches!(client.read(&mut rest).await, Ok(1..)) {}
        }
        Some(Wound::Reset) => {
            let _ = client.set_zero_linger();
        }
        Some(Wound::Close) | None => {}
    }
}

/// Passes bytes both ways, and says what ends it.
async fn pipe(client: &mut TcpStream, shared: &Shared) -> std::io::Result<Option<Wound>> {
    match shared.door {
        Door::Open => {}
        Door::Connect => {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await?);
            }
            assert!(head.starts_with(b"CONNECT "), "not asked for a tunnel");
            if !shared.answers() {
                client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await?;
                return Ok(Some(Wound::Close));
            }
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        }
        Door::Socks => {
            let mut greeting = [0; 2];
            client.read_exact(&mut greeting).await?;
            client.read_exact(&mut vec![0; greeting[1].into()]).await?;
            client.write_all(&[5, 0]).await?;
            let mut request = [0; 5];
            client.read_exact(&mut request).await?;
            assert_eq!(request[..4], [5, 1, 0, 3], "not asked for a name");
            client.read_exact(&mut vec![0; usize::from(request[4]) + 2]).await?;
            // `host unreachable` is what there is for a name that is not known.
            let reply = if shared.answers() { 0 } else { 4 };
            client.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
            if reply != 0 {
                return Ok(Some(Wound::Close));
            }
        }
    }
    let wound = shared.wounds.lock().unwrap().pop_front();
    if let Some((0, wound)) = wound {
        // After the first message of the client, so that it is in the middle of something.
        client.readable().await?;
        shared.wounded.fetch_add(1, Ordering::SeqCst);
        return Ok(Some(wound));
    }
    let mut server = TcpStream::connect(("127.0.0.1", shared.to)).await?;
    server.set_nodelay(true)?;
    let (mut left, mut up, mut down) = (wound, [0; 16 << 10], [0; 16 << 10]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => match read? {
                0 => return Ok(None),
                length => server.write_all(&up[..length]).await?,
            },
            read = server.read(&mut down) => match read? {
                0 => return Ok(None),
                length => {
                    let (length, wound) = match &mut left {
                        Some((left, wound)) if *left <= length => (*left, Some(*wound)),
                        Some((left, _)) => {
                            *left -= length;
                            (length, None)
                        }
                        None => (length, None),
                    };
                    client.write_all(&down[..length]).await?;
                    if wound.is_some() {
                        shared.wounded.fetch_add(1, Ordering::SeqCst);
                        return Ok(wound);
                    }
                }
            },
        }
    }
}

impl Shared {
    /// Whether the name that is asked for can be resolved.
    fn answers(&self) -> bool {
        let resolves = *self.resolves.lock().unwrap();
        self.refused.fetch_add(usize::from(!resolves), Ordering::SeqCst);
        resolves
    }
}
