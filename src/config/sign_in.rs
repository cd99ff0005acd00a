//! What is meant by the arguments about signing in.

use std::path::Path;
use std::time::Duration;

use http::Uri;
use url::Url;

use super::registration::{self, Info, Metadata};
use super::{ConfigError, Env, duration, enterprise, grant};
use crate::auth::browser::Environment;
use crate::auth::callback::CallbackSettings;
use crate::auth::client::Identity;
use crate::auth::parameters;
use crate::auth::settings::{ClientSecret, Dpop, Mode, ResourceParameter, Settings};
use crate::cli::SignInArgs;
use crate::cli::sign_in::{AuthMode, DpopChoice, StoreArgs, StoreChoice};
use crate::http::client::is_loopback;
use crate::secret::{Secret, file};
use crate::store::{Choice, Places};

/// How to sign in, and where credentials are kept.
#[derive(Debug)]
pub struct SignIn {
    /// For [`crate::auth::Authorizer`].
    pub settings: Settings,
    /// Where files go; none without a home.
    pub places: Option<Places>,
    /// Keyring or file.
    pub store: Choice,
}

/// What else decides.
pub(super) struct Around<'a> {
    /// The MCP endpoint.
    pub server: &'a Url,
    /// The name that was typed for it.
    pub called: Option<&'a str>,
    /// `--allow-http`.
    pub allow_http: bool,
    /// Whether there is an `Authorization` header already.
    pub configured: bool,
    /// Whether there is a client certificate.
    pub certificate: bool,
    /// The environment.
    pub env: Env<'a>,
}

/// Resolves the arguments.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn resolve(
    args: &SignInArgs,
    around: &Around<'_>,
    secrets: &mut Vec<Secret>,
) -> Result<SignIn, ConfigError> {
    let Around { server, configured, env, .. } = *around;
    let mode = match args.auth {
        AuthMode::None => Mode::Off,
        _ if configured && !args.oauth => Mode::Configured,
        AuthMode::Stored => Mode::Stored,
        AuthMode::Interactive => Mode::Interactive,
    };
    // What is never used need not be right.
    let signs_in = matches!(mode, Mode::Stored | Mode::Interactive);
    if signs_in && let Some((args, file)) = enterprise::applied(args, server, env)? {
        let about = |error: ConfigError| ConfigError::Enterprise {
            at: file.display().to_string(),
            reason: error.to_string(),
        };
        let mut sign_in = resolve_as(&args, around, mode, secrets).map_err(about)?;
        sign_in.settings.managed = Some(file);
        return Ok(sign_in);
    }
    resolve_as(args, around, mode, secrets)
}

fn resolve_as(
    args: &SignInArgs,
    around: &Around<'_>,
    mode: Mode,
    secrets: &mut Vec<Secret>,
) -> Result<SignIn, ConfigError> {
    let Around { server, called, allow_http, certificate, env, .. } = *around;
    let wrong = |flag: &'static str| move |reason: String| ConfigError::SignIn { flag, reason };
    let info = args.client_info.as_deref().map(|text| registration::info(text, env, secrets));
    let info = info.transpose().map_err(wrong("--client-info"))?;
    let metadata = args.client_metadata.as_deref().map(registration::metadata);
    let metadata = metadata.transpose().map_err(wrong("--client-metadata"))?.unwrap_or_default();
    let secret = match &info {
        Some(Info { secret: Some(secret), .. }) => Some(ClientSecret::Value(secret.clone())),
        _ => client_secret(args, env, secrets).map_err(wrong("--client-secret"))?,
    };
    let Metadata { members, scope: registered_scope, auth } = metadata;
    let auth = info.as_ref().and_then(|info| info.auth).or(auth);
    let basic = info.is_some();
    let id = info.map(|info| info.id).or_else(|| args.client_id.clone());
    let around = grant::Around {
        client_id: id.is_some(),
        client_secret: secret.is_some(),
        certificate,
        allow_http,
        env,
    };
    let unattended = grant::resolve(&args.grant, &around, secrets)?;
    let needs_nobody = unattended.as_ref().is_some_and(|unattended| !unattended.needs_a_person());
    if needs_nobody && args.device_code {
        let text = "with this --grant nobody is asked to sign in";
        return Err(wrong("--device-code")(text.into()));
    }
    let metadata_url = args.client_metadata_url.as_deref();
    let metadata_url =
        metadata_url.map(document_url).transpose().map_err(wrong("--client-metadata-url"))?;
    let pairs =
        |texts: &[String], flag| parameters::parse(texts).map_err(|e| wrong(flag)(e.to_string()));
    Ok(SignIn {
        settings: Settings {
            mode,
            server: server.clone(),
            called: called.map(str::to_owned),
            profile: profile(&args.store.profile).map_err(wrong("--profile"))?,
            identity: Identity {
                given: id.map(|id| (id, None)),
                auth,
                basic,
                metadata_url,
                name: args.client_name.clone(),
                members,
            },
            client_secret: secret,
            unattended,
            openid: None,
            managed: None,
            scope: args.scope.clone().filter(|scope| !scope.trim().is_empty()).or(registered_scope),
            resource: match args.resource.as_deref() {
                None => ResourceParameter::AsPublished,
                Some("none") => ResourceParameter::Omitted,
                Some(value) => {
                    value.parse::<Uri>().map_err(|e| wrong("--resource")(e.to_string()))?;
                    ResourceParameter::Given(value.to_owned())
                }
            },
            auth_params: pairs(&args.auth_param, "--auth-param")?,
            token_params: pairs(&args.token_param, "--token-param")?,
            allow_missing_pkce_metadata: args.allow_missing_pkce_metadata,
            allow_http,
            dpop: match args.dpop {
                DpopChoice::Auto => Dpop::Auto,
                DpopChoice::Always if args.use_id_token => {
                    let text = "an id token (--use-id-token) is bound to no key";
                    return Err(wrong("--dpop always")(text.into()));
                }
                DpopChoice::Always => Dpop::Always,
                DpopChoice::Never => Dpop::Never,
            },
            use_id_token: args.use_id_token,
            callback: CallbackSettings::new(
                args.callback_url.as_deref(),
                args.callback_bind.as_deref(),
            )
            .map_err(|error| wrong("--callback-url, --callback-bind")(error.to_string()))?,
            success_url: match args.auth_success_url.as_deref() {
                None => None,
                Some(url) => {
                    Some(success_url(url, allow_http).map_err(wrong("--auth-success-url"))?)
                }
            },
            browser: (!args.no_browser)
                .then(|| Environment { allow_http, ..Environment::detect(env) }),
            device_code: args.device_code,
            auth_timeout: auth_timeout(&args.auth_timeout)?,
        },
        places: Places::find(env),
        store: choice(&args.store),
    })
}

/// Which store is meant.
pub fn choice(args: &StoreArgs) -> Choice {
    store_choice(args.store)
}

/// The same, for commands without a profile.
pub fn store_choice(choice: StoreChoice) -> Choice {
    match choice {
        StoreChoice::Auto => Choice::Auto,
        StoreChoice::Keyring => Choice::Keyring,
        StoreChoice::File => Choice::File,
    }
}

fn auth_timeout(text: &str) -> Result<Duration, ConfigError> {
    let limit = duration("--auth-timeout", text)?;
    if limit.is_zero() {
        let reason = "it must be longer than nothing".to_owned();
        return Err(ConfigError::SignIn { flag: "--auth-timeout", reason });
    }
    Ok(limit)
}

fn profile(name: &str) -> Result<String, String> {
    let fine = !name.trim().is_empty() && name.len() <= 100 && !name.chars().any(char::is_control);
    if fine { Ok(name.to_owned()) } else { Err("a name of up to 100 characters".into()) }
}

/// The secret itself must not be an argument: everybody on the machine can read those.
fn client_secret(
    args: &SignInArgs,
    env: Env<'_>,
    secrets: &mut Vec<Secret>,
) -> Result<Option<ClientSecret>, String> {
    let value = match &args.client_secret {
        None => env("MCP_TETHER_CLIENT_SECRET").filter(|v| !v.is_empty()),
        Some(reference) => match reference.split_once(':') {
            Some(("env", name)) => Some(
                env(name)
                    .filter(|v| !v.is_empty())
                    .ok_or(format!("the variable {name} is not set"))?,
            ),
            Some(("file", path)) => Some(file::read(Path::new(path))?.expose().to_owned()),
            Some(("keyring", name)) if !name.is_empty() => {
                return Ok(Some(ClientSecret::Keyring(name.to_owned())));
            }
            _ => return Err("give a reference, as env:NAME, file:PATH or keyring:NAME".into()),
        },
    };
    let Some(value) = value.map(|value| Secret::new(value.trim().to_owned())) else {
        return Ok(None);
    };
    secrets.push(value.clone());
    Ok(Some(ClientSecret::Value(value)))
}

/// Where the browser may be sent with nothing to show for it.
fn success_url(text: &str, allow_http: bool) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let fits = match url.scheme() {
        "https" => true,
        "http" => allow_http || is_loopback(&url),
        _ => false,
    };
    if !fits {
        return Err("it must be https, or http on this machine or with --allow-http".into());
    }
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if bare { Ok(url) } else { Err("it must have no user, query and fragment".into()) }
}

/// Client ID Metadata Documents are https URLs with a path, and the URL is the id, byte for byte.
fn document_url(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|e| e.to_string())?;
    let fine = url.scheme() == "https"
        && url.path() != "/"
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if fine { Ok(text.to_owned()) } else { Err("it must be an https URL with a path".into()) }
}
