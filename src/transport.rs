//! Carrying a message to a remote endpoint, and what comes back
//! (2025-11-25, basic/transports, "Streamable HTTP"; 2024-11-05, basic/transports, "HTTP with SSE").
//!
//! * [`endpoint`]: POST, GET and DELETE with the headers the specification demands.
//! * [`http_sse`]: the stream and the address of the transport before it (2024-11-05).
//! * [`reply`]: telling what a response is, and reading a JSON body.
//! * [`stream`]: one connection's events.
//! * [`sse`]: decoding them (pure).
//! * [`spare`]: using the memory of large messages again.
//! * [`backoff`]: how long to wait before connecting again (pure).
//! * [`status`]: HTTP statuses as failures.
//!
//! Knows nothing of requests and answers: matching them is the bridge's work.

pub mod backoff;
pub mod endpoint;
pub mod http_sse;
pub mod reply;
pub mod spare;
pub mod sse;
pub mod status;
pub mod stream;

pub use endpoint::{Endpoint, SessionHeaders};
pub use http_sse::Channel;
pub use reply::{Content, Reply};
pub use stream::EventStream;
