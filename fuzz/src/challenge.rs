//! `WWW-Authenticate` fields, one in each line, and that what was read can be written and read again.
use mcp_tether::auth::challenge::parse;
use mcp_tether::limits::MAX_CHALLENGE;

/// One input.
pub fn run(input: &[u8]) {
    let found = parse(input.split(|byte| *byte == b'\n'));
    let parameters = [
        ("resource_metadata", &found.resource_metadata),
        ("scope", &found.scope),
        ("error", &found.error),
        ("error_description", &found.error_description),
    ];
    let mut field = String::new();
    let mut write = |scheme: &str, parameters: &[(&str, &Option<String>)]| {
        field.push_str(scheme);
        for (name, value) in parameters {
            if let Some(value) = value {
                assert!(!value.trim().is_empty());
                let value = value.replace('\\', "\\\\").replace('"', "\\\"");
                field.push_str(&format!(" {name}=\"{value}\","));
            }
        }
        field.push(',');
    };
    if found.dpop && (found.bearer || found.dpop_error != found.error) {
        write("DPoP", &[("error", &found.dpop_error)]);
    }
    match (found.bearer, found.dpop) {
        (true, _) => write("Bearer", &parameters),
        (false, true) => write("DPoP", &parameters),
        (false, false) => write("Other", &parameters),
    }
    assert!(found.dpop || found.dpop_error.is_none());
    if field.len() <= MAX_CHALLENGE {
        assert_eq!(parse([field.as_bytes()]), found);
    }
}
