//! The messages of the benchmark as bytes, and the few searches in them that all sides need.
//!
//! Nothing here parses JSON: both ends are ours and write their members in a known order, so a
//! substring search is exact and costs the measurement next to nothing.

use std::collections::VecDeque;
use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem;

/// The path of the endpoint that speaks 2025-11-25, and of the one that speaks 2026-07-28.
pub const LEGACY: &str = "/mcp";
pub const MODERN: &str = "/modern";

/// The path of the endpoint that speaks 2025-11-25 to whoever has [`TOKEN`].
pub const SECURED: &str = "/secured";

/// The access token.
pub const TOKEN: &str = "fake-bench-token";

/// The revision that both sides speak at [`LEGACY`].
pub const REVISION: &str = "2025-11-25";

/// The session id that the server gives.
pub const SESSION: &str = "bench-session-0001";

/// Bytes of the text in the large result that has a target.
pub const LARGE: usize = 32 * 1024 * 1024;

/// Bytes of one piece of the large result on an event stream.
pub const PIECE: usize = 16 * 1024;

/// The client's first message.
pub const INITIALIZE: &str = concat!(
    r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","#,
    r#""capabilities":{},"clientInfo":{"name":"bench","version":"1.0.0"}}}"#
);

/// The client's second message.
pub const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// The server's answer to [`INITIALIZE`].
pub const INITIALIZE_RESULT: &str = concat!(
    r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","#,
    r#""capabilities":{"tools":{}},"serverInfo":{"name":"bench","version":"1.0.0"}}}"#
);

/// What stands after the id in the answers of a server of [`MODERN`] to `server/discover`, `tools/list` and a small call.
pub const DISCOVER_TAIL: &str = concat!(
    r#","result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"#,
    r#""ttlMs":3600000,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"bench","version":"1"}}}}"#
);
pub const LIST_TAIL: &str = concat!(
    r#","result":{"resultType":"complete","tools":[{"name":"small","inputSchema":{"type":"object"}}],"#,
    r#""ttlMs":3600000,"cacheScope":"public"}}"#
);
pub const MODERN_SMALL_TAIL: &str = concat!(
    r#","result":{"resultType":"complete","content":[{"type":"text","text":"The quick brown fox jumps over the lazy dog, "#,
    r#"and the result of the tool is forty-two."}],"isError":false}}"#
);
pub const NO_METHOD_TAIL: &str = r#","error":{"code":-32601,"message":"Method not found"}}"#;

/// What stands after the id in the answer of a server of [`LEGACY`] to `tools/list`, which some bridges ask for.
pub const TOOLS_TAIL: &str = concat!(
    r#","result":{"tools":[{"name":"small","inputSchema":{"type":"object"}},{"name":"small-sse","inputSchema":{"type":"object"}},"#,
    r#"{"name":"burst","inputSchema":{"type":"object"}},{"name":"json","inputSchema":{"type":"object"}},"#,
    r#"{"name":"sse","inputSchema":{"type":"object"}}]}}"#
);

/// One notification of a burst.
pub const NOTIFICATION: &str = concat!(
    r#"{"jsonrpc":"2.0","method":"notifications/progress","#,
    r#""params":{"progressToken":"t-1","progress":50,"total":100}}"#
);

/// What stands after the id in the answer to a small call.
pub const SMALL_TAIL: &str = concat!(
    r#","result":{"content":[{"type":"text","text":"The quick brown fox jumps over the lazy dog, "#,
    r#"and the result of the tool is forty-two."}],"isError":false}}"#
);

/// What stands before the text of a large result.
pub const LARGE_HEAD: &str = r#"{"jsonrpc":"2.0","result":{"content":[{"type":"text","text":""#;

/// What stands between the text of a large result and its id.
pub const LARGE_TAIL: &str = r#""}]},"id":"#;

/// One line of the text of a large result, as it stands in JSON: prose with the escapes that text has (`\n` at the
/// end, a quoted word).
const LINE: &[u8] =
    br#"2026-01-01T00:00:00Z INFO request \"tools/call\" took 12 ms and returned 200 OK\n"#;

/// About [`LARGE`] bytes of such lines.
pub static LARGE_TEXT: LazyLock<Bytes> = LazyLock::new(|| {
    let mut text = Vec::with_capacity(LARGE);
    while text.len() + LINE.len() <= LARGE {
        text.extend_from_slice(LINE);
    }
    Bytes::from(text)
});

/// The tools of the benchmark's server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Answers at once with a small JSON body.
    Small,
    /// Sends so many notifications on the response stream, then a small answer.
    Burst(usize),
    /// Answers at once with a small message as the only event of a stream.
    SmallSse,
    /// Answers with so many bytes of text as one JSON body.
    Json(usize),
    /// The same as one event, sent in pieces of [`PIECE`] bytes.
    Sse(usize),
    /// Is called with so many bytes of text, and answers like [`Tool::Small`].
    Upload(usize),
}

impl Tool {
    /// The call of this tool with the id `id`, without a line end.
    pub fn call(self, id: u64) -> String {
        let (name, count) = match self {
            Tool::Small => ("small", 0),
            Tool::Burst(count) => ("burst", count),
            Tool::SmallSse => ("small-sse", 0),
            Tool::Json(bytes) => ("json", bytes),
            Tool::Sse(bytes) => ("sse", bytes),
            Tool::Upload(bytes) => {
                return format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"small","arguments":{{"text":"{}"}}}}}}"#,
                    "x".repeat(bytes)
                );
            }
        };
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","arguments":{{"count":{count}}}}}}}"#
        )
    }

    /// The tool that a call asks for.
    pub fn of(call: &[u8]) -> Option<Tool> {
        let count = || number(call, br#""count":"#).and_then(|count| usize::try_from(count).ok());
        match until(call, br#""name":""#, b"\"")? {
            b"small" => Some(Tool::Small),
            b"small-sse" => Some(Tool::SmallSse),
            b"burst" => count().map(Tool::Burst),
            b"json" => count().map(Tool::Json),
            b"sse" => count().map(Tool::Sse),
            _ => None,
        }
    }
}

/// The id of a request or an answer of the benchmark.
pub fn id(message: &[u8]) -> Option<u64> {
    number(message, br#""id":"#)
}

/// The id of a message as it stands there, and its method.
pub fn id_and_method(message: &[u8]) -> Option<(&[u8], &[u8])> {
    Some((until(message, br#""id":"#, b",}")?, until(message, br#""method":""#, b"\"")?))
}

/// Bytes of the answer to [`Tool::Json`] and of the message in [`Tool::Sse`] with so many bytes of text.
pub fn large_length(id: u64, text: usize) -> usize {
    LARGE_HEAD.len() + text + LARGE_TAIL.len() + id.to_string().len() + 1
}

/// So many bytes of the text of a large result, in pieces of at most `piece` bytes. A whole number of lines but
/// for blanks at the end, so that no escape is cut.
pub fn text(bytes: usize, piece: usize) -> VecDeque<Bytes> {
    let whole = bytes - bytes % LINE.len();
    let mut pieces = VecDeque::with_capacity(bytes / piece + 2);
    let mut left = whole;
    while left > 0 {
        let part = LARGE_TEXT.slice(..left.min(LARGE_TEXT.len()));
        left -= part.len();
        pieces.extend(
            (0..part.len()).step_by(piece).map(|at| part.slice(at..part.len().min(at + piece))),
        );
    }
    pieces.push_back(Bytes::from(vec![b' '; bytes - whole]));
    pieces
}

/// Whether a line is a successful answer.
pub fn is_result(line: &[u8]) -> bool {
    memmem::find(line, br#""result":"#).is_some()
}

fn number(text: &[u8], key: &[u8]) -> Option<u64> {
    std::str::from_utf8(until(text, key, b",}")?).ok()?.parse().ok()
}

/// What stands between the first `key` and the next of the bytes `ends`.
fn until<'a>(text: &'a [u8], key: &[u8], ends: &[u8]) -> Option<&'a [u8]> {
    let rest = &text[memmem::find(text, key)? + key.len()..];
    let length = rest.iter().position(|byte| ends.contains(byte))?;
    Some(&rest[..length])
}
