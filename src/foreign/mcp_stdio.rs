//! The store of mcp-stdio: `~/.config/mcp-stdio/tokens.json`, formerly `~/.mcp-stdio/tokens.json`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use url::Url;

use super::{Client, ForeignError, Resource, SignIn, count, object, secret, text};

/// The store.
#[derive(Clone, Debug, Default)]
pub struct Store {
    file: PathBuf,
    servers: Map<String, Value>,
}

impl Store {
    /// The store in the home at `home`; empty if there is none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn at(home: &Path) -> Result<Store, ForeignError> {
        for folder in [".config/mcp-stdio", ".mcp-stdio"] {
            let file = home.join(folder).join("tokens.json");
            if let Some((servers, _)) = object(&file)? {
                return Ok(Store { file, servers });
            }
        }
        Ok(Store::default())
    }

    /// The URLs of all servers with a sign-in.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.servers.keys().map(String::as_str)
    }

    /// The sign-in to a server.
    ///
    /// # Errors
    /// If it cannot be used.
    pub fn sign_in(&self, url: &str) -> Result<Option<SignIn>, ForeignError> {
        let found = self.servers.get(&key(url)).or_else(|| self.servers.get(url));
        let Some(found) = found else { return Ok(None) };
        let read = found.as_object().and_then(|members| sign_in(members, &self.file));
        let unusable = || ForeignError::Unusable {
            path: self.file.clone(),
            what: "the entry of the server has no access token",
        };
        read.map(Some).ok_or_else(unusable)
    }
}

/// What a server is called there: without user, fragment, usual port and slashes at the end of the path.
fn key(url: &str) -> String {
    let Ok(parsed) = Url::parse(url) else { return url.to_owned() };
    let Some(host) = parsed.host_str() else { return url.to_owned() };
    let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path = parsed.path().trim_end_matches('/');
    let query = parsed.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}://{host}{port}{path}{query}", parsed.scheme())
}

/// What an entry of `file` says. None without an access token.
pub fn sign_in(members: &Map<String, Value>, file: &Path) -> Option<SignIn> {
    let client = text(members, "client_id").map(|id| Client {
        id,
        secret: secret(members, "client_secret"),
        secret_expires_at: count(members, "client_secret_expires_at").filter(|at| *at != 0),
        method: text(members, "token_endpoint_auth_method"),
        redirect_uri: None,
        issuer: None,
    });
    let resource = match text(members, "oauth_resource") {
        Some(resource) => Resource::Given(resource),
        None if members.get("no_resource_indicator") == Some(&Value::Bool(true)) => {
            Resource::Omitted
        }
        None => Resource::Unsaid,
    };
    Some(SignIn {
        file: file.to_owned(),
        access_token: secret(members, "access_token")?,
        token_type: text(members, "token_type"),
        refresh_token: secret(members, "refresh_token"),
        id_token: secret(members, "id_token"),
        expires_at: count(members, "expires_at"),
        scope: text(members, "scope"),
        requested_scope: None,
        issuer: text(members, "issuer"),
        client,
        resource,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_found_however_they_are_written() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(Store::at(home.path()).unwrap().urls().count(), 0);
        let folder = home.path().join(".config/mcp-stdio");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(
            folder.join("tokens.json"),
            r#"{"https://h.example/mcp":{"access_token":"fake-token","token_type":"Bearer",
                "expires_at":1796095895.25,"refresh_token":null,"client_id":"me","client_secret":null,
                "issuer":"https://as.example","no_resource_indicator":true},"https://x.example":{}}"#,
        )
        .unwrap();
        let store = Store::at(home.path()).unwrap();
        for url in
            ["https://h.example/mcp", "https://H.example:443/mcp/", "https://u@h.example/mcp#x"]
        {
            let found = store.sign_in(url).unwrap().unwrap();
            assert_eq!(found.expires_at, Some(1_796_095_895), "{url}");
            assert_eq!(found.resource, Resource::Omitted);
            assert_eq!(found.client.unwrap().id, "me");
        }
        assert!(store.sign_in("https://h.example/").unwrap().is_none());
        assert!(store.sign_in("https://x.example").is_err());
    }
}
