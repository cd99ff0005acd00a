//! The HTTP headers that mirror a modern request (2026-07-28, basic/transports/streamable-http,
//! "Request Metadata").
//!
//! * `tools`: what is known of the server's tools, and which of them must not be shown.
//! * `schema`: the annotations in one schema.
//! * `value`: a value as a header.
//!
//! A header that cannot be made is left out: the server then says which one it misses, and the
//! request as the client wrote it is never changed.

mod schema;
mod tools;
mod value;

use http::{HeaderMap, HeaderName, HeaderValue};

pub use self::schema::Fault;
use self::schema::Param;
pub use self::tools::{Learned, Rejected, ToolHeaders};
use super::PROTOCOL_VERSION;
use crate::jsonrpc::splice::{Member, members};
use crate::jsonrpc::{Message, member};

/// The revision that the request is written in.
pub const VERSION_HEADER: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The method of the request.
pub const METHOD_HEADER: HeaderName = HeaderName::from_static("mcp-method");
/// What the request is about: a tool, a prompt, a resource, a task.
pub const NAME_HEADER: HeaderName = HeaderName::from_static("mcp-name");

/// The headers of a modern request: `MCP-Protocol-Version` and `Mcp-Method` for all of them,
/// `Mcp-Name` where there is a name, and `Mcp-Param-*` for a call of a tool that asks for them
/// ("Standard Request Headers", "Custom Headers from Tool Parameters").
///
/// Of repeated members the last one counts. A value longer than
/// [`MAX_MIRRORED_VALUE`](crate::limits::MAX_MIRRORED_VALUE) is left out.
pub fn of_request(request: &Message, tools: &ToolHeaders) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(4);
    let Some(method) = request.method() else { return headers };
    let params = member::lookup(request.bytes(), &["params"]).and_then(members).unwrap_or_default();
    let version = last(&params, "_meta")
        .and_then(|meta| member::lookup_string(meta.as_bytes(), &[PROTOCOL_VERSION]));
    // These two have no encoding, unlike names and arguments.
    put(&mut headers, VERSION_HEADER, version.as_deref().and_then(value::plain));
    put(&mut headers, METHOD_HEADER, value::plain(method));
    let Some(name) = name_of(method).and_then(|name| last(&params, name)).and_then(value::string)
    else {
        return headers;
    };
    put(&mut headers, NAME_HEADER, value::encoded(&name));
    if method == "tools/call"
        && let Some(annotated) = tools.of(&name)
        && let Some(arguments) = last(&params, "arguments")
    {
        mirror(arguments, annotated, 0, &mut headers);
    }
    headers
}

/// The member of `params` that is the name of a request. The tasks extension sends the task, so that
/// every request about it can be brought to where it is.
fn name_of(method: &str) -> Option<&'static str> {
    Some(match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
        _ => return None,
    })
}

/// The headers for the values in the object `text`, which is at `depth` on the way to all of
/// `annotated`. These are in the order of their paths, so that each object is read once.
fn mirror(text: &str, annotated: &[Param], depth: usize, headers: &mut HeaderMap) {
    let Some(members) = members(text) else { return };
    for group in annotated.chunk_by(|a, b| a.path.get(depth) == b.path.get(depth)) {
        let Some(value) = group[0].path.get(depth).and_then(|name| last(&members, name)) else {
            continue;
        };
        let (here, deeper) = match group {
            [first, rest @ ..] if first.path.len() == depth + 1 => (Some(first), rest),
            _ => (None, group),
        };
        // `null` is as good as absent ("Server Behavior for Custom Headers").
        if let Some(here) = here.filter(|_| value != "null") {
            put(headers, here.header.clone(), value::text(value).and_then(|v| value::encoded(&v)));
        }
        if !deeper.is_empty() {
            mirror(value, deeper, depth + 1, headers);
        }
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    match value {
        Some(value) => {
            headers.insert(name, value);
        }
        None => log::debug!("a request goes without {name}, which cannot hold its value"),
    }
}

fn last<'a>(members: &[Member<'a>], name: &str) -> Option<&'a str> {
    members.iter().rfind(|member| member.key == name).map(|member| member.value)
}

#[cfg(test)]
mod tests;
