use super::*;
use crate::clients::document::{Format, parse};
use crate::clients::places::CLIENTS;
use crate::clients::template::Plain;

fn read(text: &str) -> Vec<Server> {
    find(&parse(text.as_bytes(), Format::Json).unwrap(), None).unwrap_or_default()
}

/// The one server of a file whose entry this is.
#[track_caller]
fn one(entry: &str) -> Server {
    let mut found = read(&format!("{{\"mcpServers\": {{\"it\": {entry}}}}}"));
    assert_eq!(found.len(), 1, "{entry}");
    found.remove(0)
}

fn pairs(pairs: &[(String, Template)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (&**name, value.expose())).collect()
}

#[track_caller]
fn bridge(entry: &str, kind: BridgeKind, url: &str) -> Bridge {
    let server = one(entry);
    let Kind::Bridge(bridge) = server.kind else { panic!("{entry}: {server:?}") };
    assert_eq!((bridge.kind, bridge.url.as_ref().unwrap().expose()), (kind, url), "{entry}");
    *bridge
}

#[track_caller]
fn remote(entry: &str, url: &str, wire: Option<Wire>) -> Remote {
    let server = one(entry);
    let Kind::Remote(remote) = server.kind else { panic!("{entry}: {server:?}") };
    assert_eq!((remote.url.expose(), remote.wire), (url, wire), "{entry}");
    remote
}

#[test]
fn every_place_for_servers() {
    for (text, names) in [
        (r#"{"mcpServers": {"b": {"url": "U"}, "a": {"command": "x"}}}"#, &["b", "a"][..]),
        (r#"{"servers": {"a": {"type": "http", "url": "U"}}, "inputs": []}"#, &["a"]),
        (r#"{"context_servers": {"a": {"source": "custom", "command": "x"}}}"#, &["a"]),
        (r#"{"mcp": {"servers": {"a": {"url": "U"}}}}"#, &["a"]),
        (r#"{"mcp.servers": {"a": {"url": "U"}}}"#, &["a"]),
        (r#"{"amp.mcpServers": {"a": {"url": "U"}}}"#, &["a"]),
        (r#"{"mcp": {"a": {"type": "remote", "url": "U"}}}"#, &["a"]),
        (r#"{"mcp": {"allowed": ["a"]}, "mcpServers": {"a": {"url": "U"}}}"#, &["a"]),
        (
            r#"{"mcpServers": {"a": {"url": "U"}}, "projects": {"/p": {"mcpServers": {"b": {"url": "V"}}}}}"#,
            &["a", "b"],
        ),
    ] {
        let found: Vec<_> = read(text).into_iter().map(|server| server.name).collect();
        assert_eq!(found, names, "{text}");
    }
    let none = |text: &str| find(&parse(text.as_bytes(), Format::Json).unwrap(), None);
    for text in ["{}", "[]", r#"{"servers": {"web": {"port": 1}}}"#, r#"{"mcp": {"allowed": []}}"#]
    {
        assert_eq!(none(text), None, "{text}");
    }
    assert_eq!(none(r#"{"mcpServers": {}}"#), Some(Vec::new()));
    let claude = read(r#"{"projects": {"/p": {"mcpServers": {"b": {"url": "V"}}}}}"#);
    assert_eq!(claude[0].project.as_deref(), Some("/p"));
}

#[test]
fn ours() {
    let found = bridge(
        r#"{"command": "/opt/mcp-tether", "args": ["https://h.example/mcp", "--header", "X-Key:${KEY}", "--profile", "work"], "env": {"KEY": "fake-secret"}}"#,
        BridgeKind::Ours,
        "https://h.example/mcp",
    );
    assert_eq!(pairs(&found.headers), [("X-Key", "${KEY}")]);
    assert_eq!(found.launched.command, "/opt/mcp-tether");
    assert!(!found.launched.indirect);
    let windows =
        r#"{"command": "C:\\Tools\\mcp-tether.exe", "args": ["-HA: b", "https://h.example/"]}"#;
    bridge(windows, BridgeKind::Ours, "https://h.example/");
    bridge(
        r#"{"command": "npx", "args": ["-y", "mcp-tether", "--resource", "https://r.example/", "${URL}"]}"#,
        BridgeKind::Ours,
        "${URL}",
    );
    for other in [
        r#"{"command": "mcp-tether", "args": ["demo"]}"#,
        r#"{"command": "mcp-tether-old", "args": ["https://h.example/"]}"#,
        r#"{"command": "npx", "args": ["-y", "some-server", "https://h.example/"]}"#,
    ] {
        assert!(matches!(one(other).kind, Kind::Local(_)), "{other}");
    }
    let Kind::Bridge(empty) = one(r#"{"command": "mcp-tether"}"#).kind else { panic!() };
    assert_eq!(empty.url, None);
}

#[test]
fn mcp_remote() {
    let found = bridge(
        r#"{"command": "npx", "args": ["-y", "mcp-remote@latest", "https://h.example/sse", "9696", "--header", "Authorization:${AUTH}", "--transport", "sse-only", "--allow-http"]}"#,
        BridgeKind::McpRemote,
        "https://h.example/sse",
    );
    assert_eq!(found.launched.version.as_deref(), Some("latest"));
    assert_eq!(pairs(&found.headers), [("Authorization", "${AUTH}")]);
    assert_eq!(found.arguments.positional[1].expose(), "9696");
    assert_eq!(found.arguments.values("--transport").next().unwrap().expose(), "sse-only");
    assert!(found.arguments.has("--allow-http"));
    bridge(
        r#"{"command": "cmd", "args": ["/c", "npx", "mcp-remote", "--resource", "https://r.example/", "https://h.example/"]}"#,
        BridgeKind::McpRemote,
        "https://h.example/",
    );
    let list = r#"{"type": "local", "command": ["bunx", "mcp-remote", "https://h.example/"], "environment": {"A": "b"}}"#;
    bridge(list, BridgeKind::McpRemote, "https://h.example/");
    assert_eq!(pairs(&one(list).env), [("A", "b")]);
    let nested = r#"{"command": {"path": "npx", "args": ["mcp-remote", "https://h.example/"], "env": {"A": "b"}}}"#;
    bridge(nested, BridgeKind::McpRemote, "https://h.example/");
    assert_eq!(pairs(&one(nested).env), [("A", "b")]);
}

#[test]
fn mcp_stdio() {
    let found = bridge(
        r#"{"command": "uvx", "args": ["mcp-stdio", "--bearer-token", "fake-token", "-H", "X-A: b", "https://h.example/"]}"#,
        BridgeKind::McpStdio,
        "https://h.example/",
    );
    assert_eq!(pairs(&found.headers), [("X-A", "b"), ("Authorization", "Bearer fake-token")]);
    assert!(!format!("{found:?}").contains("fake-token"));
    let serve = one(r#"{"command": "mcp-stdio", "args": ["serve", "https://h.example/"]}"#);
    assert!(matches!(serve.kind, Kind::Local(_)));
}

#[test]
fn plain_addresses() {
    let found = remote(
        r#"{"type": "http", "url": "https://h.example/", "headers": {"Authorization": "Bearer ${env:T}", "X": 1}}"#,
        "https://h.example/",
        Some(Wire::Http),
    );
    assert_eq!(pairs(&found.headers), [("Authorization", "Bearer ${env:T}")]);
    remote(r#"{"serverUrl": "U"}"#, "U", None);
    remote(r#"{"url": "U", "transport": "sse"}"#, "U", Some(Wire::Sse));
    remote(r#"{"url": "U", "type": "streamableHttp"}"#, "U", Some(Wire::Http));
    remote(r#"{"httpUrl": "U"}"#, "U", Some(Wire::Http));
    // Both: the type decides.
    assert!(matches!(one(r#"{"url": "U", "command": "x", "type": "stdio"}"#).kind, Kind::Local(_)));
    remote(r#"{"url": "U", "command": "", "type": "sse"}"#, "U", Some(Wire::Sse));
    for nothing in ["{}", "1", "[]", r#"{"url": 1}"#, r#"{"command": []}"#, r#"{"command": {}}"#] {
        assert!(
            read(&format!("{{\"mcpServers\": {{\"it\": {nothing}}}}}")).is_empty(),
            "{nothing}"
        );
    }
}

#[test]
fn switched_off() {
    assert!(one(r#"{"url": "U", "disabled": true}"#).disabled);
    assert!(one(r#"{"url": "U", "enabled": false}"#).disabled);
    assert!(!one(r#"{"url": "U", "enabled": true, "disabled": false}"#).disabled);
}

#[test]
fn codex() {
    let text = "[mcp_servers.a]\nurl = \"https://h.example/\"\nbearer_token_env_var = \"T\"\n\
                http_headers = { A = \"b\" }\nenv_http_headers = { C = \"D\" }\n\
                [mcp_servers.b]\ncommand = \"npx\"\nargs = [\"mcp-remote\", \"https://h.example/\"]\n\
                enabled = false\n[mcp_servers.b.env]\nE = \"f\"\n";
    let found = find(&parse(text.as_bytes(), Format::Toml).unwrap(), None).unwrap();
    let Kind::Remote(remote) = &found[0].kind else { panic!() };
    let headers = [("A", "b"), ("C", "${D}"), ("Authorization", "Bearer ${T}")];
    assert_eq!(pairs(&remote.headers), headers);
    assert_eq!((found[1].kind_name(), found[1].disabled), ("mcp-remote", true));
    assert_eq!(pairs(&found[1].env), [("E", "f")]);
}

#[test]
fn gemini_writes_variables_without_braces() {
    let gemini = CLIENTS.iter().find(|client| client.id == "gemini");
    let text = br#"{"mcpServers": {"a": {"httpUrl": "U", "headers": {"A": "Bearer $T"}}}}"#;
    let found = find(&parse(text, Format::Json).unwrap(), gemini).unwrap();
    let Kind::Remote(remote) = &found[0].kind else { panic!() };
    let env = |name: &str| (name == "T").then(|| "fake".to_owned());
    assert_eq!(remote.headers[0].1.fill(&env, Plain::Fill).unwrap().expose(), "Bearer fake");
}

#[test]
fn no_more_than_can_be_looked_at() {
    let mut text = String::from("{\"mcpServers\": {");
    for n in 0..=MAX_CLIENT_SERVERS {
        text.push_str(&format!("\"s{n}\": {{\"url\": \"U\"}},"));
    }
    text.push_str("}}");
    assert_eq!(read(&text).len(), MAX_CLIENT_SERVERS);
}

proptest::proptest! {
    #[test]
    fn nothing_in_an_entry_prints(secret in "[a-z]{12}zq", which in 0..5usize) {
        let entry = [
            format!(r#"{{"url": "https://u:{secret}@h.example/?k={secret}", "headers": {{"A": "{secret}"}}}}"#),
            format!(r#"{{"command": "npx", "args": ["mcp-remote", "https://h.example/?{secret}", "--header", "A: {secret}"]}}"#),
            format!(r#"{{"command": "uvx", "args": ["mcp-stdio", "--bearer-token={secret}"]}}"#),
            format!(r#"{{"command": "mcp-tether", "args": ["https://h.example/", "{secret}"], "env": {{"K": "{secret}"}}}}"#),
            format!(r#"{{"command": "env", "args": ["K={secret}", "x", "{secret}"]}}"#),
        ];
        let shown = format!("{:?}", one(&entry[which]));
        proptest::prop_assert!(!shown.contains(&secret), "{}", shown);
    }
}
