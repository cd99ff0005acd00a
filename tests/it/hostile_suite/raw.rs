//! Servers below HTTP: sockets on which a test does what it likes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A listener that gives each connection to a thread.
pub struct Raw {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Raw {
    /// What `serve` gets it may keep, or close by dropping it.
    pub fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Raw {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (count, serve) = (connections.clone(), Arc::new(serve));
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                let serve = serve.clone();
                std::thread::spawn(move || serve(socket));
            }
        });
        Raw { address, connections }
    }

    /// `http://…` or `https://…`, with this path.
    pub fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}{path}", self.address)
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Reads the head of a request, and what came with it.
pub fn head(socket: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    while !read.windows(4).any(|four| four == b"\r\n\r\n") {
        match socket.read(&mut piece) {
            Ok(length @ 1..) => read.extend_from_slice(&piece[..length]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// Keeps a connection until the peer closes it.
pub fn hold(socket: &mut TcpStream) {
    let mut piece = [0; 4096];
    while let Ok(1..) = socket.read(&mut piece) {}
}

/// Sends one byte after the other, for ever, with a pause between them.
pub fn trickle(socket: &mut TcpStream, bytes: impl Iterator<Item = u8>) {
    for byte in bytes {
        if socket.write_all(&[byte]).is_err() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
