//! Signing in without a person.

use clap::{Args, ValueEnum};

/// `--grant`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GrantArg {
    /// A person signs in with the browser
    AuthorizationCode,
    /// The client itself, which proves who it is with a secret, a key or a certificate
    ClientCredentials,
    /// A workload, which has an assertion of somebody whom the authorization server trusts
    JwtBearer,
    /// A person whom the identity provider of their company vouches for
    Enterprise,
}

/// How a token is obtained without a person.
#[derive(Clone, Debug, Args)]
pub struct GrantArgs {
    /// What a token is given for; authorization-code unless the administrator of this machine says otherwise
    ///
    /// client-credentials and jwt-bearer need nobody; with enterprise a person signs in at the identity
    /// provider of their company, once for all its servers.
    #[arg(
        long,
        value_enum,
        value_name = "GRANT",
        help_heading = "Sign-in",
        hide_short_help = true
    )]
    pub grant: Option<GrantArg>,

    /// The token endpoint, for authorization servers without metadata
    #[arg(long, value_name = "URL", help_heading = "Sign-in", hide_short_help = true)]
    pub token_endpoint: Option<String>,

    /// A key in PEM that proves who the client is, as env:NAME, file:PATH or keyring:NAME
    #[arg(
        long,
        value_name = "REFERENCE",
        requires = "client_id",
        help_heading = "Sign-in",
        hide_short_help = true
    )]
    pub private_key: Option<String>,

    /// How it signs: RS256, PS256, ES256 or EdDSA; by default as its kind commonly does
    #[arg(
        long,
        value_name = "ALGORITHM",
        requires = "private_key",
        help_heading = "Sign-in",
        hide_short_help = true
    )]
    pub signing_alg: Option<String>,

    /// The assertion of --grant jwt-bearer, as env:NAME, file:PATH or command:COMMAND
    ///
    /// It is read anew for every token. A command runs without a shell and prints the assertion.
    #[arg(long, value_name = "REFERENCE", help_heading = "Sign-in", hide_short_help = true)]
    pub assertion: Option<String>,

    /// The issuer identifier of the company's identity provider (--grant enterprise)
    ///
    /// As its metadata has it, byte for byte: they are looked for at
    /// URL/.well-known/openid-configuration.
    #[arg(long, value_name = "URL", help_heading = "Sign-in", hide_short_help = true)]
    pub idp_issuer: Option<String>,

    /// Where people sign in there, in place of what its metadata say
    #[arg(
        long,
        value_name = "URL",
        requires = "idp_issuer",
        help_heading = "Sign-in",
        hide_short_help = true
    )]
    pub idp_authorization_endpoint: Option<String>,

    /// Its token endpoint, in place of what its metadata say
    #[arg(long, value_name = "URL", help_heading = "Sign-in", hide_short_help = true)]
    pub idp_token_endpoint: Option<String>,

    /// The id of the client that is registered there
    #[arg(long, value_name = "ID", help_heading = "Sign-in", hide_short_help = true)]
    pub idp_client_id: Option<String>,

    /// Its secret, as env:NAME, file:PATH or keyring:NAME
    #[arg(
        long,
        value_name = "REFERENCE",
        requires = "idp_client_id",
        help_heading = "Sign-in",
        hide_short_help = true
    )]
    pub idp_client_secret: Option<String>,

    /// What is asked for there; by default openid, and offline_access where that is offered
    #[arg(
        long,
        value_name = "SCOPES",
        requires = "idp_issuer",
        help_heading = "Sign-in",
        hide_short_help = true
    )]
    pub idp_scope: Option<String>,

    /// An id token for that client, as env:NAME, file:PATH or keyring:NAME; nobody signs in then
    ///
    /// It is read anew for every token.
    #[arg(long, value_name = "REFERENCE", help_heading = "Sign-in", hide_short_help = true)]
    pub idp_id_token: Option<String>,
}
