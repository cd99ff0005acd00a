//! What is meant by `--aws-sigv4`.

use std::path::PathBuf;

use url::Url;

use super::{ConfigError, Env};
use crate::aws::place::{self, Place};
use crate::aws::profiles::Files;
use crate::aws::{AVAILABLE, Keys, Settings};
use crate::cli::SignInArgs;
use crate::cli::aws::AwsArgs;
use crate::cli::grant::GrantArg;
use crate::secret::Secret;

const FLAG: &str = "--aws-sigv4";

/// Resolves the arguments. `configured` tells whether there is an `Authorization` header already.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn resolve(
    sign_in: &SignInArgs,
    server: &Url,
    configured: bool,
    env: Env<'_>,
    secrets: &mut Vec<Secret>,
) -> Result<Option<Settings>, ConfigError> {
    let args = &sign_in.aws;
    if !args.aws_sigv4 {
        return Ok(None);
    }
    let wrong = |reason: &str| ConfigError::SignIn { flag: FLAG, reason: reason.to_owned() };
    if !AVAILABLE {
        return Err(wrong(
            "this build cannot sign for AWS; install one that can: \
             cargo install --path . --locked --features aws",
        ));
    }
    if sign_in.oauth
        || sign_in.device_code
        || sign_in.grant.grant.is_some_and(|grant| grant != GrantArg::AuthorizationCode)
    {
        return Err(wrong(
            "signed requests need no OAuth; leave out --oauth, --grant, --device-code",
        ));
    }
    if configured {
        return Err(wrong(
            "the signature is an Authorization header, and one is configured already; leave out \
             either of them",
        ));
    }
    let var = |name: &str| env(name).filter(|value| !value.trim().is_empty());
    let files = files(&var);
    let ambient_profile = var("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
    let region = var("AWS_REGION").or_else(|| var("AWS_DEFAULT_REGION"));
    let profile = args.aws_profile.clone();
    let of_profile = || {
        let profile = profile.as_deref().unwrap_or(&ambient_profile);
        files.read().ok()?.property(profile, "region").map(str::to_owned)
    };
    let place = place(args, server, || region.clone().or_else(of_profile))?;
    let keys = keys(&var);
    for keys in keys.iter().filter(|_| profile.is_none()) {
        secrets.extend([keys.secret.clone()].into_iter().chain(keys.token.clone()));
    }
    Ok(Some(Settings { place, profile, keys, ambient_profile, files, region }))
}

/// Keys in the environment, as AWS tools look for them. They are read here and not by the crates of AWS, because
/// the environment may be one that a client's configuration gives.
fn keys(var: &dyn Fn(&str) -> Option<String>) -> Option<Keys> {
    let secret = |name| var(name).map(|value| Secret::new(value.trim().to_owned()));
    Some(Keys {
        id: var("AWS_ACCESS_KEY_ID")?.trim().to_owned(),
        secret: secret("AWS_SECRET_ACCESS_KEY")?,
        token: secret("AWS_SESSION_TOKEN"),
    })
}

/// What to sign for: what was typed, else what the host tells.
fn place(
    args: &AwsArgs,
    server: &Url,
    ambient: impl Fn() -> Option<String>,
) -> Result<Place, ConfigError> {
    let host = server.host_str().unwrap_or_default();
    let told = place::of_host(host);
    let missing = |what: &str, flag: &str, such: &str| ConfigError::SignIn {
        flag: FLAG,
        reason: format!("the host {host} does not tell the {what}; name it by {flag}, as {such}"),
    };
    let service = args.aws_service.clone().or(told.as_ref().map(|place| place.service.clone()));
    let service = service
        .ok_or_else(|| missing("service", "--aws-service", "bedrock-agentcore or execute-api"))?;
    let region = args.aws_region.clone().or(told.map(|place| place.region)).or_else(ambient);
    let region = region.ok_or_else(|| missing("region", "--aws-region", "us-east-1"))?;
    for (flag, name) in [("--aws-service", &service), ("--aws-region", &region)] {
        let fine = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if name.is_empty() || !fine {
            let reason = "a name has letters, digits and hyphens".to_owned();
            return Err(ConfigError::SignIn { flag, reason });
        }
    }
    Ok(Place { service, region })
}

/// Where the profiles are (`AWS_CONFIG_FILE`, `AWS_SHARED_CREDENTIALS_FILE`).
fn files(var: &dyn Fn(&str) -> Option<String>) -> Files {
    let home = || {
        let home = if cfg!(windows) { var("USERPROFILE") } else { var("HOME") };
        home.or_else(|| var("HOME")).map(PathBuf::from)
    };
    let file = |name: &str, usual: &str| match var(name) {
        Some(path) => match path.strip_prefix("~/") {
            Some(rest) => home().map(|home| home.join(rest)),
            None => Some(PathBuf::from(path)),
        },
        None => home().map(|home| home.join(".aws").join(usual)),
    };
    Files {
        config: file("AWS_CONFIG_FILE", "config"),
        credentials: file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::Target;
    use super::*;
    use crate::auth::settings::Mode;
    use crate::cli::Cli;

    fn resolve(
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<(Option<Settings>, Mode), ConfigError> {
        let cli = Cli::parse_from([&["mcp-tether", "--aws-sigv4"], args].concat());
        let env = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let target = Target::resolve(&cli.bridge.connection, &cli.bridge.sign_in, &env)?;
        Ok((target.aws, target.sign_in.settings.mode))
    }

    const RUNTIME: &str =
        "https://bedrock-agentcore.us-west-2.amazonaws.com/runtimes/a/invocations";

    #[cfg(not(feature = "aws"))]
    #[test]
    fn a_build_that_cannot_sign_says_how_to_get_one() {
        let error = resolve(&[RUNTIME], &[]).unwrap_err().to_string();
        assert!(error.starts_with("--aws-sigv4") && error.contains("--features aws"), "{error}");
    }

    #[cfg(feature = "aws")]
    #[test]
    fn what_to_sign_for_is_typed_or_told_by_the_host_or_ambient() {
        let place = |args: &[&str], variables: &[(&str, &str)]| {
            let (aws, mode) = resolve(args, variables).unwrap();
            assert_eq!(mode, Mode::Off);
            let place = aws.unwrap().place;
            (place.service, place.region)
        };
        let is = |service: &str, region: &str| (service.to_owned(), region.to_owned());
        let here = [("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "eu-west-2")];
        assert_eq!(place(&[RUNTIME], &here), is("bedrock-agentcore", "us-west-2"));
        let own = ["https://mcp.example.com/", "--aws-service", "execute-api"];
        assert_eq!(place(&own, &here), is("execute-api", "eu-west-1"));
        assert_eq!(place(&own, &here[1..]), is("execute-api", "eu-west-2"));
        let typed = [RUNTIME, "--aws-service=lambda", "--aws-region=us-east-1"];
        assert_eq!(place(&typed, &here), is("lambda", "us-east-1"));

        let given = [("AWS_ACCESS_KEY_ID", " A "), ("AWS_SECRET_ACCESS_KEY", "fake-key")];
        let keys = resolve(&[RUNTIME], &given).unwrap().0.unwrap().keys.unwrap();
        assert_eq!((&*keys.id, keys.secret.expose(), keys.token), ("A", "fake-key", None));
        assert_eq!(resolve(&[RUNTIME], &given[..1]).unwrap().0.unwrap().keys, None);

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        std::fs::write(&file, "[profile work]\nregion = ap-south-1\n").unwrap();
        let file = file.to_str().unwrap();
        let variables = [("AWS_CONFIG_FILE", file), ("AWS_PROFILE", "work")];
        assert_eq!(place(&own, &variables), is("execute-api", "ap-south-1"));
        let named = [&own[..], &["--aws-profile", "work"]].concat();
        assert_eq!(place(&named, &variables[..1]), is("execute-api", "ap-south-1"));
    }

    #[cfg(feature = "aws")]
    #[test]
    fn what_is_wrong_or_missing_is_named() {
        let own = "https://mcp.example.com/";
        for (args, text) in [
            (&[own][..], "name it by --aws-service"),
            (&[own, "--aws-service", "execute-api"], "name it by --aws-region"),
            (&[RUNTIME, "--aws-region", "us east"], "--aws-region: a name has"),
            (&[RUNTIME, "-H", "Authorization: Bearer fake"], "leave out either"),
            (&["https://u:fake@a.lambda-url.us-east-1.on.aws/"], "leave out either"),
            (&[RUNTIME, "--oauth"], "leave out --oauth"),
            (&[RUNTIME, "--device-code"], "--device-code"),
            (&[RUNTIME, "--grant=jwt-bearer", "--client-id=a", "--assertion=env:A"], "--grant"),
        ] {
            let error = resolve(args, &[("A", "fake")]).unwrap_err().to_string();
            assert!(error.contains(text), "{args:?}: {error}");
        }
    }
}
