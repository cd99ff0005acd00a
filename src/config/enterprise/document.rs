//! What the file of an administrator says (pure).

use std::ops::Range;

use toml_edit::{Document, Item, Table, TableLike};
use url::{Host, Url};

use crate::http::client::is_loopback;

/// The identity provider, and the servers that it vouches at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enterprise {
    /// `[idp]`.
    pub provider: Provider,
    /// `[[server]]`, in the order of the file.
    pub servers: Vec<Managed>,
}

/// `[idp]`. The names are those of the flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provider {
    /// `issuer`.
    pub issuer: String,
    /// `authorization-endpoint`.
    pub authorization_endpoint: Option<String>,
    /// `token-endpoint`.
    pub token_endpoint: Option<String>,
    /// `client-id`.
    pub client_id: String,
    /// `client-secret`: a reference.
    pub client_secret: Option<String>,
    /// `scope`.
    pub scope: Option<String>,
    /// `callback-url`.
    pub callback_url: Option<String>,
}

/// `[[server]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Managed {
    /// `url`: which ones it is.
    pub patterns: Vec<Pattern>,
    /// `client-id`: who we are at its authorization server.
    pub client_id: Option<String>,
    /// `client-secret`: a reference.
    pub client_secret: Option<String>,
    /// `scope`.
    pub scope: Option<String>,
}

/// URLs: with one host, or with those below one, and with this path or one below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    url: Url,
    below: bool,
}

/// What is wrong. The text has nothing of a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct DocumentError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: String,
}

impl Pattern {
    /// Reads one: an https URL, whose host may begin with `*.`.
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse(text: &str) -> Result<Pattern, &'static str> {
        let (rest, below) = match text.split_once("://*.") {
            Some((scheme, rest)) => (format!("{scheme}://{rest}"), true),
            None => (text.to_owned(), false),
        };
        if rest.contains('*') {
            return Err(
                "a * stands for the beginning of a host only, as in https://*.example.com/",
            );
        }
        let url = Url::parse(&rest).map_err(|_| "it is no URL, as https://mcp.example.com/ is")?;
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
            return Err("it has to be an https URL");
        }
        let plain = url.username().is_empty() && url.password().is_none();
        if !plain || url.query().is_some() || url.fragment().is_some() {
            return Err("it can have no user name, query or fragment");
        }
        // Everybody may have a host below a top-level domain.
        if below && !matches!(url.host(), Some(Host::Domain(name)) if name.contains('.')) {
            return Err("behind *. there has to be a domain with a dot in it");
        }
        Ok(Pattern { text: text.to_owned(), url, below })
    }

    /// Whether a server is one of them.
    pub fn covers(&self, server: &Url) -> bool {
        let (Some(host), Some(theirs)) = (self.url.host_str(), server.host_str()) else {
            return false;
        };
        let same_host = match self.below {
            false => host == theirs,
            true => theirs.strip_suffix(host).is_some_and(|rest| rest.ends_with('.')),
        };
        let parent = self.url.path().trim_end_matches('/');
        let below = server.path().strip_prefix(parent);
        same_host
            && self.url.scheme() == server.scheme()
            && self.url.port_or_known_default() == server.port_or_known_default()
            && below.is_some_and(|rest| matches!(rest.as_bytes(), [] | [b'/', ..]))
    }

    /// As it is in the file.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Enterprise {
    /// Reads a file.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(text: &str) -> Result<Enterprise, DocumentError> {
        let document = Document::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            DocumentError { line: line(text, at), reason: "it is not TOML".into() }
        })?;
        let reader = Reader { text };
        reader.only(document.as_table(), &["idp", "server"])?;
        let Some(idp) = document.get("idp") else {
            return Err(reader.wrong(None, "there is no [idp]"));
        };
        let provider = reader.provider(reader.table(idp, "[idp]")?, idp)?;
        let mut servers = Vec::new();
        match document.get("server") {
            Some(Item::ArrayOfTables(tables)) => {
                for table in tables {
                    servers.push(reader.server(table)?);
                }
            }
            Some(item) => return Err(reader.wrong(item.span(), "write [[server]] for each")),
            None => return Err(reader.wrong(None, "there is no [[server]]")),
        }
        Ok(Enterprise { provider, servers })
    }

    /// What is said of a server.
    pub fn of(&self, server: &Url) -> Option<&Managed> {
        self.servers.iter().find(|managed| managed.patterns.iter().any(|one| one.covers(server)))
    }
}

/// The line of a byte, from 1.
fn line(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn wrong(&self, at: Option<Range<usize>>, reason: impl Into<String>) -> DocumentError {
        let line = line(self.text, at.map_or(0, |span| span.start));
        DocumentError { line, reason: reason.into() }
    }

    fn table<'i>(&self, item: &'i Item, name: &str) -> Result<&'i dyn TableLike, DocumentError> {
        item.as_table_like()
            .ok_or_else(|| self.wrong(item.span(), format!("{name} has to be a table")))
    }

    /// A misspelt name would have no effect, which nobody would notice.
    fn only(&self, table: &dyn TableLike, names: &[&str]) -> Result<(), DocumentError> {
        for (name, item) in table.iter() {
            if !names.contains(&name) {
                let at = table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
                let known = names.join(", ");
                return Err(self.wrong(at, format!("a name that is none of {known}")));
            }
        }
        Ok(())
    }

    fn text(&self, table: &dyn TableLike, name: &str) -> Result<Option<String>, DocumentError> {
        let Some(item) = table.get(name) else { return Ok(None) };
        match item.as_str().map(str::trim) {
            Some(text) if !text.is_empty() && !text.contains(char::is_control) => {
                Ok(Some(text.to_owned()))
            }
            _ => Err(self.wrong(item.span(), format!("{name} has to be a text"))),
        }
    }

    fn needed(
        &self,
        table: &dyn TableLike,
        name: &str,
        of: Option<Range<usize>>,
    ) -> Result<String, DocumentError> {
        let missing = || self.wrong(of, format!("there is no {name}"));
        self.text(table, name)?.ok_or_else(missing)
    }

    /// Everybody on the machine can read the file.
    fn reference(
        &self,
        table: &dyn TableLike,
        name: &str,
    ) -> Result<Option<String>, DocumentError> {
        let text = self.text(table, name)?;
        let kinds = ["env", "file", "keyring"];
        let fine = text.as_deref().is_none_or(|text| {
            text.split_once(':')
                .is_some_and(|(kind, rest)| kinds.contains(&kind) && !rest.is_empty())
        });
        let at = table.get(name).and_then(Item::span);
        let reason = format!("{name} has to be a reference: env:NAME, file:PATH or keyring:NAME");
        if fine { Ok(text) } else { Err(self.wrong(at, reason)) }
    }

    /// An https URL, or http on this machine.
    fn url(&self, table: &dyn TableLike, name: &str) -> Result<Option<String>, DocumentError> {
        let text = self.text(table, name)?;
        let fine = text.as_deref().is_none_or(|text| {
            let url = Url::parse(text).ok();
            url.is_some_and(|url| url.scheme() == "https" || is_loopback(&url))
        });
        let at = table.get(name).and_then(Item::span);
        if fine { Ok(text) } else { Err(self.wrong(at, format!("{name} has to be an https URL"))) }
    }

    fn provider(&self, table: &dyn TableLike, item: &Item) -> Result<Provider, DocumentError> {
        let names = [
            "issuer",
            "authorization-endpoint",
            "token-endpoint",
            "client-id",
            "client-secret",
            "scope",
            "callback-url",
        ];
        self.only(table, &names)?;
        self.needed(table, "issuer", item.span())?;
        Ok(Provider {
            issuer: self.url(table, "issuer")?.unwrap_or_default(),
            authorization_endpoint: self.url(table, "authorization-endpoint")?,
            token_endpoint: self.url(table, "token-endpoint")?,
            client_id: self.needed(table, "client-id", item.span())?,
            client_secret: self.reference(table, "client-secret")?,
            scope: self.text(table, "scope")?,
            callback_url: self.text(table, "callback-url")?,
        })
    }

    fn server(&self, table: &Table) -> Result<Managed, DocumentError> {
        self.only(table, &["url", "client-id", "client-secret", "scope"])?;
        let Some(item) = table.get("url") else {
            return Err(self.wrong(table.span(), "there is no url"));
        };
        let one = [item.as_value()];
        let values = match item.as_array() {
            Some(list) => list.iter().map(Some).collect(),
            None => one.to_vec(),
        };
        let mut patterns = Vec::new();
        for value in values {
            let at = value.and_then(toml_edit::Value::span).or_else(|| item.span());
            let text = value.and_then(toml_edit::Value::as_str).unwrap_or_default();
            patterns
                .push(Pattern::parse(text).map_err(|why| self.wrong(at, format!("url: {why}")))?);
        }
        if patterns.is_empty() {
            return Err(self.wrong(item.span(), "url names nothing"));
        }
        let managed = Managed {
            patterns,
            client_id: self.text(table, "client-id")?,
            client_secret: self.reference(table, "client-secret")?,
            scope: self.text(table, "scope")?,
        };
        if managed.client_secret.is_some() && managed.client_id.is_none() {
            return Err(self.wrong(table.span(), "client-secret needs a client-id"));
        }
        Ok(managed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = r#"# of the administrator
[idp]
issuer = "https://idp.example"
client-id = "at-idp"
client-secret = "file:/etc/mcp-tether/secret"
scope = "openid email"
callback-url = "http://localhost:3118/callback"

[[server]]
url = ["https://mcp.example/", "https://*.tools.example:8443/mcp"]
client-id = "me"
scope = "a b"

[[server]]
url = "https://other.example"
"#;

    #[test]
    fn a_file() {
        let found = Enterprise::parse(GOOD).unwrap();
        assert_eq!(found.provider.issuer, "https://idp.example");
        let client = |url: &str| {
            let managed = found.of(&Url::parse(url).unwrap());
            managed.map(|managed| managed.client_id.clone())
        };
        for (url, expected) in [
            ("https://mcp.example/mcp", Some(Some("me"))),
            ("https://mcp.example:443/", Some(Some("me"))),
            ("https://a.tools.example:8443/mcp", Some(Some("me"))),
            ("https://a.b.tools.example:8443/mcp/x", Some(Some("me"))),
            ("https://other.example/any", Some(None)),
            ("https://mcp.example:8443/mcp", None),
            ("http://mcp.example/mcp", None),
            ("https://xmcp.example/mcp", None),
            ("https://a.mcp.example/mcp", None),
            ("https://mcp.example.evil.example/", None),
            ("https://tools.example:8443/mcp", None),
            ("https://eviltools.example:8443/mcp", None),
            ("https://a.tools.example/mcp", None),
            ("https://a.tools.example:8443/mcpx", None),
            ("https://a.tools.example:8443/mcp/../x", None),
        ] {
            assert_eq!(client(url), expected.map(|id| id.map(str::to_owned)), "{url}");
        }
    }

    #[test]
    fn what_is_wrong_has_a_line() {
        for (old, new, line, said) in [
            ("[idp]", "[idp", 2, "not TOML"),
            ("[idp]", "[ipd]", 2, "none of idp, server"),
            ("issuer", "isuer", 3, "none of issuer"),
            ("\"https://idp.example\"", "\"http://idp.example\"", 3, "https"),
            ("\"https://idp.example\"", "7", 3, "a text"),
            ("client-id = \"at-idp\"", "", 2, "no client-id"),
            ("file:/etc/mcp-tether/secret", "hunter2", 5, "a reference"),
            ("https://mcp.example/", "https://*.com", 10, "a dot"),
            ("https://mcp.example/", "https://mcp.*/", 10, "beginning of a host"),
            ("https://mcp.example/", "http://mcp.example/", 10, "https"),
            ("https://mcp.example/", "https://me@mcp.example/", 10, "user name"),
            ("https://mcp.example/", "mcp.example", 10, "no URL"),
            ("url = \"https://other.example\"", "", 14, "no url"),
            ("url = \"https://other.example\"", "url = []", 15, "names nothing"),
            ("url = \"https://other.example\"", "url = 7", 15, "no URL"),
        ] {
            assert!(GOOD.contains(old), "{old}");
            let error = Enterprise::parse(&GOOD.replacen(old, new, 1)).unwrap_err();
            assert_eq!(error.line, line, "{new}: {error}");
            assert!(error.reason.contains(said), "{new}: {error}");
            assert!(!error.reason.contains("hunter2"), "{error}");
        }
        assert!(Enterprise::parse("").is_err());
    }

    proptest! {
        #[test]
        fn nothing_breaks_it(text in "\\PC{0,200}", pattern in "\\PC{0,40}") {
            let _ = Enterprise::parse(&text);
            let _ = Enterprise::parse(&GOOD.replace("https://mcp.example/", &pattern));
        }

        #[test]
        fn a_host_covers_only_its_own(host in "[a-z]{1,5}(\\.[a-z]{1,5}){1,3}", other in "[a-z.]{1,20}") {
            let below = Pattern::parse(&format!("https://*.{host}/")).unwrap();
            let Ok(server) = Url::parse(&format!("https://{other}/mcp")) else { return Ok(()) };
            let ends = server.host_str().unwrap_or_default().ends_with(&format!(".{host}"));
            prop_assert_eq!(below.covers(&server), ends);
        }
    }
}
