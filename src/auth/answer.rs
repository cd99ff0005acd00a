//! What is done when a request was refused.
//!
//! The grant is chosen in one place, [`Authorizer::answer`]: a token that somebody else has obtained
//! meanwhile; then what goes without a person (`grant`), where that was asked for; else the refresh
//! token, then the person.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::authorizer::Authorizer;
use super::challenge::{self, Challenge};
use super::credential::Credential;
use super::discovery::discover;
use super::error::AuthError;
use super::settings::{Dpop, Mode};
use super::shared::{Login, Want};
use super::{refresh, scope};
use crate::limits::{MAX_CHALLENGES, MAX_EXCERPT};
use crate::store::TokenRecord;

/// What has been done for one request already.
#[derive(Debug, Default)]
pub struct Progress {
    challenges: usize,
    refreshed: bool,
    /// Between the two ways to send a token that is bound to a key.
    switched: bool,
    signed_in: bool,
}

impl Progress {
    /// Somebody has signed in for it just now.
    pub fn signed_in() -> Progress {
        Progress { signed_in: true, ..Progress::default() }
    }
}

/// Whether a person may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// Yes, and waited for as long as the sign-in may take.
    Anybody,
    /// Yes, but where they can know of it only from the error, they are waited for no longer than
    /// this.
    Within(Duration),
    /// No.
    Nobody,
}

/// A refusal that can be answered.
#[derive(Clone, Debug)]
pub struct Refused {
    /// What the server asks for.
    pub challenge: Challenge,
    /// 403 `insufficient_scope`: the token is good, but not for this.
    pub step_up: bool,
}

impl Authorizer {
    /// Whether a response with this status and these `WWW-Authenticate` fields is something to be
    /// answered here.
    pub fn refused<'a>(
        &self,
        status: u16,
        fields: impl IntoIterator<Item = &'a [u8]>,
    ) -> Option<Refused> {
        if self.settings.mode == Mode::Off || !matches!(status, 401 | 403) {
            return None;
        }
        let challenge = challenge::parse(fields);
        let step_up = challenge.error.as_deref() == Some("insufficient_scope");
        let configured = self.settings.mode == Mode::Configured;
        (status == 401 || (step_up && !configured)).then_some(Refused { challenge, step_up })
    }

    /// Obtains what a refused request lacked. `Ok` means that it should be sent again.
    ///
    /// With `asking` a person is asked if need be. Dropping the future does not end the sign-in,
    /// which others may wait for.
    ///
    /// # Errors
    /// Why it cannot be obtained.
    pub async fn answer(
        self: &Arc<Self>,
        refused: &Refused,
        used: Option<&Credential>,
        progress: &mut Progress,
        asking: Asking,
    ) -> Result<(), AuthError> {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused.clone());
        if self.settings.mode == Mode::Configured {
            return Err(AuthError::ConfiguredRefused { host: self.host() });
        }
        progress.challenges += 1;
        if progress.challenges > MAX_CHALLENGES || progress.signed_in && !refused.step_up {
            let error = self.still_refused(refused);
            // Signing in once more would not help the next request either.
            self.login.send_if_modified(|login| {
                let done = matches!(login, Login::Done);
                if done {
                    *login = Login::Failed { at: Instant::now(), error: error.clone() };
                }
                done
            });
            return Err(error);
        }
        let want = {
            let since = Instant::now();
            let _flight = self.flight.lock().await;
            let wanted = match self.settings.unattended {
                Some(_) => self.answer_unattended(refused, used, progress, since).await?,
                None => self.without_a_person(refused, used, progress).await?,
            };
            match wanted {
                Some(want) => want,
                None => return Ok(()),
            }
        };
        if self.settings.mode == Mode::Stored || asking == Asking::Nobody {
            return Err(match &want.scope {
                Some(scope) if refused.step_up => AuthError::MissingScope {
                    host: self.host(),
                    server: self.shown(),
                    scope: scope.clone(),
                },
                _ => AuthError::NeedsLogin { host: self.host(), server: self.shown() },
            });
        }
        let patience = match asking {
            Asking::Within(patience) => Some(patience),
            Asking::Anybody | Asking::Nobody => None,
        };
        self.join(want, patience).await?;
        progress.signed_in = true;
        Ok(())
    }

    /// Everything short of asking a person. `None` if that was enough.
    async fn without_a_person(
        self: &Arc<Self>,
        refused: &Refused,
        used: Option<&Credential>,
        progress: &mut Progress,
    ) -> Result<Option<Want>, AuthError> {
        if self.has_another(refused, used, progress).await? {
            return Ok(None);
        }
        let record = self.held().record();
        let mut want = self.wanted(refused, record.as_ref(), progress)?;
        if self.adopt(&want).await? {
            return Ok(None);
        }
        let Some(record) = record else { return Ok(Some(want)) };
        if refused.step_up {
            return Ok(Some(want));
        }
        // Where the tokens belong now. If that cannot be found out, they still belong where they
        // came from.
        let known = Some(record.issuer.as_str());
        if let Ok(found) = discover(&self.web, &refused.challenge, known).await {
            let moved = found.metadata.issuer != record.issuer;
            want.discovered = Some(found);
            if moved {
                log::warn!(
                    "{} now names another authorization server than {}; what is stored is not sent there",
                    self.host(),
                    self.redactor.clean(&record.issuer, MAX_EXCERPT)
                );
                return Ok(Some(want));
            }
        }
        if record.refresh_token.is_some() && !progress.refreshed {
            progress.refreshed = true;
            match refresh::refresh(self, &record).await {
                Ok(()) => return Ok(None),
                Err(error) if error.transient().is_some() || error.is_clock() => return Err(error),
                // However it was refused: a person can mend it. Until then the record stays, unless
                // it is certainly dead.
                Err(AuthError::NeedsLogin { .. } | AuthError::Token(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(want))
    }

    /// Whether the token that was refused is to be sent in the other way.
    ///
    /// # Errors
    /// A refusal of its proof that no other token would mend.
    fn switched(
        &self,
        refused: &Refused,
        used: Option<&Credential>,
        progress: &mut Progress,
    ) -> Result<bool, AuthError> {
        let Some(used) = used else { return Ok(false) };
        self.check_proof(refused, used)?;
        let may = !refused.step_up && self.settings.dpop == Dpop::Auto && !progress.switched;
        progress.switched |= may && self.held().switch(&refused.challenge);
        Ok(may && progress.switched)
    }

    /// What a token has to be good for, where the one of `record` was refused.
    fn wanted(
        &self,
        refused: &Refused,
        record: Option<&TokenRecord>,
        progress: &Progress,
    ) -> Result<Want, AuthError> {
        let mut want = Want {
            challenge: refused.challenge.clone(),
            refused: record.map(|record| record.access_token.clone()),
            ..Want::default()
        };
        if refused.step_up
            && let Some(record) = record
        {
            let had = record.requested_scope.as_deref().or(record.scope.as_deref());
            let union = scope::union(had, refused.challenge.scope.as_deref());
            // Asked for already: the server will not be satisfied.
            if progress.signed_in && had == union.as_deref() {
                return Err(self.still_refused(refused));
            }
            want.scope = union;
        }
        Ok(want)
    }

    /// Whether there is something else to send than what was refused, without asking anybody.
    async fn has_another(
        self: &Arc<Self>,
        refused: &Refused,
        used: Option<&Credential>,
        progress: &mut Progress,
    ) -> Result<bool, AuthError> {
        self.load().await;
        let sent = used.map(|used| used.generation);
        let newer = self.held().credential().is_some_and(|now| Some(now.generation) != sent);
        Ok(newer || self.switched(refused, used, progress)?)
    }

    /// Obtains a token that needs nobody, and falls back to nothing else. `None` if that was enough: a
    /// person may have to sign in at their company's identity provider first. The caller waits since `since`.
    async fn answer_unattended(
        self: &Arc<Self>,
        refused: &Refused,
        used: Option<&Credential>,
        progress: &mut Progress,
        since: Instant,
    ) -> Result<Option<Want>, AuthError> {
        if self.has_another(refused, used, progress).await? {
            return Ok(None);
        }
        let record = self.held().record();
        let want = self.wanted(refused, record.as_ref(), progress)?;
        if self.store.is_some() && self.adopt(&want).await.unwrap_or(false) {
            return Ok(None);
        }
        if self.is_signing_in() {
            return Ok(Some(want));
        }
        if let Some(scope) = &want.scope {
            self.count_step_up(scope).map_err(|_| {
                AuthError::Unusable(format!(
                    "{} asks for more scope again and again; if it is right to, use --scope",
                    self.host()
                ))
            })?;
        }
        let outcome = self.obtain(&want, since).await;
        if let Some(scope) = &want.scope
            && outcome.as_ref().is_err_and(|error| error.transient().is_some())
        {
            self.forget_step_up(scope);
        }
        match outcome {
            Err(AuthError::NeedsLogin { .. }) if self.company.is_some() => Ok(Some(want)),
            outcome => {
                outcome?;
                progress.signed_in = true;
                Ok(None)
            }
        }
    }

    fn still_refused(&self, refused: &Refused) -> AuthError {
        let said = refused.challenge.error_description.as_deref();
        let said = said.or(refused.challenge.error.as_deref()).unwrap_or_default();
        let said = self.redactor.clean(said, MAX_EXCERPT);
        let said = if said.is_empty() { said } else { format!(" (\u{201c}{said}\u{201d})") };
        AuthError::StillRefused { host: self.host(), said }
    }
}
