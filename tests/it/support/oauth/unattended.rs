//! Grants that need nobody, at the authorization server.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::Value;

use super::issuer::{Grant, State, refusal};
use super::options::Options;
use crate::support::Reply;

/// What a request is granted for, if it is one of these grants.
pub fn grant(
    options: &Options,
    state: &mut State,
    parameters: &HashMap<String, String>,
) -> Option<Result<Grant, Reply>> {
    let get = |name: &str| parameters.get(name).map_or("", String::as_str);
    let kind = get("grant_type");
    let known = match kind {
        "client_credentials" => true,
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
            let assertion = get("assertion");
            state.secrets.push(assertion.to_owned());
            options.assertions.contains(&assertion)
        }
        _ => return None,
    };
    if !options.unattended {
        return Some(Err(refusal(400, "unsupported_grant_type", "not here")));
    }
    if !known {
        return Some(Err(refusal(400, "invalid_grant", "not this assertion")));
    }
    Some(Ok(Grant { request: parameters.clone(), scope: get("scope").to_owned() }))
}

/// The client that has signed an assertion about itself (RFC 7523, section 3), as it has to.
pub fn signed(
    options: &Options,
    state: &mut State,
    issuer: &str,
    parameters: &HashMap<String, String>,
) -> Option<String> {
    let assertion = parameters.get("client_assertion")?;
    state.secrets.push(assertion.clone());
    let kind = parameters.get("client_assertion_type").map(String::as_str);
    if kind != Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") {
        state.breach(format!("client_assertion_type {kind:?}"));
    }
    if parameters.contains_key("client_secret") {
        state.breach("the client proves itself twice");
    }
    let (signed, signature) = assertion.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let json = |part: &str| serde_json::from_slice::<Value>(&decoded(part)?).ok();
    let (header, claims) = (json(header)?, json(claims)?);
    let id = claims["sub"].as_str()?.to_owned();
    let (_, point) = options.keys.iter().find(|(known, _)| *known == id)?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(signed.as_bytes(), &decoded(signature)?)
        .ok()?;
    if header["alg"] != "ES256" || claims["iss"] != *id || claims["aud"] != issuer {
        state.breach(format!("the client assertion says {header} {claims}"));
    }
    let life = claims["exp"].as_u64()? - claims["iat"].as_u64()?;
    if life > 300 {
        state.breach(format!("the client assertion lives {life} s"));
    }
    let jti = claims["jti"].as_str()?.to_owned();
    if !state.assertions.insert(jti) {
        state.breach("the client assertion is sent twice");
    }
    Some(id)
}
