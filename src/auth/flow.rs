//! One authorization code flow with PKCE: from discovery to the URL that the browser is sent to
//! (OAuth 2.1, section 4.1).

use oauth2::CsrfToken;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use url::Url;

use super::authorization_request::{self, AuthorizationRequest, Prepared};
use super::authorizer::Authorizer;
use super::browser::{self, Environment, Opened};
use super::callback::Listener;
use super::discovery::{Discovered, discover};
use super::error::AuthError;
use super::held::now;
use super::identity::{self, Asked, BOUND};
use super::metadata::{ResourceProofs, ServerMetadata};
use super::prover::{self, Prover, Reasons};
use super::settings::{Dpop, ResourceParameter};
use super::shared::Want;
use super::{client_key, parameters, scope};
use crate::limits::{BROWSER_TIMEOUT, LOCK_POLL, MAX_EXCERPT, RESUME_ATTEMPTS, TAB_INTERVAL};
use crate::secret::Secret;
use crate::store::record::VERSION;
use crate::store::{Binding, ClientRecord, LoginLock, LoginRecord, StagedTab};
use crate::tasks;

/// What ties an id token to the request that it is for (OpenID Connect Core 1.0, section 15.5.2).
const NONCE: &str = "nonce";

/// Bytes of randomness in it.
const NONCE_BYTES: u32 = 32;

/// Where it is noted that an authorization server refuses `resource`.
pub(super) const RESOURCE_REFUSED: &str = "resource_refused";

/// A flow that waits for the browser.
pub(super) struct Flow {
    pub listener: Listener,
    pub url: Url,
    pub state: Secret,
    pub verifier: Secret,
    pub terms: Terms,
    opened_at: u64,
}

/// Who asks whom for what.
pub(super) struct Terms {
    pub metadata: ServerMetadata,
    pub token_endpoint: String,
    pub client: ClientRecord,
    pub resource: String,
    pub resource_parameter: Option<String>,
    pub scope: Option<String>,
    /// The key that the tokens are to be bound to.
    pub dpop: Option<Binding>,
    /// Proves that we have it.
    pub prover: Option<Prover>,
    /// What has to come back in an id token.
    pub nonce: Option<String>,
    /// What the client is registered for: a redirect URI, or [`DEVICE_CODE`](super::client::DEVICE_CODE).
    redirect_uri: String,
    /// A client is to be registered for tokens that are bound to a key.
    bound: bool,
    /// The client was registered for this sign-in.
    fresh: bool,
}

impl Flow {
    /// Finds the authorization server, becomes known to it, and makes the URL.
    pub async fn begin(auth: &Authorizer, want: &Want) -> Result<Flow, AuthError> {
        let found = match &want.discovered {
            Some(found) => found.clone(),
            None => discover(&auth.web, &want.challenge, None).await?,
        };
        let settings = &auth.settings;
        authorization_request::check_pkce(&found.metadata, settings.allow_missing_pkce_metadata)
            .map_err(|error| AuthError::Unusable(error.to_string()))?;
        let listener = Listener::bind(&settings.callback, &settings.server, None).await?;
        let terms = Terms::agree(auth, want, found, listener.redirect_uri()).await?;
        let mut flow = Flow {
            listener,
            // Replaced at once by `again`.
            url: settings.server.clone(),
            state: Secret::new(String::new()),
            verifier: Secret::new(String::new()),
            terms,
            opened_at: now(),
        };
        flow.again(auth).await?;
        Ok(flow)
    }

    /// Goes on with the flow that another process has begun and not finished, if its tab may still
    /// be open and its redirect URI is free.
    pub async fn resume(auth: &Authorizer, lock: &LoginLock) -> Option<Flow> {
        let record = auth.store().ok()?.login(lock).await.ok()??;
        let settings = &auth.settings;
        if !is_recent(record.opened_at) || record.device.is_some() || settings.device_code {
            return None;
        }
        let terms = Terms::resume(auth, &record)?;
        let listener = rebind(auth, &record.client.redirect_uri).await?;
        log::info!("going on with the sign-in that another process has begun");
        Some(Flow {
            listener,
            url: Url::parse(&record.url).ok()?,
            state: record.state,
            verifier: record.verifier,
            terms,
            opened_at: record.opened_at,
        })
    }

    /// Makes a new URL, with a `state` and a code challenge of its own, for the same listener.
    pub async fn again(&mut self, auth: &Authorizer) -> Result<(), AuthError> {
        let endpoint = self.terms.metadata.authorization_endpoint.as_deref().unwrap_or_default();
        let endpoint = auth
            .web
            .check(endpoint)
            .map_err(|error| AuthError::Unusable(format!("authorization endpoint: {error}")))?;
        let mut additions = parameters::for_provider(&endpoint, &auth.settings.auth_params);
        if auth.settings.openid.is_some() {
            let nonce = CsrfToken::new_random_len(NONCE_BYTES).into_secret();
            additions.retain(|(name, _)| name != NONCE);
            additions.push((NONCE.to_owned(), nonce.clone()));
            self.terms.nonce = Some(nonce);
        }
        let jkt = self.terms.prover.as_ref().map(Prover::thumbprint);
        let request = AuthorizationRequest {
            endpoint: &endpoint,
            client_id: &self.terms.client.client_id,
            redirect_uri: self.listener.redirect_uri(),
            scope: self.terms.scope.as_deref(),
            resource: self.terms.resource_parameter.as_deref(),
            dpop_jkt: jkt.as_deref(),
            params: &additions,
        };
        let Prepared { url, state, verifier } = authorization_request::prepare(&request)
            .map_err(|error| AuthError::Unusable(format!("redirect URI: {error}")))?;
        (self.url, self.state, self.verifier) = (url, state, verifier);
        auth.redactor.learn(self.verifier.clone());
        Ok(())
    }

    /// What another process needs to go on.
    pub fn record(&self) -> LoginRecord {
        LoginRecord {
            url: self.url.to_string(),
            state: self.state.clone(),
            verifier: self.verifier.clone(),
            opened_at: self.opened_at,
            ..self.terms.record()
        }
    }

    /// Shows a URL to the person, where that is possible and wanted.
    /// `note` is published the moment it is done.
    pub async fn show(auth: &Authorizer, url: &Url, note: Option<StagedTab>) -> Opened {
        match &auth.settings.browser {
            Some(environment) => open(url.clone(), environment.clone(), note).await,
            None => Opened::No("--no-browser"),
        }
    }
}

impl Terms {
    /// Becomes known to the authorization server that was `found`, by something to be called back
    /// at, and settles what is asked for.
    pub async fn agree(
        auth: &Authorizer,
        want: &Want,
        found: Discovered,
        redirect_uri: &str,
    ) -> Result<Terms, AuthError> {
        let settings = &auth.settings;
        let dpop = prover::binding(&Reasons {
            setting: settings.dpop,
            challenge: &want.challenge,
            metadata: Some(&found.metadata),
            resource: found.dpop,
            proven: auth.held().has_proven(),
        });
        let dpop = dpop.map_err(|error| AuthError::Unusable(error.to_string()))?;
        let prover = auth.prover(dpop.as_ref());
        let prover = prover.map_err(|error| AuthError::Unusable(error.to_string()))?;
        let bound = match settings.dpop {
            Dpop::Always => true,
            // Elsewhere the same client may have to get others as well.
            Dpop::Auto => found.dpop == ResourceProofs::Required,
            Dpop::Never => false,
        };
        let metadata = found.metadata;
        let Some(token_endpoint) = metadata.token_endpoint.clone() else {
            let issuer = auth.redactor.clean(&metadata.issuer, MAX_EXCERPT);
            return Err(AuthError::Unusable(format!("{issuer} names no token endpoint")));
        };
        let scope = want.scope.clone().or_else(|| {
            scope::choose(
                settings.scope.as_deref(),
                want.challenge.scope.as_deref(),
                found.scopes.as_deref(),
                &metadata,
            )
        });
        let asked = Asked { redirect_uri, scope: scope.as_deref(), bound, proves: dpop.is_some() };
        let (client, fresh) = identity::of(auth, &metadata, &asked).await?;
        let refused = client.other.contains_key(RESOURCE_REFUSED);
        let resource_parameter = match &settings.resource {
            ResourceParameter::Given(value) => Some(value.clone()),
            ResourceParameter::AsPublished if !refused => Some(found.resource.clone()),
            _ => None,
        };
        Ok(Terms {
            metadata,
            token_endpoint,
            client,
            resource: found.resource,
            resource_parameter,
            scope,
            dpop,
            prover,
            bound,
            nonce: None,
            redirect_uri: redirect_uri.to_owned(),
            fresh,
        })
    }

    /// Those of a sign-in that another process has begun, unless it is for another client, `--dpop`
    /// says otherwise, or its key is damaged.
    pub fn resume(auth: &Authorizer, record: &LoginRecord) -> Option<Terms> {
        let given = auth.settings.identity.given.as_ref();
        if given.is_some_and(|(id, _)| *id != record.client.client_id)
            || !auth.settings.dpop.admits(record.dpop.is_some())
        {
            return None;
        }
        let prover = match auth.prover(record.dpop.as_ref()) {
            Ok(prover) => prover,
            Err(error) => {
                log::warn!("the key of the sign-in under way cannot be used: {error}");
                return None;
            }
        };
        let metadata: ServerMetadata = serde_json::from_value(record.metadata.clone()).ok()?;
        Some(Terms {
            token_endpoint: metadata.token_endpoint.clone()?,
            metadata,
            client: record.client.clone(),
            resource: record.resource.clone(),
            resource_parameter: record.resource_parameter.clone(),
            scope: record.scope.clone(),
            dpop: record.dpop.clone(),
            prover,
            bound: record.client.other.contains_key(BOUND),
            nonce: nonce_in(&record.url).filter(|_| record.device.is_none()),
            redirect_uri: record.client.redirect_uri.clone(),
            fresh: false,
        })
    }

    /// The part of a record that another process needs to go on with them.
    pub fn record(&self) -> LoginRecord {
        LoginRecord {
            version: VERSION,
            url: String::new(),
            state: Secret::new(String::new()),
            verifier: Secret::new(String::new()),
            opened_at: now(),
            // It came from JSON.
            metadata: serde_json::to_value(&self.metadata).unwrap_or_default(),
            client: ClientRecord { redirect_uri: self.redirect_uri.clone(), ..self.client.clone() },
            resource: self.resource.clone(),
            resource_parameter: self.resource_parameter.clone(),
            scope: self.scope.clone(),
            dpop: self.dpop.clone(),
            device: None,
            other: serde_json::Map::new(),
        }
    }

    /// From now on without `resource`, which this authorization server refuses; noted for the next
    /// time. `false` if it was not sent, or the person insists on it.
    pub async fn drop_resource(&mut self, auth: &Authorizer) -> bool {
        if auth.settings.resource != ResourceParameter::AsPublished
            || self.resource_parameter.take().is_none()
        {
            return false;
        }
        log::info!("the authorization server refuses the resource parameter; going on without");
        self.client.other.insert(RESOURCE_REFUSED.to_owned(), true.into());
        let key = client_key(&self.client, &auth.settings.profile);
        if let Ok(store) = auth.store()
            && let Err(error) = store.write_client(&key, &self.client).await
        {
            log::debug!("{error}");
        }
        true
    }

    /// Registers anew, because the authorization server no longer knows the client. `false` if it
    /// is not one that was registered by us, or was registered just now; then the next flow does.
    pub async fn drop_client(&mut self, auth: &Authorizer) -> Result<bool, AuthError> {
        let fresh = self.fresh;
        if !self.forget_client(auth).await? || fresh {
            return Ok(false);
        }
        let asked = Asked {
            redirect_uri: &self.redirect_uri,
            scope: self.scope.as_deref(),
            bound: self.bound,
            proves: self.dpop.is_some(),
        };
        let identified = identity::of(auth, &self.metadata, &asked).await?;
        (self.client, self.fresh) = identified;
        Ok(true)
    }

    /// The next flow registers anew. `false` if the client was not registered by us.
    pub async fn forget_client(&self, auth: &Authorizer) -> Result<bool, AuthError> {
        if !self.client.registered {
            return Ok(false);
        }
        let key = client_key(&self.client, &auth.settings.profile);
        auth.store()?.remove_client(&key).await?;
        Ok(true)
    }
}

/// What the request at `url` had.
fn nonce_in(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    url.query_pairs().find(|(name, _)| name == NONCE).map(|(_, value)| value.into_owned())
}

/// Whether something happened within [`TAB_INTERVAL`]. What lies ahead was written while the clock
/// was wrong.
pub(super) fn is_recent(at: u64) -> bool {
    now().checked_sub(at).is_some_and(|age| age < TAB_INTERVAL.as_secs())
}

/// Listens where a process did that has died; the system may take a moment to notice.
async fn rebind(auth: &Authorizer, redirect_uri: &str) -> Option<Listener> {
    let settings = &auth.settings;
    for _ in 0..RESUME_ATTEMPTS {
        let again = Some(redirect_uri);
        match Listener::bind(&settings.callback, &settings.server, again).await {
            Ok(listener) => return Some(listener),
            Err(error) => log::debug!("{error}"),
        }
        sleep(LOCK_POLL).await;
    }
    None
}

/// Some launchers are waited for, which must not stop the bridge.
async fn open(url: Url, environment: Environment, note: Option<StagedTab>) -> Opened {
    let (done, opened) = oneshot::channel();
    let started = tasks::thread("browser", move || {
        let opened = browser::open(&url, &environment);
        if let (Opened::Yes, Some(note)) = (&opened, note)
            && let Err(error) = note.publish()
        {
            log::debug!("the tab could not be noted: {error}");
        }
        // Whoever asked may have stopped waiting.
        let _ = done.send(opened);
    });
    match started {
        Ok(_) => match timeout(BROWSER_TIMEOUT, opened).await {
            Ok(Ok(opened)) => opened,
            // It is still starting.
            _ => Opened::Yes,
        },
        Err(_) => Opened::No("the system gives no thread"),
    }
}
