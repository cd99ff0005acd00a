//! The protected MCP server's part: refusals and metadata.

use serde_json::json;

use super::issuer::State;
use super::options::Options;
use super::proofs::Lack;
use super::{Shared, endpoint, issuer};
use crate::support::{Reply, Request};

/// What an MCP server says to this request, unless it lets it pass.
pub fn answer(shared: &Shared, request: &Request) -> Option<Reply> {
    let path = request.uri.path();
    if endpoint(path).is_some() {
        let options = shared.options.lock().unwrap();
        let at_mcp = options.at_mcp;
        if options.prm == Some(path) {
            return Some(metadata(shared, &options));
        }
        drop(options);
        return if at_mcp { issuer::answer(shared, true, request) } else { None };
    }
    let options = shared.options.lock().unwrap();
    let credential = request.header("authorization").and_then(|value| value.split_once(' '));
    let mut state = shared.state.lock().unwrap();
    if let Some((scheme, token)) = credential
        && let Some(refusal) = possession(shared, &options, &mut state, request, scheme, token)
    {
        return Some(refusal);
    }
    let scope = credential.and_then(|(_, token)| state.scope_of(token));
    match scope {
        None if (options.guards)(request) => Some(challenge(shared, &options)),
        Some(scope) => {
            let (_, needed) = options.needs_scope.filter(|(kind, _)| *kind == request.kind)?;
            let has = |wanted: &str| scope.split(' ').any(|scope| scope == wanted);
            (!needed.split(' ').all(has)).then(|| insufficient(needed))
        }
        None => None,
    }
}

/// Refuses a token that is not sent as it should be.
fn possession(
    shared: &Shared,
    options: &Options,
    state: &mut State,
    request: &Request,
    scheme: &str,
    token: &str,
) -> Option<Reply> {
    let nonce = options.proofs.resource_nonce;
    let refuse = |error: &str| {
        let field = format!("DPoP error=\"{error}\", algs=\"ES256\"");
        Reply::body(401, "text/plain", "no").header("www-authenticate", &field)
    };
    match (scheme, options.proofs.demands) {
        ("Bearer", true) if state.keys.of.contains_key(token) => Some(refuse("invalid_token")),
        ("Bearer", _) => None,
        ("DPoP", true) => {
            let url = format!("{}{}", shared.mcp, request.uri.path());
            match state.keys.check(request, &url, Some(token), nonce) {
                Ok(jkt) => {
                    (state.keys.of.get(token) != Some(&jkt)).then(|| refuse("invalid_token"))
                }
                Err(Lack::Proof) => Some(refuse("invalid_dpop_proof")),
                Err(Lack::Nonce) => {
                    Some(refuse("use_dpop_nonce").header("dpop-nonce", nonce.unwrap_or_default()))
                }
            }
        }
        // Unknown here.
        _ => Some(challenge(shared, options)),
    }
}

fn metadata(shared: &Shared, options: &Options) -> Reply {
    let mut document = json!({
        "resource": options.resource.clone().unwrap_or_else(|| shared.server()),
        "authorization_servers":
            options.issuers.clone().unwrap_or_else(|| vec![shared.issuer(options)]),
    });
    if let Some(scopes) = &options.resource_scopes {
        document["scopes_supported"] = json!(scopes);
    }
    Reply::json(document.to_string())
}

fn challenge(shared: &Shared, options: &Options) -> Reply {
    let refused = Reply::body(401, "text/plain", "who are you?");
    if let Some(fields) = &options.challenge {
        let add = |reply: Reply, field: &String| reply.header("www-authenticate", field);
        return fields.iter().fold(refused, add);
    }
    let mut parameters = vec!["realm=\"it\"".to_owned()];
    if let Some(path) = options.prm.filter(|_| options.hint) {
        parameters.push(format!("resource_metadata=\"{}{path}\"", shared.mcp));
    }
    if let Some(scope) = options.challenge_scope {
        parameters.push(format!("scope=\"{scope}\""));
    }
    let scheme = if options.proofs.demands { "DPoP" } else { "Bearer" };
    refused.header("www-authenticate", &format!("{scheme} {}", parameters.join(", ")))
}

fn insufficient(needed: &str) -> Reply {
    Reply::body(403, "text/plain", "not with this token").header(
        "www-authenticate",
        &format!("Bearer error=\"insufficient_scope\", scope=\"{needed}\""),
    )
}
