//! What the tests stand on: the real binary on one side, real HTTP servers on the other.
//!
//! * [`bridge`]: [`Bridge`], the process under test with its three pipes.
//! * [`line`]: [`Line`], one line of its stdout, checked to be one JSON-RPC message.
//! * [`server`]: [`Server`], a scripted HTTP server on a real socket that records what it receives.
//! * [`reply`]: [`Reply`], how a request is answered, byte by byte if need be.
//! * [`mcp`]: the well-behaved MCP server that answers whatever a test leaves unscripted.
//! * [`http_sse`]: [`HttpSse`], a server of the transport of 2024-11-05.
//! * [`modern`]: the same for a stateless server.
//! * [`fault_proxy`], [`fault_tunnel`]: what breaks exchanges and connections between the two, by a
//!   [`fault_plan`].
//! * [`journal`]: a server that can resume every stream.
//! * [`record`]: messages for a check against the official schemas.
//! * [`schema`]: the published schemas of what commands print.
//! * [`oauth`]: [`Realm`], a protected server, its authorization server and a person with a browser.
//! * [`browser`]: [`Browser`], what `BROWSER` points to, and plain HTTP for what it does.
//! * [`terminal`]: the process under test on a pseudo-terminal.
//! * [`tls`]: a certificate authority for the length of one test.

pub mod bridge;
pub mod browser;
pub mod fault_plan;
pub mod fault_proxy;
pub mod fault_tunnel;
pub mod http_sse;
pub mod journal;
pub mod line;
pub mod mcp;
pub mod modern;
pub mod oauth;
pub mod record;
pub mod reply;
pub mod schema;
pub mod server;
#[cfg(unix)]
pub mod terminal;
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

/// Where the process under test leaves its profile when coverage is measured (`.ci/coverage`): the only thing that a
/// cleared environment keeps.
pub fn profile() -> Option<(&'static str, std::ffi::OsString)> {
    const NAME: &str = "LLVM_PROFILE_FILE";
    std::env::var_os(NAME).map(|value| (NAME, value))
}

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

/// A port on which nobody listens, nor will as long as this process lives.
pub fn dead_port() -> u16 {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let address: std::net::SocketAddr = ([127, 0, 0, 1], 0).into();
    socket.bind(&address.into()).expect("a loopback port");
    let bound = socket.local_addr().expect("bound").as_socket().expect("of IPv4");
    // Bound, so that nobody else gets it, and not listening.
    std::mem::forget(socket);
    bound.port()
}

/// A port that is free just now, outside of the range from which the system chooses.
pub fn free_port() -> u16 {
    let from = 20_000 + (std::process::id() % 10_000) as u16;
    (from..32_000)
        .find(|port| {
            let on = |host: &str| std::net::TcpListener::bind(format!("{host}:{port}")).is_ok();
            // Where there is no IPv6 nothing can be in use.
            on("127.0.0.1") && (on("[::1]") || std::net::TcpListener::bind("[::1]:0").is_err())
        })
        .expect("a free port")
}
