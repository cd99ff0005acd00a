//! A header for a request: what is held in memory, renewed when its time is up. `answer` has what is
//! done when a request was refused.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::answer::Refused;
use super::credential::Credential;
use super::dpop::Nonces;
use super::error::AuthError;
use super::held::Held;
use super::settings::{Dpop, Mode, Settings, Unattended};
use super::shared::Login;
use super::web::Web;
use super::{grant, refresh};
use crate::http::client::Settings as Connection;
use crate::secret::{Redactor, shown};
use crate::store::{Store, TokenRecord};

/// The right to send requests to one server.
pub struct Authorizer {
    pub(super) settings: Settings,
    pub(super) web: Web,
    /// None where there is no place to keep anything.
    pub(super) store: Option<Store>,
    pub(super) redactor: Arc<Redactor>,
    pub(super) held: Mutex<Held>,
    /// One look-up or refresh at a time.
    pub(super) flight: tokio::sync::Mutex<()>,
    /// The sign-in of this process, if there is one.
    pub(super) login: watch::Sender<Login>,
    pub(super) running: Mutex<Option<AbortHandle>>,
    /// The last refusal that was to be answered.
    pub(super) refused: Mutex<Option<Refused>>,
    /// What authorization servers want to see in proofs.
    pub(super) token_nonces: Arc<Nonces>,
    /// Held by a refresh, whoever has asked for it and gone.
    pub(super) refreshing: Arc<Semaphore>,
    /// Signs the person in at their company's identity provider, where that is what it takes.
    pub(super) company: Option<Arc<Authorizer>>,
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorizer for {}", self.shown())
    }
}

impl Authorizer {
    /// Touches neither network nor store.
    pub fn new(
        settings: Settings,
        connection: &Connection,
        store: Option<Store>,
        redactor: Arc<Redactor>,
    ) -> Authorizer {
        let login = watch::channel(Login::Idle).0;
        let company = grant::company(&settings, connection, store.as_ref(), &redactor, &login);
        Authorizer::with(settings, connection, store, redactor, login, company)
    }

    /// The same, where others have the sign-in's state too.
    pub(super) fn with(
        settings: Settings,
        connection: &Connection,
        store: Option<Store>,
        redactor: Arc<Redactor>,
        login: watch::Sender<Login>,
        company: Option<Arc<Authorizer>>,
    ) -> Authorizer {
        let mut web =
            Web::new(connection, settings.server.clone(), settings.allow_http, redactor.clone());
        let provider = settings.openid.iter().flat_map(|openid| openid.provider.places());
        for place in settings.unattended.iter().flat_map(Unattended::places).chain(provider) {
            web.trust(place);
        }
        Authorizer {
            settings,
            web,
            store,
            redactor,
            held: Mutex::default(),
            flight: tokio::sync::Mutex::default(),
            login,
            running: Mutex::default(),
            refused: Mutex::default(),
            token_nonces: Arc::default(),
            refreshing: Arc::new(Semaphore::new(1)),
            company,
        }
    }

    /// What to send with a request: the stored token, refreshed if its time is up. Servers without a
    /// stored token cost one look at a file that is not there, once.
    pub async fn credential(self: &Arc<Self>) -> Option<Credential> {
        if !self.uses_oauth() {
            return None;
        }
        if let Some(settled) = self.settled() {
            return settled;
        }
        let _flight = self.flight.lock().await;
        self.load().await;
        if let Some(settled) = self.settled() {
            return settled;
        }
        if self.settings.unattended.is_some() {
            self.renew().await;
            return self.held_credential();
        }
        let record = self.held().record();
        if let Some(record) = record.filter(|record| record.refresh_token.is_some())
            && !self.held().refresh_is_paused()
        {
            let before = self.begin_refresh();
            if let Err(error) = refresh::refresh(self, &record).await {
                log::warn!("the access token could not be refreshed: {error}");
            }
            self.end_refresh(before);
        }
        self.held_credential()
    }

    /// Tells those who watch that somebody has to wait; returns what was before.
    pub(super) fn begin_refresh(&self) -> Option<Login> {
        let mut before = None;
        self.login.send_if_modified(|login| {
            if !login.is_busy() {
                before = Some(std::mem::replace(login, Login::Refreshing));
            }
            before.is_some()
        });
        before
    }

    pub(super) fn end_refresh(&self, before: Option<Login>) {
        let Some(before) = before else { return };
        self.login.send_if_modified(|login| {
            let still = matches!(login, Login::Refreshing);
            if still {
                *login = before;
            }
            still
        });
    }

    /// Ends a sign-in that is under way: nobody is left to profit from it. Another process may go
    /// on waiting for it.
    pub fn give_up(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            running.abort();
        }
        self.login.send_replace(Login::Failed {
            at: Instant::now(),
            error: AuthError::Ending { host: self.host(), server: self.shown() },
        });
    }

    /// What is at hand, without a look-up and a refresh: for the very end.
    pub fn at_hand(&self) -> Option<Credential> {
        self.held_credential()
    }

    /// Returns when no refresh is under way: one that was cut off may have spent the refresh token
    /// without anybody knowing the new one.
    pub async fn settled_down(&self) {
        // It is never closed.
        let _ = self.refreshing.acquire().await;
    }

    /// Whether what was sent last was a token of ours.
    pub fn is_signed_in(&self) -> bool {
        self.held().header.is_some()
    }

    /// Whether the token that is held is bound to a key (RFC 9449), and if so, whether it is sent with
    /// proofs. None without a token.
    pub fn binding(&self) -> Option<(bool, bool)> {
        let held = self.held();
        let record = held.record()?;
        let bound = record.dpop.is_some_and(|binding| binding.bound);
        Some((bound, held.prover().is_some()))
    }

    /// The identifier of the MCP extension that signing in makes use of, which a client declares.
    pub fn extension(&self) -> Option<&'static str> {
        self.settings.unattended.as_ref().and_then(|unattended| unattended.grant.extension())
    }

    /// Whether somebody is signing in.
    pub fn is_signing_in(&self) -> bool {
        self.login.borrow().is_running()
    }

    /// The sign-in as it goes on.
    pub fn watch(&self) -> watch::Receiver<Login> {
        self.login.subscribe()
    }

    /// The host that one signs in to, for the reader: the MCP server's, or that of an identity provider.
    pub fn host(&self) -> String {
        self.settings.server.host_str().unwrap_or("the server").to_owned()
    }

    /// What a person types for the MCP server: its name, or its URL as it may be shown.
    pub fn shown(&self) -> String {
        let openid = self.settings.openid.as_ref();
        let server = openid.map_or(&self.settings.server, |openid| &openid.server);
        self.settings.called.clone().unwrap_or_else(|| shown(server))
    }

    /// The MCP server's URL and the profile, which together name a sign-in. At an identity provider its own
    /// URL, with the client in a fragment, which no URL of an MCP server has.
    pub fn name(&self) -> (&str, &str) {
        (self.settings.server.as_str(), &self.settings.profile)
    }

    pub(super) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses a record from now on.
    pub(super) fn hold(&self, mut record: TokenRecord) {
        if let Some(binding) = record.dpop.as_mut().filter(|_| self.settings.dpop == Dpop::Always) {
            // Whoever has stored it may have been content with less.
            binding.bearer = false;
        }
        let more = [record.refresh_token.as_ref(), record.id_token.as_ref()];
        let key = record.dpop.as_ref().map(|binding| &binding.key);
        for secret in more.into_iter().chain([Some(&record.access_token), key]).flatten() {
            self.redactor.learn(secret.clone());
        }
        let mut held = self.held();
        held.hold(record, self.settings.use_id_token);
        if let Some(prover) = held.prover() {
            self.redactor.learn_jwt_head(prover.head());
        }
    }

    pub(super) fn store(&self) -> Result<&Store, AuthError> {
        self.store.as_ref().ok_or(AuthError::NoHome)
    }

    fn uses_oauth(&self) -> bool {
        matches!(self.settings.mode, Mode::Interactive | Mode::Stored)
            && (self.store.is_some() || self.settings.unattended.is_some())
    }

    /// What to send, where that needs no look-up and no refresh.
    fn settled(&self) -> Option<Option<Credential>> {
        let held = self.held();
        let due = match &self.settings.unattended {
            Some(_) => held.renewal_is_due(),
            None => held.refresh_is_due(),
        };
        (held.loaded && !due).then(|| held.credential())
    }

    fn held_credential(&self) -> Option<Credential> {
        self.held().credential()
    }
}
