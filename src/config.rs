//! From what was typed to what is meant: every value checked before anything is sent.
//!
//! * `aws`: requests signed with AWS credentials.
//! * [`enterprise`]: the file of an administrator.
//! * [`mod@file`]: servers by name, in a file of ours.
//! * `grant`: signing in without a person at the authorization server.
//! * [`headers`]: `--header`, with environment variables.
//! * `registration`: a client, registered or to be registered, as JSON.
//! * [`sign_in`]: everything about signing in.
//! * `sources`: headers whose value is elsewhere.
//! * [`values`]: sizes and durations.
//!
//! The only place that gives environment variables a meaning; `command` passes the way to read them.

mod aws;
pub mod enterprise;
pub mod file;
mod grant;
pub mod headers;
mod registration;
pub mod sign_in;
mod sources;
pub mod values;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use percent_encoding::percent_decode_str;
use url::Url;

use crate::auth::settings::Mode;
use crate::bridge::verdict::Protocol;
use crate::bridge::{Settings, TransportChoice};
use crate::cli::connection::Transport;
use crate::cli::shape::ShapeArgs;
use crate::cli::{BridgeArgs, ConnectionArgs, ProtocolArg, SignInArgs};
use crate::era::Era;
use crate::http::client::{self, is_loopback};
use crate::http::observe::Observer;
use crate::limits::{self, MAX_LOGGED_TEXT};
use crate::secret::{Redactor, Secret, shown};
use crate::shape::{Glob, Rules, Shape};
use crate::stdio::tap::{OptionalTap, Tap};
use crate::supply::Sources;
use crate::trace::Trace;

pub use crate::store::Places;
pub use sources::file_headers;

/// The way to read an environment variable.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A server, and how to connect and sign in to it.
#[derive(Debug)]
pub struct Target {
    /// The endpoint, without user information.
    pub url: Url,
    /// Headers of every request.
    pub headers: HeaderMap,
    /// Headers whose value has to be obtained first.
    pub supply: Sources,
    /// How to connect.
    pub connection: client::Settings,
    /// What to speak.
    pub transport: TransportChoice,
    /// How to sign in.
    pub sign_in: sign_in::SignIn,
    /// How requests are signed for AWS, in the place of that.
    pub aws: Option<crate::aws::Settings>,
    /// Knows every secret that was configured.
    pub redactor: Arc<Redactor>,
    /// Sees every message to it and from it.
    pub tap: OptionalTap,
}

impl Target {
    /// Has everything recorded in `trace`, if there is one.
    pub fn record(&mut self, trace: Option<&Trace>) {
        if let Some(trace) = trace {
            self.observe(trace.watch(self.redactor.clone()));
        }
    }

    /// Lets somebody see every message and every exchange.
    pub fn observe(&mut self, somebody: impl Tap + Observer + Clone + 'static) {
        self.tap = Some(Arc::new(somebody.clone()));
        self.connection.observer = Some(Arc::new(somebody));
    }
}

/// A bridge, ready to be started.
#[derive(Debug)]
pub struct Config {
    /// The server.
    pub target: Target,
    /// How to relay.
    pub bridge: Settings,
    /// What the client gets to see of the server.
    pub shape: Option<Shape>,
}

/// What is wrong with the configuration. The text names the flag or variable and never a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The URL.
    #[error("{0}")]
    Url(String),
    /// A header.
    #[error("--header {0}")]
    Header(#[from] headers::HeaderError),
    /// A file with headers.
    #[error("--header-file: {0}")]
    HeaderFile(String),
    /// The command that prints headers.
    #[error("--header-command: {0}")]
    HeaderCommand(String),
    /// Something about signing in.
    #[error("{flag}: {reason}")]
    SignIn {
        /// Which.
        flag: &'static str,
        /// Why.
        reason: String,
    },
    /// The file of an administrator.
    #[error("{at}: {reason}")]
    Enterprise {
        /// The file, with the line where one is wrong.
        at: String,
        /// What is wrong.
        reason: String,
    },
    /// A size or duration.
    #[error("{flag}: {reason}")]
    Value {
        /// Which.
        flag: &'static str,
        /// Why.
        reason: values::ValueError,
    },
}

impl Config {
    /// Resolves the arguments against the environment.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn resolve(args: &BridgeArgs, env: Env<'_>) -> Result<Config, ConfigError> {
        let target = Target::resolve(&args.connection, &args.sign_in, env)?;
        Ok(Config {
            bridge: Settings {
                transport: target.transport,
                max_message: values::size(&args.max_message_size)
                    .map_err(|reason| ConfigError::Value { flag: "--max-message-size", reason })?,
                drain_timeout: duration("--drain-timeout", &args.drain_timeout)?,
                resume_timeout: duration("--resume-timeout", &args.resume_timeout)?,
                initialize_deadline: duration("--initialize-deadline", &args.initialize_deadline)?,
                protocol: protocol(&args.connection, target.transport),
                keep_alive: keep_alive(args.keep_alive.as_deref())?,
            },
            shape: Shape::new(rules(&args.shape)),
            target,
        })
    }

    /// The same for a command that is a client itself: with the defaults of what it has no flags for,
    /// and with no answer to `initialize` but the server's.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn of_command(
        connection: &ConnectionArgs,
        sign_in: &SignInArgs,
        env: Env<'_>,
    ) -> Result<Config, ConfigError> {
        let target = Target::resolve(connection, sign_in, env)?;
        let bridge = Settings {
            transport: target.transport,
            max_message: limits::MAX_MESSAGE_SIZE,
            drain_timeout: limits::DRAIN_TIMEOUT,
            resume_timeout: limits::RESUME_TIMEOUT,
            // Behind the end of every sign-in.
            initialize_deadline: target.sign_in.settings.auth_timeout + limits::INITIALIZE_TIMEOUT,
            protocol: protocol(connection, target.transport),
            keep_alive: None,
        };
        Ok(Config { target, bridge, shape: None })
    }
}

/// Whether the server is pinged, and how often.
fn keep_alive(typed: Option<&str>) -> Result<Option<Duration>, ConfigError> {
    let Some(typed) = typed else { return Ok(None) };
    let interval = duration("--keep-alive", typed)?;
    if interval < limits::PING_INTERVAL_MIN {
        let reason = values::ValueError::TooSmall("1s");
        return Err(ConfigError::Value { flag: "--keep-alive", reason });
    }
    Ok(Some(interval))
}

fn rules(args: &ShapeArgs) -> Rules {
    let globs = |texts: &[String]| texts.iter().map(|text| Glob::new(text)).collect();
    Rules {
        allow: globs(&args.allow_tool),
        deny: globs(&args.deny_tool),
        read_only: args.read_only,
        server_name: args.rename_server.clone(),
        merge_pages: args.merge_pages,
    }
}

fn protocol(args: &ConnectionArgs, transport: TransportChoice) -> Protocol {
    match args.protocol {
        // Only legacy servers have it.
        _ if transport == TransportChoice::Sse => Protocol::Only(Era::Legacy),
        ProtocolArg::Auto => Protocol::Auto,
        ProtocolArg::Legacy => Protocol::Only(Era::Legacy),
        ProtocolArg::Modern => Protocol::Only(Era::Modern),
    }
}

impl Target {
    /// Resolves the arguments against the environment.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn resolve(
        args: &ConnectionArgs,
        sign_in: &SignInArgs,
        env: Env<'_>,
    ) -> Result<Target, ConfigError> {
        let typed = args.url.as_deref().unwrap_or_default();
        let mut secrets = Vec::new();
        let (mut headers, supply) = sources::all_headers(args, env, &mut secrets)?;
        let mut url = parse_url(typed, args.allow_http)?;
        let elsewhere = supply.single.iter().any(|source| source.header == AUTHORIZATION);
        if let Some(basic) = take_user_info(&mut url, &mut secrets)
            && !elsewhere
        {
            headers.entry(AUTHORIZATION).or_insert(basic);
        }
        secrets.extend(url.query_pairs().map(|(_, value)| Secret::new(value.into_owned())));
        // What a command prints is an Authorization header more often than not.
        let configured =
            headers.contains_key(AUTHORIZATION) || supply.command.is_some() || elsewhere;
        let authorized = headers.contains_key(AUTHORIZATION) || elsewhere;
        let aws = aws::resolve(sign_in, &url, authorized, env, &mut secrets)?;
        let around = sign_in::Around {
            server: &url,
            called: args.called.as_deref(),
            allow_http: args.allow_http,
            configured,
            certificate: args.client_cert.is_some(),
            env,
        };
        let mut sign_in = sign_in::resolve(sign_in, &around, &mut secrets)?;
        if aws.is_some() {
            sign_in.settings.mode = Mode::Off;
        }
        Ok(Target {
            connection: connection(args, env)?,
            transport: match args.transport {
                Transport::Auto => TransportChoice::Auto,
                Transport::Http => TransportChoice::Http,
                Transport::Sse => TransportChoice::Sse,
                Transport::SseFirst => TransportChoice::SseFirst,
            },
            url,
            headers,
            supply,
            sign_in,
            aws,
            redactor: Arc::new(Redactor::new(secrets)),
            tap: None,
        })
    }
}

/// How to connect.
///
/// # Errors
/// The first thing that is wrong.
pub fn connection(args: &ConnectionArgs, env: Env<'_>) -> Result<client::Settings, ConfigError> {
    // Elsewhere the library that finds the system's roots reads SSL_CERT_FILE by itself.
    let reads_cert_file = cfg!(any(windows, target_vendor = "apple"));
    let ambient = ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"];
    let ambient = &ambient[usize::from(!reads_cert_file)..];
    Ok(client::Settings {
        connect_timeout: duration("--connect-timeout", &args.connect_timeout)?,
        ca_certs: args.ca_cert.clone(),
        ambient_ca_certs: ambient
            .iter()
            .filter_map(|name| env(name))
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
            .collect(),
        client_cert: args.client_cert.clone().map(|cert| {
            let key = args.client_key.clone().unwrap_or_else(|| cert.clone());
            (cert, key)
        }),
        withholds_cert: false,
        ipv4: args.ipv4,
        cookies: !args.no_cookies,
        public_only: false,
        observer: None,
        signs_in: false,
        #[cfg(feature = "simulation")]
        network: None,
    })
}

/// A server's URL as it is stored: without user information.
///
/// # Errors
/// If it is no URL of a server.
pub fn server_url(typed: &str, allow_http: bool) -> Result<Url, ConfigError> {
    let mut url = parse_url(typed, allow_http)?;
    take_user_info(&mut url, &mut Vec::new());
    Ok(url)
}

/// The size of a trace that was typed, in bytes.
///
/// # Errors
/// If it is none, or too small.
pub fn trace_size(text: &str) -> Result<u64, ConfigError> {
    let wrong = |reason| ConfigError::Value { flag: "--trace-max-size", reason };
    let size = values::size(text).map_err(wrong)?;
    if size < limits::TRACE_MIN_SIZE {
        return Err(wrong(values::ValueError::TooSmall("4MiB")));
    }
    Ok(size as u64)
}

/// A duration that was typed behind `flag`.
///
/// # Errors
/// If it is none.
pub fn duration(flag: &'static str, text: &str) -> Result<Duration, ConfigError> {
    values::duration(text).map_err(|reason| ConfigError::Value { flag, reason })
}

fn parse_url(typed: &str, allow_http: bool) -> Result<Url, ConfigError> {
    let wrong = |text: String| Err(ConfigError::Url(text));
    if typed.contains("${") {
        return wrong(format!(
            "the URL {} contains a placeholder that was not filled in",
            quoted(typed)
        ));
    }
    let Ok(mut url) = Url::parse(typed) else {
        return wrong(format!(
            "{} is not a URL; it should look like https://mcp.example.com/mcp",
            quoted(typed)
        ));
    };
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return wrong(format!("{} is not an http or https URL", quoted(typed)));
    }
    if url.scheme() == "http" && !allow_http && !is_loopback(&url) {
        return wrong(format!(
            "{} is not encrypted; use https, or --allow-http if you trust everything between here and there",
            shown(&url)
        ));
    }
    url.set_fragment(None);
    Ok(url)
}

/// Harmless to show: what is before a query, without user information.
fn quoted(typed: &str) -> String {
    // A password may contain anything, so that what is before the last @ goes first.
    let text = typed.rsplit('@').next().unwrap_or_default();
    let text = text.split(['?', '#']).next().unwrap_or_default();
    format!("\"{}\"", Redactor::default().clean(text, MAX_LOGGED_TEXT))
}

/// `user:password@` becomes a Basic credential (RFC 7617), because it would be sent nowhere else.
fn take_user_info(url: &mut Url, secrets: &mut Vec<Secret>) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (user, password) = (decode(url.username()), decode(url.password().unwrap_or_default()));
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    // Setting these fails only for URLs without a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    secrets.extend([Secret::new(password), Secret::new(format!("Basic {encoded}"))]);
    Some(value)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn resolve(args: &[&str]) -> Result<Target, ConfigError> {
        let cli = Cli::parse_from([&["mcp-tether"], args].concat());
        let env = |name: &str| (name == "TOKEN").then(|| "fake-token".into());
        Config::resolve(&cli.bridge, &env).map(|config| config.target)
    }

    #[test]
    fn urls() {
        for url in ["https://h.example/mcp", "http://localhost:1/mcp", "http://[::1]:1/"] {
            assert!(resolve(&[url]).is_ok(), "{url}");
        }
        assert!(resolve(&["http://h.example/", "--allow-http"]).is_ok());
        for (url, text) in [
            ("http://h.example/mcp", "--allow-http"),
            ("h.example/mcp", "not a URL"),
            ("ftp://h.example/", "not an http"),
            ("${user_config.url}", "placeholder"),
            ("https://", "not a URL"),
            ("https://user:hunter2#abc@h example/mcp", "\"h example/mcp\""),
            ("https://user:hunter2?abc@h.example:x/mcp", "\"h.example:x/mcp\""),
        ] {
            let error = resolve(&[url]).unwrap_err().to_string();
            assert!(error.contains(text) && !error.contains("hunter2"), "{url}: {error}");
        }
    }

    #[test]
    fn user_information_becomes_a_header_and_stays_secret() {
        let config = resolve(&["https://me:p%40ssword-1@h.example/mcp?key=query-secret"]).unwrap();
        assert_eq!(config.url.as_str(), "https://h.example/mcp?key=query-secret");
        assert_eq!(config.headers[AUTHORIZATION], "Basic bWU6cEBzc3dvcmQtMQ==");
        let text = config.redactor.clean("p@ssword-1 bWU6cEBzc3dvcmQtMQ== query-secret", 100);
        assert_eq!(text, "[redacted] [redacted] [redacted]");
        assert!(!format!("{:?}", config.headers).contains("bWU6"));
    }

    #[test]
    fn what_needs_nobody_asks_nobody() {
        let grant = ["https://h.example/", "--grant=client-credentials", "--client-id=me"];
        let secret = "--client-secret=env:TOKEN";
        for flags in [&[secret][..], &[secret, "--dpop=always"]] {
            assert!(resolve(&[&grant[..], flags].concat()).is_ok(), "{flags:?}");
        }
        let flags = [secret, "--device-code"];
        let error = resolve(&[&grant[..], &flags].concat()).unwrap_err().to_string();
        assert!(error.starts_with("--device-code"), "{error}");
    }

    #[test]
    fn wrong_values_name_their_flag() {
        for (flag, value) in [
            ("--max-message-size", "x"),
            ("--drain-timeout", "-1s"),
            ("--connect-timeout", "5 parsecs"),
        ] {
            let error = resolve(&["https://h.example/", &format!("{flag}={value}")]).unwrap_err();
            assert!(error.to_string().starts_with(flag), "{error}");
        }
    }
}
