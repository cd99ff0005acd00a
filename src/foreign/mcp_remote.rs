//! The store of mcp-remote: `~/.mcp-auth`, or `MCP_REMOTE_CONFIG_DIR`.
//!
//! In it are folders by version of the store, and in these for each sign-in `DIGEST_tokens.json` and
//! `DIGEST_client_info.json`. A client that was given with a flag is in no file.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Client, ForeignError, Resource, SignIn, count, object, secret, text};
use crate::limits::MAX_FILES_SEEN;
use crate::order;

const TOKENS: &str = "_tokens.json";
const CLIENT: &str = "_client_info.json";

/// Folders of a version begin with this.
const FOLDER: &str = "mcp-remote-";
/// That of all recent releases.
const CURRENT: &str = "mcp-remote-v1";

/// The store.
#[derive(Clone, Debug)]
pub struct Store {
    folders: Vec<PathBuf>,
}

impl Store {
    /// The store below `base`, the current folder first, then those of former releases, the newest first.
    pub fn at(base: &Path) -> Store {
        let mut folders: Vec<_> = fs::read_dir(base)
            .into_iter()
            .flatten()
            .take(MAX_FILES_SEEN)
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(FOLDER))
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .collect();
        let age = |path: &PathBuf| {
            let current = path.file_name().is_some_and(|name| name == CURRENT);
            (current, fs::metadata(path).and_then(|about| about.modified()).ok())
        };
        order::sort_by_key(&mut folders, |path| std::cmp::Reverse(age(path)));
        Store { folders }
    }

    /// The sign-in with this digest.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn sign_in(&self, digest: &str) -> Result<Option<SignIn>, ForeignError> {
        for folder in &self.folders {
            let file = folder.join(format!("{digest}{TOKENS}"));
            let Some((tokens, written)) = object(&file)? else { continue };
            let client =
                object(&folder.join(format!("{digest}{CLIENT}")))?.map(|(client, _)| client);
            return match sign_in(&tokens, client.as_ref(), written, &file) {
                Some(found) => Ok(Some(found)),
                None => Err(ForeignError::Unusable {
                    path: file,
                    what: "there is no access token in it",
                }),
            };
        }
        Ok(None)
    }

    /// The digests of all sign-ins.
    pub fn digests(&self) -> Vec<String> {
        let mut found: Vec<String> = self
            .folders
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flat_map(|entries| entries.take(MAX_FILES_SEEN))
            .filter_map(Result::ok)
            .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(TOKENS)?.to_owned()))
            .collect();
        order::sort(&mut found);
        found.dedup();
        found
    }
}

/// What two files say; `written` is when the first was written, in Unix seconds. None without an access token.
pub fn sign_in(
    tokens: &Map<String, Value>,
    client: Option<&Map<String, Value>>,
    written: u64,
    file: &Path,
) -> Option<SignIn> {
    // Milliseconds. Former releases only keep how long it was good for when it was written.
    let expires_at = count(tokens, "expires_at").map(|at| at / 1000);
    let life = || count(tokens, "expires_in").map(|life| written.saturating_add(life));
    Some(SignIn {
        file: file.to_owned(),
        access_token: secret(tokens, "access_token")?,
        token_type: text(tokens, "token_type"),
        refresh_token: secret(tokens, "refresh_token"),
        id_token: secret(tokens, "id_token"),
        expires_at: expires_at.or_else(life),
        scope: text(tokens, "scope"),
        requested_scope: text(tokens, "requested_scope"),
        issuer: text(tokens, "issuer"),
        client: client.and_then(client_of),
        resource: Resource::Unsaid,
    })
}

fn client_of(members: &Map<String, Value>) -> Option<Client> {
    let uris = members.get("redirect_uris").and_then(Value::as_array);
    Some(Client {
        id: text(members, "client_id")?,
        secret: secret(members, "client_secret"),
        secret_expires_at: count(members, "client_secret_expires_at").filter(|at| *at != 0),
        method: text(members, "token_endpoint_auth_method"),
        redirect_uri: uris.and_then(|uris| uris.first()?.as_str().map(str::to_owned)),
        issuer: text(members, "issuer"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "407a4ba7ada132608025f96fc4c81daa";

    fn write(base: &Path, folder: &str, name: &str, text: &str) {
        let folder = base.join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{DIGEST}{name}")), text).unwrap();
    }

    #[test]
    fn both_files_are_read() {
        let base = tempfile::tempdir().unwrap();
        assert!(Store::at(base.path()).sign_in(DIGEST).unwrap().is_none());
        write(
            base.path(),
            "mcp-remote-0.1.29",
            TOKENS,
            r#"{"access_token":"fake-old","expires_in":60}"#,
        );
        let old = Store::at(base.path()).sign_in(DIGEST).unwrap().unwrap();
        assert_eq!(old.access_token.expose(), "fake-old");
        assert!(old.expires_at.unwrap() > 1_600_000_000 && old.client.is_none());
        write(
            base.path(),
            CURRENT,
            TOKENS,
            r#"{"access_token":"fake-new","token_type":"Bearer","expires_in":3600,"scope":"a b",
                "refresh_token":"fake-refresh","issuer":"https://as.example","expires_at":1796095895013.5,
                "requested_scope":"a b c"}"#,
        );
        write(
            base.path(),
            CURRENT,
            CLIENT,
            r#"{"client_id":"me","client_secret":"fake-secret","client_secret_expires_at":0,
                "redirect_uris":["http://localhost:1/oauth/callback"],"token_endpoint_auth_method":"none"}"#,
        );
        let store = Store::at(base.path());
        assert_eq!(store.digests(), [DIGEST]);
        let found = store.sign_in(DIGEST).unwrap().unwrap();
        assert_eq!(found.access_token.expose(), "fake-new");
        assert_eq!(found.expires_at, Some(1_796_095_895));
        assert_eq!(found.requested_scope.as_deref(), Some("a b c"));
        let client = found.client.unwrap();
        assert_eq!((client.id.as_str(), client.secret_expires_at), ("me", None));
        assert_eq!(client.redirect_uri.as_deref(), Some("http://localhost:1/oauth/callback"));
        assert!(store.sign_in("0").unwrap().is_none());
    }

    #[test]
    fn damage_is_said_without_what_is_in_the_file() {
        for text in ["fake-secret", "[]", "{\"access_token\":1,\"x\":\"fake-secret\"}", "{}"] {
            let base = tempfile::tempdir().unwrap();
            write(base.path(), CURRENT, TOKENS, text);
            let error = Store::at(base.path()).sign_in(DIGEST).unwrap_err().to_string();
            assert!(error.contains(TOKENS) && !error.contains("fake-secret"), "{error}");
        }
    }
}
