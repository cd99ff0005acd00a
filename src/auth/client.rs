//! Who we are at an authorization server, in the specification's order (2026-07-28,
//! basic/authorization/client-registration; pure).

use serde_json::{Map, Value};

use super::metadata::ServerMetadata;
use crate::secret::Secret;
use crate::store::record::VERSION;
use crate::store::{ClientAuth, ClientRecord};

/// The grant type of sign-ins with a code (RFC 8628). A client for them has no redirect URI; this
/// stands in its place.
pub const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What the person says about who we are.
#[derive(Clone, Debug)]
pub struct Identity {
    /// A client registered beforehand: its id, and its secret if it has one.
    pub given: Option<(String, Option<Secret>)>,
    /// How it authenticates, where the person says so.
    pub auth: Option<ClientAuth>,
    /// Where they do not, it is `client_secret_basic` of what the server lists (RFC 7591, section 2).
    pub basic: bool,
    /// The URL of a Client ID Metadata Document.
    pub metadata_url: Option<String>,
    /// The name to register under.
    pub name: String,
    /// Members of the request to register, which go before ours (RFC 7591, section 2).
    pub members: Map<String, Value>,
}

/// Which client to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// This one.
    Use(ClientRecord),
    /// One that has to be registered.
    Register,
    /// None can be had, for this reason.
    Impossible(String),
}

/// Chooses: a given client; a Client ID Metadata Document where the server supports them; what was
/// registered earlier, if it still fits; dynamic registration where the server offers it. `now` is
/// Unix time in seconds.
pub fn choose(
    identity: &Identity,
    metadata: &ServerMetadata,
    redirect_uri: &str,
    stored: Option<ClientRecord>,
    now: u64,
) -> Choice {
    let record = |client_id: &str, client_secret: Option<Secret>| ClientRecord {
        version: VERSION,
        issuer: metadata.issuer.clone(),
        client_id: client_id.to_owned(),
        auth: authentication(metadata, client_secret.is_some()),
        client_secret,
        redirect_uri: redirect_uri.to_owned(),
        registered: false,
        secret_expires_at: None,
        other: serde_json::Map::new(),
    };
    if let Some((id, secret)) = &identity.given {
        let mut client = record(id, secret.clone());
        client.auth = given_authentication(identity, metadata, secret.is_some());
        return Choice::Use(client);
    }
    if let Some(url) = &identity.metadata_url
        && metadata.client_id_metadata_document_supported
    {
        return Choice::Use(record(url, None));
    }
    let fits = |client: &ClientRecord| {
        client.registered
            && client.issuer == metadata.issuer
            && client.redirect_uri == redirect_uri
            && client.secret_expires_at.is_none_or(|expires_at| expires_at > now)
    };
    if let Some(client) = stored.filter(fits) {
        return Choice::Use(client);
    }
    if metadata.registration_endpoint.is_some() {
        return Choice::Register;
    }
    let what = match redirect_uri {
        DEVICE_CODE => "for sign-ins with a device code".to_owned(),
        _ => format!("with the redirect URI {redirect_uri}"),
    };
    Choice::Impossible(format!(
        "{} does not register clients by itself: register one there {what} and use --client-id",
        host(metadata)
    ))
}

/// How to authenticate at the token endpoint: `none`, then post, then basic, of what the server
/// lists (RFC 8414 means basic where it lists nothing). Without a secret there is only `none`, and
/// a secret is used wherever that is possible.
pub fn authentication(metadata: &ServerMetadata, has_secret: bool) -> ClientAuth {
    let listed = metadata.token_endpoint_auth_methods_supported.as_deref();
    let lists = |name: &str| listed.is_some_and(|all| all.iter().any(|method| method == name));
    match has_secret {
        false => ClientAuth::None,
        true if lists("client_secret_post") => ClientAuth::ClientSecretPost,
        true => ClientAuth::ClientSecretBasic,
    }
}

/// The same for a given client: as the person says, as far as that can be.
pub fn given_authentication(
    identity: &Identity,
    metadata: &ServerMetadata,
    has_secret: bool,
) -> ClientAuth {
    let listed = metadata.token_endpoint_auth_methods_supported.as_deref();
    let basic = listed.is_none_or(|all| all.iter().any(|method| method == "client_secret_basic"));
    match identity.auth {
        Some(auth) if has_secret => auth,
        None if has_secret && identity.basic && basic => ClientAuth::ClientSecretBasic,
        _ => authentication(metadata, has_secret),
    }
}

/// The method to register with.
pub fn preferred_method(metadata: &ServerMetadata) -> &'static str {
    let Some(listed) = &metadata.token_endpoint_auth_methods_supported else {
        // A native application cannot keep a secret (RFC 8252, section 8.4).
        return "none";
    };
    let all = ["none", "client_secret_post", "client_secret_basic"];
    all.into_iter().find(|name| listed.iter().any(|method| method == name)).unwrap_or("none")
}

/// The authorization server's host, for the reader.
pub(super) fn host(metadata: &ServerMetadata) -> String {
    let url = url::Url::parse(&metadata.issuer).ok();
    let host = url.as_ref().and_then(url::Url::host_str);
    host.unwrap_or("the authorization server").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REDIRECT: &str = "http://127.0.0.1:20123/callback";

    fn metadata() -> ServerMetadata {
        ServerMetadata {
            issuer: "https://as.example".into(),
            registration_endpoint: Some("https://as.example/register".into()),
            client_id_metadata_document_supported: true,
            ..ServerMetadata::default()
        }
    }

    fn stored() -> ClientRecord {
        ClientRecord {
            version: VERSION,
            issuer: "https://as.example".into(),
            client_id: "stored".into(),
            client_secret: None,
            auth: ClientAuth::None,
            redirect_uri: REDIRECT.into(),
            registered: true,
            secret_expires_at: None,
            other: serde_json::Map::new(),
        }
    }

    fn nobody() -> Identity {
        Identity {
            given: None,
            auth: None,
            basic: false,
            metadata_url: None,
            name: "mcp-tether".into(),
            members: Map::new(),
        }
    }

    fn chosen(
        identity: &Identity,
        metadata: &ServerMetadata,
        stored: Option<ClientRecord>,
    ) -> String {
        match choose(identity, metadata, REDIRECT, stored, 1000) {
            Choice::Use(client) => client.client_id,
            Choice::Register => "register".into(),
            Choice::Impossible(text) => text,
        }
    }

    #[test]
    fn the_order() {
        let given = Identity { given: Some(("given".into(), None)), ..nobody() };
        let document =
            Identity { metadata_url: Some("https://me.example/client.json".into()), ..nobody() };
        let both = Identity { metadata_url: document.metadata_url.clone(), ..given };
        assert_eq!(chosen(&both, &metadata(), Some(stored())), "given");
        assert_eq!(
            chosen(&document, &metadata(), Some(stored())),
            "https://me.example/client.json"
        );
        let no_documents =
            ServerMetadata { client_id_metadata_document_supported: false, ..metadata() };
        assert_eq!(chosen(&document, &no_documents, Some(stored())), "stored");
        assert_eq!(chosen(&document, &no_documents, None), "register");
        let nothing = ServerMetadata { registration_endpoint: None, ..no_documents };
        let text = chosen(&document, &nothing, None);
        assert!(
            text.contains("as.example") && text.contains(REDIRECT) && text.contains("--client-id"),
            "{text}"
        );
    }

    #[test]
    fn a_registration_that_does_not_fit_is_made_anew() {
        for unfit in [
            ClientRecord { issuer: "https://other.example".into(), ..stored() },
            ClientRecord { redirect_uri: "http://127.0.0.1:1/callback".into(), ..stored() },
            ClientRecord { secret_expires_at: Some(1000), ..stored() },
            ClientRecord { registered: false, ..stored() },
        ] {
            assert_eq!(chosen(&nobody(), &metadata(), Some(unfit)), "register");
        }
        let later = ClientRecord { secret_expires_at: Some(1001), ..stored() };
        assert_eq!(chosen(&nobody(), &metadata(), Some(later)), "stored");
    }

    #[test]
    fn how_a_given_client_authenticates() {
        let listing = |methods: &[&str]| ServerMetadata {
            token_endpoint_auth_methods_supported: Some(
                methods.iter().map(ToString::to_string).collect(),
            ),
            ..metadata()
        };
        let both = listing(&["client_secret_post", "client_secret_basic"]);
        let post = listing(&["client_secret_post"]);
        let info = Identity { basic: true, ..nobody() };
        let said = Identity { auth: Some(ClientAuth::ClientSecretBasic), ..nobody() };
        for (identity, metadata, expected) in [
            (&nobody(), &both, ClientAuth::ClientSecretPost),
            (&info, &both, ClientAuth::ClientSecretBasic),
            (&info, &metadata(), ClientAuth::ClientSecretBasic),
            (&info, &post, ClientAuth::ClientSecretPost),
            (&said, &post, ClientAuth::ClientSecretBasic),
        ] {
            assert_eq!(given_authentication(identity, metadata, true), expected);
            assert_eq!(given_authentication(identity, metadata, false), ClientAuth::None);
        }
    }

    #[test]
    fn authentication_methods() {
        for (listed, registered, with_secret) in [
            (None, "none", ClientAuth::ClientSecretBasic),
            (Some(&["client_secret_basic", "none"][..]), "none", ClientAuth::ClientSecretBasic),
            (
                Some(&["client_secret_basic", "client_secret_post"][..]),
                "client_secret_post",
                ClientAuth::ClientSecretPost,
            ),
            (
                Some(&["client_secret_basic"][..]),
                "client_secret_basic",
                ClientAuth::ClientSecretBasic,
            ),
            (Some(&["private_key_jwt"][..]), "none", ClientAuth::ClientSecretBasic),
        ] {
            let listed = listed.map(|all| all.iter().map(ToString::to_string).collect());
            let metadata =
                ServerMetadata { token_endpoint_auth_methods_supported: listed, ..metadata() };
            assert_eq!(preferred_method(&metadata), registered);
            assert_eq!(authentication(&metadata, true), with_secret);
            assert_eq!(authentication(&metadata, false), ClientAuth::None);
        }
    }
}
