use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::http::client::Settings;
use crate::secret::Redactor;

const PRM: &str = "/.well-known/oauth-protected-resource";
const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

/// A server of documents. What it has not is 404. `ME` in them is its origin.
struct Site {
    origin: String,
    documents: Arc<Mutex<Vec<(String, u16, String)>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    async fn start() -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let site = Site {
            origin: format!("http://{}", listener.local_addr().unwrap()),
            documents: Arc::default(),
            asked: Arc::default(),
        };
        let (documents, asked, origin) =
            (site.documents.clone(), site.asked.clone(), site.origin.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { break };
                    head.push(byte);
                }
                let head = String::from_utf8(head).unwrap();
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let found = documents.lock().unwrap().iter().find(|d| d.0 == path).cloned();
                let (_, status, body) = found.unwrap_or((String::new(), 404, "no".into()));
                asked.lock().unwrap().push(path);
                let body = body.replace("ME", &origin);
                let location =
                    if status == 302 { format!("location: {body}\r\n") } else { String::new() };
                let answer = format!(
                    "HTTP/1.1 {status} x\r\n{location}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        site
    }

    fn has(&self, path: &str, status: u16, body: impl ToString) -> &Site {
        self.documents.lock().unwrap().push((path.into(), status, body.to_string()));
        self
    }

    /// Metadata of the authorization server `issuer` at `path`.
    fn is_server(&self, path: &str, issuer: &str) -> &Site {
        self.has(path, 200, server(issuer))
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn web(&self) -> Web {
        web(&format!("{}/mcp", self.origin))
    }

    async fn discover(&self, challenge: &Challenge) -> Result<Discovered, DiscoveryError> {
        discover(&self.web(), challenge, None).await
    }
}

fn web(server: &str) -> Web {
    let settings = Settings {
        connect_timeout: Duration::from_secs(30),
        ca_certs: Vec::new(),
        ambient_ca_certs: Vec::new(),
        client_cert: None,
        withholds_cert: false,
        ipv4: false,
        cookies: true,
        public_only: false,
        observer: None,
        signs_in: false,
        #[cfg(feature = "simulation")]
        network: None,
    };
    Web::new(&settings, Url::parse(server).unwrap(), false, Arc::new(Redactor::default()))
}

fn server(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/a"),
        "token_endpoint": format!("{issuer}/t"),
    })
}

fn bearer() -> Challenge {
    Challenge { bearer: true, ..Challenge::default() }
}

fn hint(url: impl Into<String>) -> Challenge {
    Challenge { resource_metadata: Some(url.into()), ..bearer() }
}

#[tokio::test]
async fn each_place_of_resource_metadata_in_order() {
    let custom = "/custom";
    let path = format!("{PRM}/mcp");
    for (place, resource, with_hint, asked) in [
        (custom, "ME/mcp", true, vec![custom]),
        (&path, "ME/mcp", false, vec![&path]),
        (&path, "ME/mcp/", true, vec![custom, &path]),
        (PRM, "ME", false, vec![&path, PRM]),
        (PRM, "ME/", true, vec![custom, &path, PRM]),
    ] {
        let site = Site::start().await;
        let document = json!({
            "resource": resource, "authorization_servers": ["ME"], "scopes_supported": ["a", "b"]
        });
        site.has(place, 200, document).is_server(OAUTH, "ME");
        let challenge =
            if with_hint { hint(format!("{}{custom}", site.origin)) } else { Challenge::default() };
        let found = site.discover(&challenge).await.unwrap();
        assert_eq!(found.resource, resource.replace("ME", &site.origin), "byte for byte");
        assert_eq!(found.scopes, Some(vec!["a".into(), "b".into()]));
        assert_eq!(found.metadata.issuer, site.origin);
        assert!(found.from_metadata);
        assert_eq!(site.asked(), [asked, vec![OAUTH]].concat());
    }
}

#[tokio::test]
async fn a_hint_at_a_well_known_place_is_asked_once() {
    let site = Site::start().await;
    let error = site.discover(&hint(format!("{}{PRM}", site.origin))).await.unwrap_err();
    assert!(matches!(error, DiscoveryError::NotOffered { .. }), "{error}");
    assert_eq!(site.asked(), [PRM, &format!("{PRM}/mcp"), OAUTH, OPENID]);
}

#[tokio::test]
async fn each_place_of_server_metadata_in_order() {
    let places = ["", "/x"].map(|path| {
        issuer_urls(&Url::parse(&format!("http://h{path}")).unwrap())
            .into_iter()
            .map(|url| url.path().to_owned())
            .collect::<Vec<_>>()
    });
    for (path, places) in ["", "/x"].into_iter().zip(places) {
        for (number, place) in places.iter().enumerate() {
            let site = Site::start().await;
            let issuer = format!("{}{path}", site.origin);
            site.is_server(place, &issuer);
            let found = server_metadata(&site.web(), &issuer).await.unwrap();
            assert_eq!(found.token_endpoint, Some(format!("{issuer}/t")));
            assert_eq!(site.asked(), places[..=number]);
        }
    }
}

#[tokio::test]
async fn the_first_usable_authorization_server_counts() {
    let (site, other) = (Site::start().await, Site::start().await);
    site.is_server(OAUTH, "https://elsewhere.example").has(&format!("{OAUTH}/down"), 503, "");
    other.is_server(&format!("{OPENID}/t"), &format!("{}/t", other.origin));
    let good = format!("{}/t", other.origin);
    let servers = json!(["no URL", "http://10.0.0.1", "ME", "ME/absent", "ME/down", good]);
    let document = json!({ "resource": "ME/mcp", "authorization_servers": servers });
    // One more than are tried.
    site.has(PRM, 200, &document);
    assert!(matches!(site.discover(&bearer()).await, Err(DiscoveryError::Transient(_))));
    let site = Site::start().await;
    let document = json!({ "resource": "ME/mcp", "authorization_servers": ["ME", good] });
    site.has(PRM, 200, document).is_server(OAUTH, "https://elsewhere.example");
    assert_eq!(site.discover(&bearer()).await.unwrap().metadata.issuer, good);
}

#[tokio::test]
async fn resources_of_others_are_refused() {
    for resource in ["https://evil.example/mcp", "ME/mcp/deeper", "ME/other", "ME/mcp#x"] {
        let site = Site::start().await;
        let document = json!({ "resource": resource, "authorization_servers": ["ME"] });
        site.has(&format!("{PRM}/mcp"), 200, document).is_server(OAUTH, "ME");
        let error = site.discover(&bearer()).await.unwrap_err();
        assert!(matches!(&error, DiscoveryError::ResourceMismatch { .. }), "{error}");
        assert!(error.to_string().contains(&resource.replace("ME", &site.origin)), "{error}");
        assert_eq!(site.asked(), [format!("{PRM}/mcp")]);
    }
}

#[tokio::test]
async fn issuers_are_compared_exactly() {
    let site = Site::start().await;
    for (issuer, named) in [
        ("ME", "ME/"),
        ("ME/", "ME"),
        ("ME/x", "ME/X"),
        ("ME/y", "https://evil.example"),
        ("ME/z/", "ME/z"),
    ] {
        let path = Url::parse(&issuer.replace("ME", &site.origin)).unwrap();
        site.documents.lock().unwrap().clear();
        for place in issuer_urls(&path) {
            site.is_server(place.path(), named);
        }
        let issuer = issuer.replace("ME", &site.origin);
        let error = server_metadata(&site.web(), &issuer).await.unwrap_err();
        let DiscoveryError::IssuerMismatch { expected, found } = error else { panic!("{error}") };
        assert_eq!((expected, found), (issuer, named.replace("ME", &site.origin)));
    }
    // Another document may be the right one.
    site.is_server(&format!("{OAUTH}/w"), "ME").is_server(&format!("{OPENID}/w"), "ME/w");
    assert!(server_metadata(&site.web(), &format!("{}/w", site.origin)).await.is_ok());
}

#[tokio::test]
async fn servers_of_2025_03_26() {
    for place in [OAUTH, OPENID] {
        for slash in ["", "/"] {
            let site = Site::start().await;
            let mut document = server("ME");
            document["issuer"] = json!(format!("ME{slash}"));
            site.has(place, 200, document);
            let found = site.discover(&Challenge::default()).await.unwrap();
            assert!(!found.from_metadata);
            assert_eq!(found.resource, format!("{}/mcp", site.origin));
            assert_eq!(found.scopes, None);
            assert_eq!(found.metadata.token_endpoint, Some(format!("{}/t", site.origin)));
        }
    }
    let site = Site::start().await;
    let found = site.discover(&bearer()).await.unwrap();
    let at = |path: &str| Some(format!("{}{path}", site.origin));
    assert_eq!(found.metadata.authorization_endpoint, at("/authorize"));
    assert_eq!(found.metadata.token_endpoint, at("/token"));
    assert_eq!(found.metadata.registration_endpoint, at("/register"));
    assert_eq!(site.asked(), [&format!("{PRM}/mcp"), PRM, OAUTH, OPENID]);

    site.is_server(OAUTH, "https://evil.example");
    let error = site.discover(&bearer()).await.unwrap_err();
    assert!(matches!(error, DiscoveryError::IssuerMismatch { .. }), "{error}");
}

#[tokio::test]
async fn endpoints_are_not_invented() {
    // Without a Bearer challenge.
    let site = Site::start().await;
    let error = site.discover(&Challenge::default()).await.unwrap_err();
    assert!(matches!(error, DiscoveryError::NotOffered { .. }), "{error}");
    // With an authorization server that has no metadata, whatever it answers instead.
    let site = Site::start().await;
    site.has(PRM, 200, json!({ "resource": "ME", "authorization_servers": ["ME"] }))
        .has(OAUTH, 200, "<html>")
        .has(OPENID, 403, "{}");
    let error = site.discover(&bearer()).await.unwrap_err();
    assert!(matches!(error, DiscoveryError::Invalid { .. }), "{error}");
    // With metadata that names no authorization server.
    let site = Site::start().await;
    site.has(PRM, 200, json!({ "resource": "ME" }));
    let error = site.discover(&bearer()).await.unwrap_err();
    assert!(matches!(error, DiscoveryError::NotOffered { .. }), "{error}");
    site.is_server(OAUTH, "ME");
    assert!(site.discover(&bearer()).await.unwrap().from_metadata);
}

#[tokio::test]
async fn trouble_is_not_absence() {
    for status in [408, 429, 500, 502, 503] {
        for place in [PRM, &format!("{PRM}/mcp"), OAUTH, OPENID] {
            let site = Site::start().await;
            site.has(place, status, "");
            let error = site.discover(&bearer()).await.unwrap_err();
            let DiscoveryError::Transient(failure) = error else { panic!("{place}: {error}") };
            assert_eq!(failure.status, Some(status), "{place}");
        }
    }
    // Where there is a document elsewhere, it counts.
    let site = Site::start().await;
    let document = json!({ "resource": "ME", "authorization_servers": ["ME"] });
    site.has(&format!("{PRM}/mcp"), 502, "").has(PRM, 200, document);
    site.has(OAUTH, 500, "").is_server(OPENID, "ME");
    assert!(site.discover(&bearer()).await.is_ok());
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_asked_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let site = Site::start().await;
    site.has(PRM, 200, json!({ "resource": "ME", "authorization_servers": [gone.clone()] }));
    let error = site.discover(&hint(format!("{gone}/hint"))).await.unwrap_err();
    let DiscoveryError::Transient(failure) = error else { panic!("{error}") };
    assert_eq!(failure.kind, FailureKind::Connect);
}

#[tokio::test]
async fn unacceptable_urls_are_named() {
    let site = Site::start().await;
    for url in ["http://h.example/m", "ftp://h.example/", "https://u:p@h.example/", "/relative"] {
        let error = site.discover(&hint(url)).await.unwrap_err();
        assert!(matches!(error, DiscoveryError::Invalid { .. }), "{error}");
    }
    for (member, url) in [
        ("authorization_endpoint", json!("http://h.example/a")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("token_endpoint", json!("http://h.example/t")),
        ("token_endpoint", Value::Null),
    ] {
        let mut document = server("ME");
        document[member] = url;
        site.documents.lock().unwrap().clear();
        site.has(OAUTH, 200, document);
        let error = site.discover(&bearer()).await.unwrap_err();
        assert!(error.to_string().contains(member), "{error}");
    }
    let mut document = server("ME");
    document["registration_endpoint"] = json!("http://h.example/r");
    document["revocation_endpoint"] = json!("ME/revoke");
    site.documents.lock().unwrap().clear();
    site.has(OAUTH, 200, document);
    let found = site.discover(&bearer()).await.unwrap().metadata;
    assert_eq!(found.registration_endpoint, None);
    assert_eq!(found.revocation_endpoint, Some(format!("{}/revoke", site.origin)));
}

#[tokio::test]
async fn redirects_to_other_origins_are_not_followed() {
    let (site, other) = (Site::start().await, Site::start().await);
    other.is_server(OAUTH, &site.origin);
    site.has(OAUTH, 302, format!("{}{OAUTH}", other.origin));
    let error = site.discover(&bearer()).await.unwrap_err();
    assert!(matches!(&error, DiscoveryError::Invalid { .. }), "{error}");
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn a_public_server_cannot_send_us_to_private_addresses() {
    let site = Site::start().await;
    let port = Url::parse(&site.origin).unwrap().port().unwrap();
    site.is_server(OAUTH, "ME");
    let web = web("https://1.1.1.1/mcp");
    for issuer in [&site.origin, &format!("http://localhost:{port}"), "https://169.254.169.254"] {
        let error = server_metadata(&web, issuer).await.unwrap_err();
        assert!(error.to_string().contains("private network"), "{error}");
    }
    assert!(site.asked().is_empty());
    assert!(server_metadata(&site.web(), &site.origin).await.is_ok());
}
