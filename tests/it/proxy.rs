//! Proxies from the environment.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::tls::Tls;
use crate::support::*;

/// A proxy that knows CONNECT alone and leads every tunnel to one port.
struct Tunnel {
    url: String,
    opened: Arc<AtomicUsize>,
}

impl Tunnel {
    fn to(port: u16) -> Tunnel {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let opened = Arc::new(AtomicUsize::new(0));
        let count = opened.clone();
        RUNTIME.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((mut client, _)) = listener.accept().await {
                let count = count.clone();
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(client.read_u8().await?);
                    }
                    assert!(head.starts_with(b"CONNECT mcp.invalid:443 "), "not a tunnel");
                    count.fetch_add(1, Ordering::SeqCst);
                    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
                    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Tunnel { url, opened }
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }
}

#[test]
fn https_goes_through_a_tunnel() {
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let tls = Tls::new();
        let server = Server::with_tls(&tls);
        let tunnel = Tunnel::to(server.port());
        let bridge = Bridge::with("https://mcp.invalid/mcp")
            .path("--ca-cert", &tls.file("ca.pem"))
            .env(name, &tunnel.url)
            .ready(&server);
        bridge.ask(1, "tools/list").result();
        bridge.finish().clean();
        assert!(tunnel.opened() > 0, "{name}");
    }
}

#[test]
fn plain_http_goes_through_the_proxy_by_absolute_url() {
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        // The server plays the proxy: it is asked for the whole URL.
        let server = Server::start();
        let bridge = Bridge::with("http://mcp.invalid/mcp")
            .arg("--allow-http")
            .env(name, server.url_at(""))
            .ready(&server);
        bridge.ask(1, "tools/list").result();
        bridge.finish().clean();
        for request in server.seen("*") {
            assert_eq!(request.uri, "http://mcp.invalid/mcp", "{name}: {}", request.kind);
        }
    }
}

#[test]
fn a_redirect_from_http_to_https_of_the_same_host() {
    let tls = Tls::new();
    let (plain, secure) = (Server::start(), Server::with_tls(&tls));
    let tunnel = Tunnel::to(secure.port());
    plain.always("*", |_| Reply::status(308).header("location", "https://mcp.invalid/mcp"));
    let bridge = Bridge::with("http://mcp.invalid/mcp")
        .arg("--allow-http")
        .header("Authorization: fake")
        .path("--ca-cert", &tls.file("ca.pem"))
        .env("HTTP_PROXY", plain.url_at(""))
        .env("HTTPS_PROXY", &tunnel.url)
        .ready(&secure);
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();
    for request in secure.seen("*") {
        assert_eq!(request.header("authorization"), Some("fake"), "{}", request.kind);
    }
}

#[test]
fn exceptions_from_the_proxy() {
    for name in ["NO_PROXY", "no_proxy"] {
        let tunnel = Tunnel::to(dead_port());
        let bridge = Bridge::with("https://mcp.invalid/mcp")
            .env("HTTPS_PROXY", &tunnel.url)
            .env(name, "example.org,.invalid")
            .start();
        bridge.send(INITIALIZE);
        bridge.answer(0).failed("dns");
        bridge.finish().clean();
        assert_eq!(tunnel.opened(), 0);
    }
}

#[test]
fn the_loopback_never_goes_through_a_proxy() {
    let dead = format!("http://127.0.0.1:{}", dead_port());
    let server = Server::start();
    for url in [server.url(), format!("http://localhost:{}/mcp", server.port())] {
        let mut bridge = Bridge::with(&url);
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
            bridge = bridge.env(name, &dead);
        }
        let bridge = bridge.start();
        bridge.handshake().result();
        bridge.ask(1, "tools/list").result();
        bridge.finish().clean();
    }
}
