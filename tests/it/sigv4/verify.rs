//! A verifier of signatures, written from the specification ("AWS Signature Version 4 for API requests",
//! IAM User Guide): it shares nothing with what signs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use ring::{digest, hmac};

use crate::support::Request;

/// Somebody who may come in.
#[derive(Clone)]
pub struct Key {
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
}

/// Who decides.
pub struct Verifier {
    pub keys: Mutex<Vec<Key>>,
    /// Seconds by which its clock is ahead.
    pub ahead: AtomicI64,
    pub service: &'static str,
    pub region: &'static str,
}

/// What AWS calls the error, and a message.
type Refusal = (&'static str, String);

impl Verifier {
    pub fn now(&self) -> SystemTime {
        let ahead = self.ahead.load(Ordering::SeqCst);
        let by = Duration::from_secs(ahead.unsigned_abs());
        if ahead < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    }

    /// Whether a request may come in.
    pub fn judge(&self, request: &Request) -> Result<(), Refusal> {
        let wrong = |text: &str| ("IncompleteSignatureException", text.to_owned());
        let authorization = request.header("authorization").ok_or(wrong("no Authorization"))?;
        let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or(wrong("algorithm"))?;
        let part = |name: &str| {
            let mut parts = rest.split(", ").filter_map(|part| part.strip_prefix(name));
            parts.next().and_then(|part| part.strip_prefix('=')).ok_or(wrong(name))
        };
        let (credential, names, signature) =
            (part("Credential")?, part("SignedHeaders")?, part("Signature")?);
        let date = request.header("x-amz-date").ok_or(wrong("no date"))?;
        let (id, scope) = credential.split_once('/').ok_or(wrong("Credential"))?;
        let expected = format!("{}/{}/{}/aws4_request", &date[..8], self.region, self.service);
        if scope != expected {
            return Err(("InvalidSignatureException", format!("scope {scope}")));
        }
        let keys = self.keys.lock().unwrap();
        let key = keys.iter().find(|key| key.id == id);
        let key = key.ok_or(("UnrecognizedClientException", "unknown key".to_owned()))?;
        if key.token.as_deref() != request.header("x-amz-security-token") {
            return Err(("UnrecognizedClientException", "token".to_owned()));
        }
        let signed: Vec<&str> = names.split(';').collect();
        if !signed.is_sorted() || !signed.contains(&"host") {
            return Err(wrong("SignedHeaders"));
        }
        for name in request.headers.keys().filter(|name| name.as_str().starts_with("x-amz-")) {
            if !signed.contains(&name.as_str()) {
                return Err(wrong(name.as_str()));
            }
        }
        let canonical = canonical(request, &signed);
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hash(canonical.as_bytes()));
        let mut secret = format!("AWS4{}", key.secret).into_bytes();
        for step in scope.split('/').chain([&*to_sign]) {
            secret = mac(&secret, step.as_bytes());
        }
        if hex(&secret) != signature {
            return Err(("InvalidSignatureException", "does not match".to_owned()));
        }
        let theirs = seconds(date).ok_or(wrong("date"))?;
        let ours = self.now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        if ours.abs_diff(theirs) > 300 {
            return Err(("InvalidSignatureException", "Signature expired".to_owned()));
        }
        Ok(())
    }
}

fn canonical(request: &Request, signed: &[&str]) -> String {
    let mut text = format!("{}\n", request.http);
    // Every segment as it was sent, encoded once more.
    text.push_str(&encode(request.uri.path().as_bytes(), b"/"));
    text.push('\n');
    let mut query: Vec<(String, String)> = Vec::new();
    for pair in request.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let again = |text: &str| {
            encode(&percent_encoding::percent_decode_str(text).collect::<Vec<u8>>(), b"")
        };
        query.push((again(name), again(value)));
    }
    query.sort();
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    text.push_str(&query.join("&"));
    text.push('\n');
    for name in signed {
        let values: Vec<String> = request
            .headers
            .get_all(*name)
            .iter()
            .map(|value| {
                let words = value.to_str().unwrap().split(' ').filter(|word| !word.is_empty());
                words.collect::<Vec<_>>().join(" ")
            })
            .collect();
        let host = request.uri.authority().map(|authority| authority.as_str().to_owned());
        let value = match (*name, values.is_empty()) {
            // HTTP/2 has it elsewhere.
            ("host", true) => host.unwrap_or_default(),
            _ => values.join(","),
        };
        text.push_str(&format!("{name}:{value}\n"));
    }
    text.push_str(&format!("\n{}\n{}", signed.join(";"), hash(&request.body)));
    text
}

/// What is not unreserved (RFC 3986) becomes `%XX`.
fn encode(bytes: &[u8], also: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || also.contains(byte) {
            text.push(char::from(*byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

/// `20150830T123600Z` in seconds since 1970.
fn seconds(date: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| date.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (hour, minute, second) = (number(9..11)?, number(11..13)?, number(13..15)?);
    let leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let mut days: u64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    days += lengths.iter().take(usize::try_from(month).ok()? - 1).sum::<u64>() + day - 1;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[test]
fn the_example_of_aws_is_verified() {
    // `get-vanilla` of the published test suite.
    let mut headers = http::HeaderMap::new();
    for (name, value) in [
        ("host", "example.amazonaws.com"),
        ("x-amz-date", "20150830T123600Z"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
    ] {
        headers.insert(name, http::HeaderValue::from_static(value));
    }
    let mut request = Request {
        at: std::time::Instant::now(),
        http: http::Method::GET,
        uri: http::Uri::from_static("/"),
        version: http::Version::HTTP_11,
        headers,
        body: bytes::Bytes::new(),
        certificate: None,
        kind: String::new(),
        id: None,
    };
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160 + 60);
    let behind = SystemTime::now().duration_since(then).unwrap().as_secs();
    let key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let verifier = Verifier {
        keys: Mutex::new(vec![Key { id: "AKIDEXAMPLE".into(), secret: key.into(), token: None }]),
        ahead: AtomicI64::new(-i64::try_from(behind).unwrap()),
        service: "service",
        region: "us-east-1",
    };
    assert_eq!(verifier.judge(&request), Ok(()));
    request.body = "x".into();
    assert_eq!(verifier.judge(&request).unwrap_err().0, "InvalidSignatureException");
    request.body = bytes::Bytes::new();
    verifier.ahead.store(0, Ordering::SeqCst);
    assert_eq!(verifier.judge(&request).unwrap_err().1, "Signature expired");
}
