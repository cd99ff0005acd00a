//! A person at the terminal that a sign-in was asked for at. Who they are to be shown things by is
//! not known here.

use std::fmt::Debug;

use futures_util::future::BoxFuture;

/// Where to go, to be shown.
#[derive(Clone, Copy, Debug)]
pub struct Invitation<'a> {
    /// The MCP server.
    pub host: &'a str,
    /// The URL to open. With a `code` on any device, without one in a browser whose last address can
    /// be pasted here.
    pub url: &'a str,
    /// The URL with the code in it, where there is one.
    pub complete: Option<&'a str>,
    /// The code to enter. Fit to be shown.
    pub code: Option<&'a str>,
}

/// Somebody who can be spoken to.
pub trait Person: Debug + Send + Sync {
    /// Shows where to go.
    fn invite(&self, to: &Invitation<'_>);

    /// Says something, in whole sentences.
    fn say(&self, text: &str);

    /// The next line that they type; nothing when there will be no more. Dropping the future loses
    /// nothing.
    fn line(&self) -> BoxFuture<'_, Option<String>>;
}
