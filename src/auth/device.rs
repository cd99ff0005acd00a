//! The sign-in with a code that a person enters in any browser, on any device (RFC 8628).
//!
//! Used with `--device-code`, or where no browser can be opened, nobody has said how one gets here,
//! and the authorization server offers it. One process leads it as it does the sign-in with the
//! browser here; if it dies, the next one goes on with the same code.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::authorizer::Authorizer;
use super::client::{DEVICE_CODE, host};
use super::device_endpoint::{self, Polled};
use super::discovery::discover;
use super::error::AuthError;
use super::flow::{Terms, is_recent};
use super::held::now;
use super::person::Invitation;
use super::polling::{NotYet, Schedule};
use super::shared::Want;
use super::token::{TokenError, Tokens};
use crate::limits::{LOCK_POLL, MAX_DEVICE_CODES, REFRESH_ATTEMPTS, RETRY_AFTER_MAX};
use crate::store::record::DeviceRecord;
use crate::store::{LoginLock, LoginRecord, Tab};

/// A code that is waited for.
pub(super) struct Device {
    terms: Terms,
    code: DeviceRecord,
    schedule: Schedule,
}

/// What the wait has led to.
enum Outcome {
    Tokens(Tokens),
    /// Another process has signed in.
    Adopted,
    /// Nobody entered it in time.
    Expired,
}

impl Authorizer {
    /// Whether a code is better than a URL: a browser that is somewhere else cannot come back here.
    pub(super) fn lacks_a_browser(&self) -> bool {
        let settings = &self.settings;
        let here = settings.browser.as_ref();
        let lacks =
            here.is_some_and(|here| here.browser.is_none() && here.obstacle_here().is_some());
        lacks && !settings.callback.is_pinned()
    }
}

impl Device {
    /// Asks for a code, or goes on with that of a process which has died; nothing where the person
    /// is to use the browser here.
    pub async fn begin(
        auth: &Authorizer,
        want: &mut Want,
        lock: Option<&LoginLock>,
    ) -> Result<Option<Device>, AuthError> {
        let demanded = auth.settings.device_code;
        if !demanded && !auth.lacks_a_browser() {
            return Ok(None);
        }
        if let Some(lock) = lock.filter(|_| !want.by_hand)
            && let Some(device) = Device::resume(auth, lock).await
        {
            return Ok(Some(device));
        }
        let found = match want.discovered.take() {
            Some(found) => found,
            None => discover(&auth.web, &want.challenge, None).await?,
        };
        want.discovered = Some(found.clone());
        if found.metadata.device_authorization_endpoint.is_none() {
            return match demanded {
                true => Err(AuthError::Unusable(format!(
                    "{} offers no sign-in with a code (device_authorization_endpoint); leave out --device-code",
                    host(&found.metadata)
                ))),
                false => Ok(None),
            };
        }
        let begun = async {
            let mut terms = Terms::agree(auth, want, found, DEVICE_CODE).await?;
            let code = authorize(auth, &mut terms).await?;
            Ok::<_, AuthError>(Device::new(terms, code))
        };
        match begun.await {
            Ok(device) => Ok(Some(device)),
            // A client that is registered for the browser need not be allowed to.
            Err(error) if !demanded && error.is_refusal() => {
                log::info!("signing in with a code is not possible: {error}");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn resume(auth: &Authorizer, lock: &LoginLock) -> Option<Device> {
        let record = auth.store().ok()?.login(lock).await.ok()??;
        let code = record.device.clone().filter(|code| code.expires_at > now())?;
        let terms = Terms::resume(auth, &record)?;
        log::info!("going on with the sign-in that another process has begun");
        Some(Device::new(terms, code))
    }

    fn new(terms: Terms, code: DeviceRecord) -> Device {
        let schedule = Schedule::new(Some(Duration::from_secs(code.interval)));
        Device { terms, code, schedule }
    }

    /// Says where to go and what to enter there.
    pub async fn announce(
        &self,
        auth: &Authorizer,
        want: &Want,
        lock: Option<&LoginLock>,
    ) -> Result<Tab, AuthError> {
        let store = auth.store()?;
        let (server, profile) = auth.name();
        let (short, code) = (&self.code.verification_uri, &self.code.user_code);
        let complete = self.code.verification_uri_complete.as_ref();
        let url = complete.unwrap_or(short);
        // How many tabs there were counts for those that follow.
        let recent = store.tab(server, profile).filter(|tab| is_recent(tab.opened_at));
        let (opened_at, count) = recent.map_or((now(), 0), |tab| (tab.opened_at, tab.count));
        let tab =
            Tab { opened_at, count, url: url.clone(), code: Some(code.clone()), ..Tab::default() };
        if let Some(lock) = lock {
            store.write_login(lock, &self.record()).await?;
            store.write_tab(lock, &tab)?;
        }
        let host = auth.host();
        match (&want.person, complete) {
            (Some(person), complete) => {
                let complete = complete.map(String::as_str);
                let to = Invitation { host: &host, url: short, complete, code: Some(code) };
                person.invite(&to);
                log::debug!("a person was asked to sign in to {host} with a code");
            }
            (None, None) => {
                log::info!("to sign in to {host} enter the code {code} at {short}");
            }
            (None, Some(complete)) => log::info!(
                "to sign in to {host} enter the code {code} at {short} or open {complete}"
            ),
        }
        auth.waiting(url, Some(code), false);
        Ok(tab)
    }

    fn record(&self) -> LoginRecord {
        LoginRecord {
            url: self.code.verification_uri.clone(),
            device: Some(DeviceRecord {
                interval: self.schedule.interval().as_secs(),
                ..self.code.clone()
            }),
            ..self.terms.record()
        }
    }

    /// Waits until somebody has entered a code, and asks for another one when it expires,
    /// [`MAX_DEVICE_CODES`] in all.
    pub async fn conclude(
        &mut self,
        auth: &Authorizer,
        want: &Want,
        lock: Option<&LoginLock>,
        deadline: Instant,
    ) -> Result<(), AuthError> {
        for left in (0..MAX_DEVICE_CODES).rev() {
            let waited = timeout_at(deadline, self.wait(auth, want)).await;
            match waited.unwrap_or_else(|_| Err(auth.timed_out())) {
                Ok(Outcome::Tokens(tokens)) => {
                    auth.keep(&self.terms, tokens).await?;
                    log::info!("signed in to {}", auth.host());
                    return Ok(());
                }
                Ok(Outcome::Adopted) => return Ok(()),
                Ok(Outcome::Expired) if left > 0 => {
                    log::info!("the code has expired; here is another one");
                }
                Ok(Outcome::Expired) => break,
                Err(AuthError::Token(error))
                    if left > 0
                        && error.rejects_resource()
                        && self.terms.drop_resource(auth).await => {}
                Err(error) => {
                    if matches!(&error, AuthError::Token(error) if error.is_invalid_client()) {
                        // The next sign-in registers anew.
                        self.terms.forget_client(auth).await?;
                    }
                    return Err(error);
                }
            }
            let code = timeout_at(deadline, authorize(auth, &mut self.terms)).await;
            self.code = code.unwrap_or_else(|_| Err(auth.timed_out()))?;
            self.schedule = Schedule::new(Some(Duration::from_secs(self.code.interval)));
            self.announce(auth, want, lock).await?;
        }
        Err(AuthError::CodesExpired {
            host: auth.host(),
            server: auth.shown(),
            times: MAX_DEVICE_CODES,
        })
    }

    async fn wait(&mut self, auth: &Authorizer, want: &Want) -> Result<Outcome, AuthError> {
        let mut pause = self.schedule.after(NotYet::Pending);
        loop {
            if pass(auth, want, pause).await? {
                return Ok(Outcome::Adopted);
            }
            let params = &auth.settings.token_params;
            let code = &self.code.device_code;
            let proof = self.terms.prover.as_ref().map(|prover| auth.proof(prover));
            match device_endpoint::poll(&auth.web, &self.terms, code, params, proof).await? {
                Polled::Tokens(tokens) => return Ok(Outcome::Tokens(tokens)),
                Polled::NotYet(what) => pause = self.schedule.after(what),
                Polled::Expired => return Ok(Outcome::Expired),
            }
            // By the clock here, where the authorization server does not say so.
            if now() >= self.code.expires_at {
                return Ok(Outcome::Expired);
            }
        }
    }
}

/// Asks for a code; again where it fails for a passing reason, without `resource` where that is
/// refused, or as a new client where the authorization server no longer knows it.
async fn authorize(auth: &Authorizer, terms: &mut Terms) -> Result<DeviceRecord, AuthError> {
    let mut schedule = Schedule::new(Some(Duration::ZERO));
    let mut attempts = 0;
    loop {
        let params = &auth.settings.auth_params;
        match device_endpoint::authorize(&auth.web, terms, params).await {
            Ok(code) => return Ok(code),
            Err(error) if error.rejects_resource() && terms.drop_resource(auth).await => {}
            Err(error) if error.is_invalid_client() && terms.drop_client(auth).await? => {}
            Err(TokenError::Transient(failure))
                if attempts + 1 < REFRESH_ATTEMPTS
                    && failure.retry_after.unwrap_or_default() <= RETRY_AFTER_MAX =>
            {
                attempts += 1;
                log::debug!("trying again: {failure}");
                let pause = schedule.after(NotYet::Trouble(failure.retry_after));
                sleep_until(Instant::now() + pause).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Lets time pass; `true` as soon as another process has signed in.
async fn pass(auth: &Authorizer, want: &Want, pause: Duration) -> Result<bool, AuthError> {
    let store = auth.store()?;
    let (server, profile) = auth.name();
    let mut seen = auth.held().stamp.clone();
    let end = Instant::now() + pause;
    loop {
        let stamp = store.stamp(server, profile);
        if seen.as_ref() != Some(&stamp) && !want.by_hand {
            seen = Some(stamp);
            if auth.adopt(want).await? {
                return Ok(true);
            }
        }
        if Instant::now() >= end {
            return Ok(false);
        }
        sleep_until(end.min(Instant::now() + LOCK_POLL)).await;
    }
}
