//! What the answers of a server say about its era (2026-07-28, basic/transports/streamable-http,
//! "Backward Compatibility").
//!
//! Only what a modern server says and no other counts as modern. Whatever else is wrong with an
//! answer, `initialize` finds it out, and its error is the better one to report.

use bytes::Bytes;

use super::revisions::{self, Revision};
use super::{Era, HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION};
use crate::jsonrpc::splice::elements;
use crate::jsonrpc::{INVALID_REQUEST, member};
use crate::limits::{MAX_NAMED_VERSIONS, MAX_VERSION_NAME};
use crate::secret::{neutralise, truncate};

/// What the answer to `server/discover` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A modern server that speaks a modern revision of ours.
    Modern {
        /// The revision to speak: the one that was asked with, if the server has it.
        revision: &'static Revision,
        /// The JSON text of its `DiscoverResult`.
        result: Bytes,
    },
    /// A modern server that refuses the question.
    Refused {
        /// The code of the error.
        code: i32,
        /// A revision that the server lists and we speak, to ask again with, once. It may be the one
        /// that was asked with.
        retry: Option<&'static Revision>,
        /// The JSON text of the error.
        error: Bytes,
    },
    /// A server with which no revision is shared.
    Incompatible {
        /// Revisions that it lists, as they can be shown; not more than a few.
        supported: Vec<String>,
    },
    /// A legacy server, or one of both eras with which only a legacy revision is shared.
    Legacy,
    /// The answer comes from something else than the MCP server, or from one in trouble.
    Unknown,
}

/// Reads the answer to `server/discover` that was asked in the revision `sent`. Of an SSE answer,
/// `body` is the message with the response.
///
/// 401 and 403 are for whoever knows about authorization, and say nothing here.
pub fn classify(status: u16, body: &[u8], sent: &Revision) -> Finding {
    if !speaks_for_the_server(status) {
        return Finding::Unknown;
    }
    if let Some(code) = modern_error(status, body) {
        return refused(code, body, sent);
    }
    if (200..300).contains(&status)
        && let Some(result) = member::lookup(body, &["result"])
        && let Some(versions) = versions(result, &["supportedVersions"])
    {
        return match revisions::common(&versions, Era::Modern, sent) {
            Some(revision) => {
                Finding::Modern { revision, result: Bytes::copy_from_slice(result.as_bytes()) }
            }
            None => nothing_modern(&versions, sent).unwrap_or(Finding::Legacy),
        };
    }
    // A server that does not know the method cannot be modern: it must implement it.
    Finding::Legacy
}

/// Whether the answer to a legacy `initialize` shows that the server is modern.
///
/// An unknown method or wrong parameters show nothing: legacy servers say that too.
pub fn is_modern_refusal(status: u16, body: &[u8]) -> bool {
    let lists_modern = || {
        member::lookup(body, &["error"])
            .and_then(|error| versions(error, &["data", "supported"]))
            .is_some_and(|versions| {
                versions.iter().any(|name| revisions::era_of(name) == Some(Era::Modern))
            })
    };
    speaks_for_the_server(status) && (modern_error(status, body).is_some() || lists_modern())
}

/// Whether the answer to a modern request shows that the server is not modern, or no longer: there
/// is no endpoint, it takes no such requests, or it misses what only legacy requests have.
pub fn is_legacy_refusal(status: u16, body: &[u8]) -> bool {
    // 422 is what some servers say to a request before `initialize`.
    if !matches!(status, 400 | 404 | 405 | 422) || modern_error(status, body).is_some() {
        return false;
    }
    let Some(code) = error_code(body) else { return true };
    // The range in which servers had codes of their own before there was a policy (2026-07-28,
    // basic, "Error Codes"), and the one that the Python SDK uses.
    let vague = (-32019..=-32000).contains(&code) || code == INVALID_REQUEST;
    let message = member::lookup_string(body, &["error", "message"]).unwrap_or_default();
    let message = message.to_ascii_lowercase();
    let misses = ["session", "initializ", "protocol version"];
    vague && (status == 405 || misses.iter().any(|word| message.contains(word)))
}

/// Whether an answer with this status is one of the MCP server itself. Others come from proxies and
/// guards before it, or when it is in trouble.
fn speaks_for_the_server(status: u16) -> bool {
    match status {
        401 | 403 | 407 | 408 | 425 | 429 => false,
        200..300 | 400..500 => true,
        _ => false,
    }
}

/// The code of an error that only modern servers have: one that 2026-07-28 defines, or, with the
/// statuses that it prescribes, one of the range that is reserved for those to come.
fn modern_error(status: u16, body: &[u8]) -> Option<i32> {
    let code = error_code(body)?;
    let defined = matches!(code, HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION);
    // -32042 was in use before the range was reserved (2025-11-25, "URL elicitation required").
    let reserved =
        (-32099..=-32020).contains(&code) && code != -32042 && matches!(status, 400 | 404);
    (defined || reserved).then_some(code)
}

fn error_code(body: &[u8]) -> Option<i32> {
    member::lookup(body, &["error", "code"])?.parse().ok()
}

fn refused(code: i32, body: &[u8], sent: &Revision) -> Finding {
    let error = member::lookup(body, &["error"]).unwrap_or_default();
    let supported = versions(error, &["data", "supported"]).unwrap_or_default();
    let retry = revisions::common(&supported, Era::Modern, sent);
    if code == UNSUPPORTED_VERSION
        && retry.is_none()
        && let Some(finding) = nothing_modern(&supported, sent)
    {
        return finding;
    }
    Finding::Refused { code, retry, error: Bytes::copy_from_slice(error.as_bytes()) }
}

/// What a list means that has no modern revision of ours. `None` if it is empty.
fn nothing_modern(versions: &[String], sent: &Revision) -> Option<Finding> {
    if revisions::common(versions, Era::Legacy, sent).is_some() {
        return Some(Finding::Legacy);
    }
    let shown = |name: &String| truncate(&neutralise(name), MAX_VERSION_NAME);
    let supported: Vec<_> = versions.iter().take(MAX_NAMED_VERSIONS).map(shown).collect();
    (!supported.is_empty()).then_some(Finding::Incompatible { supported })
}

/// The strings in the array at `path`. `None` if there is no array.
fn versions(json: &str, path: &[&str]) -> Option<Vec<String>> {
    let list = elements(member::lookup(json.as_bytes(), path)?)?;
    Some(list.into_iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
}

#[cfg(test)]
mod tests;
