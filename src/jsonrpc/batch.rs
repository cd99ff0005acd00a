//! Batches (JSON-RPC 2.0, section 6; in MCP only of revision 2025-03-26).

use bytes::Bytes;
use serde_json::value::RawValue;

use super::Invalid;
use crate::limits::MAX_BATCH;

/// Whether `bytes` begin a JSON array.
pub fn is_batch(bytes: &[u8]) -> bool {
    bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[')
}

/// The members of a batch, in order, as slices of `bytes`.
///
/// # Errors
/// [`Invalid::Json`] if it is not JSON, [`Invalid::Shape`] if it is empty or has more than
/// [`MAX_BATCH`] members.
pub fn split(bytes: &Bytes) -> Result<Vec<Bytes>, Invalid> {
    let text = std::str::from_utf8(bytes).map_err(|e| Invalid::Json(e.to_string()))?;
    let members: Vec<&RawValue> =
        serde_json::from_str(text).map_err(|e| Invalid::Json(e.to_string()))?;
    if members.is_empty() {
        return Err(Invalid::Shape { reason: "the batch is empty", id: None });
    }
    if members.len() > MAX_BATCH {
        return Err(Invalid::Shape { reason: "the batch has too many members", id: None });
    }
    Ok(members.into_iter().map(|member| bytes.slice_ref(member.get().as_bytes())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_bytes() {
        let batch = Bytes::from_static(b" [ {\"a\":1.0} ,[2], 3 ]");
        assert!(is_batch(&batch));
        let members = split(&batch).unwrap();
        assert_eq!(members, [&b"{\"a\":1.0}"[..], b"[2]", b"3"]);
    }

    #[test]
    fn refused_batches() {
        assert!(matches!(split(&Bytes::from_static(b"[]")), Err(Invalid::Shape { .. })));
        assert!(matches!(split(&Bytes::from_static(b"[1,")), Err(Invalid::Json(_))));
        let huge = format!("[{}0]", "0,".repeat(MAX_BATCH));
        assert!(matches!(split(&Bytes::from(huge)), Err(Invalid::Shape { .. })));
        assert!(!is_batch(b"{}"));
    }
}
