//! The listener that waits for the browser, and who else comes.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};

use url::Url;

use super::*;
use crate::support::browser::{self, follow, get};

/// A sign-in that waits.
struct Waiting {
    case: Case,
    realm: Realm,
    bridge: Bridge,
    url: String,
    callback: Url,
    state: String,
}

impl Waiting {
    #[track_caller]
    fn new() -> Waiting {
        let case = Case::new();
        let realm = Realm::new();
        realm.browser.hold();
        let bridge = armed(realm.bridge()).start();
        bridge.send(INITIALIZE);
        let url = realm.browser.wait_opened(1).remove(0);
        let asked = oauth::form(Url::parse(&url).unwrap().query().unwrap());
        let callback = Url::parse(&asked["redirect_uri"]).unwrap();
        let state = asked["state"].clone();
        Waiting { case, realm, bridge, url, callback, state }
    }

    fn address(&self) -> SocketAddr {
        self.callback.socket_addrs(|| None).unwrap()[0]
    }

    fn host(&self) -> String {
        format!("{}:{}", self.callback.host_str().unwrap(), self.callback.port().unwrap())
    }

    /// A request to the callback with this query.
    fn request(&self, query: &str) -> String {
        format!("GET {}?{query} HTTP/1.1\r\nHost: {}\r\n\r\n", self.callback.path(), self.host())
    }

    /// The person signs in after all.
    #[track_caller]
    fn finish(self) -> Exit {
        assert_eq!(self.realm.count("token"), 0, "a code that nobody gave was exchanged");
        let page = follow(&self.url).unwrap();
        assert_eq!(page.status, 200, "{page:?}");
        self.bridge.answer(0).result();
        let exit = self.case.end(self.bridge);
        self.realm.no_secret_in("stderr", &exit.stderr);
        self.realm.asked(1, 1, 1);
        exit
    }
}

/// Whoever connects first and says nothing is dropped for the next.
#[test]
fn three_hundred_connections_that_say_nothing() {
    let waiting = Waiting::new();
    let silent: Vec<_> =
        (0..300).filter_map(|_| TcpStream::connect(waiting.address()).ok()).collect();
    waiting.finish();
    drop(silent);
}

#[test]
fn heads_that_never_end() {
    let waiting = Waiting::new();
    let address = waiting.address();
    let pouring: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(move || {
                let mut socket = TcpStream::connect(address).unwrap();
                let _ = socket.write_all(b"GET / HTTP/1.1\r\n");
                let line = "X-Long: y\r\n".repeat(1000);
                let mut sent = 0;
                while socket.write_all(line.as_bytes()).is_ok() {
                    sent += line.len();
                    assert!(sent < 64 * MIB, "it is still being read");
                }
            })
        })
        .collect();
    pouring.into_iter().for_each(|thread| thread.join().unwrap());
    waiting.finish();
}

#[test]
fn a_head_that_trickles() {
    let waiting = Waiting::new();
    let address = waiting.address();
    for _ in 0..8 {
        std::thread::spawn(move || {
            let mut socket = TcpStream::connect(address).unwrap();
            raw::trickle(&mut socket, "GET /".bytes().chain(std::iter::repeat(b'x')));
        });
    }
    waiting.finish();
}

/// What follows the first request on a connection is not heard.
#[test]
fn requests_in_a_row() {
    let waiting = Waiting::new();
    let forged = waiting.request(&format!("code=forged&state={}", waiting.state));
    let text = waiting.request("code=x&state=wrong") + &forged;
    let mut socket = TcpStream::connect(waiting.address()).unwrap();
    socket.write_all(text.as_bytes()).unwrap();
    let mut said = Vec::new();
    let _ = socket.read_to_end(&mut said);
    assert!(String::from_utf8_lossy(&said).starts_with("HTTP/1.1 400"), "{said:?}");
    waiting.finish();
}

/// The right `state` in the wrong form.
#[test]
fn answers_that_are_none() {
    let waiting = Waiting::new();
    let (state, path, host) =
        (waiting.state.clone(), waiting.callback.path().to_owned(), waiting.host());
    let right = format!("code=forged&state={state}");
    for request in [
        waiting.request(&format!("{right}&code=other")),
        waiting.request(&format!("{right}&error=access_denied&error=other")),
        waiting
            .request(&format!("{right}&iss=https://attacker.invalid&iss=https://attacker.invalid")),
        waiting.request(&format!("code=%00&state={state}%00")),
        format!("GET {path}#{right} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET {path};{right} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!(
            "GET http://attacker.invalid{path}?{right} HTTP/1.1\r\nHost: attacker.invalid\r\n\r\n"
        ),
        format!("GET {path}?{right} HTTP/1.1\r\nHost: {host}\r\nHost: attacker.invalid\r\n\r\n"),
        format!("GET {path}?{right} HTTP/1.1\r\nHost: attacker.invalid\r\nHost: {host}\r\n\r\n"),
        format!("GET {path}?{right} HTTP/1.1\r\nHost: user@{host}\r\n\r\n"),
        format!(
            "GET {path}?{right} HTTP/1.1\r\nHost: 127.0.0.2:{}\r\n\r\n",
            waiting.callback.port().unwrap()
        ),
        format!(
            "GET {path}?{right} HTTP/1.1\r\nHost: [::ffff:7f00:1]:{}\r\n\r\n",
            waiting.callback.port().unwrap()
        ),
        format!("GET {path}?{right} HTTP/1.1\r\nHost : {host}\r\n\r\n"),
        format!("PUT {path}?{right} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("get {path}?{right} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET {}?{right} HTTP/1.1\r\nHost: {host}\r\n\r\n", path.to_uppercase()),
        format!("GET /x/..{path}?{right} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET /{path}?{right} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ] {
        // One that is closed without a word is refused as well.
        if let Ok(page) = browser::send(&waiting.callback, &request) {
            assert!((400..500).contains(&page.status), "{request:?} -> {page:?}");
        }
    }
    waiting.finish();
}

/// Whoever knows `state` can end a sign-in, and no more: without the issuer's name nothing is exchanged.
#[test]
fn answers_that_lack_something() {
    for query in ["code=forged", "code=", "", "iss=https://attacker.invalid&code=forged", "error=x"]
    {
        let Waiting { case, realm, bridge, callback, state, .. } = Waiting::new();
        let _ = get(&format!("{callback}?{query}&state={state}"));
        assert!(bridge.answer(0).is_error, "{query}");
        case.end(bridge);
        realm.asked(0, 0, 1);
    }
}

/// Text of the address on the page, in the log and in the error.
#[test]
fn words_of_an_attacker() {
    let waiting = Waiting::new();
    let words = "%3Cscript%3Ealert(1)%3C/script%3E%1b%5b2J%0d%0amcp-tether:%20forged%e2%80%ae";
    for name in ["error", "error_description", "error_uri", "code", "state", "iss", "x"] {
        let page = get(&format!("{}?{name}={words}", waiting.callback)).unwrap();
        assert_eq!(page.status, 400);
        assert!(!page.body.contains("<script>") && !page.body.contains('\u{1b}'), "{}", page.body);
    }
    let exit = waiting.finish();
    assert!(
        !exit.stderr.lines().any(|line| line.starts_with("mcp-tether: forged")),
        "{}",
        exit.stderr
    );
}

/// The right `state`, and a refusal in the attacker's words: the sign-in is over, and they are harmless.
#[test]
fn a_refusal_in_words_of_an_attacker() {
    let Waiting { case, realm, bridge, callback, state, .. } = Waiting::new();
    let words = "%3Cscript%3Ealert(1)%3C/script%3E%1b%5b2J%0d%0amcp-tether:%20forged%e2%80%ae";
    let iss = realm.issuer_url();
    let query = format!(
        "error={words}&error_description={words}&error_uri={words}&state={state}&iss={iss}"
    );
    let page = get(&format!("{callback}?{query}")).unwrap();
    assert!(!page.body.contains("<script>") && !page.body.contains('\u{1b}'), "{}", page.body);
    let answer = bridge.answer(0);
    assert!(
        answer.is_error && !answer.text.contains("\\u001b") && !answer.text.contains('\u{202e}'),
        "{answer}"
    );
    let exit = case.end(bridge);
    assert!(
        !exit.stderr.lines().any(|line| line.starts_with("mcp-tether: forged")),
        "{}",
        exit.stderr
    );
    realm.asked(0, 0, 1);
}

#[test]
fn a_code_of_thirty_kibibytes() {
    let Waiting { case, realm, bridge, callback, state, .. } = Waiting::new();
    let (code, iss) = ("c".repeat(30 << 10), realm.issuer_url());
    // A right answer with a code that the authorization server does not know.
    let _ = get(&format!("{callback}?code={code}&state={state}&iss={iss}"));
    assert!(bridge.answer(0).is_error);
    let exit = case.end(bridge);
    assert!(!exit.stderr.contains(&code[..100]), "the code is in the log");
    realm.asked(0, 1, 1);
}

/// Hundreds at once, the right one among them: it counts once.
#[test]
fn the_answer_two_hundred_times() {
    let Waiting { case, realm, bridge, url, .. } = Waiting::new();
    // The address that the browser is sent to.
    let page = get(&url).unwrap();
    let answer = page.header("location").unwrap().to_owned();
    let threads: Vec<_> = (0..200)
        .map(|_| {
            let answer = answer.clone();
            std::thread::spawn(move || drop(get(&answer)))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    bridge.answer(0).result();
    let exit = case.end(bridge);
    realm.no_secret_in("stderr", &exit.stderr);
    realm.asked(1, 1, 1);
}

/// The address of this machine by which others reach it, if it has one.
fn reachable() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // No packet is sent: it only asks which address would be used.
    socket.connect("192.0.2.1:9").ok()?;
    match socket.local_addr().ok()?.ip() {
        std::net::IpAddr::V4(address) if !address.is_loopback() && !address.is_unspecified() => {
            Some(address)
        }
        _ => None,
    }
}

/// Other machines cannot reach it: it is not bound to an address that they could use.
#[test]
fn other_machines() {
    let waiting = Waiting::new();
    let port = waiting.callback.port().unwrap();
    assert!(waiting.address().ip().is_loopback());
    // 127.0.0.2 is this machine too, and still nobody listens there.
    let mut others: Vec<SocketAddr> = vec![([127, 0, 0, 2], port).into()];
    others.extend(reachable().map(|address| SocketAddr::from((address, port))));
    for other in others {
        // Where it can be bound by somebody else nobody listens.
        let free = TcpListener::bind(other);
        let refused = TcpStream::connect_timeout(&other, Duration::from_secs(5)).is_err();
        assert!(free.is_ok() || refused, "{other} is listened to");
    }
    waiting.finish();
}
