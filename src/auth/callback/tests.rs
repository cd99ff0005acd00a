use std::net::Ipv6Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::limits::MAX_CALLBACK_HEAD;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn state() -> Secret {
    Secret::new("fake-state-0123456789".into())
}

async fn listener(server: &str) -> Listener {
    Listener::bind(&CallbackSettings::default(), &url(server), None).await.unwrap()
}

fn pinned(text: &str) -> CallbackSettings {
    CallbackSettings::new(Some(text), None).unwrap()
}

async fn bind_pinned(text: &str) -> Result<Listener, CallbackError> {
    Listener::bind(&pinned(text), &url("https://h.example/"), None).await
}

/// A connection to the callback that has sent a GET of its redirect URI with `query`.
async fn visit(redirect_uri: &str, query: &str) -> TcpStream {
    let target = url(redirect_uri);
    let authority = format!("{}:{}", target.host_str().unwrap(), target.port().unwrap());
    let mut stream = TcpStream::connect(&authority).await.unwrap();
    let head = format!("GET {}{query} HTTP/1.1\r\nHost: {authority}\r\n\r\n", target.path());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

const GOOD: &str = "?code=fake-code&state=fake-state-0123456789";

#[tokio::test]
async fn strangers_are_turned_away_and_the_browser_waits_for_the_truth() {
    let mut listener = listener("https://truth.example:8443/mcp").await;
    let redirect_uri = listener.redirect_uri().to_owned();
    let uri = redirect_uri.clone();
    let browser = tokio::spawn(async move {
        for query in ["", "?code=evil", "?error=access_denied", "?code=evil&state=guess"] {
            let page = answer(visit(&uri, query).await).await;
            assert!(page.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{page}");
            assert!(page.contains("out of date") && !page.contains("truth.example"), "{page}");
        }
        let icon = uri.replace("/callback", "/favicon.ico");
        assert!(answer(visit(&icon, "").await).await.starts_with("HTTP/1.1 404 "));
        let again = visit(&uri, GOOD).await;
        answer(again).await
    });
    let received = listener.response(&state()).await;
    assert_eq!(received.response.code, Some(Secret::new("fake-code".into())));
    assert!(!browser.is_finished());
    received.succeed(&Page::signed_in("truth.example:8443")).await;
    let page = browser.await.unwrap();
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("HTTP/1.1 200 OK"));
    let fields: Vec<_> = lines.collect();
    for field in [
        "Content-Type: text/html; charset=utf-8",
        &format!("Content-Length: {}", body.len()),
        &format!("Content-Security-Policy: {}", *page::CONTENT_SECURITY_POLICY),
        "Cache-Control: no-store",
        "Referrer-Policy: no-referrer",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ] {
        assert!(fields.contains(&field), "{field} in {head}");
    }
    assert!(body.contains("You are signed in") && body.contains("truth.example:8443"));
    assert!(!page.contains("fake-code") && !page.contains("fake-state"));
}

#[tokio::test]
async fn a_failure_is_shown_too() {
    let mut listener = listener("https://failure.example/").await;
    let browser = visit(listener.redirect_uri(), GOOD).await;
    let received = listener.response(&state()).await;
    received.fail(&Page::failed("failure.example", "It <broke>.", "Try again.")).await;
    let page = answer(browser).await;
    assert!(page.starts_with("HTTP/1.1 400 ") && page.contains("It &lt;broke&gt;."), "{page}");
}

#[tokio::test]
async fn the_tab_can_be_sent_on_and_comes_back() {
    let mut listener = listener("https://redirect.example/").await;
    let browser = visit(listener.redirect_uri(), GOOD).await;
    let to = url("https://as.example/authorize?state=x y\"");
    listener.response(&state()).await.redirect(&to).await;
    let page = answer(browser).await;
    assert!(page.starts_with("HTTP/1.1 303 See Other\r\n"), "{page}");
    assert!(page.contains("\r\nLocation: https://as.example/authorize?state=x%20y%22\r\n"));
    let browser = visit(listener.redirect_uri(), "?code=second&state=other-state").await;
    let received = listener.response(&Secret::new("other-state".into())).await;
    assert_eq!(received.response.code, Some(Secret::new("second".into())));
    drop(received);
    let page = answer(browser).await;
    assert!(page.starts_with("HTTP/1.1 503 ") && page.contains("interrupted"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn silent_connections_give_way() {
    let mut listener = listener("https://silent.example/").await;
    let authority = url(listener.redirect_uri()).authority().to_owned();
    let mut silent = Vec::new();
    for _ in 0..3 * MAX_CALLBACK_CONNECTIONS {
        silent.push(TcpStream::connect(&authority).await.unwrap());
    }
    let _browser = visit(listener.redirect_uri(), GOOD).await;
    let before = tokio::time::Instant::now();
    let received = listener.response(&state()).await;
    assert_eq!(received.response.code, Some(Secret::new("fake-code".into())));
    // Time stands still while anything can be done: nobody was waited for.
    assert!(before.elapsed() < CALLBACK_CONNECTION_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn the_browser_does_not_wait_for_ever() {
    let mut listener = listener("https://slow.example/").await;
    let browser = visit(listener.redirect_uri(), GOOD).await;
    let _received = listener.response(&state()).await;
    let page = answer(browser).await;
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("Almost there"), "{page}");
}

#[tokio::test]
async fn a_head_has_a_limit_and_may_come_in_pieces() {
    let mut listener = listener("https://large.example/").await;
    let uri = listener.redirect_uri().to_owned();
    let clients = tokio::spawn(async move {
        let authority = url(&uri).authority().to_owned();
        let mut large = TcpStream::connect(&authority).await.unwrap();
        let head = format!("GET /callback?x={}", "x".repeat(2 * MAX_CALLBACK_HEAD));
        large.write_all(head.as_bytes()).await.unwrap();
        assert!(answer(large).await.starts_with("HTTP/1.1 431 "));

        let mut head = TcpStream::connect(&authority).await.unwrap();
        head.write_all(format!("HEAD / HTTP/1.1\r\nHost: {authority}\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let text = answer(head).await;
        assert!(text.starts_with("HTTP/1.1 404 ") && text.ends_with("\r\n\r\n"), "{text}");

        // Providers have codes of kilobytes, and browsers bring cookies of other ports.
        let code = "c".repeat(20_000);
        let mut pieces = TcpStream::connect(&authority).await.unwrap();
        let head = format!(
            "GET /callback?code={code}&state=fake-state-0123456789 HTTP/1.1\r\n\
             Host: {authority}\r\nCookie: {}\r\n\r\n",
            "k".repeat(8_000)
        );
        for piece in head.as_bytes().chunks(999) {
            pieces.write_all(piece).await.unwrap();
            pieces.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
        pieces
    });
    let received = listener.response(&state()).await;
    assert_eq!(received.response.code.unwrap().expose().len(), 20_000);
    clients.await.unwrap();
}

#[tokio::test]
async fn a_wait_given_up_can_be_taken_up() {
    let mut listener = listener("https://given-up.example/").await;
    let secret = state();
    tokio::select! {
        biased;
        _ = listener.response(&secret) => panic!("nobody was there"),
        () = tokio::task::yield_now() => {}
    }
    let _browser = visit(listener.redirect_uri(), GOOD).await;
    assert!(listener.response(&secret).await.response.code.is_some());
}

#[tokio::test]
async fn a_port_that_is_taken_is_left_to_its_owner() {
    let server = "https://taken.example/mcp";
    let first = listener(server).await;
    let second = listener(server).await;
    assert_ne!(first.redirect_uri(), second.redirect_uri());

    let uri = first.redirect_uri().to_owned();
    let error = bind_pinned(&uri).await.unwrap_err();
    let port = url(&uri).port().unwrap();
    assert!(error.to_string().starts_with(&format!("port {port} is needed for the sign-in")));
    drop(first);
    let again = Listener::bind(&CallbackSettings::default(), &url(server), Some(&uri)).await;
    assert_eq!(again.unwrap().redirect_uri(), uri);
}

#[tokio::test]
async fn localhost_is_all_of_this_machine() {
    // A derived port: outgoing connections of other tests do not get it.
    let port = url(listener("https://localhost.example/").await.redirect_uri()).port().unwrap();
    let Ok(other) = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await else {
        return; // No IPv6 here.
    };
    // Another program on ::1 would get the code where a browser prefers IPv6.
    let uri = format!("http://localhost:{port}/cb");
    let taken = bind_pinned(&uri).await;
    assert!(matches!(taken, Err(CallbackError::Taken(p)) if p == port), "{taken:?}");
    drop(other);

    let mut listener = bind_pinned(&uri).await.unwrap();
    assert_eq!(listener.redirect_uri(), uri);
    for host in ["127.0.0.1", "[::1]"] {
        let browser = visit(&format!("http://{host}:{port}/cb"), GOOD).await;
        listener.response(&state()).await.succeed(&Page::signed_in("h")).await;
        assert!(answer(browser).await.starts_with("HTTP/1.1 200 "), "{host}");
    }
}

#[tokio::test]
async fn an_address_of_another_machine_cannot_be_bound() {
    let settings = CallbackSettings::new(None, Some("192.0.2.1:20999")).unwrap();
    let error = Listener::bind(&settings, &url("https://h.example/"), None).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot listen on 192.0.2.1:20999"), "{error}");
}
