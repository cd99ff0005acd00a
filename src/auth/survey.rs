//! Everything that discovery sees, for `mcp-tether check`: each document that was asked for, and what
//! is not as the specifications want it. It is [`discover`] that looks; nobody is signed in.

use std::path::Path;
use std::sync::PoisonError;

use super::authorization_request::check_pkce;
use super::authorizer::Authorizer;
use super::challenge::Challenge;
use super::discovery::{Discovered, DiscoveryError, discover, discover_unattended};
use super::metadata::{ResourceProofs, canonical};
use super::settings::Mode;
use super::shared::Login;
use super::web::{Tried, Web};
use crate::limits::{MAX_EXCERPT, MAX_SHOWN_ALGORITHMS};

/// What was seen.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The documents, in the order in which they were asked for.
    pub documents: Vec<Tried>,
    /// The issuer of the authorization server that would be used.
    pub issuer: Option<String>,
    /// What is not as RFC 9728, RFC 8414, RFC 7636 and the MCP specification want it.
    pub deviations: Vec<String>,
    /// Whether somebody could sign in all the same.
    pub usable: bool,
    /// What is said of tokens that are bound to a key, where there is an authorization server.
    pub proofs: Option<Proofs>,
}

/// What both sides say of tokens that are bound to a key (RFC 9449, DPoP).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proofs {
    /// The algorithms of the authorization server's metadata (`dpop_signing_alg_values_supported`), the
    /// first [`MAX_SHOWN_ALGORITHMS`]; empty if it names none.
    pub algorithms: Vec<String>,
    /// Whether one of them is that of our keys.
    pub usable: bool,
    /// What the metadata of the MCP server says.
    pub resource: ResourceProofs,
    /// Whether its challenge asks for a proof.
    pub challenged: bool,
}

impl Proofs {
    /// For people.
    pub fn text(&self) -> String {
        let offered = match (self.algorithms.is_empty(), self.usable) {
            (true, _) => "the authorization server offers none".to_owned(),
            (false, usable) => {
                let not = if usable { "" } else { ", not with ES256, which is used here" };
                format!("the authorization server offers {}{not}", self.algorithms.join(", "))
            }
        };
        let demanded = match (self.resource, self.challenged) {
            (ResourceProofs::Required, _) => "the server's metadata demands it",
            (_, true) => "the server's challenge asks for it",
            (ResourceProofs::Taken, false) => "the server takes it",
            (ResourceProofs::Unknown, false) => "the server does not ask for it",
        };
        format!("{offered}; {demanded}")
    }
}

impl Authorizer {
    /// Everything that discovery sees behind the last refusal, if there was one. Nobody is signed in.
    pub async fn survey(&self) -> Option<Survey> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let allow = self.settings.allow_missing_pkce_metadata;
        let person = self.settings.unattended.is_none();
        Some(survey(&self.web, &refused.challenge, person.then_some(allow)).await)
    }

    /// Whether a header of the person's own is sent.
    pub fn is_configured(&self) -> bool {
        self.settings.mode == Mode::Configured
    }

    /// The file of an administrator that says how to sign in.
    pub fn managed(&self) -> Option<&Path> {
        self.settings.managed.as_deref()
    }

    /// Whether somebody has signed in, in this process.
    pub fn has_signed_in(&self) -> bool {
        matches!(*self.login.borrow(), Login::Done)
    }
}

/// Looks at what a challenge leads to. `allow_missing_pkce` is `--allow-missing-pkce-metadata`; none
/// where nobody would be sent to a browser.
async fn survey(web: &Web, challenge: &Challenge, allow_missing_pkce: Option<bool>) -> Survey {
    web.record();
    let outcome = match allow_missing_pkce {
        Some(_) => discover(web, challenge, None).await,
        None => discover_unattended(web, challenge, None).await,
    };
    let mut survey = Survey {
        documents: web.recorded(),
        issuer: None,
        deviations: Vec::new(),
        usable: outcome.is_ok(),
        proofs: None,
    };
    let mut deviates = |what: String| survey.deviations.push(what);
    if !challenge.bearer && !challenge.dpop {
        deviates("the refusal has no WWW-Authenticate: Bearer (RFC 6750, section 3)".into());
    } else if challenge.resource_metadata.is_none() {
        deviates(
            "the challenge names no resource_metadata (RFC 9728, section 5.1); the well-known places were tried"
                .into(),
        );
    }
    match outcome {
        Ok(found) => {
            survey.usable = judge(&found, web, allow_missing_pkce, &mut deviates);
            survey.proofs = Some(proofs(&found, challenge, web));
            survey.issuer =
                Some(web.redactor().clean(&found.metadata.issuer, crate::limits::MAX_LOGGED_TEXT));
        }
        Err(error @ DiscoveryError::ResourceMismatch { .. }) => {
            deviates(format!("RFC 9728, section 3.3: {error}"));
        }
        Err(error @ DiscoveryError::IssuerMismatch { .. }) => {
            deviates(format!("RFC 8414, section 3.3: {error}"));
        }
        Err(error) => deviates(error.to_string()),
    }
    survey
}

fn proofs(found: &Discovered, challenge: &Challenge, web: &Web) -> Proofs {
    let listed = found.metadata.dpop_signing_alg_values_supported.iter().flatten();
    let clean = |name: &String| web.redactor().clean(name, MAX_EXCERPT);
    Proofs {
        algorithms: listed.take(MAX_SHOWN_ALGORITHMS).map(clean).collect(),
        usable: found.metadata.takes_proofs(),
        resource: found.dpop,
        challenged: challenge.dpop,
    }
}

/// What deviates in what was found; tells whether it can be used.
fn judge(
    found: &Discovered,
    web: &Web,
    allow_missing_pkce: Option<bool>,
    deviates: &mut impl FnMut(String),
) -> bool {
    if !found.from_metadata {
        deviates(
            "there is no protected resource metadata (RFC 9728); what 2025-03-26 has in its place is used"
                .into(),
        );
    } else if found.resource.trim_end_matches('/') != canonical(web.server()).trim_end_matches('/')
    {
        let resource = web.redactor().clean(&found.resource, crate::limits::MAX_LOGGED_TEXT);
        deviates(format!("the resource is {resource}, not the URL itself (allowed for a parent)"));
    }
    let metadata = &found.metadata;
    // The rest is about people, and clients that nobody knows yet.
    let Some(allow_missing_pkce) = allow_missing_pkce else { return true };
    if metadata.registration_endpoint.is_none() && !metadata.client_id_metadata_document_supported {
        deviates(
            "it registers no clients (RFC 7591) and takes no Client ID Metadata Documents; --client-id is needed"
                .into(),
        );
    }
    match check_pkce(metadata, allow_missing_pkce) {
        Ok(()) => {
            if metadata.code_challenge_methods_supported.is_none() {
                deviates("it does not say that it supports PKCE (RFC 8414, section 2)".into());
            }
            true
        }
        Err(error) => {
            deviates(error.to_string());
            false
        }
    }
}
