//! The arguments of bridges: which is the URL, and which are flags with a value.

use super::template::Template;

/// Flags of `mcp-tether URL` that take a value. A test in `cli` holds them against what can be typed.
pub const OURS: &[&str] = &[
    "--allow-tool",
    "--assertion",
    "--auth",
    "--auth-param",
    "--auth-success-url",
    "--auth-timeout",
    "--aws-profile",
    "--aws-region",
    "--aws-service",
    "--ca-cert",
    "--callback-bind",
    "--callback-url",
    "--client-cert",
    "--client-id",
    "--client-info",
    "--client-key",
    "--client-metadata",
    "--client-metadata-url",
    "--client-name",
    "--client-secret",
    "--connect-timeout",
    "--deny-tool",
    "--dpop",
    "--drain-timeout",
    "--grant",
    "--header",
    "--header-command",
    "--header-command-ttl",
    "--header-file",
    "--idp-authorization-endpoint",
    "--idp-client-id",
    "--idp-client-secret",
    "--idp-id-token",
    "--idp-issuer",
    "--idp-scope",
    "--idp-token-endpoint",
    "--initialize-deadline",
    "--log-file",
    "--max-message-size",
    "--private-key",
    "--profile",
    "--protocol",
    "--rename-server",
    "--resource",
    "--resume-timeout",
    "--scope",
    "--signing-alg",
    "--store",
    "--token-endpoint",
    "--token-param",
    "--trace",
    "--trace-max-size",
    "--transport",
    "-H",
];

/// Words that make `mcp-tether` something else than a bridge. Held against what can be typed by the same test.
pub const COMMANDS: &[&str] = &[
    "auth",
    "call",
    "check",
    "clients",
    "complete",
    "completions",
    "config",
    "demo",
    "doctor",
    "help",
    "inspect",
    "install",
    "listen",
    "login",
    "logout",
    "man",
    "migrate",
    "ping",
    "prompt",
    "prompts",
    "raw",
    "read",
    "repl",
    "resources",
    "secret",
    "tools",
    "trace",
    "uninstall",
];

/// Flags of mcp-remote that take a value.
pub const MCP_REMOTE: &[&str] = &[
    "--auth-success-url",
    "--auth-timeout",
    "--authorize-param",
    "--body-timeout",
    "--callback-path",
    "--client-metadata-url",
    "--connect-timeout",
    "--header",
    "--header-file",
    "--headers-timeout",
    "--host",
    "--ignore-tool",
    "--ping-interval",
    "--protocol",
    "--resource",
    "--static-oauth-client-info",
    "--static-oauth-client-metadata",
    "--token-endpoint",
    "--transport",
];

/// The same of mcp-stdio.
pub const MCP_STDIO: &[&str] = &[
    "--bearer-token",
    "--client-id",
    "--client-metadata-url",
    "--header",
    "--listen-read-timeout",
    "--mcp-param-headers",
    "--oauth-refresh-leeway",
    "--oauth-resource",
    "--oauth-scope",
    "--oauth-timeout",
    "--protocol-era",
    "--sse-read-timeout",
    "--timeout-connect",
    "--timeout-read",
    "--transport",
    "-H",
];

/// Arguments, told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Those that are no flags, in order.
    pub positional: Vec<Template>,
    /// The flags, in order, with the values of those that have one.
    pub flags: Vec<(String, Option<Template>)>,
}

impl Arguments {
    /// Tells them apart. `with_value` are the flags that take the next word.
    pub fn read(words: &[Template], with_value: &[&str]) -> Arguments {
        let mut found = Arguments::default();
        let mut words = words.iter();
        let mut flags_end = false;
        while let Some(word) = words.next() {
            let text = word.expose();
            if flags_end || !text.starts_with('-') || text == "-" {
                found.positional.push(word.clone());
            } else if text == "--" {
                flags_end = true;
            } else if let Some((flag, value)) =
                text.split_once('=').filter(|_| text.starts_with("--"))
            {
                found.flags.push((flag.to_owned(), Some(Template::new(value))));
            } else if with_value.contains(&text) {
                found.flags.push((text.to_owned(), words.next().cloned()));
            } else if let Some(value) =
                text.strip_prefix("-H").filter(|_| with_value.contains(&"-H"))
            {
                found.flags.push(("-H".to_owned(), Some(Template::new(value))));
            } else {
                found.flags.push((text.to_owned(), None));
            }
        }
        found
    }

    /// The values of a flag.
    pub fn values<'a>(&'a self, flag: &'a str) -> impl Iterator<Item = &'a Template> {
        self.flags.iter().filter(move |(name, _)| name == flag).filter_map(|(_, v)| v.as_ref())
    }

    /// Whether a flag is there.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|(name, _)| name == flag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str], with_value: &[&str]) -> Arguments {
        let words: Vec<_> = words.iter().map(|word| Template::new(*word)).collect();
        Arguments::read(&words, with_value)
    }

    fn texts<'a>(templates: impl IntoIterator<Item = &'a Template>) -> Vec<&'a str> {
        templates.into_iter().map(Template::expose).collect()
    }

    #[test]
    fn values_are_not_mistaken_for_the_url() {
        let found = read(
            &[
                "--resource",
                "https://r.example/",
                "-HA:1",
                "-H",
                "B: 2",
                "--header=C: 3",
                "U",
                "-v",
                "9",
            ],
            OURS,
        );
        assert_eq!(texts(&found.positional), ["U", "9"]);
        assert_eq!(texts(found.values("-H")), ["A:1", "B: 2"]);
        assert_eq!(texts(found.values("--header")), ["C: 3"]);
        assert!(found.has("-v") && !found.has("-H="));
        let found = read(&["U", "--header"], MCP_REMOTE);
        assert_eq!((found.has("--header"), found.values("--header").count()), (true, 0));
        assert_eq!(texts(&read(&["--", "--x", "U"], MCP_STDIO).positional), ["--x", "U"]);
    }
}
