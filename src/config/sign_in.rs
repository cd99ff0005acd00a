//! What is meant by the arguments about signing in.

use std::fs;
use std::path::Path;
use std::time::Duration;

use http::Uri;
use url::Url;

use super::{ConfigError, Env, duration};
use crate::auth::browser::Environment;
use crate::auth::callback::CallbackSettings;
use crate::auth::client::Identity;
use crate::auth::parameters;
use crate::auth::settings::{ClientSecret, Mode, ResourceParameter, Settings};
use crate::cli::SignInArgs;
use crate::cli::sign_in::{AuthMode, StoreArgs, StoreChoice};
use crate::limits::MAX_HEADER_TOKEN;
use crate::secret::Secret;
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

/// Resolves the arguments. `configured` tells whether there is an `Authorization` header already.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn resolve(
    args: &SignInArgs,
    server: &Url,
    allow_http: bool,
    configured: bool,
    env: Env<'_>,
    secrets: &mut Vec<Secret>,
) -> Result<SignIn, ConfigError> {
    let wrong = |flag: &'static str| move |reason: String| ConfigError::SignIn { flag, reason };
    let secret = client_secret(args, env, secrets).map_err(wrong("--client-secret"))?;
    let metadata_url = args.client_metadata_url.as_deref();
    let metadata_url =
        metadata_url.map(document_url).transpose().map_err(wrong("--client-metadata-url"))?;
    let mode = match args.auth {
        AuthMode::None => Mode::Off,
        _ if configured && !args.oauth => Mode::Configured,
        AuthMode::Stored => Mode::Stored,
        AuthMode::Interactive => Mode::Interactive,
    };
    let pairs =
        |texts: &[String], flag| parameters::parse(texts).map_err(|e| wrong(flag)(e.to_string()));
    Ok(SignIn {
        settings: Settings {
            mode,
            server: server.clone(),
            profile: profile(&args.store.profile).map_err(wrong("--profile"))?,
            identity: Identity {
                given: args.client_id.clone().map(|id| (id, None)),
                metadata_url,
                name: args.client_name.clone(),
            },
            client_secret: secret,
            scope: args.scope.clone().filter(|scope| !scope.trim().is_empty()),
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
            use_id_token: args.use_id_token,
            callback: CallbackSettings::new(
                args.callback_url.as_deref(),
                args.callback_bind.as_deref(),
            )
            .map_err(|error| wrong("--callback-url, --callback-bind")(error.to_string()))?,
            browser: (!args.no_browser)
                .then(|| Environment { allow_http, ..Environment::detect(env) }),
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
            Some(("file", path)) => Some(secret_file(Path::new(path))?),
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

fn secret_file(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let size = fs::metadata(path).map_err(|e| format!("cannot read {shown}: {e}"))?.len();
    if size > MAX_HEADER_TOKEN as u64 {
        return Err(format!("{shown} has {size} bytes; that is no secret"));
    }
    let text = fs::read_to_string(path).map_err(|e| format!("cannot read {shown}: {e}"))?;
    if text.trim().is_empty() { Err(format!("{shown} is empty")) } else { Ok(text) }
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
