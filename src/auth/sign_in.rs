//! Signing in with the browser: who leads, who follows, and what happens to the answer.
//!
//! On one machine one process leads: it holds the login lock, listens, and has opened the tab. The
//! others watch the store. If the leader dies the next one takes the lock, and with it the sign-in
//! under way: same redirect URI, same `state`, same tab.

use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use super::authorization_response;
use super::authorizer::Authorizer;
use super::awaited::{Answer, Event};
use super::browser::Opened;
use super::device::Device;
use super::error::AuthError;
use super::flow::{Flow, Terms, is_recent};
use super::given;
use super::held::now;
use super::page::{self, Page};
use super::shared::Want;
use super::token::{self, Exchange, Patience, TokenError, Tokens};
use crate::limits::{LOCK_POLL, MAX_TABS};
use crate::secret::Secret;
use crate::store::{Binding, LoginLock, RecordKey, Tab, TokenRecord};

/// What an answer of the browser has led to.
enum Outcome {
    Tokens(Tokens),
    /// Ask once more, in the same tab, without `resource` or as a new client.
    Again,
}

impl Authorizer {
    /// Signs in, or waits for another process to do so.
    pub(super) async fn sign_in(&self, want: &Want) -> Result<(), AuthError> {
        let want = &mut want.clone();
        let deadline = Instant::now() + self.settings.auth_timeout;
        let store = self.store()?;
        let (server, profile) = self.name();
        let lock = if want.by_hand {
            // Without the lock another process is waiting for a tab of its own; it will see what
            // comes of this one.
            store.try_lock_login(server, profile)?
        } else {
            match timeout_at(deadline, self.lead(want)).await.map_err(|_| self.timed_out())?? {
                Some(lock) => Some(lock),
                None => return Ok(()),
            }
        };
        let resumed = match &lock {
            Some(lock) if !want.by_hand => Flow::resume(self, lock).await,
            _ => None,
        };
        if resumed.is_none()
            && let Some(mut device) = Device::begin(self, want, lock.as_ref()).await?
        {
            let mut tab = device.announce(self, want, lock.as_ref()).await?;
            let outcome = device.conclude(self, want, lock.as_ref(), deadline).await;
            self.close(lock.as_ref(), &mut tab, &outcome).await;
            return outcome;
        }
        let mut flow = match resumed {
            Some(flow) => flow,
            None => match Flow::begin(self, want).await {
                Err(AuthError::Callback(taken)) if want.by_hand && lock.is_none() => {
                    return self.join_by_hand(want, deadline, AuthError::Callback(taken)).await;
                }
                flow => flow?,
            },
        };
        let mut tab = self.announce(&flow, lock.as_ref(), want).await?;
        let outcome = self.conclude(&mut flow, &mut tab, lock.as_ref(), want, deadline).await;
        self.close(lock.as_ref(), &mut tab, &outcome).await;
        outcome
    }

    /// Leaves nothing behind that would lead the next process astray, but the note that a tab was
    /// opened.
    async fn close(
        &self,
        lock: Option<&LoginLock>,
        tab: &mut Tab,
        outcome: &Result<(), AuthError>,
    ) {
        let (Some(lock), Ok(store)) = (lock, self.store()) else { return };
        let removed = store.remove_login(lock).await;
        // Whoever has refused is not asked again so soon.
        tab.answered = match outcome {
            Ok(()) => true,
            Err(error) => error.transient().is_some(),
        };
        tab.over = true;
        // The outcome stands without these notes.
        if let Err(error) = removed.and_then(|()| store.write_tab(lock, tab)) {
            log::debug!("{error}");
        }
    }

    /// A person asks for a sign-in that another process has begun, and which has the only port for
    /// the callback: shows them its URL, and waits for what comes of it.
    async fn join_by_hand(
        &self,
        want: &Want,
        deadline: Instant,
        otherwise: AuthError,
    ) -> Result<(), AuthError> {
        let store = self.store()?;
        let (server, profile) = self.name();
        let under_way = store.tab(server, profile).filter(|tab| !tab.over);
        let url = under_way.and_then(|tab| Url::parse(&tab.url).ok());
        let Some(url) = url else { return Err(otherwise) };
        self.held().stamp = Some(store.stamp(server, profile));
        if let Opened::No(reason) = Flow::show(self, &url, None).await {
            log::info!("no browser was opened: {reason}");
        }
        log::info!("to sign in to {} open this URL: {url}", self.host());
        match timeout_at(deadline, self.lead(want)).await.map_err(|_| self.timed_out())?? {
            None => Ok(()),
            // It has ended, and brought nothing.
            Some(_) => Err(otherwise),
        }
    }

    /// Takes the login lock; `None` if meanwhile another process has brought what is wanted.
    async fn lead(&self, want: &Want) -> Result<Option<LoginLock>, AuthError> {
        let store = self.store()?;
        let (server, profile) = self.name();
        let mut seen = self.held().stamp.clone();
        loop {
            let lock = store.try_lock_login(server, profile)?;
            let stamp = store.stamp(server, profile);
            if seen.as_ref() != Some(&stamp) {
                seen = Some(stamp);
                if self.adopt(want).await? {
                    return Ok(None);
                }
            }
            if let Some(lock) = lock {
                return Ok(Some(lock));
            }
            // One that is over would only be opened in vain.
            if let Some(tab) = store.tab(server, profile).filter(|tab| !tab.over) {
                self.waiting(&tab.url, tab.code.as_deref(), tab.opened);
            }
            sleep(LOCK_POLL).await;
        }
    }

    /// Opens the browser, if that is allowed, and says where to go in any case.
    async fn announce(
        &self,
        flow: &Flow,
        lock: Option<&LoginLock>,
        want: &Want,
    ) -> Result<Tab, AuthError> {
        let store = self.store()?;
        let (server, profile) = self.name();
        let before = store.tab(server, profile);
        let recent = before.filter(|tab| is_recent(tab.opened_at));
        // It goes on in the tab of a process that has died.
        let shown = recent.as_ref().is_some_and(|tab| tab.opened && tab.url == flow.url.as_str());
        let may_open = !shown
            && (want.by_hand
                || recent.as_ref().is_none_or(|tab| {
                    let waits = !tab.answered && !is_for_something_else(tab, &flow.url);
                    tab.count == 0 || (tab.count < MAX_TABS && !waits)
                }));
        if let Some(lock) = lock {
            store.write_login(lock, &flow.record()).await?;
        }
        let (opened_at, count) = recent.map_or((now(), 0), |tab| (tab.opened_at, tab.count));
        let url = flow.url.to_string();
        let mut tab = Tab { opened_at, opened: shown, url, count, ..Tab::default() };
        if may_open {
            let open = Tab { opened_at: now(), opened: true, count: count + 1, ..tab.clone() };
            let note = lock.map(|lock| store.stage_tab(lock, &open)).transpose()?;
            match Flow::show(self, &flow.url, note).await {
                Opened::Yes => tab = open,
                Opened::No(reason) => {
                    log::info!("no browser was opened: {reason}");
                    if want.person.is_none() && self.lacks_a_browser() {
                        log::info!(
                            "for a browser on another machine run in a terminal: mcp-tether login {} --no-browser",
                            self.shown()
                        );
                    }
                }
            }
        } else if !shown {
            log::info!("no browser was opened: one was a short while ago");
        }
        self.invite(flow, want, tab.opened);
        self.waiting(flow.url.as_str(), None, tab.opened);
        if let Some(lock) = lock {
            store.write_tab(lock, &tab)?;
        }
        Ok(tab)
    }

    /// Waits for the browser until there is a token.
    async fn conclude(
        &self,
        flow: &mut Flow,
        tab: &mut Tab,
        lock: Option<&LoginLock>,
        want: &Want,
        deadline: Instant,
    ) -> Result<(), AuthError> {
        let mut pastes = 0;
        loop {
            let event = self.event(flow, tab, want, &mut pastes);
            let answer = match timeout_at(deadline, event).await {
                Ok(Ok(Event::Answer(answer))) => *answer,
                Ok(Ok(Event::Adopted)) => return Ok(()),
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    // It may be that the authorization server no longer knows the client, and
                    // could only tell the browser.
                    let forgotten = flow.terms.forget_client(self).await;
                    log::debug!("the registration is not used again: {forgotten:?}");
                    return Err(self.timed_out());
                }
            };
            if let (Some(lock), Ok(store)) = (lock, self.store()) {
                // The tab has done its work: if this process dies now, another may open one.
                store.remove_login(lock).await?;
                tab.answered = true;
                store.write_tab(lock, tab)?;
            }
            match self.redeem(flow, &answer).await {
                Ok(Outcome::Tokens(tokens)) => {
                    return match self.keep(&flow.terms, tokens).await {
                        Ok(()) => {
                            match &self.settings.success_url {
                                // Pasted, it has no browser to send on.
                                Some(url) => _ = answer.redirect(url).await,
                                None => {
                                    let host = page::host(&self.settings.server);
                                    answer.succeed(&Page::signed_in(&host)).await;
                                }
                            }
                            log::info!("signed in to {}", self.host());
                            Ok(())
                        }
                        Err(error) => {
                            answer.fail(&self.failure_page(&error)).await;
                            Err(error)
                        }
                    };
                }
                Ok(Outcome::Again) => {
                    flow.again(self).await?;
                    self.goes_on(flow, tab, lock).await?;
                    self.waiting(flow.url.as_str(), None, true);
                    if !answer.redirect(&flow.url).await {
                        self.invite(flow, want, false);
                    }
                }
                Err(error) if answer.is_pasted() && error.is_wrong_code() => {
                    self.wrong_paste(want, &mut pastes, &error.to_string())?;
                    self.goes_on(flow, tab, lock).await?;
                }
                Err(error) => {
                    answer.fail(&self.failure_page(&error)).await;
                    return Err(error);
                }
            }
        }
    }

    /// The answer that has come was none: others may know again what is waited for.
    async fn goes_on(
        &self,
        flow: &Flow,
        tab: &mut Tab,
        lock: Option<&LoginLock>,
    ) -> Result<(), AuthError> {
        (tab.url, tab.answered) = (flow.url.to_string(), false);
        if let (Some(lock), Ok(store)) = (lock, self.store()) {
            store.write_login(lock, &flow.record()).await?;
            store.write_tab(lock, tab)?;
        }
        Ok(())
    }

    fn failure_page(&self, error: &AuthError) -> Page {
        let next = format!(
            "You can close this tab. To try again, run this in a terminal: mcp-tether login {}",
            self.shown()
        );
        Page::failed(&page::host(&self.settings.server), &error.to_string(), &next)
    }

    pub(super) fn timed_out(&self) -> AuthError {
        AuthError::TimedOut {
            host: self.host(),
            server: self.shown(),
            seconds: self.settings.auth_timeout.as_secs(),
        }
    }

    /// Exchanges the code that the browser brought, if it brought one.
    async fn redeem(&self, flow: &mut Flow, answer: &Answer) -> Result<Outcome, AuthError> {
        let (response, metadata) = (answer.parameters(), &flow.terms.metadata);
        let code = match authorization_response::check(response, metadata, &self.redactor) {
            Ok(code) => code,
            Err(error) if error.rejects_resource() && flow.terms.drop_resource(self).await => {
                return Ok(Outcome::Again);
            }
            Err(error) => return Err(error.into()),
        };
        match self.exchange(flow, &code).await {
            Ok(tokens) => Ok(Outcome::Tokens(tokens)),
            Err(error) if error.rejects_resource() && flow.terms.drop_resource(self).await => {
                match self.exchange(flow, &code).await {
                    Ok(tokens) => Ok(Outcome::Tokens(tokens)),
                    // The code was spent by the first try.
                    Err(error) if error.is_invalid_grant() => Ok(Outcome::Again),
                    Err(error) => Err(error.into()),
                }
            }
            Err(error) if error.is_invalid_client() && flow.terms.drop_client(self).await? => {
                Ok(Outcome::Again)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn exchange(&self, flow: &Flow, code: &Secret) -> Result<Tokens, TokenError> {
        let with = Exchange {
            verifier: &flow.verifier,
            redirect_uri: flow.listener.redirect_uri(),
            resource: flow.terms.resource_parameter.as_deref(),
            params: &self.settings.token_params,
            proof: flow.terms.prover.as_ref().map(|prover| self.proof(prover)),
        };
        let mut patience = Patience::default();
        loop {
            let client = &flow.terms.client;
            let outcome =
                token::exchange(&self.web, client, &flow.terms.token_endpoint, code, with).await;
            if !patience.again(&outcome).await {
                return outcome;
            }
        }
    }

    /// Stores what was obtained, and uses it.
    pub(super) async fn keep(&self, terms: &Terms, tokens: Tokens) -> Result<(), AuthError> {
        let store = self.store()?;
        let (server, profile) = self.name();
        let obtained_at = now();
        let record = TokenRecord {
            version: crate::store::record::VERSION,
            server: server.to_owned(),
            profile: profile.to_owned(),
            resource: terms.resource.clone(),
            resource_parameter: terms.resource_parameter.clone(),
            issuer: terms.metadata.issuer.clone(),
            client: terms.client.clone(),
            token_endpoint: terms.token_endpoint.clone(),
            revocation_endpoint: terms.metadata.revocation_endpoint.clone(),
            requested_scope: terms.scope.clone(),
            scope: tokens.scope.or_else(|| terms.scope.clone()),
            grant: None,
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
            id_token: tokens.id_token,
            obtained_at,
            expires_at: tokens.expires_in.map(|seconds| obtained_at.saturating_add(seconds)),
            dpop: terms.dpop.clone().map(|binding| Binding { bound: tokens.bound, ..binding }),
            other: serde_json::Map::new(),
        };
        let record = self.identified(record, terms.nonce.as_deref(), None)?;
        let key =
            RecordKey::new(&record.resource, &record.issuer, &record.client.client_id, profile);
        let lock = store.lock(&key).await?;
        store.write_token(lock, &record).await?;
        self.held().stamp = Some(store.stamp(server, profile));
        if let Err(error) = given::bind(self, &record.client).await {
            log::debug!("{error}");
        }
        self.hold(record);
        Ok(())
    }
}

/// Whether a sign-in goes to another place or asks for another scope than the last tab did.
fn is_for_something_else(tab: &Tab, url: &Url) -> bool {
    let Ok(last) = Url::parse(&tab.url) else { return false };
    let said = |url: &Url, wanted: &str| {
        url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let place = |url: &Url| (url.origin(), url.path().to_owned());
    place(&last) != place(url)
        || said(&last, "scope") != said(url, "scope")
        || said(&last, "client_id") != said(url, "client_id")
}
