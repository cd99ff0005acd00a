//! Discovery documents: reading them, and where they are (pure).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";
const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

/// What a protected resource says of itself (RFC 9728, section 2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceMetadata {
    /// Its identifier, byte for byte.
    pub resource: String,
    /// The issuer identifiers of its authorization servers, byte for byte.
    pub authorization_servers: Vec<String>,
    /// The scopes that are used with it.
    pub scopes_supported: Option<Vec<String>>,
    /// What it says of proofs that are signed with ES256.
    pub dpop: ResourceProofs,
}

/// What a protected resource says of tokens that are bound to a key (RFC 9728, section 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResourceProofs {
    /// Nothing.
    #[default]
    Unknown,
    /// It takes proofs (`dpop_signing_alg_values_supported`).
    Taken,
    /// It takes no token without one (`dpop_bound_access_tokens_required`).
    Required,
}

const DPOP_ALGORITHMS: &str = "dpop_signing_alg_values_supported";

/// What an authorization server says of itself (RFC 8414, section 2; OpenID Connect Discovery 1.0,
/// section 3). URLs stay the strings that they are in the document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerMetadata {
    /// Its identifier, compared byte for byte.
    pub issuer: String,
    /// Where the person is sent.
    pub authorization_endpoint: Option<String>,
    /// Where codes and refresh tokens are exchanged.
    pub token_endpoint: Option<String>,
    /// Dynamic client registration (RFC 7591).
    pub registration_endpoint: Option<String>,
    /// Token revocation (RFC 7009).
    pub revocation_endpoint: Option<String>,
    /// Where codes for another device are given out (RFC 8628).
    pub device_authorization_endpoint: Option<String>,
    /// Every scope it knows.
    pub scopes_supported: Option<Vec<String>>,
    /// PKCE methods (RFC 7636).
    pub code_challenge_methods_supported: Option<Vec<String>>,
    /// Client authentication at the token endpoint; absent means `client_secret_basic`.
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// How client assertions may be signed (`private_key_jwt`).
    pub token_endpoint_auth_signing_alg_values_supported: Option<Vec<String>>,
    /// The token endpoint for clients with a certificate (RFC 8705, section 5).
    pub mtls_token_endpoint: Option<String>,
    /// Whether tokens are bound to the certificate of the connection (RFC 8705, section 3.3).
    pub tls_client_certificate_bound_access_tokens: bool,
    /// Whether `client_id` may be the URL of a Client ID Metadata Document.
    pub client_id_metadata_document_supported: bool,
    /// Whether authorization responses carry `iss` (RFC 9207).
    pub authorization_response_iss_parameter_supported: bool,
    /// What proofs may be signed with (RFC 9449, section 5.1).
    pub dpop_signing_alg_values_supported: Option<Vec<String>>,
}

impl ResourceMetadata {
    /// Reads a document. Members of the wrong type count as absent; without `resource` it is none.
    pub fn parse(document: &[u8]) -> Option<ResourceMetadata> {
        let mut members = object(document)?;
        Some(ResourceMetadata {
            resource: text(&mut members, "resource")?,
            authorization_servers: texts(&mut members, "authorization_servers").unwrap_or_default(),
            scopes_supported: texts(&mut members, "scopes_supported"),
            dpop: match flag(&mut members, "dpop_bound_access_tokens_required") {
                true => ResourceProofs::Required,
                false if has_es256(texts(&mut members, DPOP_ALGORITHMS).as_ref()) => {
                    ResourceProofs::Taken
                }
                false => ResourceProofs::Unknown,
            },
        })
    }
}

impl ServerMetadata {
    /// Reads a document. Members of the wrong type count as absent; without `issuer` it is none.
    pub fn parse(document: &[u8]) -> Option<ServerMetadata> {
        let members = &mut object(document)?;
        Some(ServerMetadata {
            issuer: text(members, "issuer")?,
            authorization_endpoint: text(members, "authorization_endpoint"),
            token_endpoint: text(members, "token_endpoint"),
            registration_endpoint: text(members, "registration_endpoint"),
            revocation_endpoint: text(members, "revocation_endpoint"),
            device_authorization_endpoint: text(members, "device_authorization_endpoint"),
            scopes_supported: texts(members, "scopes_supported"),
            code_challenge_methods_supported: texts(members, "code_challenge_methods_supported"),
            token_endpoint_auth_methods_supported: texts(
                members,
                "token_endpoint_auth_methods_supported",
            ),
            token_endpoint_auth_signing_alg_values_supported: texts(
                members,
                "token_endpoint_auth_signing_alg_values_supported",
            ),
            mtls_token_endpoint: match members.remove("mtls_endpoint_aliases") {
                Some(Value::Object(mut aliases)) => text(&mut aliases, "token_endpoint"),
                _ => None,
            },
            tls_client_certificate_bound_access_tokens: flag(
                members,
                "tls_client_certificate_bound_access_tokens",
            ),
            client_id_metadata_document_supported: flag(
                members,
                "client_id_metadata_document_supported",
            ),
            authorization_response_iss_parameter_supported: flag(
                members,
                "authorization_response_iss_parameter_supported",
            ),
            dpop_signing_alg_values_supported: texts(members, DPOP_ALGORITHMS),
        })
    }

    /// Whether it says that it takes proofs with the algorithm of our keys (RFC 9449, section 5.1).
    pub fn takes_proofs(&self) -> bool {
        has_es256(self.dpop_signing_alg_values_supported.as_ref())
    }

    /// The endpoints of revision 2025-03-26 at the origin of `server`, for servers without metadata
    /// (section 2.3.3 there). That revision demands PKCE of every server.
    pub fn default_of(server: &Url) -> ServerMetadata {
        let issuer = server.origin().ascii_serialization();
        let endpoint = |path: &str| Some(format!("{issuer}{path}"));
        ServerMetadata {
            authorization_endpoint: endpoint("/authorize"),
            token_endpoint: endpoint("/token"),
            registration_endpoint: endpoint("/register"),
            code_challenge_methods_supported: Some(vec!["S256".into()]),
            issuer,
            ..ServerMetadata::default()
        }
    }
}

/// Where the metadata of the MCP server at `server` may be, in the order of the specification: with
/// the path inserted (RFC 9728, section 3.1), then at the root.
pub fn resource_urls(server: &Url) -> Vec<Url> {
    let mut inserted = at(server, PROTECTED_RESOURCE, path(server), "");
    inserted.set_query(server.query());
    let root = at(server, PROTECTED_RESOURCE, "", "");
    if inserted == root { vec![root] } else { vec![inserted, root] }
}

/// Where the metadata of an authorization server may be, in the order of the specification. For an
/// issuer with a path never the root, where another issuer may be.
pub fn issuer_urls(issuer: &Url) -> Vec<Url> {
    match path(issuer) {
        "" => vec![at(issuer, AUTHORIZATION_SERVER, "", ""), at(issuer, OPENID, "", "")],
        path => vec![
            at(issuer, AUTHORIZATION_SERVER, path, ""),
            at(issuer, OPENID, path, ""),
            at(issuer, "", path, OPENID),
        ],
    }
}

/// Whether a token for `resource` is meant for `server`: it is the same, or a parent by its path, on
/// the same origin. A slash at the end makes no difference.
pub fn covers(resource: &str, server: &Url) -> bool {
    let Ok(resource) = Url::parse(resource) else { return false };
    let named = !resource.username().is_empty() || resource.password().is_some();
    if named || resource.fragment().is_some() || resource.origin() != server.origin() {
        return false;
    }
    let (parent, child) = (path(&resource), path(server));
    match resource.query() {
        Some(query) => parent == child && server.query() == Some(query),
        None => child
            .strip_prefix(parent)
            .is_some_and(|rest| matches!(rest.as_bytes(), [] | [b'/', ..])),
    }
}

/// The identifier of an MCP server that publishes none (2025-11-25, "Canonical Server URI"). Without
/// the query, which may hold a key.
pub fn canonical(server: &Url) -> String {
    let path = if server.path() == "/" { "" } else { server.path() };
    format!("{}{path}", server.origin().ascii_serialization())
}

/// A URL's path without slashes at the end.
fn path(url: &Url) -> &str {
    url.path().trim_end_matches('/')
}

/// A URL at the origin of `base`.
fn at(base: &Url, before: &str, path: &str, after: &str) -> Url {
    let mut url = base.clone();
    // Setting these fails only for URLs that cannot have them.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_path(&format!("{before}{path}{after}"));
    url.set_query(None);
    url.set_fragment(None);
    url
}

fn has_es256(algorithms: Option<&Vec<String>>) -> bool {
    algorithms.is_some_and(|names| names.iter().any(|name| name == "ES256"))
}

fn object(document: &[u8]) -> Option<Map<String, Value>> {
    let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
    serde_json::from_slice(document).ok()
}

fn text(members: &mut Map<String, Value>, name: &str) -> Option<String> {
    match members.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// A list; elements that are no strings are left out.
fn texts(members: &mut Map<String, Value>, name: &str) -> Option<Vec<String>> {
    let Some(Value::Array(elements)) = members.remove(name) else { return None };
    let text = |element| if let Value::String(text) = element { Some(text) } else { None };
    Some(elements.into_iter().filter_map(text).collect())
}

fn flag(members: &mut Map<String, Value>, name: &str) -> bool {
    matches!(members.remove(name), Some(Value::Bool(true)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn texts_of(urls: Vec<Url>) -> Vec<String> {
        urls.into_iter().map(String::from).collect()
    }

    #[test]
    fn places_of_resource_metadata() {
        let root = "https://h.example/.well-known/oauth-protected-resource";
        let inserted = |rest: &str| vec![format!("{root}{rest}"), root.to_owned()];
        for server in ["https://h.example", "https://h.example/", "https://u:p@h.example/#f"] {
            assert_eq!(texts_of(resource_urls(&url(server))), [root], "{server}");
        }
        assert_eq!(texts_of(resource_urls(&url("https://h.example/a/mcp"))), inserted("/a/mcp"));
        assert_eq!(texts_of(resource_urls(&url("https://h.example/mcp/"))), inserted("/mcp"));
        assert_eq!(
            texts_of(resource_urls(&url("https://h.example/mcp?a=b"))),
            inserted("/mcp?a=b")
        );
        assert_eq!(texts_of(resource_urls(&url("https://h.example?a=b"))), inserted("?a=b"));
    }

    #[test]
    fn places_of_server_metadata() {
        for issuer in ["http://h:1", "http://h:1/"] {
            assert_eq!(
                texts_of(issuer_urls(&url(issuer))),
                [
                    "http://h:1/.well-known/oauth-authorization-server",
                    "http://h:1/.well-known/openid-configuration"
                ]
            );
        }
        for issuer in ["https://h/a/b", "https://h/a/b/", "https://h/a/b?q#f"] {
            assert_eq!(
                texts_of(issuer_urls(&url(issuer))),
                [
                    "https://h/.well-known/oauth-authorization-server/a/b",
                    "https://h/.well-known/openid-configuration/a/b",
                    "https://h/a/b/.well-known/openid-configuration"
                ]
            );
        }
    }

    #[test]
    fn resources_that_cover_a_server() {
        let server = "https://h.example/a/mcp?x=1";
        for resource in [
            "https://h.example",
            "https://h.example/",
            "HTTPS://H.example:443/a",
            "https://h.example/a/",
            "https://h.example/a/mcp",
            "https://h.example/a/mcp/",
            "https://h.example/a/mcp?x=1",
        ] {
            assert!(covers(resource, &url(server)), "{resource}");
        }
        for resource in [
            "",
            "/a/mcp",
            "h.example",
            "http://h.example/a/mcp",
            "https://h.example:8443/a/mcp",
            "https://evil.example/a/mcp",
            "https://h.example.evil.example/a/mcp",
            "https://u@h.example/a/mcp",
            "https://h.example/a/m",
            "https://h.example/a/mcp2",
            "https://h.example/a/mcp/x",
            "https://h.example/b",
            "https://h.example/a/../b",
            "https://h.example/a/mcp#x",
            "https://h.example/a?x=1",
            "https://h.example/a/mcp?x=2",
            "urn:h.example",
        ] {
            assert!(!covers(resource, &url(server)), "{resource}");
        }
        assert!(covers("https://h/mcp", &url("https://h/mcp/")));
        assert!(!covers("https://h/mcp?x=1", &url("https://h/mcp")));
    }

    #[test]
    fn canonical_uris() {
        for (server, wanted) in [
            ("HTTPS://H.Example:443", "https://h.example"),
            ("https://h.example/", "https://h.example"),
            ("https://u:p@h.example:8443/Mcp/?key=1#f", "https://h.example:8443/Mcp/"),
        ] {
            assert_eq!(canonical(&url(server)), wanted);
        }
    }

    #[test]
    fn members_of_the_wrong_type_are_absent() {
        let found = ServerMetadata::parse(
            br#"{"issuer":"https://h/","authorization_endpoint":7,"token_endpoint":"https://h/t",
                "registration_endpoint":null,"scopes_supported":"a b","more":{"x":[1]},
                "code_challenge_methods_supported":["S256",1,null],
                "token_endpoint_auth_methods_supported":[],
                "client_id_metadata_document_supported":"true",
                "authorization_response_iss_parameter_supported":true}"#,
        );
        let wanted = ServerMetadata {
            issuer: "https://h/".into(),
            token_endpoint: Some("https://h/t".into()),
            code_challenge_methods_supported: Some(vec!["S256".into()]),
            token_endpoint_auth_methods_supported: Some(Vec::new()),
            authorization_response_iss_parameter_supported: true,
            ..ServerMetadata::default()
        };
        assert_eq!(found, Some(wanted));
        let found = ResourceMetadata::parse(
            br#"{"resource":"http://h:1","authorization_servers":["https://a",{}],"scopes_supported":{}}"#,
        );
        let wanted = ResourceMetadata {
            resource: "http://h:1".into(),
            authorization_servers: vec!["https://a".into()],
            scopes_supported: None,
            dpop: ResourceProofs::Unknown,
        };
        assert_eq!(found, Some(wanted));
    }

    #[test]
    fn documents_that_are_none() {
        for text in ["", "<html>", "[]", "null", "{}", r#"{"issuer":1,"resource":["x"]}"#, "{\"a"] {
            assert_eq!(ServerMetadata::parse(text.as_bytes()), None, "{text}");
            assert_eq!(ResourceMetadata::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(ServerMetadata::parse(b"{\"issuer\":\"\xff\"}"), None);
    }

    proptest! {
        #[test]
        fn every_parent_covers_and_nothing_else(
            parts in prop::collection::vec("[a-c%.~-]{1,3}", 0..4),
            other in prop::collection::vec("[a-c%.~-]{1,3}", 0..4),
        ) {
            let join = |parts: &[String]| format!("https://h.example/{}", parts.join("/"));
            let server = url(&join(&parts));
            let segments: Vec<&str> = server.path_segments().unwrap().collect();
            for length in 0..=segments.len() {
                let parent = format!("https://h.example/{}", segments[..length].join("/"));
                prop_assert!(covers(&parent, &server), "{}", parent);
            }
            let other = url(&join(&other));
            let theirs: Vec<&str> = path(&other).split('/').collect();
            let ours: Vec<&str> = path(&server).split('/').collect();
            prop_assert_eq!(covers(other.as_str(), &server), ours.starts_with(&theirs));
        }

        #[test]
        fn places_are_at_the_origin(text in "https?://([a-z]{1,4}@)?[a-z]{1,6}(:[1-9][0-9]{0,3})?[/a-z.?#%&]{0,20}") {
            let Ok(base) = Url::parse(&text) else { return Ok(()) };
            for found in resource_urls(&base).into_iter().chain(issuer_urls(&base)) {
                prop_assert_eq!(found.origin(), base.origin());
                prop_assert!(found.path().contains("/.well-known/"), "{}", found);
                prop_assert!(found.username().is_empty() && found.fragment().is_none());
            }
        }

        #[test]
        fn any_document_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), issuer: String) {
            let _ = (ServerMetadata::parse(&bytes), ResourceMetadata::parse(&bytes));
            let document = serde_json::json!({"issuer": issuer, "resource": issuer}).to_string();
            prop_assert_eq!(&ServerMetadata::parse(document.as_bytes()).unwrap().issuer, &issuer);
            prop_assert_eq!(&ResourceMetadata::parse(document.as_bytes()).unwrap().resource, &issuer);
        }
    }
}
