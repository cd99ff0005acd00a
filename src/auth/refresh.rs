//! Refreshing: one at a time on this machine (RFC 6749, section 6; OAuth 2.1, section 4.3).
//!
//! Refresh tokens may be good for one use. Under the lock of the record its newest state is read;
//! if another process has refreshed meanwhile, its token is used and nothing is sent.

use std::sync::Arc;

use tokio::time::sleep;

use super::authorizer::Authorizer;
use super::error::AuthError;
use super::given;
use super::held::{is_expired, now};
use super::prover::Prover;
use super::settings::ResourceParameter;
use super::token::{self, Again, Patience, TokenError, Tokens};
use crate::limits::LOCK_POLL;
use crate::secret::Secret;
use crate::store::{Binding, Lock, RecordKey, Stamp, TokenRecord};
use crate::tasks;

/// Replaces `old`, which this process holds, by a newer record.
///
/// # Errors
/// With [`TokenError::is_invalid_grant`] or [`TokenError::is_invalid_client`] the record is gone;
/// everything else leaves it as it is.
pub(super) async fn refresh(auth: &Arc<Authorizer>, old: &TokenRecord) -> Result<(), AuthError> {
    let (auth, old) = (auth.clone(), old.clone());
    // A task of its own: once it is sent, the old refresh token may be spent, and the new one must
    // be kept even if the request that asked for it has gone.
    let task = tasks::spawn(async move {
        let _under_way = auth.refreshing.clone().acquire_owned().await;
        let outcome = locked_refresh(&auth, &old).await;
        if outcome.is_err() {
            auth.held().refresh_failed();
        }
        outcome
    });
    task.await.unwrap_or_else(|_| Err(AuthError::Unusable("the refresh failed".into())))
}

async fn locked_refresh(auth: &Authorizer, old: &TokenRecord) -> Result<(), AuthError> {
    let store = auth.store()?;
    let key = RecordKey::new(&old.resource, &old.issuer, &old.client.client_id, &old.profile);
    let (server, profile) = auth.name();
    let lock = loop {
        let stamp = store.stamp(server, profile);
        if auth.held().stamp.as_ref() != Some(&stamp) && newer(auth, &key, old).await?.is_none() {
            return Ok(());
        }
        tokio::select! {
            biased;
            lock = store.lock(&key) => break lock?,
            () = changed(auth, &stamp) => {}
        }
    };
    let Some(current) = newer(auth, &key, old).await? else { return Ok(()) };
    let needs_login = || AuthError::NeedsLogin { host: auth.host(), server: auth.shown() };
    let Some(refresh_token) = &current.refresh_token else { return Err(needs_login()) };
    let client = given::current(auth, &current.client).await?;
    let mut current = TokenRecord { client, ..current.clone() };
    auth.held().keep_switch(&mut current);
    let prover = auth.prover(current.dpop.as_ref());
    // With a key that cannot be used the tokens are worth nothing.
    let prover = prover.map_err(|_| needs_login())?;
    let mut answer = patiently(auth, &current, refresh_token, prover.as_ref()).await;
    if answer.as_ref().is_err_and(TokenError::rejects_resource)
        && auth.settings.resource == ResourceParameter::AsPublished
        && current.resource_parameter.take().is_some()
    {
        answer = patiently(auth, &current, refresh_token, prover.as_ref()).await;
    }
    match answer {
        Ok(tokens) => {
            let record = auth.identified(renewed(&current, tokens), None, Some(&current))?;
            // Used even if it cannot be kept: the old one is spent.
            auth.hold(record.clone());
            store.write_token(lock, &record).await?;
            auth.held().stamp = Some(store.stamp(server, profile));
            log::debug!("the access token was refreshed");
            Ok(())
        }
        Err(error) => {
            if error.is_invalid_grant() || error.is_invalid_client() {
                forget(auth, lock, &current, &error).await?;
            }
            Err(error.into())
        }
    }
}

/// Takes over the record in the store, if it is not the one that this process has found wanting.
/// Returns it otherwise, as it is now.
async fn newer(
    auth: &Authorizer,
    key: &RecordKey,
    old: &TokenRecord,
) -> Result<Option<TokenRecord>, AuthError> {
    let store = auth.store()?;
    let (server, profile) = auth.name();
    let stamp = store.stamp(server, profile);
    let Some(current) = store.token(key).await? else {
        // Another process found the refresh token dead, or somebody logged out.
        auth.held().drop_record();
        return Err(AuthError::NeedsLogin { host: auth.host(), server: auth.shown() });
    };
    auth.held().stamp = Some(stamp);
    if !auth.admits(&current) {
        // Another process wants it otherwise.
        return Err(AuthError::NeedsLogin { host: auth.host(), server: auth.shown() });
    }
    if current.access_token != old.access_token && !is_expired(&current, now()) {
        auth.hold(current);
        return Ok(None);
    }
    Ok(Some(current))
}

/// Returns when another process has written.
async fn changed(auth: &Authorizer, stamp: &Stamp) {
    let (server, profile) = auth.name();
    while auth.store.as_ref().is_some_and(|store| store.stamp(server, profile) == *stamp) {
        sleep(LOCK_POLL).await;
    }
}

/// Sends the refresh token; again, a few times, where that fails for a passing reason.
async fn patiently(
    auth: &Authorizer,
    record: &TokenRecord,
    refresh_token: &Secret,
    prover: Option<&Prover>,
) -> Result<Tokens, TokenError> {
    let mut patience = Patience::default();
    let with = Again {
        scope: record.requested_scope.as_deref(),
        resource: record.resource_parameter.as_deref(),
        params: &auth.settings.token_params,
        proof: prover.map(|prover| auth.proof(prover)),
    };
    loop {
        let (client, endpoint) = (&record.client, &record.token_endpoint);
        let outcome = token::refresh(&auth.web, client, endpoint, refresh_token, with).await;
        if !patience.again(&outcome).await {
            return outcome;
        }
    }
}

/// The record after a refresh: what the answer leaves out stays.
fn renewed(old: &TokenRecord, tokens: Tokens) -> TokenRecord {
    let obtained_at = now();
    let bound = tokens.bound;
    TokenRecord {
        dpop: old.dpop.clone().map(|binding| Binding { bound, ..binding }),
        access_token: tokens.access_token,
        refresh_token: tokens.refresh_token.or_else(|| old.refresh_token.clone()),
        id_token: tokens.id_token.or_else(|| old.id_token.clone()),
        scope: tokens.scope.or_else(|| old.scope.clone()),
        obtained_at,
        expires_at: tokens.expires_in.map(|seconds| obtained_at.saturating_add(seconds)),
        ..old.clone()
    }
}

/// The refresh token, or the client, is dead. The record goes, the registration stays unless it is
/// what was refused.
async fn forget(
    auth: &Authorizer,
    lock: Lock,
    record: &TokenRecord,
    error: &TokenError,
) -> Result<(), AuthError> {
    let store = auth.store()?;
    log::debug!("the stored sign-in is no longer valid: {error}");
    if error.is_invalid_client() && record.client.registered {
        store.remove_client(&super::client_key(&record.client, &record.profile)).await?;
    }
    store.remove_token(lock).await?;
    auth.held().drop_record();
    Ok(())
}
