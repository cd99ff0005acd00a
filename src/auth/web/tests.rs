//! What may be asked, and with which certificate.

use super::*;

fn web(server: &str) -> Web {
    let settings = Settings {
        connect_timeout: Duration::from_secs(30),
        ca_certs: Vec::new(),
        ambient_ca_certs: Vec::new(),
        client_cert: Some(("/does/not/exist".into(), "/does/not/exist".into())),
        withholds_cert: false,
        ipv4: false,
        cookies: true,
        public_only: false,
        observer: None,
        signs_in: false,
        #[cfg(feature = "simulation")]
        network: None,
    };
    Web::new(&settings, Url::parse(server).unwrap(), false, Arc::default())
}

#[test]
fn urls_are_encrypted_or_of_this_machine() {
    let mut web = web("https://h.example/mcp");
    for url in ["https://h.example/a?b", "http://localhost:1/", "http://[::1]/"] {
        assert!(web.check(url).is_ok(), "{url}");
    }
    for url in ["", "/x", "http://h.example/", "file:///x", "https://u@h/", "https://:p@h/"] {
        assert!(web.check(url).is_err(), "{url}");
    }
    web.allow_http = true;
    assert!(web.check("http://h.example/").is_ok());
    assert!(web.check("ftp://h.example/").is_err());
}

#[tokio::test]
async fn private_addresses_are_for_private_servers() {
    let private = ["https://10.0.0.1/t", "https://[fd00::1]/t", "http://127.0.0.1:1/t"];
    let public = web("https://1.1.1.1/mcp");
    for url in private {
        let failure = public.admit(url).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::InvalidResponse, "{failure}");
    }
    assert!(public.admit("https://8.8.8.8/t").await.is_ok());
    for server in ["http://localhost:1/mcp", "https://192.168.0.1/mcp"] {
        let web = web(server);
        for url in private {
            assert!(web.admit(url).await.is_ok(), "{server} {url}");
        }
    }
}

#[tokio::test]
async fn names_of_private_addresses_are_not_asked() {
    let web = web("https://1.1.1.1/mcp");
    // The name is one that is refused without a look-up; here only the look-up can tell.
    let url = Url::parse("http://localhost:1/").unwrap();
    let http = web.client(&url, false).unwrap();
    let request = Request {
        method: Method::GET,
        url: &url,
        headers: HeaderMap::new(),
        body: None,
        on_sent: None,
        sign: None,
    };
    let failure = http.send(request).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::InvalidResponse, "{failure}");
    assert!(failure.unsent);
}

#[test]
fn the_client_certificate_is_for_the_server_alone() {
    let web = web("http://127.0.0.1:1/mcp");
    let client = |url: &str| web.client(&Url::parse(url).unwrap(), true);
    assert!(client("http://127.0.0.1:1/token").is_err(), "the certificate cannot be read");
    assert!(client("http://127.0.0.1:2/token").is_ok());
}

#[test]
fn or_for_an_authorization_server_that_wants_it() {
    let web = web("http://127.0.0.1:1/mcp");
    let client = |url: &str| web.client(&Url::parse(url).unwrap(), true);
    assert!(client("http://127.0.0.1:2/metadata").is_ok());
    web.identify_at(&Url::parse("http://127.0.0.1:2/token").unwrap());
    assert!(client("http://127.0.0.1:2/token").is_err(), "the certificate cannot be read");
    assert!(client("http://127.0.0.1:3/token").is_ok());
}

#[tokio::test]
async fn places_of_the_persons_own_may_be_private() {
    let mut web = web("https://1.1.1.1/mcp");
    assert!(web.admit("https://10.0.0.1/t").await.is_err());
    web.trust(&Url::parse("https://10.0.0.1/token").unwrap());
    assert!(web.admit("https://10.0.0.1/t").await.is_ok());
    assert!(web.admit("https://10.0.0.2/t").await.is_err());
}

#[test]
fn clients_are_bounded() {
    let web = web("http://127.0.0.1:1/mcp");
    for port in 2..=u16::try_from(MAX_OAUTH_CLIENTS).unwrap() + 4 {
        let url = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
        let first = web.client(&url, true).unwrap();
        assert!(Arc::ptr_eq(&first, &web.client(&url, true).unwrap()));
        assert!(web.clients.lock().unwrap().len() <= MAX_OAUTH_CLIENTS);
    }
}
