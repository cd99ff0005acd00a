//! Header fields that are made for each sending, because they depend on where and when that is.

use std::fmt;

use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use crate::error::Failure;

/// Makes the header fields of a request that cannot be known before it is sent.
pub trait Sign: fmt::Debug + Send + Sync {
    /// Adds them to a request that is about to be sent to `url`, which a redirect may have changed.
    /// `body` is what is sent, byte for byte; empty where there is none.
    ///
    /// # Errors
    /// If they cannot be made. Nothing is sent then.
    fn sign(
        &self,
        method: &Method,
        url: &Url,
        headers: &mut HeaderMap,
        body: &[u8],
    ) -> Result<(), Failure>;

    /// Hears of every response. Whether the request is to be sent again, signed anew; that is done
    /// once.
    fn heard(&self, url: &Url, status: StatusCode, headers: &HeaderMap) -> bool;

    /// Obtains what it signs with before a request is sent again because of that. Whether there is any
    /// use in doing so.
    fn renew(&self) -> BoxFuture<'_, bool> {
        Box::pin(std::future::ready(true))
    }

    /// The next step for the reader where a request that it signed was refused, if it knows better than
    /// the status tells.
    fn advice(&self, _status: StatusCode, _headers: &HeaderMap) -> Option<String> {
        None
    }
}

/// Signs every request to a server, whoever sends it.
pub trait Signer: fmt::Debug + Send + Sync {
    /// What one request is signed with, which may have to be obtained first.
    ///
    /// # Errors
    /// Why it cannot be obtained. Nothing is sent then.
    fn signing(&self) -> BoxFuture<'_, Result<Box<dyn Sign>, Failure>>;
}
