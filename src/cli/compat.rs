//! The flags of other bridges, mapped to ours (pure): a configuration in which `npx -y mcp-remote` is replaced
//! by `mcp-tether` goes on working. docs/migrating.md has the same table for readers.
//!
//! Only flags that are not ours under the same name are in here. Where a flag of ours has the name of one of
//! theirs, it takes their values as well.

use std::ffi::OsString;

use clap::{Arg, Command};
use md5::{Digest as _, Md5};
use url::Url;

use super::{ConnectionArgs, SignInArgs};
use crate::order;

/// What becomes of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// These words.
    Words(&'static [&'static str]),
    /// This flag of ours, with the value.
    Flag(&'static str),
    /// This flag of ours, with the value behind this text.
    Prefixed(&'static str, &'static str),
    /// Nothing: what it asks for is so in any case, or cannot come to pass.
    Nothing,
    /// The same with a value.
    NothingWithValue,
    /// The host of the redirect URI.
    CallbackHost,
    /// Its path.
    CallbackPath,
}

use Means::{CallbackHost, CallbackPath, Flag, Nothing, NothingWithValue, Prefixed, Words};

/// Flags of mcp-remote 0.15 and mcp-stdio 0.45 by the names that we do not have.
pub const FLAGS: &[(&str, Means)] = &[
    // mcp-remote
    ("--authorize-param", Flag("--auth-param")),
    ("--body-timeout", NothingWithValue),
    ("--callback-path", CallbackPath),
    ("--client-credentials", Words(&["--grant=client-credentials"])),
    ("--debug", Words(&["-vv"])),
    ("--disable-cookies", Words(&["--no-cookies"])),
    ("--disable-resource-parameter", Words(&["--resource=none"])),
    ("--enable-proxy", Nothing),
    ("--headers-timeout", NothingWithValue),
    ("--host", CallbackHost),
    ("--ignore-tool", Flag("--deny-tool")),
    ("--ping-interval", Prefixed("--keep-alive", "")),
    ("--silent", Words(&["--quiet"])),
    ("--static-oauth-client-info", Flag("--client-info")),
    ("--static-oauth-client-metadata", Flag("--client-metadata")),
    // mcp-stdio
    ("--bearer-token", Prefixed("--header", "Authorization: Bearer ")),
    ("--listen-read-timeout", NothingWithValue),
    ("--mcp-param-headers", NothingWithValue),
    ("--no-cancel-filter", Nothing),
    ("--no-normalize-arguments", Nothing),
    ("--no-oauth-reauth", Words(&["--auth=stored"])),
    ("--no-proactive-refresh", Nothing),
    ("--no-resource-indicator", Words(&["--resource=none"])),
    ("--no-tcp-keepalive", Nothing),
    ("--oauth-device", Words(&["--device-code"])),
    ("--oauth-eager", Nothing),
    ("--oauth-refresh-leeway", NothingWithValue),
    ("--oauth-resource", Flag("--resource")),
    ("--oauth-scope", Flag("--scope")),
    ("--oauth-timeout", Flag("--auth-timeout")),
    ("--oauth-use-id-token", Words(&["--use-id-token"])),
    ("--protocol-era", Flag("--protocol")),
    ("--sse-read-timeout", NothingWithValue),
    ("--timeout-connect", Flag("--connect-timeout")),
    ("--timeout-read", NothingWithValue),
];

/// Whether a flag of ours takes the next word.
fn takes_value(bridge: &Command, flag: &str) -> bool {
    let named = |arg: &&Arg| match flag.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => {
            arg.get_short().is_some_and(|short| flag.strip_prefix('-') == Some(&*short.to_string()))
        }
    };
    let arg = bridge.get_arguments().find(named);
    arg.is_some_and(|arg| arg.get_action().takes_values() && !arg.is_require_equals_set())
}

/// What of the words of mcp-remote decides on which port it listens for the browser.
#[derive(Default)]
struct Callback {
    url: Option<String>,
    port: Option<u16>,
    host: Option<String>,
    path: Option<String>,
    /// The client is registered beforehand, so that the port is too.
    fixed: bool,
    resource: Option<String>,
    parameters: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    document: Option<String>,
    token_endpoint: Option<String>,
}

/// The words of a command line, the program itself first, with the flags of other bridges made ours. Words that
/// start another command than the bridge and `auth import` are left as they are. `program` is what can be typed.
pub fn translated(words: &[OsString], program: &Command) -> Vec<OsString> {
    let word = |at: usize| words.get(at).and_then(|word| word.to_str());
    let import = ["auth", "import"];
    let (skipped, bridge) = match word(1) {
        Some(first) if program.find_subcommand(first).is_none() => (1, program),
        Some(_) if [word(1), word(2)] == import.map(Some) => {
            let found = program.find_subcommand(import[0]);
            match found.and_then(|auth| auth.find_subcommand(import[1])) {
                Some(command) => (3, command),
                None => return words.to_vec(),
            }
        }
        _ => return words.to_vec(),
    };
    let has = |flag: &str| {
        let is =
            |word: &str| word == flag || word.split_once('=').is_some_and(|(name, _)| name == flag);
        words.iter().filter_map(|word| word.to_str()).any(is)
    };
    // Of two that say how much, the one that says it counts.
    let idle = |word: &str| {
        (word == "--keep-alive" && has("--ping-interval")) || (word == "--silent" && has("--debug"))
    };
    let no_resource = has("--disable-resource-parameter");
    let mut out: Vec<OsString> = words.iter().take(skipped).cloned().collect();
    let mut callback = Callback::default();
    let mut rest = words.iter().skip(skipped);
    while let Some(word) = rest.next() {
        let Some(text) = word.to_str() else {
            out.push(word.clone());
            continue;
        };
        if idle(text) {
            continue;
        }
        if text == "--" {
            out.push(word.clone());
            out.extend(rest.cloned());
            break;
        }
        let (flag, mut value) = match text.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_owned())),
            _ => (text, None),
        };
        let means = FLAGS.iter().find(|(name, _)| *name == flag).map(|(_, means)| *means);
        let valued = match means {
            Some(Words(_) | Nothing) => false,
            Some(_) => true,
            None => takes_value(bridge, flag),
        };
        let apart = value.is_none() && valued;
        if apart {
            value = rest.next().map(|value| value.to_string_lossy().into_owned());
        }
        callback.see(text, flag, value.as_deref());
        if flag == "--resource" && no_resource {
            continue;
        }
        match (means, value) {
            (None, Some(value)) if apart => out.extend([flag.into(), value.into()]),
            (None, _) if callback.is_port(text) => {}
            (None, _) => out.push(word.clone()),
            (Some(Words(words)), _) => out.extend(words.iter().map(OsString::from)),
            (Some(Flag(ours)), Some(value)) => out.push(format!("{ours}={value}").into()),
            (Some(Prefixed(ours, before)), Some(value)) => {
                out.push(format!("{ours}={before}{value}").into());
            }
            // A flag whose value is missing is for the parser to complain about.
            (Some(Flag(_) | Prefixed(..)), None) => out.push(word.clone()),
            (Some(Nothing | NothingWithValue | CallbackHost | CallbackPath), _) => {}
        }
    }
    // There it is the person who says whether it is sent, where nothing is discovered.
    if has("--client-credentials") && has("--token-endpoint") && !has("--resource") {
        out.retain(|word| word != "--resource=none");
        out.push("--resource=none".into());
    }
    out.extend(callback.flag().map(OsString::from));
    out
}

/// By what mcp-remote names a sign-in with these arguments. `headers` are those of `--header-file`.
pub fn mcp_remote_name(
    connection: &ConnectionArgs,
    sign_in: &SignInArgs,
    headers: &[String],
) -> String {
    let mut parts = Callback { url: connection.url.clone(), ..Callback::default() };
    for header in headers.iter().chain(&connection.header) {
        parts.see("--header", "--header", Some(header));
    }
    for parameter in &sign_in.auth_param {
        parts.see("", "--authorize-param", Some(parameter));
    }
    parts.resource = sign_in.resource.clone().filter(|resource| resource != "none");
    parts.document.clone_from(&sign_in.client_metadata_url);
    let endpoint = sign_in.grant.token_endpoint.as_deref();
    parts.token_endpoint =
        endpoint.map(|text| Url::parse(text).map_or_else(|_| text.to_owned(), Into::into));
    let digest = Md5::digest(parts.identity());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Callback {
    fn see(&mut self, word: &str, flag: &str, value: Option<&str>) {
        let value = value.unwrap_or_default().to_owned();
        let pair = |separator| {
            let (name, value) = value.split_once(separator)?;
            Some((name.trim().to_owned(), value.to_owned()))
        };
        match flag {
            "--host" => self.host = Some(value),
            "--callback-path" => self.path = Some(value),
            "--static-oauth-client-info" => self.fixed = true,
            "--resource" => self.resource = Some(value.trim().to_owned()),
            "--authorize-param" => self.parameters.extend(pair('=')),
            "--header" | "-H" => {
                let header = pair(':').map(|(name, value)| (name, value.trim_start().to_owned()));
                self.headers.extend(header);
            }
            "--client-metadata-url" => self.document = Some(value.trim().to_owned()),
            "--token-endpoint" => self.token_endpoint = Some(value.trim().to_owned()),
            _ if word.starts_with('-') => {}
            _ if self.url.is_none() => self.url = Some(word.to_owned()),
            _ if self.port.is_none() => self.port = word.parse().ok().filter(|port| *port != 0),
            _ => {}
        }
    }

    /// Whether a word is the port that was seen just now.
    fn is_port(&self, word: &str) -> bool {
        self.port.is_some_and(|port| word.parse() == Ok(port)) && self.url.as_deref() != Some(word)
    }

    /// The redirect URI, if these words say something about it.
    fn flag(&self) -> Option<String> {
        let said = self.port.is_some() || self.host.is_some() || self.path.is_some() || self.fixed;
        let port = match self.port {
            Some(port) => port,
            None if self.fixed => self.derived_port(),
            // Any that is free.
            None => 0,
        };
        let default = if cfg!(windows) { "127.0.0.1" } else { "localhost" };
        let host = self.host.as_deref().unwrap_or(default);
        let path = self.path.as_deref().unwrap_or("/oauth/callback");
        said.then(|| format!("--callback-url=http://{host}:{port}{path}"))
    }

    /// The port that mcp-remote derives from what makes a sign-in one of its own. It is part of a redirect URI
    /// that somebody has registered.
    fn derived_port(&self) -> u16 {
        let digest = Md5::digest(self.identity());
        let number = u16::from_be_bytes([digest[0], digest[1]]);
        3335 + number % 45_816
    }

    /// What mcp-remote takes the digest of.
    fn identity(&self) -> String {
        let mut parts = vec![self.url.clone().unwrap_or_default()];
        parts.extend(self.resource.clone().filter(|resource| !resource.is_empty()));
        parts.extend(object(&self.parameters));
        parts.extend(object(&self.headers));
        parts.extend(self.document.clone());
        parts.extend(self.token_endpoint.clone());
        parts.join("|")
    }
}

/// A JSON object with its names in order, the last of equal ones alone; none for nothing.
fn object(pairs: &[(String, String)]) -> Option<String> {
    // Names are compared by UTF-16 there, which for what a header or parameter can be called is the same.
    let pairs = pairs.iter().map(|(name, value)| (name.clone(), value.clone().into()));
    let object: serde_json::Map<String, serde_json::Value> = order::map(pairs);
    (!object.is_empty()).then(|| serde_json::Value::Object(object).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translate(line: &str) -> String {
        let words: Vec<OsString> =
            std::iter::once("mcp-tether").chain(line.split(' ')).map(OsString::from).collect();
        let out = translated(&words, &crate::cli::command());
        let out: Vec<_> = out[1..].iter().map(|word| word.to_string_lossy().into_owned()).collect();
        out.join(" ")
    }

    #[test]
    fn flags_become_ours() {
        for (theirs, ours) in [
            ("U --ignore-tool delete* --ignore-tool=b", "U --deny-tool=delete* --deny-tool=b"),
            ("U --debug --silent --enable-proxy", "U -vv"),
            ("U --silent", "U --quiet"),
            (
                "U --disable-cookies --client-credentials",
                "U --no-cookies --grant=client-credentials",
            ),
            ("U --disable-resource-parameter", "U --resource=none"),
            ("U --resource https://r.example --disable-resource-parameter", "U --resource=none"),
            (
                "U --client-credentials --token-endpoint https://as.example/t",
                "U --grant=client-credentials --token-endpoint https://as.example/t --resource=none",
            ),
            ("U --authorize-param a=b=c", "U --auth-param=a=b=c"),
            ("U --headers-timeout 5 --body-timeout 0 --ipv4", "U --ipv4"),
            ("U --keep-alive --ping-interval 60", "U --keep-alive=60"),
            (
                "U --bearer-token fake --timeout-connect 3",
                "U --header=Authorization: Bearer fake --connect-timeout=3",
            ),
            (
                "U --oauth-scope a --protocol-era modern --oauth",
                "U --scope=a --protocol=modern --oauth",
            ),
            // Ours stay.
            (
                "U --header A:1 -H B:2 -v --transport http-only",
                "U --header A:1 -H B:2 -v --transport http-only",
            ),
            ("check U --debug", "check U --debug"),
            ("auth status --debug", "auth status --debug"),
            ("auth import U --authorize-param a=b -y", "auth import U --auth-param=a=b -y"),
            ("U -- --debug", "U -- --debug"),
            ("U --ignore-tool", "U --ignore-tool"),
        ] {
            assert_eq!(translate(theirs), ours, "{theirs}");
        }
    }

    #[test]
    fn the_redirect_uri_is_put_together() {
        let local = if cfg!(windows) { "127.0.0.1" } else { "localhost" };
        for (words, uri) in [
            ("U 9696", format!("http://{local}:9696/oauth/callback")),
            ("U 9696 --host 127.0.0.1", "http://127.0.0.1:9696/oauth/callback".into()),
            ("U --callback-path /cb --host h", "http://h:0/cb".into()),
            (
                "U --client-metadata-url https://c.example/d 3334",
                format!("http://{local}:3334/oauth/callback"),
            ),
        ] {
            let translated = translate(words);
            assert!(translated.ends_with(&format!(" --callback-url={uri}")), "{translated}");
            assert!(!translated.contains(" 9696 "), "{translated}");
        }
        // A value is no port, and a second word that is none is not swallowed.
        assert_eq!(translate("U --auth-timeout 60"), "U --auth-timeout 60");
        assert_eq!(translate("U more"), "U more");
        assert_eq!(translate("U 99999"), "U 99999");
    }

    /// Computed by mcp-remote itself, with its log of "callback port derived from the server URL".
    #[test]
    fn a_client_that_is_registered_beforehand_keeps_its_port() {
        let port = |line: &str| {
            let translated = translate(&format!("{line} --static-oauth-client-info {{}}"));
            let uri = translated.rsplit("--callback-url=http://").next().unwrap().to_owned();
            uri.split([':', '/']).nth(1).unwrap().parse::<u16>().unwrap()
        };
        for (line, expected) in PORTS {
            assert_eq!(port(line), *expected, "{line}");
        }
    }

    #[test]
    fn sign_ins_of_mcp_remote_are_found_by_name() {
        let name = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let args = crate::cli::bridge_arguments(&words).unwrap();
            mcp_remote_name(&args.connection, &args.sign_in, &[])
        };
        for (line, port) in PORTS {
            let number = u16::from_str_radix(&name(line)[..4], 16).unwrap();
            assert_eq!(3335 + number % 45_816, *port, "{line}");
        }
    }

    const PORTS: &[(&str, u16)] = &[
        ("https://h.example/mcp", 45_586),
        ("https://h.example/sse --resource https://r.example/x", 10_547),
        ("https://h.example/mcp --header A:1 --header b:two", 9410),
        (
            "https://h.example/mcp --authorize-param z=1 --authorize-param audience=https://a.example/",
            10_699,
        ),
        (
            "https://h.example/mcp --client-metadata-url https://c.example/doc --header X-A:${HOME}",
            8713,
        ),
    ];
}
