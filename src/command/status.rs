//! `mcp-tether auth status`: what is stored about sign-ins, and never a secret.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::{CommandError, say, stores};
use crate::auth::is_identity_provider;
use crate::cli::sign_in::StatusArgs;
use crate::config::enterprise::{self, Found};
use crate::config::{Env, Places, server_url, sign_in};
use crate::error::ExitCode;
use crate::json;
use crate::limits::{KEYRING_TIMEOUT, MAX_LOGGED_TEXT};
use crate::secret::{Redactor, shown};
use crate::store::{Entry, Store, StoreError, TokenRecord};

/// Prints one block for each sign-in, or one JSON object.
pub(super) async fn run(args: &StatusArgs, env: Env<'_>) -> Result<ExitCode, CommandError> {
    let store = stores(Places::find(env), sign_in::store_choice(args.store), KEYRING_TIMEOUT)?;
    let wanted = args.url.as_deref().map(|url| server_url(url, true)).transpose()?;
    let mut all = Vec::new();
    for entry in store.entries()? {
        let server = wanted.as_ref().is_none_or(|url| entry.server == shown(url));
        let profile = args.profile.as_ref().is_none_or(|profile| entry.profile == *profile);
        if server && profile {
            all.push(describe(&store, &entry).await);
        }
    }
    let found = !all.is_empty();
    let enterprise = enterprise::find(env);
    // What is stored is stored, whatever the file says.
    let trouble = enterprise.as_ref().err().map(ToString::to_string);
    let enterprise = enterprise.as_ref().ok().and_then(Option::as_ref);
    let enterprise = enterprise
        .filter(|file| wanted.as_ref().is_none_or(|url| file.enterprise.of(url).is_some()));
    if args.json {
        let mut report = json!({ "signIns": all });
        if let Some(file) = enterprise {
            report["enterprise"] = described(file);
        }
        if let Some(trouble) = &trouble {
            report["enterprise"] = json!({ "error": trouble });
        }
        say(&report.to_string())?;
        return Ok(code(found, wanted.is_some()));
    }
    if let Some(trouble) = &trouble {
        say(&format!("{}\n", Redactor::default().clean(trouble, MAX_LOGGED_TEXT)))?;
    }
    if let Some(file) = enterprise {
        let servers = patterns(file).join(", ");
        let issuer = Redactor::default().clean(&file.enterprise.provider.issuer, MAX_LOGGED_TEXT);
        let servers = Redactor::default().clean(&servers, MAX_LOGGED_TEXT);
        say(&format!("{} has {issuer} vouch for you at {servers}\n", file.path.display()))?;
    }
    if found {
        let blocks: Vec<String> = all.iter().map(text).collect();
        say(&blocks.join("\n\n"))?;
    } else {
        say(&match &wanted {
            Some(url) => format!("not signed in to {}", shown(url)),
            None => "nothing is stored".to_owned(),
        })?;
    }
    Ok(code(found, wanted.is_some()))
}

fn code(found: bool, wanted: bool) -> ExitCode {
    if found || !wanted { ExitCode::Success } else { ExitCode::Unauthorized }
}

/// The file of an administrator.
fn described(file: &Found) -> Value {
    json!({
        "file": file.path.to_string_lossy(),
        "issuer": file.enterprise.provider.issuer,
        "servers": patterns(file),
    })
}

fn patterns(file: &Found) -> Vec<&str> {
    let servers = file.enterprise.servers.iter().flat_map(|server| &server.patterns);
    servers.map(|pattern| pattern.text()).collect()
}

async fn describe(store: &Store, entry: &Entry) -> Value {
    let server = url::Url::parse(&entry.server).map(|url| shown(&url)).unwrap_or_default();
    let mut out = json!({
        "server": server,
        "profile": entry.profile,
        "issuer": entry.issuer,
        "clientId": entry.client_id,
        "resource": entry.resource,
        "store": json::of(&entry.vault),
    });
    match store.token(&entry.key).await {
        Ok(Some(record)) => describe_token(&mut out, &record),
        Ok(None) => out["error"] = json!("the token is missing; sign in again"),
        Err(StoreError::Locked { .. }) => out["error"] = json!("the keyring is locked"),
        Err(error) => out["error"] = json!(error.to_string()),
    }
    out
}

fn describe_token(out: &mut Value, record: &TokenRecord) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    out["scope"] = json!(record.scope);
    out["expiresAt"] = json!(record.expires_at);
    out["expired"] = json!(record.expires_at.is_some_and(|at| at <= now));
    out["refreshable"] = json!(record.refresh_token.is_some());
    let binding = record.dpop.as_ref();
    out["bound"] = json!(binding.is_some_and(|binding| binding.bound));
    out["sentAs"] = json!(match binding {
        Some(binding) if binding.bound && !binding.bearer => "DPoP",
        _ => "Bearer",
    });
    out["identityProvider"] = json!(is_identity_provider(&record.server));
    out["grant"] = json!(record.grant.as_deref().unwrap_or("authorization-code"));
}

/// One sign-in for people.
fn text(sign_in: &Value) -> String {
    let clean = |name: &str| match &sign_in[name] {
        Value::String(text) => Redactor::default().clean(text, MAX_LOGGED_TEXT),
        _ => "none".to_owned(),
    };
    let role = match &sign_in["identityProvider"] {
        Value::Bool(true) => ", an identity provider, which vouches for you at other servers",
        _ => "",
    };
    let expiry = match (sign_in["expiresAt"].as_u64(), sign_in["refreshable"] == true) {
        _ if sign_in["error"].is_string() => clean("error"),
        (None, _) => "the server names no expiry".to_owned(),
        (Some(at), refreshable) => {
            let date = httpdate::fmt_http_date(
                UNIX_EPOCH + std::time::Duration::from_secs(at.min(MAX_DATE)),
            );
            let what = if sign_in["expired"] == true { "expired" } else { "expires" };
            let then = match &sign_in["grant"] {
                _ if refreshable => "refreshed when needed",
                Value::String(grant) if grant != "authorization-code" => "then obtained anew",
                _ => "then sign in again",
            };
            format!("{what} {date}, {then}")
        }
    };
    let key = match (sign_in["bound"] == true, &sign_in["sentAs"]) {
        (true, Value::String(scheme)) if scheme == "DPoP" => {
            "\n  key     the token is bound to one (DPoP)"
        }
        (true, _) => "\n  key     the token is bound to one (DPoP), and sent as Bearer",
        (false, _) => "",
    };
    format!(
        "{} ({}){role}\n  issuer  {}\n  client  {}\n  grant   {}\n  scope   {}\n  token   {expiry}{key}\n  store   {}",
        clean("server"),
        clean("profile"),
        clean("issuer"),
        clean("clientId"),
        clean("grant"),
        clean("scope"),
        clean("store"),
    )
}

/// The last second that an HTTP date can name: the end of the year 9999.
const MAX_DATE: u64 = 253_402_300_799;
