//! What is meant by the arguments about tokens without a person at the authorization server.

use url::Url;

use super::{ConfigError, Env};
use crate::auth::jws::{Algorithm, SigningKey};
use crate::auth::settings::{Grant, IdentityProvider, Issuer, Source, Unattended};
use crate::cli::grant::{GrantArg, GrantArgs};
use crate::http::client::is_loopback;
use crate::secret::Secret;
use crate::supply::words;

/// What else decides.
pub(super) struct Around<'a> {
    /// Whether there is a `--client-id`.
    pub client_id: bool,
    /// Whether there is a client secret.
    pub client_secret: bool,
    /// Whether there is a client certificate.
    pub certificate: bool,
    /// `--allow-http`.
    pub allow_http: bool,
    /// The environment.
    pub env: Env<'a>,
}

/// Resolves the arguments; `None` where a person signs in at the authorization server.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn resolve(
    args: &GrantArgs,
    around: &Around<'_>,
    secrets: &mut Vec<Secret>,
) -> Result<Option<Unattended>, ConfigError> {
    let grant = args.grant.unwrap_or(GrantArg::AuthorizationCode);
    let enterprise = &[GrantArg::Enterprise][..];
    for (flag, given, grants) in [
        ("--token-endpoint", args.token_endpoint.is_some(), &UNATTENDED[..]),
        ("--private-key", args.private_key.is_some(), &UNATTENDED),
        ("--assertion", args.assertion.is_some(), &[GrantArg::JwtBearer]),
        ("--idp-issuer", args.idp_issuer.is_some(), enterprise),
        ("--idp-token-endpoint", args.idp_token_endpoint.is_some(), enterprise),
        ("--idp-client-id", args.idp_client_id.is_some(), enterprise),
        ("--idp-id-token", args.idp_id_token.is_some(), enterprise),
    ] {
        if given && !grants.contains(&grant) {
            let name = match grants {
                [GrantArg::JwtBearer] => "jwt-bearer",
                [GrantArg::Enterprise] => "enterprise",
                _ => "client-credentials, jwt-bearer or enterprise",
            };
            return Err(wrong(flag, format!("it belongs to --grant {name}")));
        }
    }
    let mut reader = Reader { around, secrets };
    let key = reader.optional("--private-key", args.private_key.as_deref(), KEPT)?;
    let algorithm = args.signing_alg.as_deref().map(algorithm).transpose()?;
    if let Some(Source::Value(pem)) = &key {
        SigningKey::from_pem(pem, algorithm).map_err(|e| wrong("--private-key", e.to_string()))?;
    }
    let grant = match grant {
        GrantArg::AuthorizationCode => return Ok(None),
        GrantArg::ClientCredentials => {
            let proof = key.is_some() || around.client_secret || around.certificate;
            if !around.client_id || !proof {
                let reason = "client-credentials needs --client-id, and --client-secret, \
                              --private-key or --client-cert";
                return Err(wrong("--grant", reason.into()));
            }
            Grant::ClientCredentials
        }
        GrantArg::JwtBearer => Grant::JwtBearer {
            assertion: reader.needed("--assertion", args.assertion.as_deref(), MADE)?,
        },
        GrantArg::Enterprise => {
            if args.token_endpoint.is_some() {
                let reason = "enterprise needs the metadata of the authorization server, whose \
                              identifier the identity provider has to know";
                return Err(wrong("--token-endpoint", reason.into()));
            }
            Grant::Enterprise(Box::new(reader.identity_provider(args)?))
        }
    };
    let endpoint = args.token_endpoint.as_deref();
    let token_endpoint =
        endpoint.map(|url| reader.endpoint("--token-endpoint", url)).transpose()?;
    Ok(Some(Unattended { grant, token_endpoint, key, algorithm }))
}

const UNATTENDED: [GrantArg; 3] =
    [GrantArg::ClientCredentials, GrantArg::JwtBearer, GrantArg::Enterprise];

/// References to what somebody keeps, and to what is made when it is needed.
const KEPT: &str = "env:NAME, file:PATH or keyring:NAME";
const MADE: &str = "env:NAME, file:PATH or command:COMMAND";

fn wrong(flag: &'static str, reason: String) -> ConfigError {
    ConfigError::SignIn { flag, reason }
}

fn needed<'a>(flag: &'static str, value: Option<&'a str>) -> Result<&'a str, ConfigError> {
    let given = value.filter(|value| !value.trim().is_empty());
    given.ok_or_else(|| wrong(flag, "this --grant needs it".into()))
}

fn algorithm(name: &str) -> Result<Algorithm, ConfigError> {
    let known = || Algorithm::ALL.map(Algorithm::name).join(", ");
    Algorithm::named(name)
        .ok_or_else(|| wrong("--signing-alg", format!("\"{name}\" is none of {}", known())))
}

struct Reader<'a> {
    around: &'a Around<'a>,
    secrets: &'a mut Vec<Secret>,
}

impl Reader<'_> {
    fn needed(
        &mut self,
        flag: &'static str,
        reference: Option<&str>,
        forms: &'static str,
    ) -> Result<Source, ConfigError> {
        let reference = needed(flag, reference)?;
        self.source(reference, forms).map_err(|reason| wrong(flag, reason))
    }

    fn optional(
        &mut self,
        flag: &'static str,
        reference: Option<&str>,
        forms: &'static str,
    ) -> Result<Option<Source>, ConfigError> {
        reference.map(|_| self.needed(flag, reference, forms)).transpose()
    }

    /// Only what cannot change is read now.
    fn source(&mut self, reference: &str, forms: &'static str) -> Result<Source, String> {
        match reference.split_once(':') {
            Some(("env", name)) => {
                let value = (self.around.env)(name).filter(|value| !value.trim().is_empty());
                let value = value.ok_or(format!("the variable {name} is not set"))?;
                let secret = Secret::new(value.trim().to_owned());
                self.secrets.push(secret.clone());
                Ok(Source::Value(secret))
            }
            Some(("file", path)) if !path.is_empty() => Ok(Source::File(path.into())),
            Some(("keyring", name)) if !name.is_empty() && forms == KEPT => {
                Ok(Source::Keyring(name.to_owned()))
            }
            Some(("command", line)) if forms == MADE => {
                let words = words::split(line);
                Ok(Source::Command(words.ok_or("the command cannot be split into words")?))
            }
            _ => Err(format!("give a reference, as {forms}")),
        }
    }

    fn identity_provider(&mut self, args: &GrantArgs) -> Result<IdentityProvider, ConfigError> {
        let secret = args.idp_client_secret.as_deref();
        let id_token = self.optional("--idp-id-token", args.idp_id_token.as_deref(), KEPT)?;
        let flag = "--idp-issuer";
        let issuer = match (&args.idp_issuer, &args.idp_token_endpoint, &id_token) {
            (Some(name), ..) => {
                let url = self.endpoint(flag, name)?;
                if url.query().is_some() || url.fragment().is_some() {
                    return Err(wrong(flag, "an issuer has no query and no fragment".into()));
                }
                Some(Issuer { name: name.clone(), url })
            }
            (None, Some(_), Some(_)) => None,
            (None, _, None) => {
                let reason =
                    "this --grant needs it to sign a person in, unless there is an --idp-id-token";
                return Err(wrong(flag, reason.into()));
            }
            (None, None, Some(_)) => {
                return Err(wrong(flag, "this --grant needs it, or --idp-token-endpoint".into()));
            }
        };
        let endpoint = |flag, text: &Option<String>| {
            text.as_deref().map(|text| self.endpoint(flag, text)).transpose()
        };
        let authorization = &args.idp_authorization_endpoint;
        Ok(IdentityProvider {
            issuer,
            authorization_endpoint: endpoint("--idp-authorization-endpoint", authorization)?,
            token_endpoint: endpoint("--idp-token-endpoint", &args.idp_token_endpoint)?,
            client_id: needed("--idp-client-id", args.idp_client_id.as_deref())?.to_owned(),
            client_secret: self.optional("--idp-client-secret", secret, KEPT)?,
            id_token,
            scope: match args.idp_scope.as_deref().map(str::trim) {
                None => None,
                Some(scope) if scope.split_ascii_whitespace().any(|one| one == "openid") => {
                    Some(scope.to_owned())
                }
                Some(_) => return Err(wrong("--idp-scope", "it has to have openid".into())),
            },
        })
    }

    fn endpoint(&self, flag: &'static str, text: &str) -> Result<Url, ConfigError> {
        let url = Url::parse(text).map_err(|error| wrong(flag, error.to_string()))?;
        let encrypted = url.scheme() == "https"
            || url.scheme() == "http" && (self.around.allow_http || is_loopback(&url));
        let named = !url.username().is_empty() || url.password().is_some();
        if encrypted && !named && url.host().is_some() {
            return Ok(url);
        }
        Err(wrong(flag, "it must be an https URL without a user name".into()))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;
    use crate::config::Target;

    fn resolved(args: &[&str]) -> Result<Option<Unattended>, String> {
        let words = [&["mcp-tether", "https://h.example/mcp"], args].concat();
        let cli = Cli::parse_from(words);
        let env = |name: &str| (name == "FAKE").then(|| " fake-value\n".to_owned());
        Target::resolve(&cli.bridge.connection, &cli.bridge.sign_in, &env)
            .map(|target| target.sign_in.settings.unattended)
            .map_err(|error| error.to_string())
    }

    fn value() -> Source {
        Source::Value(Secret::new("fake-value".into()))
    }

    #[test]
    fn grants() {
        assert_eq!(resolved(&[]).unwrap(), None);
        let client = ["--grant=client-credentials", "--client-id=me", "--client-secret=env:FAKE"];
        assert_eq!(resolved(&client).unwrap().unwrap().grant, Grant::ClientCredentials);
        let mut workload = vec!["--grant=jwt-bearer", "--assertion=env:FAKE"];
        let grant = Grant::JwtBearer { assertion: value() };
        assert_eq!(resolved(&workload).unwrap().unwrap().grant, grant);
        workload[1] = "--assertion=command:print-token --for 'two words'";
        let words = ["print-token", "--for", "two words"].map(str::to_owned).to_vec();
        let grant = Grant::JwtBearer { assertion: Source::Command(words) };
        if !cfg!(windows) {
            assert_eq!(resolved(&workload).unwrap().unwrap().grant, grant);
        }
        let enterprise = [
            "--grant=enterprise",
            "--idp-token-endpoint=https://idp.example/token",
            "--idp-client-id=me",
            "--idp-id-token=file:/somewhere",
            "--client-id=you",
        ];
        let Grant::Enterprise(idp) = resolved(&enterprise).unwrap().unwrap().grant else {
            panic!("another grant")
        };
        assert_eq!(idp.id_token, Some(Source::File("/somewhere".into())));
        assert_eq!(idp.issuer, None);
        assert_eq!(idp.client_secret, None);
        let login = [
            "--grant=enterprise",
            "--idp-issuer=https://idp.example",
            "--idp-client-id=me",
            "--idp-scope=openid email",
        ];
        let unattended = resolved(&login).unwrap().unwrap();
        assert!(unattended.needs_a_person());
        let Grant::Enterprise(idp) = unattended.grant else { panic!("another grant") };
        // Not as a URL would be written.
        assert_eq!(idp.issuer.unwrap().name, "https://idp.example");
    }

    #[test]
    fn what_is_wrong_names_its_flag() {
        for (args, flag) in [
            (&["--grant=client-credentials"][..], "--grant"),
            (&["--grant=client-credentials", "--client-id=me"], "--grant"),
            (&["--grant=jwt-bearer"], "--assertion"),
            (&["--grant=jwt-bearer", "--assertion=fake-plain"], "--assertion"),
            (&["--grant=jwt-bearer", "--assertion=keyring:x"], "--assertion"),
            (&["--grant=jwt-bearer", "--assertion=env:NOT_SET"], "--assertion"),
            (&["--grant=jwt-bearer", "--assertion=command:"], "--assertion"),
            (&["--assertion=env:FAKE"], "--assertion"),
            (&["--token-endpoint=https://h.example/token"], "--token-endpoint"),
            (&["--grant=enterprise"], "--idp-issuer"),
            (
                &["--grant=enterprise", "--idp-token-endpoint=https://idp.example/token"],
                "--idp-issuer",
            ),
            (&["--grant=enterprise", "--idp-id-token=env:FAKE"], "--idp-issuer"),
            (&["--grant=enterprise", "--idp-issuer=http://idp.example"], "--idp-issuer"),
            (&["--grant=enterprise", "--idp-issuer=https://idp.example?x"], "--idp-issuer"),
            (
                &[
                    "--grant=enterprise",
                    "--idp-issuer=https://idp.example",
                    "--idp-token-endpoint=http://idp.example/token",
                ],
                "--idp-token-endpoint",
            ),
            (&["--grant=enterprise", "--idp-issuer=https://idp.example"], "--idp-client-id"),
            (&["--idp-issuer=https://idp.example"], "--idp-issuer"),
            (
                &[
                    "--grant=enterprise",
                    "--idp-issuer=https://idp.example",
                    "--idp-client-id=me",
                    "--idp-scope=profile",
                ],
                "--idp-scope",
            ),
            (
                &["--grant=client-credentials", "--client-id=me", "--private-key=env:FAKE"],
                "--private-key",
            ),
            (
                &[
                    "--grant=client-credentials",
                    "--client-id=me",
                    "--private-key=file:/x",
                    "--signing-alg=HS256",
                ],
                "--signing-alg",
            ),
        ] {
            let error = resolved(args).unwrap_err();
            assert!(error.starts_with(flag), "{args:?}: {error}");
            assert!(!error.contains("fake"), "{args:?}: {error}");
        }
    }
}
