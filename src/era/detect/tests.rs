//! Answers of real servers, of the mocks of the conformance suite, and of what stands before them.

use proptest::prelude::*;

use super::*;
use crate::era::revisions::{REVISIONS, newest};

fn modern() -> &'static Revision {
    newest(Era::Modern)
}

/// The finding in a word, for the tables.
fn word(status: u16, body: &str) -> String {
    match classify(status, body.as_bytes(), modern()) {
        Finding::Modern { revision, .. } => format!("modern {}", revision.name),
        Finding::Refused { code, retry, .. } => {
            format!("refused {code} {}", retry.map_or("-", |revision| revision.name))
        }
        Finding::Incompatible { supported } => format!("incompatible {}", supported.join(" ")),
        Finding::Legacy => "legacy".to_owned(),
        Finding::Unknown => "unknown".to_owned(),
    }
}

fn error(code: i32, more: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"m"{more}}}}}"#)
}

#[test]
fn results() {
    for (result, expected) in [
        (r#"{"supportedVersions":["2026-07-28"]}"#, "modern 2026-07-28"),
        (
            r#"{"supportedVersions":["2025-11-25","2027-01-01","2026-07-28",1]}"#,
            "modern 2026-07-28",
        ),
        (r#"{"supportedVersions":["2025-11-25"]}"#, "legacy"),
        (r#"{"supportedVersions":["2027-01-01","2024-11-05"]}"#, "legacy"),
        (
            r#"{"supportedVersions":["2027-01-01","\u0007next"]}"#,
            "incompatible 2027-01-01 \\u{7}next",
        ),
        (r#"{"supportedVersions":["2024-10-07"]}"#, "incompatible 2024-10-07"),
        // Not what `server/discover` answers.
        (r#"{"supportedVersions":[]}"#, "legacy"),
        (r#"{"supportedVersions":[1,null]}"#, "legacy"),
        (r#"{"supportedVersions":"2026-07-28"}"#, "legacy"),
        (r#"{"supportedVersions":{"0":"2026-07-28"}}"#, "legacy"),
        (r#"{"protocolVersion":"2026-07-28"}"#, "legacy"),
        ("{}", "legacy"),
        ("null", "legacy"),
        (r#"["2026-07-28"]"#, "legacy"),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
        assert_eq!(word(200, &body), expected, "{body}");
        assert_eq!(word(400, &body), "legacy", "a result with an error status: {body}");
        assert_eq!(word(500, &body), "unknown", "{body}");
    }
    let body = br#"{"id":1,"result": {"supportedVersions":["2026-07-28"], "n":1.0 } }"#;
    let Finding::Modern { result, .. } = classify(200, body, modern()) else { panic!("modern") };
    assert_eq!(result, r#"{"supportedVersions":["2026-07-28"], "n":1.0 }"#);
}

#[test]
fn errors() {
    for (status, code, more, expected) in [
        (400, -32022, r#","data":{"supported":["2026-07-28"]}"#, "refused -32022 2026-07-28"),
        (
            400,
            -32022,
            r#","data":{"supported":["2025-11-25","2026-07-28"],"requested":"2026-07-28"}"#,
            "refused -32022 2026-07-28",
        ),
        (400, -32022, r#","data":{"supported":["2025-11-25","2024-11-05"]}"#, "legacy"),
        (400, -32022, r#","data":{"supported":["2027-01-01"]}"#, "incompatible 2027-01-01"),
        (400, -32022, r#","data":{"supported":[]}"#, "refused -32022 -"),
        (400, -32022, r#","data":{"supported":"2027-01-01"}"#, "refused -32022 -"),
        (400, -32022, "", "refused -32022 -"),
        (400, -32020, "", "refused -32020 -"),
        (400, -32020, r#","data":{"supported":["2025-11-25"]}"#, "refused -32020 -"),
        (400, -32021, r#","data":{"requiredCapabilities":{}}"#, "refused -32021 -"),
        (400, -32021, r#","data":{"supported":["2026-07-28"]}"#, "refused -32021 2026-07-28"),
        // An error may come in a stream that had begun well.
        (200, -32022, r#","data":{"supported":["2026-07-28"]}"#, "refused -32022 2026-07-28"),
        (404, -32020, "", "refused -32020 -"),
        (422, -32021, "", "refused -32021 -"),
        // Codes to come, where the specification would have them.
        (400, -32023, "", "refused -32023 -"),
        (404, -32099, "", "refused -32099 -"),
        (200, -32099, "", "legacy"),
        (405, -32099, "", "legacy"),
        // Codes that legacy servers use.
        (400, -32100, "", "legacy"),
        (400, -32042, "", "legacy"),
        (400, -32019, "", "legacy"),
        (400, -32000, "", "legacy"),
        (400, -32602, "", "legacy"),
        (400, -32601, "", "legacy"),
        (404, -32601, "", "legacy"),
        (200, -32601, "", "legacy"),
        (200, -32602, "", "legacy"),
        (404, -32001, "", "legacy"),
        // Whatever they say.
        (500, -32022, r#","data":{"supported":["2026-07-28"]}"#, "unknown"),
        (503, -32020, "", "unknown"),
        (401, -32022, "", "unknown"),
        (403, -32020, "", "unknown"),
        (429, -32022, "", "unknown"),
    ] {
        assert_eq!(word(status, &error(code, more)), expected, "{status} {code} {more}");
    }
    let body = br#"{"id":1,"error": {"code":-32020, "n":1.0 } }"#;
    let Finding::Refused { error, .. } = classify(400, body, modern()) else { panic!("refused") };
    assert_eq!(error, r#"{"code":-32020, "n":1.0 }"#);
}

#[test]
fn other_answers() {
    for body in [
        "",
        "   ",
        "null",
        "[]",
        "{}",
        "<!DOCTYPE html><title>Sign in</title>",
        "Bad Request: Session ID is required",
        r#"{"detail":"Not Found"}"#,
        r#"{"error":"invalid_request"}"#,
        r#"{"error":{"code":"-32022","message":"m"}}"#,
        r#"{"error":{"message":"-32022"}}"#,
        r#"[{"error":{"code":-32022}}]"#,
        r#"{"code":-32022}"#,
        r#"{"error":{"code":-99999999999999999999}}"#,
    ] {
        for (status, expected) in [
            (200, "legacy"),
            (202, "legacy"),
            (204, "legacy"),
            (400, "legacy"),
            (404, "legacy"),
            (405, "legacy"),
            (406, "legacy"),
            (410, "legacy"),
            (415, "legacy"),
            (422, "legacy"),
            (100, "unknown"),
            (302, "unknown"),
            (401, "unknown"),
            (403, "unknown"),
            (407, "unknown"),
            (408, "unknown"),
            (425, "unknown"),
            (429, "unknown"),
            (500, "unknown"),
            (502, "unknown"),
            (503, "unknown"),
            (504, "unknown"),
            (0, "unknown"),
            (999, "unknown"),
        ] {
            assert_eq!(word(status, body), expected, "{status} {body}");
        }
    }
    assert_eq!(
        classify(400, b"{\"error\":{\"code\":-32022,\"\xff\":1}}", modern()),
        Finding::Legacy
    );
}

#[test]
fn a_long_list_is_named_in_part() {
    let long = "x".repeat(100);
    let list = vec![format!("\"{long}\""); 100].join(",");
    let body = error(-32022, &format!(r#","data":{{"supported":[{list}]}}"#));
    let Finding::Incompatible { supported } = classify(400, body.as_bytes(), modern()) else {
        panic!("incompatible")
    };
    assert_eq!(supported.len(), MAX_NAMED_VERSIONS);
    assert!(supported.iter().all(|name| name.chars().count() == MAX_VERSION_NAME));
    // One that we speak is found wherever it stands.
    let body = error(-32022, &format!(r#","data":{{"supported":[{list},"2026-07-28"]}}"#));
    assert_eq!(word(400, &body), "refused -32022 2026-07-28");
}

#[test]
fn refusals_of_initialize() {
    for (status, body, expected) in [
        (400, error(-32022, r#","data":{"supported":["2026-07-28"]}"#), true),
        (400, error(-32022, ""), true),
        (400, error(-32020, ""), true),
        (400, error(-32021, ""), true),
        (200, error(-32022, ""), true),
        (404, error(-32023, ""), true),
        (404, error(-32601, r#","data":{"supported":["2026-07-28"]}"#), true),
        (400, error(-32602, r#","data":{"supported":["2027-02-03"]}"#), true),
        (200, error(-32602, r#","data":{"supported":["2025-11-25","2026-07-28"]}"#), true),
        (400, error(-32602, r#","data":{"supported":["2025-11-25"]}"#), false),
        (400, error(-32602, r#","data":{"supported":["next"]}"#), false),
        (400, error(-32602, r#","data":{"supported":"2026-07-28"}"#), false),
        (400, error(-32602, ""), false),
        (404, error(-32601, ""), false),
        (400, error(-32000, ""), false),
        (401, error(-32022, ""), false),
        (403, error(-32022, ""), false),
        (500, error(-32022, ""), false),
        (200, r#"{"id":1,"result":{"protocolVersion":"2025-11-25"}}"#.to_owned(), false),
        (400, String::new(), false),
        (404, "<html>".to_owned(), false),
    ] {
        assert_eq!(is_modern_refusal(status, body.as_bytes()), expected, "{status} {body}");
    }
}

#[test]
fn refusals_of_modern_requests() {
    let said = |code: i32, message: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":"server-error","error":{{"code":{code},"message":"{message}"}}}}"#
        )
    };
    for (status, body, expected) in [
        (400, said(-32000, "Bad Request: Server not initialized"), true),
        (400, said(-32000, "Bad Request: No valid session ID provided"), true),
        (400, said(-32000, "Bad Request: Mcp-Session-Id header is required"), true),
        (400, said(-32600, "Bad Request: Missing session ID"), true),
        (404, said(-32600, "Session not found"), true),
        (404, said(-32001, "Session not found"), true),
        (
            400,
            said(
                -32000,
                "Bad Request: Unsupported protocol version: 2026-07-28 (supported versions: 2025-11-25)",
            ),
            true,
        ),
        (405, said(-32000, "Method not allowed."), true),
        (400, "Bad Request: Session ID is required".to_owned(), true),
        (422, "Unexpected message, expect initialize request".to_owned(), true),
        (404, "<html>404</html>".to_owned(), true),
        (404, r#"{"detail":"Not Found"}"#.to_owned(), true),
        (404, r#"{"error":"not_found"}"#.to_owned(), true),
        (405, String::new(), true),
        (400, String::new(), true),
        // A modern server refuses one request, not all.
        (404, said(-32601, "Method not found"), false),
        (405, said(-32601, "Method not found"), false),
        (400, said(-32602, "Invalid params: session is required"), false),
        (400, said(-32700, "Parse error"), false),
        (400, said(-32600, "Invalid Request"), false),
        (400, said(-32000, "Out of cheese"), false),
        (400, said(-32020, "Header mismatch: no session"), false),
        (400, said(-32021, "Missing capability"), false),
        (400, said(-32022, "Unsupported protocol version"), false),
        (404, said(-32050, "session"), false),
        (400, said(-31000, "session"), false),
        // And these say nothing.
        (401, String::new(), false),
        (403, String::new(), false),
        (413, String::new(), false),
        (429, String::new(), false),
        (500, said(-32000, "Server not initialized"), false),
        (200, said(-32000, "Server not initialized"), false),
        (200, String::new(), false),
    ] {
        assert_eq!(is_legacy_refusal(status, body.as_bytes()), expected, "{status} {body}");
    }
}

proptest! {
    #[test]
    fn verdicts_agree(
        status in prop_oneof![Just(200u16), Just(400), Just(404), Just(405), any::<u16>()],
        code in prop_oneof![-32110i32..-31990, Just(-32601), any::<i32>()],
        listed in prop::collection::vec(
            prop_oneof![prop::sample::select(REVISIONS.map(|r| r.name).to_vec()), Just("2027-01-01"), Just("")],
            0..4,
        ),
        result in any::<bool>(),
    ) {
        let body = if result {
            serde_json::json!({"id": 1, "result": {"supportedVersions": listed}})
        } else {
            serde_json::json!({"id": 1, "error": {"code": code, "data": {"supported": listed}}})
        };
        let body = body.to_string();
        let listed_modern = listed.contains(&"2026-07-28");
        match classify(status, body.as_bytes(), modern()) {
            Finding::Modern { revision, .. } => {
                prop_assert!(result && listed_modern && (200..300).contains(&status));
                prop_assert_eq!(revision, modern());
            }
            Finding::Refused { retry, .. } => {
                prop_assert!(!result);
                prop_assert_eq!(retry.is_some(), listed_modern);
                prop_assert!(is_modern_refusal(status, body.as_bytes()));
                prop_assert!(!is_legacy_refusal(status, body.as_bytes()));
            }
            Finding::Incompatible { supported } => {
                prop_assert!(!supported.is_empty() && !listed_modern);
                prop_assert!(!listed.iter().any(|name| revisions::named(name).is_some()));
            }
            Finding::Legacy => {
                prop_assert!(status < 500);
                prop_assert!(!(result && listed_modern && (200..300).contains(&status)));
            }
            Finding::Unknown => {
                prop_assert!(!(200..300).contains(&status) && ![400, 404, 405].contains(&status));
                prop_assert!(!is_modern_refusal(status, body.as_bytes()));
                prop_assert!(!is_legacy_refusal(status, body.as_bytes()));
            }
        }
    }

    #[test]
    fn any_body_is_read_without_panic(status: u16, bytes in prop::collection::vec(any::<u8>(), 0..60), text in "(error|code|-32022|result|data|supported|[\\[\\]{}:,\"]){0,24}") {
        for body in [&bytes[..], text.as_bytes()] {
            let refused = matches!(classify(status, body, modern()), Finding::Refused { .. });
            prop_assert!(!refused || is_modern_refusal(status, body));
            prop_assert!(!refused || !is_legacy_refusal(status, body));
        }
    }
}
