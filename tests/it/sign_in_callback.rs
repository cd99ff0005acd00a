//! The loopback listener: what it takes, what it refuses, and what the browser shows.

use std::net::{TcpListener, TcpStream};

use url::Url;

use crate::support::browser::{self, follow, get};
use crate::support::oauth::wait_for;
use crate::support::*;

/// A sign-in that waits for the browser, which only the test plays.
struct Waiting {
    realm: Realm,
    bridge: Bridge,
    /// The authorization URL.
    url: String,
    /// The redirect URI.
    callback: Url,
    /// `state`.
    state: String,
}

impl Waiting {
    #[track_caller]
    fn new() -> Waiting {
        Waiting::with(Realm::new(), &[])
    }

    #[track_caller]
    fn with(realm: Realm, args: &[&str]) -> Waiting {
        realm.browser.hold();
        let builder = args.iter().fold(realm.bridge(), |builder, arg| builder.arg(arg));
        let bridge = builder.start();
        bridge.send(INITIALIZE);
        let url = realm.browser.wait_opened(1).remove(0);
        let asked = oauth::form(Url::parse(&url).unwrap().query().unwrap());
        let callback = Url::parse(&asked["redirect_uri"]).unwrap();
        let state = asked["state"].clone();
        Waiting { realm, bridge, url, callback, state }
    }

    /// The callback with this query.
    fn callback(&self, query: &str) -> String {
        format!("{}?{query}", self.callback)
    }

    /// Signs in properly, and wants everything to be fine.
    #[track_caller]
    fn finish(self) -> Page {
        let page = follow(&self.url).unwrap();
        assert_eq!(page.status, 200, "{page:?}");
        self.bridge.answer(0).result();
        self.bridge.finish().clean();
        self.realm.asked(1, 1, 1);
        page
    }
}

#[test]
fn a_wrong_state_changes_nothing() {
    let waiting = Waiting::new();
    let state = &waiting.state;
    for query in [
        "code=fake".to_owned(),
        "code=fake&state=".to_owned(),
        "code=fake&state=wrong".to_owned(),
        format!("code=fake&state={state}x"),
        format!("code=fake&state={}", &state[1..]),
        format!("code=fake&state={state}&state={state}"),
        format!("code=fake&state={state}&state=wrong"),
        format!("code=one&code=two&state={state}"),
        format!("state={}", state.to_uppercase()),
        "error=access_denied".to_owned(),
        "error=access_denied&state=wrong".to_owned(),
        String::new(),
    ] {
        let page = get(&waiting.callback(&query)).unwrap();
        assert_eq!(page.status, 400, "{query}: {page:?}");
    }
    assert_eq!(waiting.realm.count("token"), 0);
    waiting.finish();
}

#[test]
fn other_requests_change_nothing() {
    let waiting = Waiting::new();
    let (uri, state) = (&waiting.callback, &waiting.state);
    let host = format!("{}:{}", uri.host_str().unwrap(), uri.port().unwrap());
    let target = format!("{}?code=fake&state={state}", uri.path());
    for (request, statuses) in [
        (format!("POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n"), 405..406),
        (format!("HEAD {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"), 405..406),
        (format!("OPTIONS {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"), 405..406),
        (format!("GET {target} HTTP/1.1\r\nHost: attacker.invalid\r\n\r\n"), 400..500),
        (format!("GET {target} HTTP/1.1\r\nHost: {host}.attacker.invalid\r\n\r\n"), 400..500),
        (format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n"), 400..500),
        (format!("GET {target} HTTP/1.1\r\n\r\n"), 400..500),
        (
            format!("GET /callback/x?code=fake&state={state} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            404..405,
        ),
        (format!("GET /?code=fake&state={state} HTTP/1.1\r\nHost: {host}\r\n\r\n"), 404..405),
        (format!("GET /favicon.ico HTTP/1.1\r\nHost: {host}\r\n\r\n"), 404..405),
        ("nonsense\r\n\r\n".to_owned(), 400..401),
        (format!("GET /{} HTTP/1.1\r\nHost: {host}\r\n\r\n", "x".repeat(100 << 10)), 400..500),
    ] {
        // A listener that closes on nonsense without a word is fine, too.
        if let Ok(page) = browser::send(uri, &request) {
            assert!(statuses.contains(&page.status), "{:.100} -> {page:?}", request);
        }
    }
    assert_eq!(waiting.realm.count("token"), 0);
    waiting.finish();
}

#[test]
fn connections_that_say_nothing_do_not_block() {
    let waiting = Waiting::new();
    let address = waiting.callback.socket_addrs(|| None).unwrap()[0];
    // Browsers open some in advance.
    let silent: Vec<_> = (0..5).map(|_| TcpStream::connect(address).unwrap()).collect();
    waiting.finish();
    drop(silent);
}

#[test]
fn the_page_is_safe_and_says_what_happened() {
    let waiting = Waiting::new();
    let script = "<script>alert(1)</script>";
    let bad = get(&waiting.callback("state=%3Cscript%3Ealert(1)%3C/script%3E&code=%3Cscript%3E"));
    let bad = bad.unwrap();
    let good = waiting.finish();
    for page in [&bad, &good] {
        assert!(!page.body.contains(script), "{page:?}");
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe-inline"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert!(page.header("content-type").unwrap().starts_with("text/html"));
        assert!(page.body.contains("<html lang="), "{page:?}");
        // Self-contained: nothing is loaded, and nothing of the query is there.
        for loading in
            ["src=", "href=\"http", "rel=\"stylesheet", "@import", "http://", "https://", "url("]
        {
            assert!(!page.body.contains(loading), "{loading}: {page:?}");
        }
        assert!(!page.body.contains("fake-code"), "{page:?}");
    }
    assert!(good.body.contains("127.0.0.1"), "which server: {good:?}");
}

#[test]
fn the_listener_closes_after_the_answer() {
    let waiting = Waiting::new();
    let address = waiting.callback.socket_addrs(|| None).unwrap()[0];
    assert_eq!(follow(&waiting.url).unwrap().status, 200);
    waiting.bridge.answer(0).result();
    wait_for("the end of the listener", || TcpStream::connect(address).err());
    waiting.bridge.finish().clean();
}

#[test]
fn a_good_answer_counts_once() {
    let waiting = Waiting::new();
    let gate = Gate::new();
    let tokens = r#"{"access_token":"fake-held-back","token_type":"Bearer"}"#;
    waiting.realm.issuer.once("token", Reply::json(tokens).after(&gate));
    waiting.realm.set(|o| o.guards = |r| r.header("authorization").is_none());
    let first = get(&waiting.url).unwrap();
    let callback = first.header("location").unwrap().to_owned();
    let again = callback.clone();
    let tab = std::thread::spawn(move || get(&callback));
    waiting.realm.issuer.wait("token", 1);
    // The person reloads the page, which shows nothing yet.
    let other = std::thread::spawn(move || get(&again));
    gate.open();
    assert_eq!(tab.join().unwrap().unwrap().status, 200, "the page waits for the truth");
    let _ = other.join().unwrap();
    waiting.bridge.answer(0).result();
    waiting.bridge.finish().clean();
    assert_eq!(waiting.realm.count("token"), 1, "a code is for one use");
}

#[test]
fn the_preferred_port_stays_and_gives_way() {
    let realm = Realm::new();
    realm.login(&[]);
    realm.login(&["--profile=other"]);
    let asked = realm.authorizations();
    assert_eq!(asked[0]["redirect_uri"], asked[1]["redirect_uri"]);
    let port = Url::parse(&asked[0]["redirect_uri"]).unwrap().port().unwrap();
    let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    realm.login(&["--profile=third"]);
    let third = Url::parse(&realm.authorizations()[2]["redirect_uri"]).unwrap();
    assert_ne!(third.port(), Some(port));
}

#[test]
fn both_loopback_addresses() {
    let waiting = Waiting::new();
    let (port, target) = (waiting.callback.port().unwrap(), "GET /favicon.ico HTTP/1.1\r\n");
    // Not every machine has IPv6.
    if TcpListener::bind("[::1]:0").is_ok() {
        let here = Url::parse(&format!("http://[::1]:{port}/")).unwrap();
        let page = browser::send(&here, &format!("{target}Host: [::1]:{port}\r\n\r\n"));
        assert_eq!(page.unwrap().status, 404);
    }
    let here = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
    let page = browser::send(&here, &format!("{target}Host: localhost:{port}\r\n\r\n"));
    assert_eq!(page.unwrap().status, 404);
    waiting.finish();
}

#[test]
fn a_callback_url_is_kept_to_the_letter() {
    for (host, path) in [("localhost", "/callback"), ("127.0.0.1", "/deep/er"), ("localhost", "/")]
    {
        let url = format!("http://{host}:{}{path}", free_port());
        let waiting = Waiting::with(Realm::new(), &["--callback-url", &url]);
        assert_eq!(waiting.realm.registrations()[0]["redirect_uris"][0], url.as_str());
        let asked = oauth::form(Url::parse(&waiting.url).unwrap().query().unwrap());
        assert_eq!(asked["redirect_uri"], url);
        waiting.finish();
    }
}

#[test]
fn a_callback_url_whose_port_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let realm = Realm::new();
    let bridge =
        realm.bridge().arg(format!("--callback-url=http://127.0.0.1:{port}/callback")).start();
    bridge.send(INITIALIZE);
    let answer = bridge.answer(0);
    let message = answer.failed("unauthorized")["message"].as_str().unwrap().to_owned();
    assert!(message.contains(&port.to_string()), "{message}");
    bridge.finish();
    assert_eq!(realm.browser.opened(), [""; 0]);
}

#[test]
fn callback_urls_that_are_not_loopback() {
    let realm = Realm::new();
    for bad in ["http://example.com:3000/cb", "ftp://localhost/cb", "nonsense", "http://10.0.0.1/"]
    {
        let shown = realm.run(&[&realm.mcp.url(), "--callback-url", bad]);
        shown.code(1).says(&["--callback-url"]);
    }
    realm.no_oauth();
}

#[test]
fn in_a_container() {
    let port = free_port();
    let url = format!("http://localhost:{port}/callback");
    let args = ["--callback-url", &url, "--callback-bind", "0.0.0.0"];
    let waiting = Waiting::with(Realm::new(), &args);
    assert_eq!(waiting.callback.as_str(), url);
    assert!(TcpListener::bind(("0.0.0.0", port)).is_err(), "it listens on all addresses");
    waiting.finish();
}
