//! TLS: which authorities are trusted, client certificates, HTTP/2, and what is said otherwise.

#[cfg(unix)]
use std::io::Write as _;
#[cfg(unix)]
use std::path::Path;
#[cfg(unix)]
use std::sync::mpsc;

#[cfg(unix)]
use tokio::net::{TcpListener, TcpStream};

use crate::support::bridge::Builder;
use crate::support::tls::Tls;
use crate::support::*;

/// Goes through a whole session.
#[track_caller]
fn works(builder: Builder, server: &Server) {
    let bridge = builder.ready(server);
    bridge.ask(1, "tools/list").result();
    bridge.finish().clean();
}

/// Gives the error that `initialize` ends in.
#[track_caller]
fn fails(builder: Builder, kind: &str) -> String {
    let bridge = builder.start();
    bridge.send(INITIALIZE);
    let error = bridge.answer(0).failed(kind);
    bridge.finish().clean();
    error["message"].as_str().unwrap().to_owned()
}

#[test]
fn an_authority_of_ones_own() {
    let tls = Tls::new();
    let ca = tls.file("ca.pem");
    let server = Server::with_tls(&tls);
    let with = || Bridge::with(&server.url());
    works(with().path("--ca-cert", &ca), &server);
    works(with().env("SSL_CERT_FILE", &ca), &server);
    works(with().env("NODE_EXTRA_CA_CERTS", &ca), &server);
    // One more authority does not hide the others.
    let other = Tls::new();
    works(with().path("--ca-cert", &other.file("ca.pem")).path("--ca-cert", &ca), &server);
    works(with().path("--ca-cert", &other.file("ca.pem")).env("NODE_EXTRA_CA_CERTS", &ca), &server);

    let message = fails(with(), "tls");
    assert!(message.contains("--ca-cert"), "the next step is missing: {message}");
    let message = fails(with().path("--ca-cert", &other.file("ca.pem")), "tls");
    assert!(message.contains("--ca-cert"), "the next step is missing: {message}");
}

#[test]
fn a_certificate_for_another_name() {
    let tls = Tls::new();
    let server = Server::on_tls_address("127.0.0.2:0", &tls);
    let Ok(server) = server else { return };
    fails(Bridge::with(&server.url()).path("--ca-cert", &tls.file("ca.pem")), "tls");
    assert_eq!(server.kinds(), Vec::<String>::new());
}

#[test]
fn http2_where_the_server_offers_it() {
    for (tls, version) in
        [(Tls::new(), http::Version::HTTP_2), (Tls::http1(), http::Version::HTTP_11)]
    {
        let server = Server::with_tls(&tls);
        let gate = Gate::new();
        let held = gate.clone();
        server.always("tools/call", move |r| Reply::json(r.result("{}")).after(&held));
        let bridge =
            Bridge::with(&server.url()).path("--ca-cert", &tls.file("ca.pem")).ready(&server);
        for id in 1..=20 {
            bridge.send(request(id, "tools/call"));
        }
        server.wait("tools/call", 20);
        gate.open();
        for id in 1..=20 {
            bridge.answer(id).result();
        }
        assert!(server.seen("*").iter().all(|r| r.version == version));
        if version == http::Version::HTTP_2 {
            assert_eq!(server.connections(), 1, "one connection carries all");
        }
        bridge.finish().clean();
    }
}

#[test]
fn a_client_certificate() {
    let tls = Tls::mutual();
    let server = Server::with_tls(&tls);
    let with = || Bridge::with(&server.url()).path("--ca-cert", &tls.file("ca.pem"));
    works(
        with()
            .path("--client-cert", &tls.file("client.pem"))
            .path("--client-key", &tls.file("client.key")),
        &server,
    );
    // Both in one file.
    works(with().path("--client-cert", &tls.file("client-both.pem")), &server);
    let bridge = with().start();
    bridge.send(INITIALIZE);
    assert!(bridge.answer(0).is_error, "the server lets nobody in without a certificate");
    bridge.finish().clean();
}

#[test]
fn files_that_cannot_be_used_are_named_before_anything_is_sent() {
    let tls = Tls::new();
    let server = Server::with_tls(&tls);
    let missing = tls.file("missing.pem");
    let empty = tls.file("empty.pem");
    std::fs::write(&empty, "no certificate here").unwrap();
    let client = tls.file("client.pem");
    for (bridge, name) in [
        (Bridge::with(&server.url()).path("--ca-cert", &missing), "missing.pem"),
        (Bridge::with(&server.url()).path("--ca-cert", &empty), "empty.pem"),
        (
            Bridge::with(&server.url())
                .path("--client-cert", &missing)
                .path("--client-key", &tls.file("client.key")),
            "missing.pem",
        ),
        (
            Bridge::with(&server.url()).path("--client-cert", &client).path("--client-key", &empty),
            "empty.pem",
        ),
    ] {
        let bridge = bridge.start();
        bridge.send(INITIALIZE);
        let exit = bridge.wait();
        exit.code(1);
        assert!(exit.stderr.contains(name), "{}", exit.stderr);
        assert_eq!(exit.rest, []);
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_handshake_that_never_ends_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/mcp", listener.local_addr().unwrap());
    let message = fails(Bridge::with(&url).arg("--connect-timeout=300ms"), "timeout");
    assert!(message.contains("--connect-timeout"), "{message}");
}

/// A file that nobody can read to its end before somebody has written it, in a folder with an empty one.
#[cfg(unix)]
fn fifo() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("fifo")).status();
    assert!(made.unwrap().success());
    folder
}

/// In front of the server on this port: a URL, and the first byte of every connection.
#[cfg(unix)]
fn overheard(port: u16) -> (String, mpsc::Receiver<u8>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("https://{}/mcp", listener.local_addr().unwrap());
    let (heard, hears) = mpsc::channel();
    RUNTIME.spawn(async move {
        let listener = TcpListener::from_std(listener).unwrap();
        while let Ok((mut client, _)) = listener.accept().await {
            let heard = heard.clone();
            tokio::spawn(async move {
                let mut first = [0];
                client.peek(&mut first).await?;
                let _ = heard.send(first[0]);
                let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (url, hears)
}

/// Writes a file to everybody who opens the FIFO from now on.
#[cfg(unix)]
fn feed(fifo: &Path, file: &Path) {
    let (fifo, text) = (fifo.to_owned(), std::fs::read(file).unwrap());
    // Nobody waits for it: if nobody reads any more, it stays where it is until the end of all tests.
    std::thread::spawn(move || {
        while let Ok(mut pipe) = std::fs::File::options().write(true).open(&fifo) {
            let _ = pipe.write_all(&text);
            drop(pipe);
            // So that the reader finds the end.
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    });
}

#[cfg(unix)]
#[test]
fn the_handshake_begins_before_the_trusted_roots_are_read() {
    let tls = Tls::new();
    let server = Server::with_tls(&tls);
    for variable in ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
        let folder = fifo();
        let fifo = folder.path().join("fifo");
        let (url, hears) = overheard(server.port());
        let bridge = Bridge::with(&url)
            .env("SSL_CERT_DIR", folder.path().join("empty"))
            .env(variable, &fifo)
            .start();
        bridge.send(INITIALIZE);
        let first = hears.recv_timeout(DEADLINE).expect("a connection");
        assert_eq!(first, 22, "a handshake message (RFC 8446, section 5.1)");
        feed(&fifo, &tls.file("ca.pem"));
        bridge.answer(0).result();
        bridge.send(INITIALIZED);
        bridge.ask(1, "tools/list").result();
        bridge.finish().clean();
    }
}

#[cfg(unix)]
#[test]
fn without_tls_no_trusted_roots_are_read() {
    let server = Server::start();
    let folder = fifo();
    let fifo = folder.path().join("fifo");
    let bridge = Bridge::with(&server.url())
        .env("SSL_CERT_DIR", folder.path().join("empty"))
        .env("SSL_CERT_FILE", &fifo)
        .env("NODE_EXTRA_CA_CERTS", &fifo);
    works(bridge, &server);
}

#[cfg(all(unix, not(target_vendor = "apple")))]
#[test]
fn a_system_without_trusted_roots() {
    let tls = Tls::new();
    let server = Server::with_tls(&tls);
    let folder = tempfile::tempdir().unwrap();
    let nothing = tls.file("nothing.pem");
    std::fs::write(&nothing, "").unwrap();
    let with = || {
        Bridge::with(&server.url())
            .env("SSL_CERT_FILE", &nothing)
            .env("SSL_CERT_DIR", folder.path())
    };
    let message = fails(with(), "tls");
    for part in ["127.0.0.1", "install CA certificates", "--ca-cert FILE", "SSL_CERT_FILE"] {
        assert!(message.contains(part), "{part} is missing: {message}");
    }
    // One that was named is enough.
    works(with().path("--ca-cert", &tls.file("ca.pem")), &server);
}
