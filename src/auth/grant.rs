//! Tokens that need nobody: for a client itself, for a workload, for a person whom a company's
//! identity provider vouches for.
//!
//! * `place`: which authorization server, and who we are there.
//! * `request`: one token request. `assertion`: proving who we are with a key.
//! * `exchange`: what the identity provider of a company gives (RFC 8693).
//! * `company`: signing a person in there, where nobody gives an id token.
//! * `source`: secrets, looked up each time they are needed.
//!
//! One request at a time in this process, and one process at a time where there is a place for locks.
//! What is obtained is held and stored as after a sign-in, but for the secrets that it was obtained
//! with. A refusal is the answer: nothing else is tried, and no person is asked.

mod assertion;
mod company;
mod exchange;
mod place;
mod request;
mod source;

use std::sync::{Arc, PoisonError};

use tokio::time::Instant;

pub(super) use self::company::company;
pub use self::company::is_identity_provider;
use self::place::Place;
use super::authorizer::Authorizer;
use super::error::AuthError;
use super::flow::RESOURCE_REFUSED;
use super::given;
use super::held::now;
use super::prover::{self, Prover, Reasons};
use super::settings::{Dpop, Grant, Unattended};
use super::shared::{Login, Want};
use super::token::{Patience, TokenError, Tokens};
use crate::limits::SIGN_IN_PAUSE;
use crate::store::record::VERSION;
use crate::store::{Binding, ClientRecord, Lock, RecordKey, Store, TokenRecord};
use crate::tasks;

/// Why there was no answer to a token request, or none that helps.
pub(super) enum Obstacle {
    /// The authorization server of the MCP server.
    Server(TokenError),
    /// The identity provider of the company.
    IdentityProvider(TokenError),
    /// Something on this side.
    Here(AuthError),
}

impl From<AuthError> for Obstacle {
    fn from(error: AuthError) -> Obstacle {
        Obstacle::Here(error)
    }
}

impl Authorizer {
    /// Replaces a token whose time is nearly up. If that fails the old one may still do.
    pub(super) async fn renew(self: &Arc<Self>) {
        let due = {
            let held = self.held();
            held.record().filter(|_| held.renewal_is_due())
        };
        let Some(record) = due else { return };
        if self.refused_just_now(Instant::now()).is_some() {
            return;
        }
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let challenged = refused.is_some();
        let want = Want {
            challenge: refused.map(|refused| refused.challenge).unwrap_or_default(),
            refused: Some(record.access_token),
            scope: record.requested_scope,
            ..Want::default()
        };
        let before = self.begin_refresh();
        let auth = self.clone();
        // A task of its own: what was asked for is kept even if the request that needed it has gone.
        let task = tasks::spawn(async move {
            if let Err(error) = auth.granted(&want).await {
                log::warn!("the access token could not be renewed: {error}");
                auth.held().refresh_failed();
                let person = matches!(error, AuthError::NeedsLogin { .. });
                // The same request would be refused again. Before the server has said what it wants, the
                // next one may be another: its challenge may name other metadata.
                if challenged && error.transient().is_none() && !person {
                    auth.login.send_replace(Login::Failed { at: Instant::now(), error });
                }
            }
        });
        // It says itself what went wrong.
        let _ = task.await;
        self.end_refresh(before);
    }

    /// What a token was refused with a moment ago, for good; or what has passed since `since`, for those
    /// who have waited for it: an outage is not waited for once more by each of them.
    fn refused_just_now(&self, since: Instant) -> Option<AuthError> {
        match &*self.login.borrow() {
            Login::Failed { at, error }
                if *at >= since || error.transient().is_none() && at.elapsed() < SIGN_IN_PAUSE =>
            {
                Some(error.clone())
            }
            _ => None,
        }
    }

    /// Obtains a token, unless that was refused just now, or has failed since `since`.
    pub(super) async fn obtain(
        self: &Arc<Self>,
        want: &Want,
        since: Instant,
    ) -> Result<(), AuthError> {
        if let Some(error) = self.refused_just_now(since).filter(|_| !want.by_hand) {
            return Err(error);
        }
        self.login.send_replace(Login::Refreshing);
        let (auth, want) = (self.clone(), want.clone());
        let task = tasks::spawn(async move {
            let outcome = auth.granted(&want).await;
            auth.login.send_replace(match &outcome {
                Ok(()) => Login::Done,
                // A person may be asked.
                Err(AuthError::NeedsLogin { .. }) => Login::Idle,
                Err(error) => {
                    log::warn!("{error}");
                    Login::Failed { at: Instant::now(), error: error.clone() }
                }
            });
            outcome
        });
        task.await.unwrap_or_else(|_| {
            let error = AuthError::Unusable("obtaining a token failed; use -vv".into());
            let failed = Login::Failed { at: Instant::now(), error: error.clone() };
            self.login.send_replace(failed);
            Err(error)
        })
    }

    /// Obtains a token; takes over one that somebody else has obtained meanwhile.
    pub(super) async fn granted(&self, want: &Want) -> Result<(), AuthError> {
        let Some(unattended) = &self.settings.unattended else { return Ok(()) };
        // It is never closed.
        let _under_way = self.refreshing.clone().acquire_owned().await;
        let held = self.held().record();
        let newer = held.is_some_and(|record| want.refused.as_ref() != Some(&record.access_token));
        if newer && !want.by_hand {
            return Ok(());
        }
        let mut place = self.place(unattended, want).await?;
        let client = self.client_at(&place, unattended).await?;
        let key = RecordKey::new(
            &place.resource,
            &place.issuer,
            &client.client_id,
            &self.settings.profile,
        );
        let lock = self.locked(&key).await;
        if lock.is_some() && !want.by_hand && self.adopt(want).await.unwrap_or(false) {
            return Ok(());
        }
        let (binding, prover) = self.key_for(&place, want)?;
        let mut outcome = self.patiently(unattended, &place, &client, prover.as_ref()).await;
        if let Err(Obstacle::Server(error)) = &outcome
            && unattended.grant == Grant::ClientCredentials
            && error.rejects_resource()
            && place.drop_resource(self)
        {
            outcome = self.patiently(unattended, &place, &client, prover.as_ref()).await;
        }
        let tokens = outcome.map_err(|obstacle| obstacle.explained(unattended))?;
        self.take_in(place, client, tokens, binding, unattended, lock).await;
        log::debug!("a token was obtained with --grant {}", unattended.grant.name());
        Ok(())
    }

    /// The key that the token is to be bound to, and what proves that we have it. It is the one of the
    /// token before, if that had one.
    fn key_for(
        &self,
        place: &Place,
        want: &Want,
    ) -> Result<(Option<Binding>, Option<Prover>), AuthError> {
        let held = self.held();
        let proven = held.has_proven();
        let before = held.record().and_then(|record| record.dpop);
        drop(held);
        if let Some(before) = before.filter(|_| self.settings.dpop != Dpop::Never)
            // With one that is damaged there is nothing to be proven.
            && let Ok(prover) = self.prover(Some(&before))
        {
            return Ok((Some(before), prover));
        }
        // Real servers refuse tokens that are bound to a certificate and to a key at once.
        let metadata = place.metadata.as_ref();
        let metadata = metadata.filter(|metadata| !self.web.binds_to_certificate(metadata));
        let binding = prover::binding(&Reasons {
            setting: self.settings.dpop,
            challenge: &want.challenge,
            metadata,
            resource: place.dpop,
            proven,
        });
        let made = binding.and_then(|binding| Ok((self.prover(binding.as_ref())?, binding)));
        let (prover, binding) = made.map_err(|error| AuthError::Unusable(error.to_string()))?;
        Ok((binding, prover))
    }

    /// The right to obtain a token, which one process has at a time. Without a place for locks
    /// everybody has it.
    async fn locked(&self, key: &RecordKey) -> Option<(&Store, Lock)> {
        let store = self.store.as_ref()?;
        match store.lock(key).await {
            Ok(lock) => Some((store, lock)),
            Err(error) => {
                log::debug!("the token is kept in memory only: {error}");
                None
            }
        }
    }

    /// Sends the request; again, a few times, where that fails for a passing reason. What proves
    /// something is made anew each time: it may be good for one use.
    async fn patiently(
        &self,
        unattended: &Unattended,
        place: &Place,
        client: &ClientRecord,
        prover: Option<&Prover>,
    ) -> Result<Tokens, Obstacle> {
        let mut patience = Patience::default();
        let mut renonced = false;
        loop {
            let (outcome, obstacle) = match self.ask(unattended, place, client, prover).await {
                Ok(tokens) => return Ok(tokens),
                Err(Obstacle::Here(error)) => return Err(Obstacle::Here(error)),
                // Once: the nonce was taken down, and the next proof has it.
                Err(Obstacle::Server(error))
                    if !renonced
                        && error.wants_nonce()
                        && prover.is_some_and(Prover::takes_nonce) =>
                {
                    renonced = true;
                    continue;
                }
                Err(Obstacle::Server(error)) => (Err(error.clone()), Obstacle::Server(error)),
                Err(Obstacle::IdentityProvider(error)) => {
                    (Err(error.clone()), Obstacle::IdentityProvider(error))
                }
            };
            if !patience.again(&outcome).await {
                return Err(obstacle);
            }
        }
    }

    async fn ask(
        &self,
        unattended: &Unattended,
        place: &Place,
        client: &ClientRecord,
        prover: Option<&Prover>,
    ) -> Result<Tokens, Obstacle> {
        match &unattended.grant {
            Grant::ClientCredentials => {
                let form = place.form("client_credentials");
                self.request(unattended, place, client, prover, form).await
            }
            Grant::JwtBearer { assertion } => {
                let assertion = source::token(assertion, "--assertion", self).await?;
                let form = place.form(request::JWT_BEARER).with("assertion", assertion.expose());
                self.request(unattended, place, client, prover, form).await
            }
            Grant::Enterprise(idp) => {
                let assertion = self.identity_assertion(idp, place).await?;
                // The scope is in the assertion, and may be less than what was asked for.
                let form = place.form_without_scope(request::JWT_BEARER);
                let form = form.with("assertion", assertion.expose());
                self.request(unattended, place, client, prover, form).await
            }
        }
    }

    /// Uses what was obtained, and stores it where that is possible.
    async fn take_in(
        &self,
        place: Place,
        client: ClientRecord,
        tokens: Tokens,
        binding: Option<Binding>,
        unattended: &Unattended,
        lock: Option<(&Store, Lock)>,
    ) {
        let (server, profile) = self.name();
        let obtained_at = now();
        let refused = place.resource_refused.then(|| (RESOURCE_REFUSED.to_owned(), true.into()));
        let record = TokenRecord {
            version: VERSION,
            server: server.to_owned(),
            profile: profile.to_owned(),
            resource: place.resource,
            resource_parameter: place.resource_parameter,
            issuer: place.issuer,
            // What proves who we are is where the person keeps it.
            client: ClientRecord { client_secret: None, ..client },
            token_endpoint: place.token_endpoint,
            revocation_endpoint: place.revocation_endpoint,
            scope: tokens.scope.or_else(|| place.scope.clone()),
            requested_scope: place.scope,
            grant: Some(unattended.grant.name().to_owned()),
            access_token: tokens.access_token,
            // It is obtained anew, and not refreshed.
            refresh_token: None,
            id_token: tokens.id_token,
            // Without a refresh token there is nothing else that could be bound.
            dpop: binding.filter(|_| tokens.bound).map(|key| Binding { bound: true, ..key }),
            obtained_at,
            expires_at: tokens.expires_in.map(|seconds| obtained_at.saturating_add(seconds)),
            other: refused.into_iter().collect(),
        };
        self.hold(record.clone());
        let Some((store, lock)) = lock else { return };
        match store.write_token(lock, &record).await {
            Ok(()) => self.held().stamp = Some(store.stamp(server, profile)),
            Err(error) => log::warn!("the token is kept in memory only: {error}"),
        }
        if let Err(error) = given::bind(self, &record.client).await {
            log::warn!("where this client belongs is not noted: {error}");
        }
    }
}

impl Obstacle {
    /// For the reader: what was refused, and the next step.
    fn explained(self, unattended: &Unattended) -> AuthError {
        let grant = &unattended.grant;
        let (error, at_idp) = match self {
            Obstacle::Here(error) => return error,
            Obstacle::Server(error) => (error, false),
            Obstacle::IdentityProvider(error) => (error, true),
        };
        let TokenError::Refused { code, .. } = &error else { return error.into() };
        let next = match (code.as_str(), grant) {
            ("invalid_client", _) if at_idp => "check --idp-client-id and --idp-client-secret",
            ("invalid_grant", _) if at_idp && unattended.needs_a_person() => {
                "it does not accept its own sign-in for this server; its operator can tell why, or sign out there (mcp-tether logout, with its URL) and try again"
            }
            ("invalid_grant", _) if at_idp => {
                "the id token of --idp-id-token may have expired, or be meant for another client; get a new one"
            }
            ("invalid_client", _) => {
                "check --client-id and what proves it (--client-secret, --private-key or --client-cert)"
            }
            ("invalid_grant", Grant::JwtBearer { .. }) => {
                "the assertion may have expired, or be meant for somebody else"
            }
            ("invalid_grant", Grant::Enterprise(_)) => {
                "it does not accept the assertion of the identity provider; its operator has to trust that"
            }
            ("unauthorized_client" | "unsupported_grant_type" | "access_denied", _) => {
                "its operator has to allow this grant"
            }
            ("invalid_scope", _) => "check --scope",
            ("invalid_target", _) => "check --resource",
            _ => "its operator can tell why",
        };
        AuthError::NotGranted { grant: grant.name(), said: error.to_string(), next }
    }
}
