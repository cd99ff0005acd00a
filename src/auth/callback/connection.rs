//! One connection to the callback: a request in, one page out, and the end.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use super::request::{Expected, Refusal, Verdict, parse};
use crate::auth::page::{CONTENT_SECURITY_POLICY, Page};
use crate::limits::{CALLBACK_CONNECTION_TIMEOUT, MAX_CALLBACK_HEAD};

/// Bytes taken from the socket at once.
const PIECE: usize = 4 << 10;

/// Serves a connection up to the authorization response; `None` where it was something else, which
/// has its answer then. Idle connections, which browsers open to be faster, end after
/// [`CALLBACK_CONNECTION_TIMEOUT`].
pub(super) async fn serve(
    stream: TcpStream,
    expected: &Expected<'_>,
) -> Option<(TcpStream, super::AuthorizationResponse)> {
    let served = timeout(CALLBACK_CONNECTION_TIMEOUT, read(stream, expected)).await;
    served.ok()?.unwrap_or_else(|error| {
        log::debug!("a connection to the callback broke: {error}");
        None
    })
}

async fn read(
    mut stream: TcpStream,
    expected: &Expected<'_>,
) -> io::Result<Option<(TcpStream, super::AuthorizationResponse)>> {
    let mut head = Vec::new();
    let refusal = loop {
        let start = head.len();
        if start >= MAX_CALLBACK_HEAD {
            break Refusal::TooLarge;
        }
        if !receive(&stream, &mut head, PIECE.min(MAX_CALLBACK_HEAD - start)).await? {
            return Ok(None);
        }
        // Looked at once for each line at most, so that single bytes cost nothing.
        if !head.get(start..).is_some_and(|piece| piece.contains(&b'\n')) {
            continue;
        }
        match parse(&head, expected) {
            Verdict::More => {}
            Verdict::Refuse(refusal) => break refusal,
            Verdict::Accept(response) => return Ok(Some((stream, response))),
        }
    };
    log::debug!("a request to the callback was refused: {refusal}");
    let page = Page::refused(refusal);
    let body = if head.starts_with(b"HEAD ") { String::new() } else { page.html() };
    let allow = if refusal == Refusal::Method { "Allow: GET\r\n" } else { "" };
    send(&mut stream, &answer(refusal.status(), allow, &body)).await?;
    // What is still on its way is taken, because closing before it would take the page away.
    head.clear();
    while head.len() < MAX_CALLBACK_HEAD && receive(&stream, &mut head, PIECE).await? {}
    Ok(None)
}

/// Appends what has arrived, at most `most` bytes; false at the end.
async fn receive(stream: &TcpStream, into: &mut Vec<u8>, most: usize) -> io::Result<bool> {
    let start = into.len();
    into.resize(start + most, 0);
    loop {
        stream.readable().await?;
        let room = into.get_mut(start..).unwrap_or_default();
        match stream.try_read(room) {
            Ok(count) => {
                into.truncate(start + count);
                return Ok(count > 0);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Sends everything and says that this was all.
pub(super) async fn send(stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    poll_fn(|context| Pin::new(&mut *stream).poll_shutdown(context)).await
}

/// The bytes of a page.
pub(super) fn page(status: &str, page: &Page) -> Vec<u8> {
    answer(status, "", &page.html())
}

/// The bytes that send the browser on.
pub(super) fn redirect(to: &Url) -> Vec<u8> {
    // A serialised URL is visible ASCII: it cannot end the field.
    answer("303 See Other", &format!("Location: {to}\r\n"), "")
}

fn answer(status: &str, fields: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\n\
         Content-Type: text/html; charset=utf-8\r\n\
         Content-Length: {length}\r\n\
         Content-Security-Policy: {policy}\r\n\
         Cache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\n\
         X-Content-Type-Options: nosniff\r\n\
         Connection: close\r\n\
         {fields}\r\n{body}",
        length = body.len(),
        policy = *CONTENT_SECURITY_POLICY,
    )
    .into_bytes()
}
