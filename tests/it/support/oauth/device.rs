//! Sign-ins with a code (RFC 8628).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::issuer::{Grant, Parameters, State, authenticated, refusal};
use super::options::{Options, patched};
use super::{Realm, Shared, form};
use crate::support::{Reply, Request};

/// The grant type.
pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// How codes are given out.
#[derive(Clone, Debug)]
pub struct Codes {
    /// Seconds between two questions.
    pub interval: u64,
    /// Members of the answer that differ; `null` removes one.
    pub answer: Value,
    /// Whether the person agrees at once.
    pub agreed: bool,
}

impl Default for Codes {
    fn default() -> Codes {
        Codes { interval: 1, answer: json!({}), agreed: false }
    }
}

/// A code that was given out.
pub struct Waiting {
    /// What the person enters.
    pub user_code: String,
    /// What they have said.
    pub said: Option<bool>,
    /// When it was asked about last.
    pub asked: Instant,
    grant: Grant,
}

/// Gives out a code.
pub fn authorize(
    shared: &Shared,
    options: &Options,
    state: &mut State,
    request: &Request,
) -> Reply {
    let parameters: Parameters = form(request.text());
    let Some(id) = authenticated(options, state, request, &parameters) else {
        return refusal(401, "invalid_client", "who is this?");
    };
    if !parameters.contains_key("client_id") && request.header("authorization").is_none() {
        state.breach("no client_id in the device authorization request");
    }
    let codes = options.device.clone().unwrap_or_default();
    let device_code = state.new_secret("device-code");
    let user_code = format!("FAKE-{:04}", state.devices.len() + 1);
    let at = format!("{}/enter", shared.issuer(options));
    let scope = parameters.get("scope").cloned().unwrap_or_default();
    let mut request = parameters;
    request.insert("client_id".into(), id);
    let waiting = Waiting {
        user_code: user_code.clone(),
        said: codes.agreed.then_some(true),
        asked: Instant::now(),
        grant: Grant { request, scope },
    };
    state.devices.insert(device_code.clone(), waiting);
    let body = json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": at,
        "verification_uri_complete": format!("{at}?user_code={user_code}"),
        "expires_in": 600,
        "interval": codes.interval,
    });
    Reply::json(patched(body, &codes.answer).to_string())
}

/// Whether the person has agreed.
pub fn poll(options: &Options, state: &mut State, code: &str) -> Result<Grant, &'static str> {
    let interval = options.device.clone().unwrap_or_default().interval;
    let Some(waiting) = state.devices.get_mut(code) else { return Err("expired_token") };
    let pause = waiting.asked.elapsed();
    waiting.asked = Instant::now();
    let (said, grant) = (waiting.said, waiting.grant.clone());
    // A little less is nobody's fault.
    if pause + Duration::from_millis(100) < Duration::from_secs(interval) {
        state.breach(format!("asked again after {pause:?}"));
    }
    match said {
        None => Err("authorization_pending"),
        Some(false) => Err("access_denied"),
        Some(true) => {
            state.devices.remove(code);
            Ok(grant)
        }
    }
}

impl Realm {
    /// With an authorization server that gives out codes.
    pub fn with_codes(change: impl FnOnce(&mut Codes)) -> Realm {
        let mut codes = Codes::default();
        change(&mut codes);
        Realm::with(|o| o.device = Some(codes))
    }

    /// What the person says who has entered a code.
    #[track_caller]
    pub fn enter(&self, user_code: &str, agreed: bool) {
        self.state(|state| {
            let mut all = state.devices.values_mut();
            let waiting = all.find(|waiting| waiting.user_code == user_code);
            waiting.expect("a code that was given out").said = Some(agreed);
        });
    }

    /// How often it was asked whether somebody has entered a code.
    pub fn polls(&self) -> usize {
        let is_poll = |form: &&Parameters| form["grant_type"] == GRANT;
        self.token_requests().iter().filter(is_poll).count()
    }
}

/// The code that stderr names last.
pub fn printed_code(stderr: &str) -> Option<String> {
    let whole = stderr.rfind('\n').map_or("", |end| &stderr[..end]);
    let line = whole.lines().rfind(|line| line.contains("mcp-tether: to sign in to "))?;
    let (_, rest) = line.split_once(" enter the code ")?;
    rest.split(' ').next().map(str::to_owned)
}
