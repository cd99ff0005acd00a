//! From a challenge to an authorization server (2025-11-25, "Authorization Server Discovery").
//!
//! A 4xx, or an answer that is not the document, means that there is none at that place. A 5xx, 429
//! or no answer means that nobody knows: if nothing is found elsewhere, then that is what is
//! reported.

use bytes::Bytes;
use tokio::time::timeout;
use url::{Origin, Url};

use super::challenge::Challenge;
use super::metadata::{
    ResourceMetadata, ResourceProofs, ServerMetadata, canonical, covers, issuer_urls, resource_urls,
};
use super::web::Web;
use crate::error::{Failure, FailureKind};
use crate::limits::{DISCOVERY_TIMEOUT, MAX_AUTHORIZATION_SERVERS, MAX_EXCERPT};
use crate::secret::shown;

/// What discovery has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// The resource, byte for byte as its metadata has it; without metadata the canonical URI of the
    /// MCP server.
    pub resource: String,
    /// The scopes that the resource's metadata names.
    pub scopes: Option<Vec<String>>,
    /// The authorization server.
    pub metadata: ServerMetadata,
    /// What the resource's metadata says of tokens that are bound to a key.
    pub dpop: ResourceProofs,
    /// Whether there is protected resource metadata, or everything is as in revision 2025-03-26.
    pub from_metadata: bool,
}

/// Why there is no authorization server to turn to.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// Something could not be reached, or is in trouble: later it may work.
    #[error("{0}")]
    Transient(Failure),
    /// The server has no metadata of any kind.
    #[error(
        "{host} asks for authorization, but offers no sign-in; if it wants a key or token, use --header"
    )]
    NotOffered {
        /// The MCP server.
        host: String,
    },
    /// The protected resource metadata is for something else.
    #[error("{host} says that it is the resource {resource}, which is not {server}; check the URL")]
    ResourceMismatch {
        /// The MCP server.
        host: String,
        /// What its metadata says.
        resource: String,
        /// Its URL.
        server: String,
    },
    /// The metadata is of another authorization server.
    #[error(
        "the metadata of {expected} is of another issuer, {found}; its operator has to correct it"
    )]
    IssuerMismatch {
        /// Whose metadata it should be.
        expected: String,
        /// Whose it is.
        found: String,
    },
    /// What was found cannot be used.
    #[error("{host}: {reason}")]
    Invalid {
        /// Who it is about.
        host: String,
        /// What is wrong, and the next step.
        reason: String,
    },
}

/// Finds the authorization server of the MCP server that sent `challenge`, within
/// [`DISCOVERY_TIMEOUT`].
///
/// Of several authorization servers the one with the issuer `known` is kept to, if it is among them,
/// even if it is in trouble.
///
/// # Errors
/// See [`DiscoveryError`].
pub async fn discover(
    web: &Web,
    challenge: &Challenge,
    known: Option<&str>,
) -> Result<Discovered, DiscoveryError> {
    in_time(Search::new(web), challenge, known).await
}

/// The same where no person will be sent anywhere: the authorization server needs no authorization
/// endpoint.
///
/// # Errors
/// See [`DiscoveryError`].
pub async fn discover_unattended(
    web: &Web,
    challenge: &Challenge,
    known: Option<&str>,
) -> Result<Discovered, DiscoveryError> {
    in_time(Search { unattended: true, ..Search::new(web) }, challenge, known).await
}

async fn in_time(
    search: Search<'_>,
    challenge: &Challenge,
    known: Option<&str>,
) -> Result<Discovered, DiscoveryError> {
    let web = search.web;
    timeout(DISCOVERY_TIMEOUT, find(search, challenge, known)).await.unwrap_or_else(|_| {
        let seconds = DISCOVERY_TIMEOUT.as_secs();
        let host = host(web.server());
        let text = format!("finding the authorization server of {host} took over {seconds} s");
        Err(DiscoveryError::Transient(Failure::new(FailureKind::Timeout, text)))
    })
}

async fn find(
    mut search: Search<'_>,
    challenge: &Challenge,
    known: Option<&str>,
) -> Result<Discovered, DiscoveryError> {
    let (web, unattended) = (search.web, search.unattended);
    let Some(resource) = resource_metadata(&mut search, challenge).await? else {
        // One that points to metadata is not of the old kind, even if there is nothing.
        let old = challenge.bearer && challenge.resource_metadata.is_none();
        return Ok(Discovered {
            resource: canonical(web.server()),
            scopes: None,
            metadata: origin_metadata(&mut search, old).await?,
            dpop: ResourceProofs::Unknown,
            from_metadata: false,
        });
    };
    let metadata = if resource.authorization_servers.is_empty() {
        // Before RFC 9728 the MCP server was its own.
        origin_metadata(&mut search, false).await?
    } else {
        let all = &resource.authorization_servers;
        match known.and_then(|known| all.iter().find(|issuer| *issuer == known)) {
            Some(known) => of_issuer(web, known, unattended).await?,
            None => first_usable(web, all, unattended).await?,
        }
    };
    Ok(Discovered {
        resource: resource.resource,
        scopes: resource.scopes_supported,
        metadata,
        dpop: resource.dpop,
        from_metadata: true,
    })
}

/// The metadata of the authorization server with this issuer identifier.
///
/// # Errors
/// See [`DiscoveryError`].
pub async fn server_metadata(web: &Web, issuer: &str) -> Result<ServerMetadata, DiscoveryError> {
    of_issuer(web, issuer, false).await
}

/// The metadata of the OpenID provider with this issuer identifier: where OpenID Connect Discovery 1.0
/// (section 4) has them, else where others may be.
///
/// # Errors
/// See [`DiscoveryError`].
pub async fn openid_metadata(web: &Web, issuer: &str) -> Result<ServerMetadata, DiscoveryError> {
    let search = Search { openid: true, ..Search::new(web) };
    timeout(DISCOVERY_TIMEOUT, search_issuer(search, issuer)).await.unwrap_or_else(|_| {
        let text = format!("finding {} took too long", host(web.server()));
        Err(DiscoveryError::Transient(Failure::new(FailureKind::Timeout, text)))
    })
}

async fn of_issuer(
    web: &Web,
    issuer: &str,
    unattended: bool,
) -> Result<ServerMetadata, DiscoveryError> {
    search_issuer(Search { unattended, ..Search::new(web) }, issuer).await
}

async fn search_issuer(
    mut search: Search<'_>,
    issuer: &str,
) -> Result<ServerMetadata, DiscoveryError> {
    let web = search.web;
    let url = web.check(issuer).map_err(|failure| invalid(web.server(), &failure.message))?;
    let found = search.metadata(issuer, &url, |found| found == issuer).await?;
    let nothing = "it has no authorization server metadata; its operator has to publish it";
    found.ok_or_else(|| search.give_up(&url).unwrap_or_else(|| invalid(&url, nothing)))
}

/// The protected resource metadata (RFC 9728): where the challenge says, else at the well-known
/// places. Only one that covers the MCP server is used, and one that does not ends the search.
async fn resource_metadata(
    search: &mut Search<'_>,
    challenge: &Challenge,
) -> Result<Option<ResourceMetadata>, DiscoveryError> {
    let web = search.web;
    let server = web.server();
    let mut places = resource_urls(server);
    match challenge.resource_metadata.as_deref().map(|hint| web.check(hint)) {
        Some(Ok(hint)) => {
            places.retain(|place| *place != hint);
            places.insert(0, hint);
        }
        Some(Err(failure)) => search.refused(failure),
        None => {}
    }
    for place in places {
        let Some(document) = search.get(&place).await else { continue };
        let Some(found) = ResourceMetadata::parse(&document) else { continue };
        if !covers(&found.resource, server) {
            return Err(DiscoveryError::ResourceMismatch {
                host: host(server),
                resource: web.redactor().clean(&found.resource, MAX_EXCERPT),
                server: shown(server),
            });
        }
        return Ok(Some(found));
    }
    // A place that was not acceptable is as good as none: the old ways may lead on.
    search.transient.take().map_or(Ok(None), |failure| Err(DiscoveryError::Transient(failure)))
}

/// The first of several authorization servers whose metadata can be used.
async fn first_usable(
    web: &Web,
    issuers: &[String],
    unattended: bool,
) -> Result<ServerMetadata, DiscoveryError> {
    let (mut transient, mut other) = (None, None);
    for issuer in issuers.iter().take(MAX_AUTHORIZATION_SERVERS) {
        match of_issuer(web, issuer, unattended).await {
            Ok(found) => return Ok(found),
            Err(error) => {
                log::debug!("an authorization server of {}: {error}", host(web.server()));
                let kept = match error {
                    DiscoveryError::Transient(_) => &mut transient,
                    _ => &mut other,
                };
                kept.get_or_insert(error);
            }
        }
    }
    Err(transient.or(other).unwrap_or_else(|| not_offered(web)))
}

/// As in revision 2025-03-26 (section 2.3): the metadata at the origin of the MCP server, else, with
/// `or_default`, the default endpoints there.
///
/// That revision has the defaults for every server that wants authorization; RFC 6750 (section 3)
/// has such a server send a `Bearer` challenge. Without one they would be an invention.
async fn origin_metadata(
    search: &mut Search<'_>,
    or_default: bool,
) -> Result<ServerMetadata, DiscoveryError> {
    let web = search.web;
    let defaults = ServerMetadata::default_of(web.server());
    let Ok(origin) = web.check(&defaults.issuer) else {
        return Err(not_offered(web));
    };
    // That revision names no issuer to compare with; old servers have one with a path.
    let same = |found: &str| Url::parse(found).is_ok_and(|url| url.origin() == origin.origin());
    if let Some(found) = search.metadata(&defaults.issuer, &origin, same).await? {
        return Ok(found);
    }
    match search.give_up(web.server()) {
        Some(error) => Err(error),
        None if or_default => Ok(defaults),
        None => Err(not_offered(web)),
    }
}

/// What was learnt from places that have no document to offer.
struct Search<'a> {
    web: &'a Web,
    /// Nobody will be sent to an authorization endpoint.
    unattended: bool,
    /// It is an OpenID provider.
    openid: bool,
    /// The first that may have one later.
    transient: Option<Failure>,
    /// The first that must not be asked, or answers with something unacceptable.
    refused: Option<Failure>,
    /// Those that cannot be reached, each of which would take a whole time limit again.
    unreachable: Vec<Origin>,
}

impl Search<'_> {
    fn new(web: &Web) -> Search<'_> {
        Search {
            web,
            unattended: false,
            openid: false,
            transient: None,
            refused: None,
            unreachable: Vec::new(),
        }
    }

    /// The body of a successful response.
    async fn get(&mut self, url: &Url) -> Option<Bytes> {
        if self.unreachable.contains(&url.origin()) {
            return None;
        }
        let answer = match self.web.get(url).await {
            Ok(answer) => answer,
            Err(failure) => {
                log::debug!("{}: {failure}", shown(url));
                match failure.kind {
                    FailureKind::Redirect
                    | FailureKind::TooLarge
                    | FailureKind::InvalidResponse => self.refused(failure),
                    _ => {
                        self.unreachable.push(url.origin());
                        self.transient.get_or_insert(failure);
                    }
                }
                return None;
            }
        };
        log::debug!("{}: HTTP {}", shown(url), answer.status.as_u16());
        if answer.is_transient() {
            let status = answer.status.as_u16();
            let text = format!("{} answers HTTP {status} when asked for its metadata", host(url));
            let failure = Failure::new(FailureKind::HttpStatus, text);
            self.transient.get_or_insert(failure.with_status(status).at(&shown(url)));
        }
        answer.status.is_success().then_some(answer.body)
    }

    /// Notes a place that must not be asked.
    fn refused(&mut self, failure: Failure) {
        self.refused.get_or_insert(failure);
    }

    /// The metadata at the well-known places of `base`, if its issuer is the right one and its
    /// endpoints can be used.
    ///
    /// # Errors
    /// The first thing that is wrong, if there is a document and nothing better elsewhere.
    async fn metadata(
        &mut self,
        issuer: &str,
        base: &Url,
        is_right: impl Fn(&str) -> bool,
    ) -> Result<Option<ServerMetadata>, DiscoveryError> {
        let mut wrong = None;
        let mut places = issuer_urls(base);
        if self.openid {
            places.reverse();
        }
        for place in places {
            let Some(document) = self.get(&place).await else { continue };
            let Some(found) = ServerMetadata::parse(&document) else { continue };
            if !is_right(&found.issuer) {
                wrong.get_or_insert(DiscoveryError::IssuerMismatch {
                    expected: self.web.redactor().clean(issuer, MAX_EXCERPT),
                    found: self.web.redactor().clean(&found.issuer, MAX_EXCERPT),
                });
                continue;
            }
            match self.usable(base, found).await {
                Ok(found) => return Ok(Some(found)),
                Err(error) => wrong.get_or_insert(error),
            };
        }
        match (wrong, self.transient.take()) {
            (_, Some(failure)) => Err(DiscoveryError::Transient(failure)),
            (Some(error), None) => Err(error),
            (None, None) => Ok(None),
        }
    }

    /// Checks that what is needed is there and may be used. What can be done without is left out.
    async fn usable(
        &self,
        base: &Url,
        mut found: ServerMetadata,
    ) -> Result<ServerMetadata, DiscoveryError> {
        let needed = [
            ("authorization_endpoint", &found.authorization_endpoint),
            ("token_endpoint", &found.token_endpoint),
        ];
        for (name, endpoint) in needed.into_iter().skip(usize::from(self.unattended)) {
            let Some(endpoint) = endpoint else {
                return Err(invalid(base, &format!("its metadata has no {name}")));
            };
            if let Err(failure) = self.web.admit(endpoint).await {
                return Err(invalid(base, &format!("its {name}: {failure}")));
            }
        }
        for endpoint in [
            &mut found.registration_endpoint,
            &mut found.revocation_endpoint,
            &mut found.device_authorization_endpoint,
        ] {
            if let Some(text) = endpoint
                && let Err(failure) = self.web.admit(text).await
            {
                log::warn!("an endpoint of {} is not used: {failure}", host(base));
                *endpoint = None;
            }
        }
        Ok(found)
    }

    /// Why nothing was found, if that has another reason than that there is nothing.
    fn give_up(&mut self, about: &Url) -> Option<DiscoveryError> {
        self.refused.take().map(|refused| invalid(about, &refused.message))
    }
}

fn not_offered(web: &Web) -> DiscoveryError {
    DiscoveryError::NotOffered { host: host(web.server()) }
}

fn invalid(about: &Url, reason: &str) -> DiscoveryError {
    DiscoveryError::Invalid { host: host(about), reason: reason.to_owned() }
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or("the server").to_owned()
}

#[cfg(test)]
mod tests;
