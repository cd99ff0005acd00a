//! Two bytes of status and a body, as answers to `server/discover`, `initialize` and others.
use mcp_tether::era::Era;
use mcp_tether::era::detect::{Finding, classify, is_legacy_refusal, is_modern_refusal};
use mcp_tether::era::revisions::{named, newest};
use mcp_tether::jsonrpc::member;
use mcp_tether::limits::{MAX_NAMED_VERSIONS, MAX_VERSION_NAME};

/// One input.
pub fn run(input: &[u8]) {
    let Some((status, body)) = input.split_first_chunk() else { return };
    let status = u16::from_be_bytes(*status);
    for status in [status, 200, 400, 404] {
        let modern = is_modern_refusal(status, body);
        let legacy = is_legacy_refusal(status, body);
        match classify(status, body, newest(Era::Modern)) {
            Finding::Modern { revision, result } => {
                assert!((200..300).contains(&status));
                assert_eq!(revision.era, Era::Modern);
                assert!(member::lookup(&result, &["supportedVersions"]).is_some());
            }
            Finding::Refused { code, retry, error } => {
                assert!(modern && !legacy);
                assert!(retry.is_none_or(|revision| revision.era == Era::Modern));
                let text = member::lookup(&error, &["code"]).expect("it has a code");
                assert_eq!(text.parse(), Ok(code));
            }
            Finding::Incompatible { supported } => {
                assert!(!supported.is_empty() && supported.len() <= MAX_NAMED_VERSIONS);
                for name in supported {
                    assert!(named(&name).is_none() && name.chars().count() <= MAX_VERSION_NAME);
                }
            }
            Finding::Legacy => assert!(status < 500),
            Finding::Unknown => assert!(!modern && !legacy && ![200, 400, 404].contains(&status)),
        }
    }
}
