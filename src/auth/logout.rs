//! Forgetting a sign-in: revoked at the authorization server where it offers that (RFC 7009), then
//! deleted.

use super::error::AuthError;
use super::token;
use super::web::Web;
use crate::store::{ClientAuth, Entry, Store, TokenRecord};

/// What became of the tokens at the authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// They are revoked.
    Done,
    /// The server offers no revocation: they live until they expire.
    NotOffered,
    /// Who we were can be proven only with what is not stored (`--grant`).
    NotProven,
    /// It failed, for this reason.
    Failed(String),
    /// There was nothing stored to be revoked.
    NothingStored,
}

/// Revokes and deletes one stored sign-in. Deleting does not depend on revoking.
///
/// # Errors
/// If the store cannot be read or written.
pub async fn logout(web: &Web, store: &Store, entry: &Entry) -> Result<Revocation, AuthError> {
    let lock = store.lock(&entry.key).await?;
    let record = store.token(&entry.key).await?;
    let revocation = match &record {
        Some(record) => revoke(web, record).await,
        None => Revocation::NothingStored,
    };
    store.remove_token(lock).await?;
    if let Some(record) = record
        && let Some(lock) = store.try_lock_login(&record.server, &record.profile)?
    {
        store.remove_tab(&lock)?;
    }
    Ok(revocation)
}

async fn revoke(web: &Web, record: &TokenRecord) -> Revocation {
    let Some(endpoint) = &record.revocation_endpoint else {
        return Revocation::NotOffered;
    };
    if record.grant.is_some() && record.client.auth != ClientAuth::None {
        return Revocation::NotProven;
    }
    // Revoking a refresh token ends its access tokens as well, where the server can do that; some
    // cannot (RFC 7009, section 2.1).
    let refresh = record.refresh_token.as_ref().map(|token| (token, "refresh_token"));
    let access = Some((&record.access_token, "access_token"));
    for (token, hint) in [refresh, access].into_iter().flatten() {
        if let Err(error) = token::revoke(web, &record.client, endpoint, token, hint).await {
            return Revocation::Failed(error.to_string());
        }
    }
    Revocation::Done
}
