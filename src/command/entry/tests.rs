use clap::Parser as _;

use super::*;
use crate::bridge::TransportChoice;
use crate::cli::{Cli, Command};
use crate::clients::document::{Format, parse};
use crate::clients::servers::find;

fn env(name: &str) -> Option<String> {
    match name {
        "TOKEN" => Some("fake-token-1".to_owned()),
        "HOSTNAME" => Some("h.example".to_owned()),
        _ => None,
    }
}

fn resolved(entry: &str) -> Result<Ready, Trouble> {
    let text = format!("{{\"mcpServers\": {{\"it\": {entry}}}}}");
    let server = find(&parse(text.as_bytes(), Format::Json).unwrap(), None).unwrap().remove(0);
    let cli = Cli::parse_from(["mcp-tether", "check", "https://unused.example/"]);
    let Some(Command::Check(args)) = cli.command else { panic!() };
    resolve(&server, &args.connection, &args.sign_in, &env)
}

/// The URL and one header.
#[track_caller]
fn goes_to(entry: &str, url: &str, header: Option<(&str, &str)>) -> Ready {
    let ready = resolved(entry).unwrap_or_else(|trouble| panic!("{entry}: {trouble:?}"));
    let target = &ready.config.target;
    assert_eq!(target.url.as_str(), url, "{entry}");
    match header {
        Some((name, value)) => assert_eq!(target.headers[name], value, "{entry}"),
        None => assert!(target.headers.is_empty(), "{entry}"),
    }
    ready
}

#[test]
fn entries_lead_where_the_client_goes() {
    let bearer = Some(("authorization", "Bearer fake-token-1"));
    for entry in [
        r#"{"url": "https://${HOSTNAME}/", "headers": {"Authorization": "Bearer ${env:TOKEN}"}}"#,
        r#"{"command": "mcp-tether", "args": ["https://${HOSTNAME}/", "--header", "Authorization:Bearer ${T}"], "env": {"T": "${TOKEN}"}}"#,
        r#"{"command": "mcp-tether", "args": ["https://h.example/", "-H", "Authorization:Bearer ${env:TOKEN}"]}"#,
        r#"{"command": "npx", "args": ["-y", "mcp-remote@latest", "https://h.example/", "3334", "--header", "Authorization:${A}"], "env": {"A": "Bearer ${TOKEN}"}}"#,
        r#"{"command": "uvx", "args": ["mcp-stdio", "https://h.example/"], "env": {"MCP_BEARER_TOKEN": "fake-token-1"}}"#,
        r#"{"command": "uvx", "args": ["mcp-stdio", "https://h.example/", "--bearer-token", "${TOKEN}"]}"#,
    ] {
        let ready = goes_to(entry, "https://h.example/", bearer);
        assert_eq!(ready.config.target.sign_in.settings.mode, Mode::Configured);
        assert_eq!(ready.config.target.redactor.clean("x fake-token-1", 99), "x [redacted]");
    }
    // What a value looks like does not matter once it is one.
    let entry = r#"{"url": "https://h.example/", "headers": {"X-A": "${V:-a$}b", "X-Empty": ""}}"#;
    let ready = goes_to(entry, "https://h.example/", Some(("x-a", "a$b")));
    assert_eq!(ready.config.target.headers["x-empty"], "");
    assert_eq!(ready.config.target.sign_in.settings.mode, Mode::Stored);
}

#[test]
fn flags_and_types_say_what_is_spoken() {
    for (entry, transport) in [
        (r#"{"url": "http://h.example/"}"#, TransportChoice::Auto),
        (r#"{"type": "http", "url": "http://h.example/"}"#, TransportChoice::Http),
        (r#"{"type": "sse", "url": "http://h.example/"}"#, TransportChoice::Sse),
        (r#"{"command": "mcp-stdio", "args": ["http://h.example/"]}"#, TransportChoice::Http),
        (
            r#"{"command": "mcp-remote", "args": ["http://h.example/", "--allow-http", "--transport", "sse-only"]}"#,
            TransportChoice::Sse,
        ),
        (
            r#"{"command": "mcp-tether", "args": ["http://h.example/", "--allow-http", "--transport=http"]}"#,
            TransportChoice::Http,
        ),
    ] {
        let ready = goes_to(entry, "http://h.example/", None);
        assert_eq!(ready.config.target.transport, transport, "{entry}");
    }
}

#[test]
fn header_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("headers");
    std::fs::write(&path, "# for it\nX-Key: fake-${TOKEN}\nnothing\n").unwrap();
    let entry = |path: &Path| {
        let path = serde_json::json!(path);
        format!(
            r#"{{"command": "mcp-remote", "args": ["https://h.example/", "--header-file", {path}]}}"#
        )
    };
    goes_to(&entry(&path), "https://h.example/", Some(("x-key", "fake-fake-token-1")));
    let missing = resolved(&entry(&folder.path().join("missing"))).err().unwrap();
    assert!(missing.cause.starts_with("--header-file"), "{missing:?}");
    let no_file = resolved(&entry(folder.path())).err().unwrap();
    assert!(no_file.cause.contains("regular file"), "{no_file:?}");
    File::create(&path).unwrap().set_len(MAX_HEADER_FILE as u64 + 1).unwrap();
    assert!(resolved(&entry(&path)).err().unwrap().cause.contains("too large"));
}

#[test]
fn what_is_left_out_is_said() {
    let entry = r#"{"command": "mcp-remote", "args": ["https://h.example/", "--device-code"], "env": {"HTTPS_PROXY": "http://u:fake-secret@p.example/"}}"#;
    let notes = goes_to(entry, "https://h.example/", None).notes.join(", ");
    assert!(notes.contains("--device-code") && notes.contains("HTTPS_PROXY"), "{notes}");
    assert!(!notes.contains("fake-secret"), "{notes}");
}

#[test]
fn what_leads_nowhere_says_why_and_shows_no_value() {
    for (entry, cause) in [
        (r#"{"command": "fake-secret-server"}"#, "is started on this machine"),
        (r#"{"url": "https://h.example/", "headers": {"A": "fake-secret ${UNSET}"}}"#, "UNSET"),
        (r#"{"url": "https://h.example/", "headers": {"A": "${input:key}"}}"#, "only the client"),
        (r#"{"url": "fake-secret@"}"#, "is not a URL"),
        (r#"{"url": "https://h.example/", "headers": {"Bad Name": "fake-secret"}}"#, "header name"),
        (r#"{"command": "mcp-tether"}"#, "no URL"),
        (r#"{"command": "npx", "args": ["mcp-remote"]}"#, "no URL"),
        (r#"{"command": "mcp-tether", "args": ["https://h.example/", "--fake"]}"#, "--fake"),
        (r#"{"command": "mcp-tether", "args": ["http://h.example/"]}"#, "--allow-http"),
        (r#"{"command": "mcp-remote", "args": ["http://h.example/"]}"#, "--allow-http"),
        (
            r#"{"command": "mcp-tether", "args": ["https://h.example/"], "env": {"A": "${input:a}"}}"#,
            "only the client",
        ),
    ] {
        let trouble = resolved(entry).err().unwrap_or_else(|| panic!("{entry}"));
        assert!(trouble.cause.contains(cause), "{entry}: {trouble:?}");
        let local = entry.contains("fake-secret-server");
        assert!(local || !trouble.cause.contains("fake-secret"), "{trouble:?}");
        assert!(trouble.next.len() > 5, "{trouble:?}");
    }
}
