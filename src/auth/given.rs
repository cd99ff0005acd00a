//! What a person gives for an authorization server, a client or an assertion: where it belongs, and the
//! secret of the client.

use super::authorizer::Authorizer;
use super::error::AuthError;
use super::settings::{ClientSecret, Grant};
use crate::limits::MAX_EXCERPT;
use crate::secret::{Secret, file};
use crate::store::{ClientKey, ClientRecord};

/// Where it is noted which authorization server a given client belongs to, or, where there is none
/// (`client_id` is empty), the assertion for this MCP server; and what the person calls it.
///
/// None where more than the first use tells that. The person names a token endpoint, or an identity
/// provider; and that vouches for a person at an authorization server which it knows, before any secret is
/// sent there.
fn place(auth: &Authorizer, client_id: &str) -> Option<(ClientKey, &'static str)> {
    let named = auth.settings.unattended.as_ref().is_some_and(|unattended| {
        unattended.token_endpoint.is_some() || matches!(unattended.grant, Grant::Enterprise(_))
    });
    if named || auth.settings.openid.is_some() {
        return None;
    }
    let (server, profile) = auth.name();
    Some(if client_id.is_empty() {
        (ClientKey::new("assertion", server, profile), "--assertion")
    } else {
        (ClientKey::new("given", client_id, profile), "--client-id")
    })
}

/// Whether a given client, or an assertion where the client has no name, may be used at this authorization
/// server.
///
/// # Errors
/// [`AuthError::Unusable`] if it belongs to another one; else why nobody knows.
pub(super) async fn check(
    auth: &Authorizer,
    client_id: &str,
    issuer: &str,
) -> Result<(), AuthError> {
    let Some((key, what)) = place(auth, client_id) else { return Ok(()) };
    let noted = match &auth.store {
        Some(store) => store.client(&key).await?.map(|noted| noted.issuer),
        None => None,
    };
    // Where nothing can be noted, what was obtained before knows it.
    let before = || {
        let record = auth.held().record()?;
        let same = record.grant.is_some() && record.client.client_id == client_id;
        // Without metadata the endpoint stands for the issuer.
        (same && record.issuer != record.token_endpoint).then_some(record.issuer)
    };
    let Some(bound) = noted.or_else(before).filter(|bound| bound != issuer) else { return Ok(()) };
    let shown = |issuer: &str| auth.redactor.clean(issuer, MAX_EXCERPT);
    Err(AuthError::Unusable(format!(
        "{what} belongs to {}, but the server now names {}; if that is right, use another --profile",
        shown(&bound),
        shown(issuer)
    )))
}

/// It belongs to the first authorization server that accepts it (2026-07-28,
/// basic/authorization/client-registration, "Authorization Server Binding").
///
/// # Errors
/// Why that cannot be noted.
pub(super) async fn bind(auth: &Authorizer, client: &ClientRecord) -> Result<(), AuthError> {
    if auth.settings.identity.given.is_none() && !client.client_id.is_empty() {
        return Ok(());
    }
    let Some((key, _)) = place(auth, &client.client_id) else { return Ok(()) };
    let note = ClientRecord { client_secret: None, ..client.clone() };
    Ok(auth.store()?.write_client(&key, &note).await?)
}

/// The secret of a given client.
///
/// # Errors
/// Why it cannot be had.
pub(super) async fn secret(auth: &Authorizer) -> Result<Option<Secret>, AuthError> {
    match &auth.settings.client_secret {
        None => Ok(None),
        Some(ClientSecret::Value(secret)) => Ok(Some(secret.clone())),
        Some(ClientSecret::Keyring(name)) => {
            let found = auth.store()?.secret(name).await?;
            let missing =
                || AuthError::Unusable(format!("--client-secret: the keyring has no {name}"));
            found.map(Some).ok_or_else(missing)
        }
        Some(ClientSecret::File(path)) => {
            let wrong = |reason| AuthError::Unusable(format!("--idp-client-secret: {reason}"));
            file::read_soon(path).await.map(Some).map_err(wrong)
        }
    }
}

/// The client of a record as it is now: the secret of a given one may have been replaced since.
///
/// # Errors
/// Why its secret cannot be had.
pub(super) async fn current(
    auth: &Authorizer,
    client: &ClientRecord,
) -> Result<ClientRecord, AuthError> {
    let given = auth.settings.identity.given.as_ref();
    let mut client = client.clone();
    if given.is_some_and(|(id, _)| *id == client.client_id)
        && let Some(secret) = secret(auth).await?
    {
        auth.redactor.learn(secret.clone());
        client.client_secret = Some(secret);
    }
    Ok(client)
}
