//! `mcp-tether demo`: a small MCP server on loopback to try clients with.
//!
//! It speaks Streamable HTTP with sessions in the revisions 2025-03-26, 2025-06-18 and 2025-11-25,
//! offers tools, resources and prompts that show what the protocol can do, and simulates faults of
//! real servers on request. Nothing it does has an effect outside its own memory.
//!
//! | module | what lives there |
//! |---|---|
//! | `listener`, `connections` | the connections |
//! | `server`, `post`, `guard`, `refusal`, `request_body`, `response`, `body` | the HTTP endpoint |
//! | `answer`, `initialize`, `dispatch`, `rpc`, `revision` | the protocol |
//! | `sessions`, `session`, `calls`, `questions` | sessions and what is in flight in them |
//! | `streams`, `stream`, `event_log`, `sse_body` | resumable SSE streams |
//! | `tools`, `tool_calls`, `call`, `resources`, `prompts`, `page`, `log_level` | the contents |
//! | `fault`, `limits`, `console`, `signals` | faults, bounds, log lines, the end |

mod answer;
mod body;
mod call;
mod calls;
mod connections;
mod console;
mod dispatch;
mod event_log;
mod fault;
mod guard;
mod initialize;
mod limits;
mod listener;
mod log_level;
mod page;
mod post;
mod prompts;
mod questions;
mod refusal;
mod request_body;
mod resources;
mod response;
mod revision;
mod rpc;
mod server;
mod session;
mod sessions;
mod signals;
mod sse_body;
mod stream;
mod streams;
mod tool_calls;
mod tools;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::interval;

use self::connections::Connections;
use self::console::Console;
pub use self::fault::{Fault, FaultParseError};
use self::limits::Limits;
use self::listener::BoundedListener;
use self::server::{PATH, Server};

/// The port served by default.
pub const DEFAULT_PORT: u16 = 3917;

/// How long open connections get to close when the server ends.
const GOODBYE: Duration = Duration::from_millis(100);

/// How often unused sessions are looked for.
const SWEEP: Duration = Duration::from_secs(30);

/// What the demo server is to do.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// The port on 127.0.0.1; 0 for any free one.
    pub port: u16,
    /// The faults to simulate.
    pub faults: Vec<Fault>,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self { port: DEFAULT_PORT, faults: Vec::new() }
    }
}

/// Why the demo server cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The port cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another port with --port")]
    Listen {
        /// The address that was tried.
        address: SocketAddr,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The port is listened on, but the system does not say which it is.
    #[error("cannot go on serving: {0}")]
    Serve(#[source] io::Error),
}

/// Serves until Ctrl-C or SIGTERM. `ready` is told the address as soon as clients can connect.
///
/// # Errors
/// See [`DemoError`].
pub async fn run(options: DemoOptions, ready: impl FnOnce(SocketAddr)) -> Result<(), DemoError> {
    run_until(options, ready, signals::terminated()).await
}

/// Serves until `shutdown` completes; then all sessions end and connections close at once.
///
/// # Errors
/// See [`DemoError`].
pub async fn run_until(
    options: DemoOptions,
    ready: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()>,
) -> Result<(), DemoError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let listener =
        TcpListener::bind(address).await.map_err(|source| DemoError::Listen { address, source })?;
    let address = listener.local_addr().map_err(DemoError::Serve)?;
    let server = Server::new(&options.faults, Limits::default(), Console::stderr());
    server.console.line(&greeting(address, &options.faults));
    ready(address);
    serve(&server, listener, shutdown).await;
    Ok(())
}

/// Serves on a listener until `shutdown` completes.
async fn serve(server: &Arc<Server>, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let listener = BoundedListener::new(listener, server.limits.connections);
    let mut connections = Connections::new(Arc::clone(server));
    let accept = async {
        loop {
            connections.begin(listener.accept().await);
        }
    };
    let sweep = async {
        let mut ticks = interval(SWEEP);
        loop {
            ticks.tick().await;
            server.sessions.expire();
        }
    };
    tokio::select! {
        () = accept => {}
        () = shutdown => {}
        () = sweep => {}
    }
    drop(listener);
    server.sessions.end_all();
    connections.end(GOODBYE).await;
}

/// What a person is told at the start.
fn greeting(address: SocketAddr, faults: &[Fault]) -> String {
    let url = format!("http://{address}{PATH}");
    let faults = if faults.is_empty() {
        String::new()
    } else {
        let names: Vec<String> = faults.iter().map(Fault::to_string).collect();
        format!("Simulated faults: {}\n", names.join(", "))
    };
    format!(
        r#"MCP demo server at {url} (Ctrl-C ends it)
{faults}Try it from another terminal:

  printf '%s\n' \
    '{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{{}},"clientInfo":{{"name":"me","version":"1"}}}}}}' \
    '{{"jsonrpc":"2.0","method":"notifications/initialized"}}' \
    '{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"count","arguments":{{"to":3}},"_meta":{{"progressToken":"p"}}}}}}' \
    | mcp-tether {url}

Requests:"#
    )
}
