//! What an entry in a client's configuration means for us: the server that it leads to, as the client
//! or its bridge would connect to it.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::typed;
use crate::auth::settings::Mode;
use crate::cli::connection::Transport;
use crate::cli::{self, ConnectionArgs, SignInArgs};
use crate::clients::{Bridge, BridgeKind, Kind, Missing, Plain, Remote, Server, Template, Wire};
use crate::config::{Config, Env};
use crate::limits::MAX_HEADER_FILE;
use crate::secret::Secret;

/// A server that can be connected to.
pub(super) struct Ready {
    pub config: Config,
    /// What of the entry is left out of account.
    pub notes: Vec<String>,
}

/// Why an entry leads nowhere. No value of it is in the texts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub cause: String,
    pub next: String,
    /// What could not be filled in, if it was that.
    pub missing: Option<Missing>,
}

impl Trouble {
    fn new(cause: impl Into<String>, next: &str) -> Trouble {
        Trouble { cause: cause.into(), next: next.to_owned(), missing: None }
    }
}

impl From<Missing> for Trouble {
    fn from(missing: Missing) -> Trouble {
        let next = match &missing {
            Missing::Variable(name) => format!("set {name} where the client is started"),
            Missing::Client(_) => "check the URL itself, with --header".to_owned(),
        };
        Trouble { cause: missing.to_string(), next, missing: Some(missing) }
    }
}

/// Variables that the HTTP client reads by itself, from the environment of this process.
const OF_THE_PROCESS: [&str; 5] =
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE"];

/// Flags of other bridges that change how they sign in. We have our own sign-ins.
const OTHER_SIGN_INS: [&str; 6] = [
    "--client-credentials",
    "--device-code",
    "--static-oauth-client-info",
    "--static-oauth-client-metadata",
    "--token-endpoint",
    "--use-id-token",
];

/// How to connect to the server of an entry. What the entry does not say comes from `connection` and
/// `sign_in`. Nobody is asked to sign in.
///
/// # Errors
/// Why that is not known.
pub(super) fn resolve(
    server: &Server,
    connection: &ConnectionArgs,
    sign_in: &SignInArgs,
    env: Env<'_>,
) -> Result<Ready, Trouble> {
    let mut own = Vec::new();
    for (name, value) in &server.env {
        own.push((name.as_str(), value.fill(env, Plain::Fill)?));
    }
    let inside = |name: &str| {
        let own = own.iter().rev().find(|(own, _)| same_name(own, name));
        own.map(|(_, value)| value.expose().to_owned()).or_else(|| env(name))
    };
    let mut connection = connection.clone();
    let mut notes = Vec::new();
    let mut headers = Headers::default();
    let mut ours = None;
    match &server.kind {
        Kind::Local(launched) => {
            let cause = format!("{} is started on this machine", launched.program);
            return Err(Trouble::new(cause, "start it to see whether it works"));
        }
        Kind::Remote(remote) => {
            connection.allow_http = true;
            plain(remote, &mut connection, &mut headers, env)?;
        }
        Kind::Bridge(bridge) if bridge.kind == BridgeKind::Ours => {
            ours = Some(as_typed(bridge, env, &inside)?);
        }
        Kind::Bridge(bridge) => other(bridge, &mut connection, &mut headers, &mut notes, &inside)?,
    }
    connection.header = headers.texts();
    let (connection, sign_in) = match &ours {
        Some(args) => (&args.connection, &args.sign_in),
        None => (&connection, sign_in),
    };
    let lookup = |name: &str| headers.value(name).or_else(|| inside(name));
    let mut config = Config::of_command(connection, sign_in, &lookup).map_err(|error| {
        Trouble::new(error.to_string(), "correct the entry in the configuration file")
    })?;
    for name in OF_THE_PROCESS {
        let set =
            own.iter().find(|(own, _)| same_name(own, name) || own.eq_ignore_ascii_case(name));
        if let Some((_, value)) = set
            && env(name).as_deref() != Some(value.expose())
        {
            notes.push(format!("{name} of the entry is left out of account"));
        }
    }
    let mode = &mut config.target.sign_in.settings.mode;
    if *mode == Mode::Interactive {
        *mode = Mode::Stored;
    }
    Ok(Ready { config, notes })
}

/// How the bridge connects and signs in where nothing is typed.
pub(super) fn default_arguments() -> (ConnectionArgs, SignInArgs) {
    let words = ["https://mcp.example.com/".to_owned()];
    let bridge = cli::bridge_arguments(&words).expect("a URL alone is enough");
    (bridge.connection, bridge.sign_in)
}

/// As the operating system compares names of variables.
fn same_name(one: &str, other: &str) -> bool {
    if cfg!(windows) { one.eq_ignore_ascii_case(other) } else { one == other }
}

/// Headers on their way through the same reader as those that are typed: each value has a variable of
/// its own, so that nothing in it is filled in a second time.
#[derive(Default)]
struct Headers(Vec<(String, Secret)>);

impl Headers {
    const VARIABLE: &'static str = "mcp-tether header ";

    fn texts(&self) -> Vec<String> {
        let text = |(at, (name, value)): (usize, &(String, Secret))| {
            let empty = value.expose().trim().is_empty();
            if empty {
                format!("{name}:")
            } else {
                format!("{name}: ${{{}{at}}}", Headers::VARIABLE)
            }
        };
        self.0.iter().enumerate().map(text).collect()
    }

    fn value(&self, variable: &str) -> Option<String> {
        let at: usize = variable.strip_prefix(Headers::VARIABLE)?.parse().ok()?;
        self.0.get(at).map(|(_, value)| value.expose().to_owned())
    }

    fn fill(&mut self, from: &[(String, Template)], env: Env<'_>) -> Result<(), Missing> {
        for (name, value) in from {
            self.0.push((name.clone(), value.fill(env, Plain::Fill)?));
        }
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }
}

fn plain(
    remote: &Remote,
    connection: &mut ConnectionArgs,
    headers: &mut Headers,
    env: Env<'_>,
) -> Result<(), Trouble> {
    connection.url = Some(remote.url.fill(env, Plain::Fill)?.expose().to_owned());
    headers.fill(&remote.headers, env)?;
    connection.transport = match remote.wire {
        Some(Wire::Http) => Transport::Http,
        Some(Wire::Sse) => Transport::Sse,
        None => Transport::Auto,
    };
    Ok(())
}

/// The arguments of a bridge, in our words. What the client fills in is filled in; the rest is the bridge's, which
/// sees the variables of `inside`.
pub(super) fn as_typed(
    bridge: &Bridge,
    env: Env<'_>,
    inside: Env<'_>,
) -> Result<cli::BridgeArgs, Trouble> {
    if bridge.url.is_none() {
        return Err(no_url());
    }
    let mut words = Vec::new();
    for word in &bridge.launched.arguments {
        // An address is not the bridge's to fill in.
        let url = bridge.url.as_ref() == Some(word);
        let plain = if url { Plain::Fill } else { Plain::Keep };
        words.push(word.fill(env, plain)?.expose().to_owned());
    }
    typed::bridge_arguments(&words, inside)
        .map_err(|reason| Trouble::new(reason, "correct the arguments in the configuration file"))
}

fn no_url() -> Trouble {
    Trouble::new("there is no URL among the arguments", "add the server's URL to them")
}

/// mcp-remote and mcp-stdio.
fn other(
    bridge: &Bridge,
    connection: &mut ConnectionArgs,
    headers: &mut Headers,
    notes: &mut Vec<String>,
    env: Env<'_>,
) -> Result<(), Trouble> {
    let url = bridge.url.as_ref().ok_or_else(no_url)?;
    connection.url = Some(url.fill(env, Plain::Fill)?.expose().to_owned());
    headers.fill(&bridge.headers, env)?;
    let arguments = &bridge.arguments;
    let value = |flag| arguments.values(flag).last();
    let transport = value("--transport").map(Template::expose);
    if bridge.kind == BridgeKind::McpStdio {
        // It allows http to anywhere, and speaks what it is told to.
        connection.allow_http = true;
        connection.transport =
            if transport == Some("sse") { Transport::Sse } else { Transport::Http };
        if let Some(token) = env("MCP_BEARER_TOKEN").filter(|_| !headers.has("authorization")) {
            headers.0.push(("Authorization".into(), Secret::new(format!("Bearer {token}"))));
        }
    } else {
        connection.allow_http = arguments.has("--allow-http");
        connection.ipv4 |= arguments.has("--ipv4");
        connection.no_cookies |= arguments.has("--disable-cookies");
        connection.transport = match transport {
            Some("http-only") => Transport::Http,
            Some("sse-only") => Transport::Sse,
            Some("sse-first") => Transport::SseFirst,
            _ => Transport::Auto,
        };
        for path in arguments.values("--header-file") {
            let path = path.fill(env, Plain::Fill)?;
            headers.fill(&header_file(Path::new(path.expose()))?, env)?;
        }
    }
    for flag in OTHER_SIGN_INS.into_iter().filter(|flag| arguments.has(flag)) {
        notes.push(format!("{flag} is left out of account"));
    }
    Ok(())
}

/// One `Name: value` a line; `#` begins a comment.
fn header_file(path: &Path) -> Result<Vec<(String, Template)>, Trouble> {
    let trouble = |reason: String| {
        let cause = format!("--header-file {}: {reason}", path.display());
        Trouble::new(cause, "correct the path in the configuration file")
    };
    // A pipe could keep us waiting for ever.
    if path.exists() && !path.is_file() {
        return Err(trouble("it is not a regular file".into()));
    }
    let file = File::open(path).map_err(|error| trouble(error.to_string()))?;
    let mut text = String::new();
    let read = file.take(MAX_HEADER_FILE as u64 + 1).read_to_string(&mut text);
    read.map_err(|error| trouble(error.to_string()))?;
    if text.len() > MAX_HEADER_FILE {
        return Err(trouble("it is too large".into()));
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    Ok(lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), Template::new(value.trim())))
        .collect())
}

#[cfg(test)]
mod tests;
