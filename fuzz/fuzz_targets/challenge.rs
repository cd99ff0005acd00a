//! `WWW-Authenticate` fields, one in each line, and that what was read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_tether::auth::challenge::parse;
use mcp_tether::limits::MAX_CHALLENGE;

fuzz_target!(|input: &[u8]| {
    let found = parse(input.split(|byte| *byte == b'\n'));
    let parameters = [
        ("resource_metadata", &found.resource_metadata),
        ("scope", &found.scope),
        ("error", &found.error),
        ("error_description", &found.error_description),
    ];
    let mut field = String::from(if found.bearer { "Bearer" } else { "DPoP" });
    for (name, value) in parameters {
        if let Some(value) = value {
            assert!(!value.trim().is_empty());
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            field.push_str(&format!(" {name}=\"{value}\","));
        }
    }
    if field.len() <= MAX_CHALLENGE {
        assert_eq!(parse([field.as_bytes()]), found);
    }
});
