//! Reading the body of a request, within its bounds.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use http::StatusCode;
use http_body::Body;
use tokio::time::timeout;

use super::limits::Limits;
use super::refusal::Refusal;

/// Why a body is not read to its end.
enum Unread {
    TooLarge,
    Incomplete,
}

/// The whole body.
///
/// # Errors
/// 408 if it takes too long, 413 if it is too large, 400 if its sender breaks it off.
pub async fn read(
    body: impl Body<Data = Bytes> + Unpin,
    limits: &Limits,
) -> Result<Vec<u8>, Refusal> {
    let refusal = |status| Refusal::new(status, "The body is too large or incomplete");
    match timeout(limits.message_time, collect(body, limits.message_bytes)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(Unread::TooLarge)) => Err(refusal(StatusCode::PAYLOAD_TOO_LARGE)),
        Ok(Err(Unread::Incomplete)) => Err(refusal(StatusCode::BAD_REQUEST)),
        Err(_) => Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "The body took too long")),
    }
}

async fn collect(
    mut body: impl Body<Data = Bytes> + Unpin,
    most: usize,
) -> Result<Vec<u8>, Unread> {
    let mut read = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        // What is not data is a trailer, which says nothing here.
        let Ok(data) = frame.map_err(|_| Unread::Incomplete)?.into_data() else { continue };
        if data.len() > most - read.len() {
            return Err(Unread::TooLarge);
        }
        read.extend_from_slice(&data);
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use futures_util::stream;

    use super::*;
    use crate::demo::body;

    async fn read_pieces(pieces: Vec<io::Result<&'static str>>) -> Result<Vec<u8>, StatusCode> {
        let pieces = pieces.into_iter().map(|piece| piece.map(Bytes::from));
        let limits = Limits { message_bytes: 6, ..Limits::default() };
        let read = read(body::Body::pieces(stream::iter(pieces)), &limits).await;
        read.map_err(|refusal| refusal.into_response().status())
    }

    #[tokio::test]
    async fn a_body_may_be_as_large_as_the_limit_and_no_larger() {
        assert_eq!(read_pieces(vec![]).await, Ok(vec![]));
        assert_eq!(read_pieces(vec![Ok("123"), Ok("456")]).await, Ok(b"123456".to_vec()));
        for pieces in [vec![Ok("123"), Ok("456"), Ok("7")], vec![Ok("1234567")]] {
            assert_eq!(read_pieces(pieces).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_refused() {
        let pieces = vec![Ok("123"), Err(io::Error::other("broken"))];
        assert_eq!(read_pieces(pieces).await, Err(StatusCode::BAD_REQUEST));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_is_not_waited_for() {
        let limits = Limits { message_time: Duration::from_secs(3), ..Limits::default() };
        let refused = read(body::Body::pieces(stream::pending()), &limits).await.unwrap_err();
        assert_eq!(refused.into_response().status(), StatusCode::REQUEST_TIMEOUT);
    }
}
