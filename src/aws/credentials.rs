//! Obtaining credentials, by the crates of AWS: from the environment, a profile with all that it can name,
//! a web identity, a container, the instance.

use std::error::Error;
use std::sync::Arc;

use aws_config::BehaviorVersion;
use aws_config::Region;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::connector::Client;
use super::process::Watch;
use super::profiles::{Origin, Texts, quoted};
use super::refusal::renewal;
use super::{Keys, Settings};
use crate::limits::{AWS_CREDENTIALS_TIMEOUT, MAX_EXCERPT};
use crate::secret::Redactor;

/// Why there are no credentials, with the next step.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{cause}; {next}")]
pub struct CredentialError {
    pub(super) cause: String,
    pub(super) next: String,
}

/// Credentials, and how somebody renews them.
pub struct Obtained {
    /// What to sign with.
    pub credentials: Credentials,
    /// A next step, as a sentence.
    pub renewal: String,
}

/// Obtains credentials, however often that was done before: what other programs have written meanwhile is
/// found. A profile that is named on the command line is used alone; otherwise the order is the one of
/// every AWS tool.
///
/// # Errors
/// Why there are none.
pub async fn obtain(
    settings: &Settings,
    client: Client,
    redactor: &Arc<Redactor>,
) -> Result<Obtained, CredentialError> {
    if settings.profile.is_none()
        && let Some(Keys { id, secret, token }) = &settings.keys
    {
        let token = token.as_ref().map(|token| token.expose().to_owned());
        return Ok(Obtained {
            credentials: Credentials::new(id, secret.expose(), token, None, "environment"),
            renewal: "renew AWS_ACCESS_KEY_ID and what belongs to it in the environment".into(),
        });
    }
    let end = Instant::now() + AWS_CREDENTIALS_TIMEOUT;
    let unreadable = |reason: String| CredentialError {
        cause: format!("the AWS profiles cannot be read: {reason}"),
        next: "correct that file".to_owned(),
    };
    let files = settings.files.clone();
    // They may be on a file system that does not answer.
    let read = timeout_at(end, spawn_blocking(move || files.read())).await;
    let texts = match read {
        Ok(Ok(read)) => read.map_err(unreadable)?,
        Ok(Err(_)) => return Err(unreadable("reading them failed".into())),
        Err(_) => {
            let limit = AWS_CREDENTIALS_TIMEOUT.as_secs();
            return Err(unreadable(format!("nothing came within {limit} s")));
        }
    };
    let watch = Watch::new();
    let attempt = provider(settings, &texts, &watch, client).await;
    let profile = settings.profile();
    let origin = texts.origin(profile);
    let outcome = match timeout_at(end, attempt.provide_credentials()).await {
        Ok(outcome) => {
            watch.over();
            outcome
        }
        Err(_) => {
            let limit = AWS_CREDENTIALS_TIMEOUT.as_secs();
            return Err(CredentialError {
                cause: format!("AWS credentials were not obtained within {limit} s"),
                next: renewal(origin, profile),
            });
        }
    };
    match outcome {
        Ok(credentials) => Ok(Obtained { credentials, renewal: renewal(origin, profile) }),
        Err(error) => Err(explain(&error, settings, origin, redactor)),
    }
}

async fn provider(
    settings: &Settings,
    texts: &Texts,
    watch: &Watch,
    client: Client,
) -> Box<dyn ProvideCredentials> {
    let region = settings.region.as_deref();
    let region = region.or_else(|| texts.property(settings.profile(), "region"));
    let region = region.unwrap_or(&settings.place.region).to_owned();
    let config = ProviderConfig::without_region()
        .with_region(Some(Region::new(region)))
        .with_behavior_version(Some(BehaviorVersion::latest()))
        .with_http_client(client);
    let safe = texts.without_our_stdin(&watch.prefix());
    let files = EnvConfigFiles::builder()
        .with_contents(EnvConfigFileKind::Config, safe.config)
        .with_contents(EnvConfigFileKind::Credentials, safe.credentials)
        .build();
    let profile = ProfileFileCredentialsProvider::builder()
        .configure(&config)
        .profile_files(files)
        .profile_name(settings.profile());
    if settings.profile.is_some() {
        return Box::new(profile.build());
    }
    let chain = CredentialsProviderChain::first_try("profile", profile.build())
        .or_else(
            "web identity",
            WebIdentityTokenCredentialsProvider::builder().configure(&config).build(),
        )
        .or_else("container", EcsCredentialsProvider::builder().configure(&config).build())
        .or_else("instance", ImdsCredentialsProvider::builder().configure(&config).build());
    Box::new(chain)
}

fn explain(
    error: &CredentialsError,
    settings: &Settings,
    origin: Origin,
    redactor: &Redactor,
) -> CredentialError {
    let profile = settings.profile();
    let shown = quoted(profile);
    let none = matches!(error, CredentialsError::CredentialsNotLoaded(_));
    let reason = redactor.clean(&reason(error), MAX_EXCERPT);
    let named = settings.profile.is_some() || none && profile != "default";
    let cause = match origin {
        Origin::Missing if named => format!("there is no AWS profile {shown}"),
        Origin::Missing if none => {
            "there are no AWS credentials (environment, profile default, container, instance)"
                .to_owned()
        }
        Origin::Missing => format!("there are no AWS credentials: {reason}"),
        _ => format!("the profile {shown} gives no AWS credentials: {reason}"),
    };
    CredentialError { cause, next: renewal(origin, profile) }
}

/// What lies deepest, which is what went wrong. What a program has said is not shown: it may be a secret.
fn reason(error: &CredentialsError) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        texts.push(error.to_string());
        source = error.source();
    }
    let text = texts.pop().unwrap_or_default();
    let text = match text.split_once(" Stderr:") {
        Some((before, _)) => before,
        None => &text,
    };
    let text = text.split_once("could not parse response").map_or(text, |(before, _)| before);
    text.trim_end_matches([' ', '.', ',', ':']).replace("; ", ", ")
}
