//! What it means when AWS refuses a request that is signed.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};

use super::place::Place;
use super::profiles::Origin;
use crate::limits::AWS_CLOCK;

/// What AWS calls an error: `ExpiredTokenException`.
fn error_type(headers: &HeaderMap) -> &str {
    let text = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
    text.unwrap_or_default().split(':').next().unwrap_or_default().trim()
}

/// The next step of a reader whose request was refused with this status, as a sentence.
pub fn advice(
    status: StatusCode,
    headers: &HeaderMap,
    place: &Place,
    renewal: &str,
) -> Option<String> {
    if !matches!(status.as_u16(), 400 | 401 | 403) {
        return None;
    }
    let Place { service, region } = place;
    let bearer = headers.get_all(header::WWW_AUTHENTICATE).iter().any(|field| {
        field.as_bytes().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"Bearer"))
    });
    Some(match error_type(headers) {
        _ if status == StatusCode::UNAUTHORIZED && bearer => {
            "the server wants OAuth and no AWS signature; leave out --aws-sigv4".to_owned()
        }
        "ExpiredToken" | "ExpiredTokenException" => {
            format!("the AWS credentials have expired; {renewal}")
        }
        "InvalidClientTokenId" | "UnrecognizedClientException" | "InvalidAccessKeyId" => {
            format!("AWS does not know these credentials; {renewal}")
        }
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "IncompleteSignatureException" => {
            format!(
                "signed for {service} in {region}; check --aws-service, --aws-region and the secret key"
            )
        }
        "MissingAuthenticationTokenException" => {
            "API Gateway says so for paths that it does not have; check the URL".to_owned()
        }
        _ if status == StatusCode::BAD_REQUEST => return None,
        _ => format!(
            "signed for {service} in {region}; check the IAM permissions, --aws-service and --aws-region"
        ),
    })
}

/// How the credentials of a profile are renewed, as a sentence.
pub fn renewal(origin: Origin, profile: &str) -> String {
    let profile = super::profiles::quoted(profile);
    match origin {
        Origin::Sso => format!("run: aws sso login --profile {profile}"),
        Origin::Login => format!("run: aws login --profile {profile}"),
        Origin::Process => {
            format!("run the credential_process of the profile {profile} by hand to see why")
        }
        Origin::Other => {
            format!("renew those of the profile {profile}, or name one by --aws-profile")
        }
        Origin::Missing => "name a profile by --aws-profile, or run: aws configure sso".to_owned(),
    }
}

/// How much the clock of the server is ahead of `ours`, in seconds, if that is so much that signatures are
/// refused for it.
pub fn clock(headers: &HeaderMap, ours: SystemTime) -> Option<i64> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let theirs = httpdate::parse_http_date(date).ok()?;
    let seconds = |ahead: Duration| i64::try_from(ahead.as_secs()).unwrap_or(i64::MAX);
    let ahead = match theirs.duration_since(ours) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration()),
    };
    (ahead.unsigned_abs() > AWS_CLOCK.as_secs()).then_some(ahead)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_aws_says_leads_to_a_next_step() {
        let place = Place { service: "execute-api".into(), region: "us-east-1".into() };
        let renewal = renewal(Origin::Sso, "work");
        let said = |status: u16, name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            advice(StatusCode::from_u16(status).unwrap(), &headers, &place, &renewal)
        };
        let error = |status, value| said(status, "x-amzn-errortype", value).unwrap_or_default();
        for (status, kind, step) in [
            (403, "ExpiredTokenException", "aws sso login --profile work"),
            (403, "ExpiredTokenException:http://internal.amazon.com/", "expired"),
            (403, "UnrecognizedClientException", "does not know"),
            (403, "InvalidSignatureException", "execute-api in us-east-1"),
            (403, "MissingAuthenticationTokenException", "check the URL"),
            (403, "AccessDeniedException", "IAM permissions"),
            (403, "", "IAM permissions"),
            (400, "IncompleteSignatureException", "secret key"),
        ] {
            let text = error(status, kind);
            assert!(text.contains(step), "{status} {kind}: {text}");
        }
        assert_eq!(said(400, "x-amzn-errortype", "ValidationException"), None);
        assert_eq!(said(404, "x-amzn-errortype", "ExpiredTokenException"), None);
        let text = said(401, "www-authenticate", "Bearer realm=\"x\"").unwrap();
        assert!(text.contains("leave out --aws-sigv4"));
    }

    #[test]
    fn only_a_clock_that_matters_is_corrected() {
        let ours = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        let ahead = |date: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::DATE, HeaderValue::from_static(date));
            clock(&headers, ours)
        };
        assert_eq!(ahead("Sun, 30 Aug 2015 12:36:00 GMT"), None);
        assert_eq!(ahead("Sun, 30 Aug 2015 12:39:00 GMT"), None);
        assert_eq!(ahead("Sun, 30 Aug 2015 13:36:00 GMT"), Some(3600));
        assert_eq!(ahead("Sun, 30 Aug 2015 12:26:00 GMT"), Some(-600));
        assert_eq!(ahead("yesterday"), None);
        assert_eq!(clock(&HeaderMap::new(), ours), None);
    }
}
