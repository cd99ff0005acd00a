//! What the tests stand on: the real binary on one side, real HTTP servers on the other.
//!
//! * [`bridge`]: [`Bridge`], the process under test with its three pipes.
//! * [`line`]: [`Line`], one line of its stdout, checked to be one JSON-RPC message.
//! * [`server`]: [`Server`], a scripted HTTP server on a real socket that records what it receives.
//! * [`reply`]: [`Reply`], how a request is answered, byte by byte if need be.
//! * [`mcp`]: the well-behaved MCP server that answers whatever a test leaves unscripted.
//! * [`http_sse`]: [`HttpSse`], a server of the transport of 2024-11-05.
//! * [`modern`]: the same for a stateless server.
//! * [`record`]: messages for a check against the official schemas.
//! * [`oauth`]: [`Realm`], a protected server, its authorization server and a person with a browser.
//! * [`browser`]: [`Browser`], what `BROWSER` points to, and plain HTTP for what it does.
//! * [`tls`]: a certificate authority for the length of one test.

pub mod bridge;
pub mod browser;
pub mod http_sse;
pub mod line;
pub mod mcp;
pub mod modern;
pub mod oauth;
pub mod record;
pub mod reply;
pub mod server;
pub mod tls;

use std::sync::LazyLock;
use std::time::Duration;

pub use bridge::Bridge;
pub use browser::Page;
pub use http_sse::HttpSse;
pub use line::Line;
pub use modern::MODERN;
pub use oauth::Realm;
pub use reply::{Feed, Gate, Reply, event, event_id};
pub use server::{Request, Server};

/// How long any single expected thing may take. Generous: only a broken bridge reaches it.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The runtime on which all scripted servers of the process run. It has one thread, so that
/// requests are recorded in the order in which the kernel reported them. Tests themselves are plain
/// threads.
pub static RUNTIME: LazyLock<tokio::runtime::Handle> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime for the servers");
    let handle = runtime.handle().clone();
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    handle
});

/// A request line with empty parameters; `id` is JSON text.
pub fn request(id: impl std::fmt::Display, method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{}}}}"#)
}

/// A notification line without parameters.
pub fn notification(method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#)
}

/// The text of a result; `id` and `result` are JSON text.
pub fn result(id: impl std::fmt::Display, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// The `initialize` line that [`Bridge::handshake`] sends, with id `0`.
pub const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"it","version":"1"}}}"#;

/// By which the bridge asks a server for its era.
pub const DISCOVER: &str = "server/discover";

/// The notification that ends the handshake.
pub const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// A port on which nobody listens.
pub fn dead_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    listener.local_addr().expect("bound").port()
}
