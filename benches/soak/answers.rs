//! What the tools of the server answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use bytes::Bytes;

use super::log::Log;
use super::server;

/// The result of `initialize`.
pub const INITIALIZE: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{}},"serverInfo":{"name":"soak","version":"1.0.0"}}"#;

/// Between two events of a stream.
const STEP: Duration = Duration::from_millis(40);

/// How long a slow call waits for its cancellation.
const SLOW: Duration = Duration::from_secs(3);

/// How a request is answered.
#[derive(Clone, Copy)]
pub enum Call {
    /// A small JSON body.
    Small,
    /// A large JSON body, or one large event.
    Large {
        /// As an event.
        stream: bool,
    },
    /// A stream of so many notifications, then the answer.
    Stream { steps: u64, slow: bool },
}

impl Call {
    /// How this one is answered.
    pub fn of(method: &str, tool: Option<&str>, steps: Option<u64>) -> Call {
        match (method, tool) {
            ("tools/call", Some("large")) => Call::Large { stream: false },
            ("tools/call", Some("large-stream")) => Call::Large { stream: true },
            ("tools/call", Some("stream")) => {
                Call::Stream { steps: steps.unwrap_or(1), slow: false }
            }
            ("tools/call", Some("slow")) => Call::Stream { steps: 1, slow: true },
            _ => Call::Small,
        }
    }
}

/// A response to `id`, which is JSON text, as is `result`.
pub fn result(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// A JSON body.
pub fn json(body: &str) -> Response<Body> {
    typed("application/json", Body::from(body.to_owned()))
}

/// An answer in one piece. `size` is that of a large one, in bytes.
pub fn whole(call: Call, id: &str, n: u64, size: usize) -> Response<Body> {
    let Call::Large { stream } = call else { return json(&result(id, &format!(r#"{{"n":{n}}}"#))) };
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(size / 45 + 1);
    let message = result(id, &format!(r#"{{"n":{n},"text":"{text}"}}"#));
    if !stream {
        return json(&message);
    }
    let event = Bytes::from(format!("data: {message}\n\n"));
    let pieces = (0..event.len()).step_by(16 << 10);
    let pieces = pieces.map(|at| event.slice(at..event.len().min(at + (16 << 10))));
    typed("text/event-stream", server::pieces(pieces.collect()))
}

/// Writes the stream of a call: notifications with the number of the call and theirs, then the answer.
pub async fn tell(log: Arc<Log>, id: String, n: u64, steps: u64, slow: bool) {
    for step in 1..=steps {
        log.push(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{n},"progress":{step}}}}}"#
        ));
        tokio::time::sleep(if slow { SLOW } else { STEP }).await;
    }
    log.push(&result(&id, &format!(r#"{{"n":{n},"steps":{steps}}}"#)));
    log.end();
}

fn typed(content_type: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", content_type.parse().expect("visible"));
    response
}
