//! One authorization code flow with PKCE: from discovery to the URL that the browser is sent to
//! (OAuth 2.1, section 4.1).

use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use url::Url;

use super::authorization_request::{self, AuthorizationRequest, Prepared};
use super::authorizer::Authorizer;
use super::browser::{self, Environment, Opened};
use super::callback::Listener;
use super::client::{self, Choice};
use super::discovery::discover;
use super::error::AuthError;
use super::held::now;
use super::metadata::ServerMetadata;
use super::settings::{ClientSecret, ResourceParameter};
use super::shared::Want;
use super::{client_key, parameters, registration, scope};
use crate::limits::{BROWSER_TIMEOUT, LOCK_POLL, MAX_EXCERPT, RESUME_ATTEMPTS, TAB_INTERVAL};
use crate::secret::Secret;
use crate::store::record::VERSION;
use crate::store::{ClientKey, ClientRecord, LoginLock, LoginRecord, StagedTab};

/// Where it is noted that an authorization server refuses `resource`.
const RESOURCE_REFUSED: &str = "resource_refused";

/// A flow that waits for the browser.
pub(super) struct Flow {
    pub listener: Listener,
    pub url: Url,
    pub state: Secret,
    pub verifier: Secret,
    pub metadata: ServerMetadata,
    pub token_endpoint: String,
    pub client: ClientRecord,
    pub resource: String,
    pub resource_parameter: Option<String>,
    pub scope: Option<String>,
    /// The client was registered for this flow.
    fresh: bool,
    opened_at: u64,
}

impl Flow {
    /// Finds the authorization server, becomes known to it, and makes the URL.
    pub async fn begin(auth: &Authorizer, want: &Want) -> Result<Flow, AuthError> {
        let found = match &want.discovered {
            Some(found) => found.clone(),
            None => discover(&auth.web, &want.challenge, None).await?,
        };
        let metadata = found.metadata;
        let settings = &auth.settings;
        authorization_request::check_pkce(&metadata, settings.allow_missing_pkce_metadata)
            .map_err(|error| AuthError::Unusable(error.to_string()))?;
        let Some(token_endpoint) = metadata.token_endpoint.clone() else {
            let issuer = auth.redactor.clean(&metadata.issuer, MAX_EXCERPT);
            return Err(AuthError::Unusable(format!("{issuer} names no token endpoint")));
        };
        let listener = Listener::bind(&settings.callback, &settings.server, None).await?;
        let scope = want.scope.clone().or_else(|| {
            scope::choose(
                settings.scope.as_deref(),
                want.challenge.scope.as_deref(),
                found.scopes.as_deref(),
                &metadata,
            )
        });
        let redirect_uri = listener.redirect_uri().to_owned();
        let (client, fresh) = identify(auth, &metadata, &redirect_uri, scope.as_deref()).await?;
        let refused = client.other.contains_key(RESOURCE_REFUSED);
        let resource_parameter = match &settings.resource {
            ResourceParameter::Given(value) => Some(value.clone()),
            ResourceParameter::AsPublished if !refused => Some(found.resource.clone()),
            _ => None,
        };
        let mut flow = Flow {
            listener,
            // Replaced at once by `again`.
            url: settings.server.clone(),
            state: Secret::new(String::new()),
            verifier: Secret::new(String::new()),
            metadata,
            token_endpoint,
            client,
            resource: found.resource,
            resource_parameter,
            scope,
            fresh,
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
        let given = settings.identity.given.as_ref();
        if !is_recent(record.opened_at)
            || given.is_some_and(|(id, _)| *id != record.client.client_id)
        {
            return None;
        }
        let metadata: ServerMetadata = serde_json::from_value(record.metadata).ok()?;
        let listener = rebind(auth, &record.client.redirect_uri).await?;
        tracing::info!("going on with the sign-in that another process has begun");
        Some(Flow {
            listener,
            url: Url::parse(&record.url).ok()?,
            state: record.state,
            verifier: record.verifier,
            token_endpoint: metadata.token_endpoint.clone()?,
            metadata,
            client: record.client,
            resource: record.resource,
            resource_parameter: record.resource_parameter,
            scope: record.scope,
            fresh: false,
            opened_at: record.opened_at,
        })
    }

    /// Makes a new URL, with a `state` and a code challenge of its own, for the same listener.
    pub async fn again(&mut self, auth: &Authorizer) -> Result<(), AuthError> {
        let endpoint = self.metadata.authorization_endpoint.as_deref().unwrap_or_default();
        let endpoint = auth
            .web
            .check(endpoint)
            .map_err(|error| AuthError::Unusable(format!("authorization endpoint: {error}")))?;
        let additions = parameters::for_provider(&endpoint, &auth.settings.auth_params);
        let request = AuthorizationRequest {
            endpoint: &endpoint,
            client_id: &self.client.client_id,
            redirect_uri: self.listener.redirect_uri(),
            scope: self.scope.as_deref(),
            resource: self.resource_parameter.as_deref(),
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
            version: VERSION,
            url: self.url.to_string(),
            state: self.state.clone(),
            verifier: self.verifier.clone(),
            opened_at: self.opened_at,
            // It came from JSON.
            metadata: serde_json::to_value(&self.metadata).unwrap_or_default(),
            client: ClientRecord {
                redirect_uri: self.listener.redirect_uri().to_owned(),
                ..self.client.clone()
            },
            resource: self.resource.clone(),
            resource_parameter: self.resource_parameter.clone(),
            scope: self.scope.clone(),
            other: serde_json::Map::new(),
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

    /// From now on without `resource`, which this authorization server refuses; noted for the next
    /// time. `false` if it was not sent, or the person insists on it.
    pub async fn drop_resource(&mut self, auth: &Authorizer) -> bool {
        if auth.settings.resource != ResourceParameter::AsPublished
            || self.resource_parameter.take().is_none()
        {
            return false;
        }
        tracing::info!("the authorization server refuses the resource parameter; going on without");
        self.client.other.insert(RESOURCE_REFUSED.to_owned(), true.into());
        let key = client_key(&self.client, &auth.settings.profile);
        if let Ok(store) = auth.store()
            && let Err(error) = store.write_client(&key, &self.client).await
        {
            tracing::debug!("{error}");
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
        let redirect_uri = self.listener.redirect_uri().to_owned();
        let scope = self.scope.as_deref();
        (self.client, self.fresh) = identify(auth, &self.metadata, &redirect_uri, scope).await?;
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
            Err(error) => tracing::debug!("{error}"),
        }
        sleep(LOCK_POLL).await;
    }
    None
}

/// Some launchers are waited for, which must not stop the bridge.
async fn open(url: Url, environment: Environment, note: Option<StagedTab>) -> Opened {
    let (done, opened) = oneshot::channel();
    let started = std::thread::Builder::new().name("browser".into()).spawn(move || {
        let opened = browser::open(&url, &environment);
        if let (Opened::Yes, Some(note)) = (&opened, note)
            && let Err(error) = note.publish()
        {
            tracing::debug!("the tab could not be noted: {error}");
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

/// The client that we are at this authorization server, and whether it was registered just now.
async fn identify(
    auth: &Authorizer,
    metadata: &ServerMetadata,
    redirect_uri: &str,
    scope: Option<&str>,
) -> Result<(ClientRecord, bool), AuthError> {
    let store = auth.store()?;
    let profile = &auth.settings.profile;
    let key = ClientKey::new(&metadata.issuer, redirect_uri, profile);
    let stored = store.client(&key).await?;
    let notes = stored.as_ref().map(|stored| stored.other.clone()).unwrap_or_default();
    let mut identity = auth.settings.identity.clone();
    if let Some((id, secret)) = &mut identity.given {
        let bound = store.client(&given_key(id, profile)).await?;
        if let Some(bound) = bound.filter(|bound| bound.issuer != metadata.issuer) {
            let shown = |issuer: &str| auth.redactor.clean(issuer, MAX_EXCERPT);
            return Err(AuthError::Unusable(format!(
                "--client-id belongs to {}, but the server now names {}; if that is right, use another --profile",
                shown(&bound.issuer),
                shown(&metadata.issuer)
            )));
        }
        *secret = given_secret(auth).await?;
    }
    let (mut client, fresh) = match client::choose(&identity, metadata, redirect_uri, stored, now())
    {
        Choice::Use(client) => (client, false),
        Choice::Register => {
            let name = &identity.name;
            let client =
                registration::register(&auth.web, metadata, redirect_uri, name, scope).await?;
            store.write_client(&key, &client).await?;
            (client, true)
        }
        Choice::Impossible(message) => return Err(AuthError::Unusable(message)),
    };
    for (name, value) in notes {
        client.other.entry(name).or_insert(value);
    }
    if let Some(secret) = &client.client_secret {
        auth.redactor.learn(secret.clone());
    }
    Ok((client, fresh))
}

/// Where it is noted which authorization server a given client belongs to.
fn given_key(client_id: &str, profile: &str) -> ClientKey {
    ClientKey::new("given", client_id, profile)
}

/// A given client belongs to the first authorization server that accepts it (2026-07-28,
/// basic/authorization/client-registration, "Authorization Server Binding").
pub(super) async fn bind_given(auth: &Authorizer, client: &ClientRecord) -> Result<(), AuthError> {
    if auth.settings.identity.given.is_none() {
        return Ok(());
    }
    let note = ClientRecord { client_secret: None, ..client.clone() };
    let key = given_key(&client.client_id, &auth.settings.profile);
    Ok(auth.store()?.write_client(&key, &note).await?)
}

async fn given_secret(auth: &Authorizer) -> Result<Option<Secret>, AuthError> {
    match &auth.settings.client_secret {
        None => Ok(None),
        Some(ClientSecret::Value(secret)) => Ok(Some(secret.clone())),
        Some(ClientSecret::Keyring(name)) => {
            let found = auth.store()?.secret(name).await?;
            let missing =
                || AuthError::Unusable(format!("--client-secret: the keyring has no {name}"));
            found.map(Some).ok_or_else(missing)
        }
    }
}
