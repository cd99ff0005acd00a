//! The protected MCP server's part: refusals and metadata.

use serde_json::json;

use super::options::Options;
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
    let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let state = shared.state.lock().unwrap();
    let scope = token.and_then(|token| state.scope_of(token));
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
    refused.header("www-authenticate", &format!("Bearer {}", parameters.join(", ")))
}

fn insufficient(needed: &str) -> Reply {
    Reply::body(403, "text/plain", "not with this token").header(
        "www-authenticate",
        &format!("Bearer error=\"insufficient_scope\", scope=\"{needed}\""),
    )
}
