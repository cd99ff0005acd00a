//! The loopback listener that the browser comes back to (RFC 8252, section 7.3).
//!
//! * `address`: where it listens and what it is called (pure). [`request`]: what a request has to be
//!   (pure). `connection`: a request in, one page out.
//!
//! The browser that brings the authorization response waits for its page until the code has been
//! exchanged, so that what the page says is true.

pub mod request;

mod address;
mod connection;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::Poll;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use url::Url;

pub use address::CallbackSettings;
pub use request::AuthorizationResponse;

use crate::auth::page::{self, Page};
use crate::limits::{
    CALLBACK_ACCEPT_PAUSE, CALLBACK_CONNECTION_TIMEOUT, CALLBACK_PAGE_TIMEOUT,
    MAX_CALLBACK_CONNECTIONS,
};
use crate::secret::Secret;
use address::{Advertised, Plan};
use request::Expected;

/// Why nothing can listen.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    /// `--callback-url`, or a redirect URI that was stored.
    #[error("the callback URL {url} cannot be used: {why}")]
    Url {
        /// Which, without what may be secret.
        url: String,
        /// The reason.
        why: &'static str,
    },
    /// `--callback-bind`.
    #[error("{0:?} is no IP address, alone or with a port, to bind the callback to")]
    Bind(String),
    /// Another program listens there.
    #[error(
        "port {0} is needed for the sign-in callback and is in use; end the program that uses it, \
         or choose another port with --callback-url"
    )]
    Taken(u16),
    /// The system refuses otherwise.
    #[error("cannot listen on {address} for the sign-in callback: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Bound sockets. They close when it is dropped.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<TcpListener>,
    name: Advertised,
    server: String,
}

impl Listener {
    /// Listens for the sign-in to the MCP server at `server`: on a port derived from its URL, so
    /// that registrations of the redirect URI stay valid, with further ones where that is taken; on
    /// 127.0.0.1 and, where the system has it, ::1. What `settings` pins is kept exactly. `again` is
    /// the redirect URI of a sign-in that another process has begun.
    ///
    /// # Errors
    /// If the settings or `again` cannot be used, or the port is taken.
    pub async fn bind(
        settings: &CallbackSettings,
        server: &Url,
        again: Option<&str>,
    ) -> Result<Listener, CallbackError> {
        let plan = Plan::new(settings, server, again)?;
        let mut failure = CallbackError::Taken(0);
        for port in &plan.ports {
            match bind_all(&plan.addresses, *port).await {
                Ok((sockets, port)) => {
                    let name = plan.advertised(port);
                    return Ok(Listener { sockets, name, server: page::host(server) });
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// `redirect_uri`, to be sent and registered byte for byte.
    pub fn redirect_uri(&self) -> &str {
        &self.name.redirect_uri
    }

    /// The next request that has the right `state`. Others get a page that says so, and the wait
    /// goes on; it never ends by itself, and may be given up at any time.
    ///
    /// Of [`MAX_CALLBACK_CONNECTIONS`] the oldest gives way to one more: a browser says at once what it
    /// wants, and others must not keep it waiting with connections that say nothing.
    pub async fn response(&mut self, state: &Secret) -> Received {
        let expected = Expected { hosts: &self.name.hosts, path: &self.name.path, state };
        let mut connections = VecDeque::new();
        loop {
            tokio::select! {
                // What a connection has brought is read before another one takes its place.
                biased;
                served = first_ended(&mut connections) => {
                    if let Some((stream, response)) = served {
                        return Received::new(response, stream, self.server.clone());
                    }
                }
                stream = accept(&self.sockets) => {
                    match stream {
                        Ok(stream) => {
                            if connections.len() >= MAX_CALLBACK_CONNECTIONS {
                                connections.pop_front();
                            }
                            connections.push_back(Box::pin(connection::serve(stream, &expected)));
                        }
                        Err(error) => {
                            // Of a connection that broke, or of a system without means: that lasts.
                            log::debug!("the callback cannot accept a connection: {error}");
                            sleep(CALLBACK_ACCEPT_PAUSE).await;
                        }
                    }
                }
            }
        }
    }
}

/// Binds the same port of all addresses. Where another program has it on one of them the port counts
/// as taken, because a browser might go there; an address that this system does not have is left out,
/// unless it is the first.
async fn bind_all(
    addresses: &[IpAddr],
    mut port: u16,
) -> Result<(Vec<TcpListener>, u16), CallbackError> {
    let mut sockets = Vec::new();
    for ip in addresses {
        let address = SocketAddr::new(*ip, port);
        let refused = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => CallbackError::Taken(address.port()),
            _ => CallbackError::Listen { address, source },
        };
        match TcpListener::bind(address).await {
            Ok(socket) => {
                port = socket.local_addr().map_err(refused)?.port();
                sockets.push(socket);
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse || sockets.is_empty() => {
                return Err(refused(error));
            }
            Err(error) => log::debug!("the callback does without {address}: {error}"),
        }
    }
    Ok((sockets, port))
}

/// The outcome of the first connection that ends, which is taken out.
async fn first_ended<F: Future>(connections: &mut VecDeque<Pin<Box<F>>>) -> F::Output {
    poll_fn(|context| {
        for at in 0..connections.len() {
            let Some(connection) = connections.get_mut(at) else { break };
            if let Poll::Ready(outcome) = connection.as_mut().poll(context) {
                connections.remove(at);
                return Poll::Ready(outcome);
            }
        }
        Poll::Pending
    })
    .await
}

async fn accept(sockets: &[TcpListener]) -> io::Result<TcpStream> {
    poll_fn(|context| {
        for socket in sockets {
            if let Poll::Ready(accepted) = socket.poll_accept(context) {
                return Poll::Ready(accepted.map(|(stream, _)| stream));
            }
        }
        Poll::Pending
    })
    .await
}

/// An authorization response, and the browser that waits for its page: for
/// [`CALLBACK_PAGE_TIMEOUT`], and then it gets one that says that it takes longer. If this is dropped
/// it gets one that says that the sign-in has ended.
#[derive(Debug)]
pub struct Received {
    /// What the browser brought.
    pub response: AuthorizationResponse,
    reply: oneshot::Sender<Vec<u8>>,
    browser: JoinHandle<()>,
}

impl Received {
    fn new(response: AuthorizationResponse, stream: TcpStream, server: String) -> Received {
        let (reply, replied) = oneshot::channel();
        let browser = tokio::spawn(finish(stream, replied, server));
        Received { response, reply, browser }
    }

    /// Shows a page of success.
    pub async fn succeed(self, page: &Page) {
        self.reply(connection::page("200 OK", page)).await;
    }

    /// Shows a page of failure.
    pub async fn fail(self, page: &Page) {
        self.reply(connection::page("400 Bad Request", page)).await;
    }

    /// Sends the same tab on, to ask once more in another way.
    pub async fn redirect(self, to: &Url) {
        self.reply(connection::redirect(to)).await;
    }

    /// Returns when the system has the bytes, at most [`CALLBACK_CONNECTION_TIMEOUT`] later.
    async fn reply(self, bytes: Vec<u8>) {
        // Whoever closed the tab does not need the page.
        let _ = self.reply.send(bytes);
        let _ = self.browser.await;
    }
}

async fn finish(mut stream: TcpStream, reply: oneshot::Receiver<Vec<u8>>, server: String) {
    let bytes = match timeout(CALLBACK_PAGE_TIMEOUT, reply).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => connection::page("503 Service Unavailable", &Page::interrupted(&server)),
        Err(_) => connection::page("200 OK", &Page::unfinished(&server)),
    };
    let sent = timeout(CALLBACK_CONNECTION_TIMEOUT, connection::send(&mut stream, &bytes)).await;
    if let Ok(Err(error)) = sent {
        log::debug!("the browser did not take its page: {error}");
    }
}
