//! The requests of a sign-in with a code: for one (RFC 8628, section 3.1), and whether somebody has
//! entered it (section 3.4).

use oauth2::{
    DeviceAuthorizationUrl, RequestTokenError, Scope, StandardDeviceAuthorizationResponse,
};

use super::client::DEVICE_CODE;
use super::flow::Terms;
use super::held::now;
use super::polling::NotYet;
use super::token::{Proof, TokenError, Tokens};
use super::token_answer::WAITING;
use super::token_endpoint::{Door, Endpoint, Purpose};
use super::web::Web;
use crate::limits::{MAX_USER_CODE, MAX_VERIFICATION_URI};
use crate::secret::Secret;
use crate::store::record::DeviceRecord;

/// What a question whether somebody has entered the code has brought.
pub(super) enum Polled {
    Tokens(Tokens),
    NotYet(NotYet),
    /// The code is no good any more.
    Expired,
}

/// What Entra and others say where a code is no good any more; servers that have forgotten it call
/// it no grant.
const EXPIRED: [&str; 3] = ["expired_token", "code_expired", "invalid_grant"];

/// Asks for a code.
pub(super) async fn authorize(
    web: &Web,
    terms: &Terms,
    params: &[(String, String)],
) -> Result<DeviceRecord, TokenError> {
    let url = terms.metadata.device_authorization_endpoint.as_deref().unwrap_or_default();
    let endpoint = Endpoint::new(web, &terms.client, url)?;
    let oauth = endpoint
        .client(&terms.client)?
        .set_device_authorization_url(DeviceAuthorizationUrl::from_url(endpoint.url.clone()));
    let mut request = oauth.exchange_device_code();
    if let Some(scope) = terms.scope.as_deref().filter(|scope| !scope.is_empty()) {
        request = request.add_scope(Scope::new(scope.to_owned()));
    }
    if let Some(resource) = &terms.resource_parameter {
        request = request.add_extra_param("resource", resource.as_str());
    }
    for (name, value) in params {
        request = request.add_extra_param(name.as_str(), value.as_str());
    }
    let door = Door(&endpoint, Purpose::Device);
    let answer: Result<StandardDeviceAuthorizationResponse, _> = request.request_async(&door).await;
    let answer = answer.map_err(|error| match error {
        RequestTokenError::Parse(..) => endpoint.invalid(
            "its answer names no device code, no code to enter or no address to enter it at".into(),
        ),
        error => endpoint.error(error),
    })?;
    let device_code = Secret::new(answer.device_code().secret().clone());
    endpoint.learn(&device_code);
    // Foreign text that people are shown, and follow.
    let user_code = answer.user_code().secret().trim();
    let fit = !user_code.is_empty()
        && user_code.chars().count() <= MAX_USER_CODE
        && web.redactor().clean(user_code, MAX_USER_CODE) == user_code;
    if !fit {
        return Err(endpoint.invalid("the code to enter cannot be shown".into()));
    }
    let address = |text: &str| {
        let url = web.check(text).map_err(|failure| failure.message)?;
        let fits = url.as_str().len() <= MAX_VERIFICATION_URI;
        fits.then(|| url.to_string()).ok_or("the URL to enter the code at is too long".to_owned())
    };
    let verification_uri =
        address(answer.verification_uri()).map_err(|why| endpoint.invalid(why))?;
    let complete = answer.verification_uri_complete().map(|complete| address(complete.secret()));
    Ok(DeviceRecord {
        device_code,
        user_code: user_code.to_owned(),
        verification_uri,
        // One can do without.
        verification_uri_complete: complete.and_then(Result::ok),
        expires_at: now().saturating_add(answer.expires_in().as_secs()),
        interval: answer.interval().as_secs(),
    })
}

/// Asks whether somebody has entered the code.
pub(super) async fn poll(
    web: &Web,
    terms: &Terms,
    code: &Secret,
    params: &[(String, String)],
    proof: Option<Proof<'_>>,
) -> Result<Polled, TokenError> {
    let endpoint = Endpoint::new(web, &terms.client, &terms.token_endpoint)?.proving(proof);
    endpoint.learn(code);
    let form = question(terms, code, params);
    let answer = endpoint.ask_for(Purpose::Poll, &terms.client, form).await;
    match answer.and_then(|granted| endpoint.bearer(granted)) {
        Ok(tokens) => Ok(Polled::Tokens(tokens)),
        Err(TokenError::Transient(failure)) => {
            log::debug!("trying again: {failure}");
            Ok(Polled::NotYet(NotYet::Trouble(failure.retry_after)))
        }
        Err(TokenError::Refused { code, .. }) if WAITING.contains(&&*code) => {
            let slower = code == "slow_down";
            Ok(Polled::NotYet(if slower { NotYet::SlowDown } else { NotYet::Pending }))
        }
        Err(TokenError::Refused { code, .. }) if EXPIRED.contains(&&*code) => Ok(Polled::Expired),
        Err(error) => Err(error),
    }
}

/// The oauth2 crate asks only in a loop of its own, which no other process could go on with.
fn question(terms: &Terms, code: &Secret, params: &[(String, String)]) -> Vec<(String, String)> {
    let resource = terms.resource_parameter.as_deref().map(|resource| ("resource", resource));
    let fixed = [("grant_type", DEVICE_CODE), ("device_code", code.expose())];
    let form = fixed.into_iter().chain(resource);
    let form = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
    form.chain(params.iter().cloned()).collect()
}
