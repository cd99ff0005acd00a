//! Files of other bridges, whatever is in them: nothing but texts that are there is told.
//!
//! Input: the file with the tokens, then after a zero byte the one with the client.
use std::path::Path;

use mcp_tether::foreign::{SignIn, mcp_remote, mcp_stdio, members};
use mcp_tether::secret::Secret;
use serde_json::Value;

/// One input.
pub fn run(input: &[u8]) {
    let (tokens, client) = match input.iter().position(|byte| *byte == 0) {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, &[][..]),
    };
    let Some(tokens) = members(tokens) else { return };
    let client = members(client);
    let mut there = Vec::new();
    texts(&Value::Object(tokens.clone()), &mut there);
    texts(&Value::Object(client.clone().unwrap_or_default()), &mut there);
    let whole = |found: Option<SignIn>| {
        let Some(found) = found else { return };
        let (id, secret) =
            found.client.map_or((None, None), |client| (Some(client.id), client.secret));
        let secrets = [Some(found.access_token), found.refresh_token, found.id_token, secret];
        let told = secrets.iter().flatten().map(Secret::expose);
        for text in told.chain(id.as_deref()).chain(found.scope.as_deref()) {
            assert!(!text.is_empty() && there.iter().any(|all| all.contains(text)), "{text}");
        }
    };
    whole(mcp_remote::sign_in(&tokens, client.as_ref(), u64::MAX, Path::new("")));
    whole(mcp_stdio::sign_in(&tokens, Path::new("")));
}

/// All texts in a value.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(elements) => elements.iter().for_each(|element| texts(element, found)),
        Value::Object(members) => members.values().for_each(|member| texts(member, found)),
        _ => {}
    }
}
