//! A request to the sign-in callback, cut anywhere: only one that holds the state is accepted, and
//! what has been decided stands whatever follows.
//!
//! Input: a byte for where it is cut, then the bytes of the request.
use mcp_tether::auth::callback::request::{Expected, Verdict, parse};
use mcp_tether::secret::Secret;

const STATE: &str = "st";

/// One input.
pub fn run(input: &[u8]) {
    let [cut, head @ ..] = input else {
        return;
    };
    let hosts = ["a:1".to_owned()];
    let state = Secret::new(STATE.to_owned());
    let expected = Expected { hosts: &hosts, path: "/c", state: &state };
    let whole = parse(head, &expected);
    if let Verdict::Accept(response) = &whole {
        assert!(head.trim_ascii_start().starts_with(b"GET /c?"), "method and path");
        assert!(head.windows(5).any(|field| field.eq_ignore_ascii_case(b"host:")), "host");
        let texts = [&response.iss, &response.error, &response.error_description];
        assert!(texts.iter().all(|text| text.as_deref() != Some("")), "no value is none");
    }
    let early = parse(&head[..head.len().min(usize::from(*cut))], &expected);
    assert!(early == Verdict::More || early == whole, "{early:?}, then {whole:?}");
}
