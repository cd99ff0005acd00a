//! Who we are at an authorization server, in the words of RFC 7591: `--client-info`, `--client-metadata`.

use std::path::Path;

use serde_json::{Map, Value};

use super::{Env, headers};
use crate::limits::MAX_SECRET;
use crate::secret::{Secret, file};
use crate::store::ClientAuth;

/// Never from the person: it is what we listen at.
const REDIRECT_URIS: &str = "redirect_uris";

const METHOD: &str = "token_endpoint_auth_method";
const SECRET: &str = "client_secret";

/// A client that is registered already (RFC 7591, section 3.2.1).
#[derive(Debug, PartialEq, Eq)]
pub struct Info {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: Option<Secret>,
    /// `token_endpoint_auth_method`.
    pub auth: Option<ClientAuth>,
}

/// What to register with (RFC 7591, section 2).
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// What goes into the request, `redirect_uris` left out.
    pub members: Map<String, Value>,
    /// `scope`.
    pub scope: Option<String>,
    /// `token_endpoint_auth_method`.
    pub auth: Option<ClientAuth>,
}

/// Reads `--client-info`. Placeholders in its texts are replaced, whose values are no JSON.
///
/// # Errors
/// What is wrong, never with what may be secret.
pub fn info(text: &str, env: Env<'_>, secrets: &mut Vec<Secret>) -> Result<Info, String> {
    let members = object(text)?;
    let member = |name: &str| match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(value)) => {
            let value = headers::expand(value, name, env).map_err(|error| error.to_string())?;
            Ok(Some(value).filter(|value| !value.is_empty()))
        }
        Some(_) => Err(format!("{name} is no text")),
    };
    let id = member("client_id")?.ok_or("client_id is missing")?;
    let secret = member(SECRET)?.map(Secret::new);
    if let Some(secret) = &secret {
        secrets.push(secret.clone());
        let typed = members.get(SECRET).and_then(Value::as_str).unwrap_or_default();
        if !text.starts_with('@') && !typed.contains("${") {
            log::warn!(
                "--client-info: everybody on this machine can read the client_secret in the list of processes; \
                 write \"${{NAME}}\" with an environment variable, or give a file as @FILE"
            );
        }
    }
    let auth = member(METHOD)?.map(|name| method(&name)).transpose()?;
    match (auth, &secret) {
        (Some(ClientAuth::ClientSecretPost | ClientAuth::ClientSecretBasic), None) => {
            Err(format!("{METHOD} wants a client_secret, and there is none"))
        }
        _ => Ok(Info { id, secret, auth }),
    }
}

/// Reads `--client-metadata`.
///
/// # Errors
/// What is wrong.
pub fn metadata(text: &str) -> Result<Metadata, String> {
    let mut members = object(text)?;
    if members.remove(REDIRECT_URIS).is_some() {
        log::debug!("--client-metadata: {REDIRECT_URIS} are left out; see --callback-url");
    }
    let member = |name: &str| match members.get(name) {
        None => Ok(None),
        Some(Value::String(value)) => Ok(Some(value.clone())),
        Some(_) => Err(format!("{name} is no text")),
    };
    let scope = member("scope")?.filter(|scope| !scope.trim().is_empty());
    let auth = member(METHOD)?.map(|name| method(&name)).transpose()?;
    if scope.is_none() {
        members.remove("scope");
    }
    Ok(Metadata { members, scope, auth })
}

/// What can be done without more than an id and a secret.
fn method(name: &str) -> Result<ClientAuth, String> {
    match name {
        "none" => Ok(ClientAuth::None),
        "client_secret_post" => Ok(ClientAuth::ClientSecretPost),
        "client_secret_basic" => Ok(ClientAuth::ClientSecretBasic),
        _ => Err(format!("{METHOD} is none of none, client_secret_post and client_secret_basic")),
    }
}

/// The object in a text, or in the file that it names behind an `@`; at most [`MAX_SECRET`] bytes.
fn object(text: &str) -> Result<Map<String, Value>, String> {
    let read;
    let (json, place) = match text.strip_prefix('@') {
        Some(path) => {
            read = file::read(Path::new(path))?;
            (read.expose(), path)
        }
        None if text.len() > MAX_SECRET => {
            return Err(format!("it has more than {} KiB", MAX_SECRET >> 10));
        }
        None => (text, "it"),
    };
    // What the parser says may show a part of it.
    match serde_json::from_str(json) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(format!("{place} is no JSON object")),
        Err(error) => {
            Err(format!("{place} is not JSON: line {}, column {}", error.line(), error.column()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Info, String> {
        let env = |name: &str| (name == "FAKE_SECRET").then(|| "fake-\"secret".to_owned());
        info(text, &env, &mut Vec::new())
    }

    #[test]
    fn clients() {
        let plain = read(r#"{"client_id": "me", "redirect_uris": ["http://localhost"]}"#).unwrap();
        assert_eq!(plain, Info { id: "me".into(), secret: None, auth: None });
        let full = r#"{"client_id":"me","client_secret":"${FAKE_SECRET}",
            "token_endpoint_auth_method":"client_secret_post"}"#;
        let secret = Some(Secret::new("fake-\"secret".into()));
        let auth = Some(ClientAuth::ClientSecretPost);
        assert_eq!(read(full).unwrap(), Info { id: "me".into(), secret, auth });
        for wrong in [
            "fake-secret",
            "[\"fake-secret\"]",
            "{\"client_secret\":\"fake-secret\"}",
            "{\"client_id\":1,\"client_secret\":\"fake-secret\"}",
            "{\"client_id\":\"\"}",
            "{\"client_id\":\"me\",\"client_secret\":\"${UNSET}fake-secret\"}",
            "{\"client_id\":\"me\",\"token_endpoint_auth_method\":\"client_secret_basic\"}",
            "{\"client_id\":\"me\",\"token_endpoint_auth_method\":\"fake-secret\"}",
            "@/nowhere/client.json",
        ] {
            let error = read(wrong).unwrap_err();
            assert!(!error.contains("fake-secret"), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_to_register_with() {
        let text = r#"{"scope":"a b","client_name":"x","redirect_uris":["http://evil.example"],
            "token_endpoint_auth_method":"none","contacts":["a@b.example"]}"#;
        let found = metadata(text).unwrap();
        assert_eq!(found.scope.as_deref(), Some("a b"));
        assert_eq!(found.auth, Some(ClientAuth::None));
        assert!(!found.members.contains_key(REDIRECT_URIS) && found.members.len() == 4);
        assert_eq!(metadata("{\"scope\":\" \"}").unwrap(), Metadata::default());
        assert!(metadata(&format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_SECRET))).is_err());
        assert!(metadata("{\"scope\":[\"a\"]}").is_err());
    }

    #[test]
    fn files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.json");
        std::fs::write(&path, "{\"client_id\": \"me\"}\n").unwrap();
        assert_eq!(read(&format!("@{}", path.display())).unwrap().id, "me");
    }
}
