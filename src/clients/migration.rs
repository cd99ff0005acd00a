//! From the arguments of another bridge to ours.

use super::launch::{Launched, Launcher};
use super::servers::{Bridge, BridgeKind};
use super::template::Template;

/// What becomes of a flag.
enum Fate {
    /// It is called so here.
    Same,
    /// It is called otherwise here.
    Called(&'static str),
    /// There is nothing here that it could change.
    Gone,
    /// What it does is not done here.
    Unknown,
}

use Fate::{Called, Gone, Same, Unknown};

/// Ways to start a bridge that leave nothing behind when the bridge is started directly.
const PLAIN_STARTERS: [&str; 15] = [
    "npx", "npm", "bunx", "bun", "pnpx", "pnpm", "yarn", "deno", "uvx", "uv", "pipx", "volta",
    "cmd", "node", "nodejs",
];

/// Flags of node that change nothing of what a script does.
const HARMLESS_NODE_FLAGS: [&str; 7] = [
    "--disable-warning",
    "--enable-source-maps",
    "--no-deprecation",
    "--no-warnings",
    "--trace-deprecation",
    "--trace-uncaught",
    "--trace-warnings",
];

/// Our arguments for what a bridge is told, URL first.
///
/// # Errors
/// What cannot be taken over, without a value.
pub fn arguments(bridge: &Bridge, env: &[(String, Template)]) -> Result<Vec<String>, String> {
    if let Some(starter) = more_than_a_starter(&bridge.launched) {
        return Err(format!("it is started by {starter}, which may do more than that"));
    }
    if !bridge.launched.assigned.is_empty() {
        return Err("variables are set on its command line".into());
    }
    let url = bridge.url.as_ref().ok_or("there is no URL among its arguments")?;
    let mut words = vec![url.expose().to_owned()];
    let mut callback = Callback::default();
    for (flag, value) in &bridge.arguments.flags {
        let value = value.as_ref().map(Template::expose);
        let fate = match bridge.kind {
            BridgeKind::McpRemote => of_mcp_remote(flag, value, &mut words, &mut callback)?,
            BridgeKind::McpStdio => of_mcp_stdio(flag, value, &mut words)?,
            BridgeKind::Ours => return Err("it starts mcp-tether already".into()),
        };
        let name = match fate {
            Same => flag,
            Called(name) => name,
            Gone => continue,
            Unknown => return Err(format!("{flag} has no counterpart")),
        };
        words.push(name.to_owned());
        words.extend(value.map(ToOwned::to_owned));
    }
    let mut rest = bridge.arguments.positional.iter().skip(1).map(Template::expose);
    if bridge.kind == BridgeKind::McpRemote
        && let Some(port) = rest.next()
    {
        if port.parse::<u16>().is_err() {
            return Err("there is a word too many among its arguments".into());
        }
        callback.port = Some(port.to_owned());
    }
    if rest.next().is_some() {
        return Err("there is a word too many among its arguments".into());
    }
    callback.add(&mut words);
    if bridge.kind == BridgeKind::McpStdio {
        let has = |name: &str| words.iter().any(|word| word.to_lowercase().starts_with(name));
        if env.iter().any(|(name, _)| name == "MCP_BEARER_TOKEN") && !has("authorization:") {
            words.push("--header".into());
            words.push("Authorization: Bearer env:MCP_BEARER_TOKEN".into());
        }
        // It asks nobody whether a server is on this machine.
        if url.expose().starts_with("http://") {
            words.push("--allow-http".into());
        }
    }
    Ok(words)
}

/// The first launcher that may leave something behind, such as variables, with the flag that makes it one.
fn more_than_a_starter(launched: &Launched) -> Option<String> {
    launched.launchers.iter().find_map(|Launcher { name, flags }| {
        if !PLAIN_STARTERS.contains(&&**name) && !name.starts_with("python") {
            return Some(name.clone());
        }
        let mut flags =
            flags.iter().map(|flag| flag.expose().split('=').next().unwrap_or_default());
        let flag = flags.find(|flag| match &**name {
            "node" | "nodejs" => !HARMLESS_NODE_FLAGS.contains(flag),
            // Of bun, deno, npx, uv and others.
            _ => flag.starts_with("--env") || *flag == "--node-options",
        })?;
        Some(format!("{name} with {flag}"))
    })
}

/// Where a browser comes back to.
#[derive(Default)]
struct Callback {
    host: Option<String>,
    port: Option<String>,
    path: Option<String>,
}

impl Callback {
    /// mcp-remote takes any port unless one is named, and so do we.
    fn add(self, words: &mut Vec<String>) {
        let Some(port) = self.port else { return };
        let host = self.host.as_deref().unwrap_or("localhost");
        let path = self.path.as_deref().unwrap_or("/oauth/callback");
        words.push("--callback-url".into());
        words.push(format!("http://{host}:{port}{path}"));
    }
}

fn of_mcp_remote(
    flag: &str,
    value: Option<&str>,
    words: &mut Vec<String>,
    callback: &mut Callback,
) -> Result<Fate, String> {
    Ok(match (flag, value) {
        ("--transport", Some("http-only")) => pair(words, "--transport", "http"),
        ("--transport", Some("sse-only")) => pair(words, "--transport", "sse"),
        ("--host", Some(host)) => {
            callback.host = Some(host.to_owned());
            Gone
        }
        ("--callback-path", Some(path)) => {
            callback.path = Some(path.to_owned());
            Gone
        }
        ("--static-oauth-client-metadata", Some(value)) => match member(value, "scope") {
            Some((scope, false)) => pair(words, "--scope", &scope),
            _ => Called("--client-metadata"),
        },
        (
            "--header"
            | "--allow-http"
            | "--resource"
            | "--client-metadata-url"
            | "--protocol"
            | "--token-endpoint"
            | "--ipv4"
            | "--auth-timeout"
            | "--connect-timeout"
            | "--auth-success-url",
            _,
        ) => Same,
        ("--authorize-param", _) => Called("--auth-param"),
        ("--disable-cookies", _) => Called("--no-cookies"),
        ("--debug", _) => Called("--verbose"),
        (
            "--transport" | "--silent" | "--enable-proxy" | "--headers-timeout" | "--body-timeout",
            _,
        ) => Gone,
        // A given client among them: the port that it is called back at follows from all the arguments.
        _ => Unknown,
    })
}

fn of_mcp_stdio(flag: &str, value: Option<&str>, words: &mut Vec<String>) -> Result<Fate, String> {
    Ok(match (flag, value) {
        ("--bearer-token", Some(token)) => {
            pair(words, "--header", &format!("Authorization: Bearer {token}"))
        }
        ("--transport", Some("sse")) => pair(words, "--transport", "sse"),
        ("-H" | "--header" | "--client-id" | "--client-metadata-url", _) => Same,
        ("--oauth-scope", _) => Called("--scope"),
        ("--oauth-resource", _) => Called("--resource"),
        ("--oauth-timeout", _) => Called("--auth-timeout"),
        ("--oauth-device", _) => Called("--device-code"),
        ("--timeout-connect", _) => Called("--connect-timeout"),
        ("--protocol-era", _) => Called("--protocol"),
        (
            "--transport"
            | "--oauth"
            | "--oauth-eager"
            | "--oauth-refresh-leeway"
            | "--no-proactive-refresh"
            | "--timeout-read"
            | "--sse-read-timeout"
            | "--listen-read-timeout"
            | "--mcp-param-headers",
            _,
        ) => Gone,
        _ => Unknown,
    })
}

fn pair(words: &mut Vec<String>, flag: &str, value: &str) -> Fate {
    words.extend([flag.to_owned(), value.to_owned()]);
    Gone
}

/// A string in a JSON object, and whether the object has anything else.
fn member(json: &str, name: &str) -> Option<(String, bool)> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).ok()?;
    Some((object.get(name)?.as_str()?.to_owned(), object.len() > 1))
}

#[cfg(test)]
mod tests {
    use crate::clients::document::{Format, parse};
    use crate::clients::{Kind, servers};

    fn moved(command: &str, args: &str) -> Result<String, String> {
        let args: Vec<_> = shlex::split(args).unwrap();
        let entry = serde_json::json!({ "command": command, "args": args, "env": { "MCP_BEARER_TOKEN": "x" } });
        let file = serde_json::json!({ "mcpServers": { "it": entry } }).to_string();
        let tree = parse(file.as_bytes(), Format::Json).unwrap();
        let server = servers::find(&tree, None).unwrap().remove(0);
        let Kind::Bridge(bridge) = &server.kind else { panic!("{:?}", server.kind) };
        let words = super::arguments(bridge, &server.env)?;
        Ok(shlex::try_join(words.iter().map(String::as_str)).unwrap())
    }

    #[test]
    fn mcp_remote() {
        for (command, args, ours) in [
            ("npx", "-y mcp-remote https://h.example/mcp", "https://h.example/mcp"),
            (
                "npx",
                "mcp-remote@latest https://h.example/mcp 3334",
                "https://h.example/mcp --callback-url http://localhost:3334/oauth/callback",
            ),
            (
                "npx",
                "mcp-remote U://x 3334 --host 127.0.0.1 --callback-path /cb",
                "U://x --callback-url 'http://127.0.0.1:3334/cb'",
            ),
            (
                "cmd",
                "/c npx mcp-remote U://x --transport http-only --debug --allow-http",
                "U://x --transport http --verbose --allow-http",
            ),
            (
                "npx",
                "mcp-remote --header 'A:${T}' U://x --transport sse-first",
                "U://x --header 'A:${T}'",
            ),
            (
                "cmd",
                "/c node --no-warnings /x/node_modules/mcp-remote/dist/proxy.js U://x --debug",
                "U://x --verbose",
            ),
            (
                "mcp-remote",
                "U://x --disable-cookies --authorize-param a=b --auth-timeout 60",
                "U://x --no-cookies --auth-param a=b --auth-timeout 60",
            ),
            (
                "npx",
                "mcp-remote U://x --static-oauth-client-metadata '{\"scope\":\"a b\"}'",
                "U://x --scope 'a b'",
            ),
            (
                "npx",
                "mcp-remote U://x --static-oauth-client-metadata @f --auth-success-url U://y",
                "U://x --client-metadata @f --auth-success-url U://y",
            ),
        ] {
            let expected = shlex::split(ours).unwrap();
            assert_eq!(shlex::split(&moved(command, args).unwrap()).unwrap(), expected, "{args}");
        }
        for (command, args, reason) in [
            ("sh", "-c 'export A=b && npx mcp-remote U://x'", "started by sh"),
            ("op", "run -- npx mcp-remote U://x", "started by op"),
            ("cmd", "/c op run --env-file x -- npx mcp-remote U://x", "started by op"),
            ("cmd", "/c env A=fake npx mcp-remote U://x", "started by env"),
            (
                "node",
                "--no-warnings --env-file=fake /x/mcp-remote/dist/proxy.js U://x",
                "started by node with --env-file,",
            ),
            ("npx", "--node-options=--env-file=fake mcp-remote U://x", "npx with --node-options,"),
            ("bun", "x --env-file=fake mcp-remote U://x", "bun with --env-file,"),
            ("npx", "mcp-remote U://x --ignore-tool 'a*'", "--ignore-tool has no counterpart"),
            (
                "npx",
                "mcp-remote U://x --static-oauth-client-info '{\"client_id\":\"c\",\"client_secret\":\"fake-secret\"}'",
                "--static-oauth-client-info has no counterpart",
            ),
            ("npx", "mcp-remote U://x word", "a word too many"),
        ] {
            let error = moved(command, args).unwrap_err();
            assert!(error.contains(reason) && !error.contains("fake"), "{args}: {error}");
        }
    }

    #[test]
    fn mcp_stdio() {
        for (args, ours) in [
            (
                "mcp-stdio https://h.example/ --oauth --oauth-scope 'a b'",
                "https://h.example/ --scope 'a b' --header 'Authorization: Bearer env:MCP_BEARER_TOKEN'",
            ),
            (
                "mcp-stdio http://h.example/ --bearer-token '${T}' --timeout-read 5",
                "http://h.example/ --header 'Authorization: Bearer ${T}' --allow-http",
            ),
            (
                "mcp-stdio U://x --transport sse -H 'Authorization: x' --protocol-era modern",
                "U://x --transport sse -H 'Authorization: x' --protocol modern",
            ),
        ] {
            let expected = shlex::split(ours).unwrap();
            assert_eq!(shlex::split(&moved("uvx", args).unwrap()).unwrap(), expected, "{args}");
        }
        assert!(moved("uvx", "mcp-stdio U://x --oauth-use-id-token").is_err());
    }
}
