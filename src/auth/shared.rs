//! One sign-in for everybody who waits for it in this process.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep_until};

use super::authorizer::Authorizer;
use super::challenge::Challenge;
use super::discovery::Discovered;
use super::error::AuthError;
use super::held::{is_expired, now};
use super::person::Person;
use super::settings::{Dpop, Mode};
use crate::limits::{MAX_STEP_UPS, SIGN_IN_PAUSE, TAB_INTERVAL};
use crate::secret::Secret;
use crate::store::TokenRecord;
use crate::tasks;

/// What a sign-in has to bring.
#[derive(Clone, Debug, Default)]
pub(super) struct Want {
    /// What the server asked for.
    pub challenge: Challenge,
    /// The access token that will not do.
    pub refused: Option<Secret>,
    /// For more scope: all that has to be asked for.
    pub scope: Option<String>,
    /// What discovery has found, if it was done.
    pub discovered: Option<Discovered>,
    /// A person has asked for it and is there.
    pub by_hand: bool,
    /// They, where they can be spoken to.
    pub person: Option<Arc<dyn Person>>,
}

/// Where a person has to go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The URL.
    pub url: String,
    /// The code to enter there, or to compare. No secret, and fit to be shown.
    pub code: Option<String>,
}

/// The sign-in of this process.
#[derive(Clone, Debug)]
pub enum Login {
    /// There was none.
    Idle,
    /// There is none, but a token is being refreshed before anything is sent.
    Refreshing,
    /// It is being prepared.
    Preparing,
    /// A person has to act.
    Waiting {
        /// Where.
        place: Place,
        /// Whether a browser shows it, as far as we know.
        opened: bool,
    },
    /// It is done.
    Done,
    /// It failed.
    Failed {
        /// When.
        at: Instant,
        /// Why.
        error: AuthError,
    },
}

impl Login {
    /// Whether somebody may wait for it.
    pub fn is_running(&self) -> bool {
        matches!(self, Login::Preparing | Login::Waiting { .. })
    }

    /// Whether requests have to wait, for a sign-in or for less.
    pub fn is_busy(&self) -> bool {
        self.is_running() || matches!(self, Login::Refreshing)
    }

    /// Where a person has to go who cannot know of it otherwise.
    pub fn unseen(&self) -> Option<&Place> {
        match self {
            Login::Waiting { place, opened: false } => Some(place),
            _ => None,
        }
    }

    pub(super) fn is_same_wait(&self, other: &Login) -> bool {
        let wait = |login: &Login| match login {
            Login::Waiting { place, opened } => Some((place.clone(), *opened)),
            _ => None,
        };
        wait(self).is_some() && wait(self) == wait(other)
    }
}

impl Authorizer {
    /// Waits for a sign-in; begins one if there is none.
    pub(super) async fn join(
        self: &Arc<Self>,
        want: Want,
        patience: Option<Duration>,
    ) -> Result<(), AuthError> {
        let mut login = self.login.subscribe();
        self.begin(want)?;
        let start = Instant::now();
        loop {
            let state = login.borrow_and_update().clone();
            match state {
                Login::Done => return Ok(()),
                Login::Failed { error, .. } => return Err(error),
                _ => {}
            }
            let limit = state.unseen().cloned().zip(patience);
            tokio::select! {
                biased;
                changed = login.changed() => if changed.is_err() {
                    return Err(AuthError::Ending { host: self.host(), server: self.shown() });
                },
                place = async {
                    match limit {
                        Some((place, patience)) => {
                            sleep_until(start + patience).await;
                            place
                        }
                        None => std::future::pending().await,
                    }
                } => return Err(AuthError::SignInNeeded { host: self.host(), place }),
            }
        }
    }

    /// Begins a sign-in unless one is under way, or one has failed just now.
    fn begin(self: &Arc<Self>, want: Want) -> Result<(), AuthError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match &*self.login.borrow() {
            // What will pass may have passed.
            Login::Failed { at, error }
                if error.transient().is_none() && at.elapsed() < SIGN_IN_PAUSE =>
            {
                return Err(error.clone());
            }
            state if state.is_running() => return Ok(()),
            _ => {}
        }
        // Without a person at the authorization server it was counted before.
        if let Some(scope) = want.scope.as_ref().filter(|_| self.settings.unattended.is_none()) {
            self.count_step_up(scope)?;
        }
        self.login.send_replace(Login::Preparing);
        let auth = self.clone();
        let task = tasks::spawn(async move {
            let work = AssertUnwindSafe(auth.sign_in_there(&want)).catch_unwind();
            let outcome = work.await.unwrap_or_else(|_| {
                Err(AuthError::Unusable("the sign-in failed; please report this with -vv".into()))
            });
            if let Err(error) = &outcome {
                log::warn!("{error}");
            }
            auth.login.send_replace(match outcome {
                Ok(()) => Login::Done,
                Err(error) => Login::Failed { at: Instant::now(), error },
            });
        });
        *running = Some(task.abort_handle());
        Ok(())
    }

    /// A server that always wants more must not be able to open tabs: each set of scopes is asked
    /// for once in [`TAB_INTERVAL`], and no more than [`MAX_STEP_UPS`] of them.
    pub(super) fn count_step_up(&self, scope: &str) -> Result<(), AuthError> {
        let mut held = self.held();
        held.step_ups.retain(|(_, at)| at.elapsed() < TAB_INTERVAL);
        let again = held.step_ups.iter().any(|(asked, _)| asked == scope);
        if again || held.step_ups.len() >= MAX_STEP_UPS {
            return Err(AuthError::TooManyStepUps { host: self.host(), server: self.shown() });
        }
        held.step_ups.push((scope.to_owned(), Instant::now()));
        Ok(())
    }

    /// Nobody has answered the question for this scope: it does not count.
    pub(super) fn forget_step_up(&self, scope: &str) {
        self.held().step_ups.retain(|(asked, _)| asked != scope);
    }

    /// A sign-in that a person asked for (`mcp-tether login`), who can be spoken to if there is a
    /// `person`.
    ///
    /// # Errors
    /// Why it came to nothing.
    pub async fn sign_in_by_hand(
        self: &Arc<Self>,
        challenge: &Challenge,
        person: Option<Arc<dyn Person>>,
    ) -> Result<(), AuthError> {
        let challenge = challenge.clone();
        let want = Want { challenge, by_hand: true, person, ..Want::default() };
        match self.settings.unattended {
            Some(_) => match self.obtain(&want, Instant::now()).await {
                Err(AuthError::NeedsLogin { .. }) if self.company.is_some() => {
                    self.sign_in_there(&want).await
                }
                outcome => outcome,
            },
            None => self.sign_in(&want).await,
        }
    }

    /// Signs a person in where they are known: at the authorization server, or at the identity provider
    /// of their company, whose word then brings a token.
    async fn sign_in_there(self: &Arc<Self>, want: &Want) -> Result<(), AuthError> {
        match &self.company {
            Some(company) => self.sign_in_at(company, want).await,
            None => self.sign_in(want).await,
        }
    }

    /// Reads what is stored for this server, once.
    pub(super) async fn load(&self) {
        if self.held().loaded {
            return;
        }
        if matches!(self.settings.mode, Mode::Interactive | Mode::Stored)
            && (self.store.is_some() || self.settings.unattended.is_none())
            && let Err(error) = self.adopt(&Want::default()).await
        {
            log::warn!("{error}");
        }
        // Not before: others look at it without waiting.
        self.held().loaded = true;
    }

    /// Takes over the record in the store, if it is what is wanted: not the token that was refused,
    /// and good for something.
    pub(super) async fn adopt(&self, want: &Want) -> Result<bool, AuthError> {
        let store = self.store()?;
        let (server, profile) = self.name();
        let stamp = store.stamp(server, profile);
        let Some(entry) = store.entry(server, profile)? else { return Ok(false) };
        let Some(record) = store.token(&entry.key).await? else { return Ok(false) };
        self.held().stamp = Some(stamp);
        if !self.fits(&record, want) {
            return Ok(false);
        }
        self.hold(record);
        Ok(true)
    }

    /// Whether `--dpop` lets a record be used.
    pub(super) fn admits(&self, record: &TokenRecord) -> bool {
        let dpop = self.settings.dpop;
        match &record.dpop {
            // With a key of which only the refresh token knows, it is neither.
            Some(binding) if dpop == Dpop::Always => binding.bound,
            binding => dpop.admits(binding.is_some()),
        }
    }

    /// Whether a record is good for what is wanted.
    pub(super) fn fits(&self, record: &TokenRecord, want: &Want) -> bool {
        let given = self.settings.identity.given.as_ref();
        let same_client = given.is_none_or(|(id, _)| *id == record.client.client_id);
        // What one grant has brought says nothing about another.
        let grant = self.settings.unattended.as_ref().map(|unattended| unattended.grant.name());
        let same_grant = grant == record.grant.as_deref();
        let asked = record.requested_scope.as_deref();
        let granted = record.scope.as_deref();
        let has = |scopes: Option<&str>| {
            let wanted: Vec<&str> = scopes.unwrap_or_default().split_ascii_whitespace().collect();
            [asked, granted].into_iter().flatten().any(|had| {
                wanted.iter().all(|scope| had.split_ascii_whitespace().any(|has| has == *scope))
            }) || wanted.is_empty()
        };
        same_client
            && self.admits(record)
            && same_grant
            && has(self.settings.scope.as_deref())
            && has(want.scope.as_deref())
            && want.refused.as_ref() != Some(&record.access_token)
            && (record.refresh_token.is_some() || !is_expired(record, now()))
    }
}
