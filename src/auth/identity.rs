//! Who we are at an authorization server: chosen by [`client`], and registered where that is needed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::authorizer::Authorizer;
use super::client::{self, Choice};
use super::error::AuthError;
use super::given;
use super::held::now;
use super::metadata::ServerMetadata;
use super::registration;
use crate::store::{ClientKey, ClientRecord};

/// Where it is noted that a client is registered for tokens that are bound to a key, and gets no others.
pub(super) const BOUND: &str = "dpop_bound_access_tokens";

/// Where it is noted with which members of the person's a client is registered, as a digest.
const MEMBERS: &str = "registered_with";

/// What a client has to be good for.
pub(super) struct Asked<'a> {
    /// What it is called back at, or [`client::DEVICE_CODE`].
    pub redirect_uri: &'a str,
    /// What is asked for.
    pub scope: Option<&'a str>,
    /// Where it has to be registered, it is for tokens that are bound to a key and no others.
    pub bound: bool,
    /// Tokens will be bound to a key.
    pub proves: bool,
}

/// Tells one set of members from another; none of nothing.
fn digest(members: &Map<String, Value>) -> Option<String> {
    let text = serde_json::to_string(members).unwrap_or_default();
    let digest = || URL_SAFE_NO_PAD.encode(Sha256::digest(text));
    (!members.is_empty()).then(digest)
}

/// The client that we are at this authorization server, and whether it was registered just now.
///
/// # Errors
/// Why there is none.
pub(super) async fn of(
    auth: &Authorizer,
    metadata: &ServerMetadata,
    asked: &Asked<'_>,
) -> Result<(ClientRecord, bool), AuthError> {
    let redirect_uri = asked.redirect_uri;
    let store = auth.store()?;
    let profile = &auth.settings.profile;
    let key = ClientKey::new(&metadata.issuer, redirect_uri, profile);
    let stored = store.client(&key).await?;
    let mut notes = stored.as_ref().map(|stored| stored.other.clone()).unwrap_or_default();
    let mut identity = auth.settings.identity.clone();
    if let Some((id, secret)) = &mut identity.given {
        given::check(auth, id, &metadata.issuer).await?;
        *secret = given::secret(auth).await?;
    }
    // What is bound to a key is all that it would get.
    let stored = stored.filter(|stored| asked.proves || !stored.other.contains_key(BOUND));
    let with = digest(&identity.members);
    let same = |stored: &ClientRecord| {
        stored.other.get(MEMBERS).and_then(Value::as_str) == with.as_deref()
    };
    let stored = stored.filter(same);
    let (mut client, fresh) = match client::choose(&identity, metadata, redirect_uri, stored, now())
    {
        Choice::Use(client) => (client, false),
        Choice::Register => {
            let Asked { scope, bound, .. } = *asked;
            let name = &identity.name;
            let members = &identity.members;
            let wanted = registration::Wanted { redirect_uri, name, scope, bound, members };
            let mut client = registration::register(&auth.web, metadata, &wanted).await?;
            notes.remove(BOUND);
            notes.remove(MEMBERS);
            client.other.extend(with.map(|digest| (MEMBERS.to_owned(), digest.into())));
            if asked.bound {
                client.other.insert(BOUND.to_owned(), true.into());
            }
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
