//! What the browser brings back (OAuth 2.1, section 4.1.2; RFC 9207; pure).

use super::callback::request::AuthorizationResponse;
use super::client::host;
use super::metadata::ServerMetadata;
use super::token_answer;
use crate::limits::{MAX_EXCERPT, MAX_LOGGED_TEXT};
use crate::secret::{Redactor, Secret};

/// Why there is no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The answer is not from the authorization server that was asked. What else it says is not
    /// shown.
    #[error("the sign-in was answered by {got}, not by {expected}; it is not used")]
    WrongIssuer {
        /// The recorded issuer.
        expected: String,
        /// `iss`.
        got: String,
    },
    /// The authorization server says that it names itself, and did not.
    #[error(
        "{expected} did not name itself in its answer (iss), though it says that it does; the answer is not used"
    )]
    MissingIssuer {
        /// The recorded issuer.
        expected: String,
    },
    /// The authorization server, or the person, refused.
    #[error("{host} refused the sign-in: {code}{description}")]
    Refused {
        /// The authorization server.
        host: String,
        /// `error`.
        code: String,
        /// `error_description`, in brackets, where there is one.
        description: String,
        /// It is `resource` that is not liked.
        resource: bool,
    },
    /// There is neither a code nor an error in it.
    #[error("{host} sent the browser back without a code; try again")]
    NoCode {
        /// The authorization server.
        host: String,
    },
}

impl ResponseError {
    /// It is the `resource` parameter that is not liked.
    pub fn rejects_resource(&self) -> bool {
        matches!(self, ResponseError::Refused { resource: true, .. })
    }
}

/// The parameters of a response whose `state` was right.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parameters<'a> {
    /// `code`.
    pub code: Option<&'a Secret>,
    /// `iss`.
    pub iss: Option<&'a str>,
    /// `error`.
    pub error: Option<&'a str>,
    /// `error_description`.
    pub error_description: Option<&'a str>,
    /// A person brought it, and not all of it: what is missing may have been there.
    pub partial: bool,
}

impl<'a> Parameters<'a> {
    /// Those of a response, of which a person has brought only a part, if it is `partial`.
    pub fn of(response: &'a AuthorizationResponse, partial: bool) -> Parameters<'a> {
        Parameters {
            code: response.code.as_ref(),
            iss: response.iss.as_deref(),
            error: response.error.as_deref(),
            error_description: response.error_description.as_deref(),
            partial,
        }
    }
}

/// The code. `iss` is compared first, as a string and nothing else (2026-07-28,
/// basic/authorization, "Authorization Response Validation").
///
/// # Errors
/// Why there is none.
pub fn check(
    response: Parameters<'_>,
    metadata: &ServerMetadata,
    redactor: &Redactor,
) -> Result<Secret, ResponseError> {
    let expected = || redactor.clean(&metadata.issuer, MAX_EXCERPT);
    match response.iss {
        Some(iss) if iss != metadata.issuer => {
            let got = redactor.clean(iss, MAX_EXCERPT);
            return Err(ResponseError::WrongIssuer { expected: expected(), got });
        }
        None if metadata.authorization_response_iss_parameter_supported && !response.partial => {
            return Err(ResponseError::MissingIssuer { expected: expected() });
        }
        _ => {}
    }
    if let Some(code) = response.error {
        let description = response.error_description.unwrap_or_default();
        let shown = redactor.clean(description, MAX_LOGGED_TEXT);
        return Err(ResponseError::Refused {
            host: host(metadata),
            code: redactor.clean(code, MAX_EXCERPT),
            description: if shown.is_empty() {
                shown
            } else {
                format!(" (\u{201c}{shown}\u{201d})")
            },
            resource: token_answer::rejects_resource(code, description),
        });
    }
    let code = response.code.filter(|code| !code.expose().is_empty()).cloned();
    code.ok_or_else(|| ResponseError::NoCode { host: host(metadata) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://as.example";

    fn outcome(
        advertised: bool,
        iss: Option<&str>,
        error: Option<&str>,
    ) -> Result<Secret, ResponseError> {
        let metadata = ServerMetadata {
            issuer: ISSUER.into(),
            authorization_response_iss_parameter_supported: advertised,
            ..ServerMetadata::default()
        };
        let code = Secret::new("fake-code".into());
        let response = Parameters {
            code: error.is_none().then_some(&code),
            iss,
            error,
            error_description: error.map(|_| "fake \u{1b} text"),
            partial: false,
        };
        check(response, &metadata, &Redactor::default())
    }

    #[test]
    fn the_table_of_the_specification() {
        for advertised in [true, false] {
            assert!(outcome(advertised, Some(ISSUER), None).is_ok());
            for wrong in [
                "https://as.example/",
                "https://AS.example",
                "https://as.example:443",
                "",
                "https://evil.example",
            ] {
                let error = outcome(advertised, Some(wrong), Some("access_denied")).unwrap_err();
                assert!(matches!(error, ResponseError::WrongIssuer { .. }), "{wrong}");
                assert!(!error.to_string().contains("access_denied"));
            }
        }
        assert!(outcome(false, None, None).is_ok());
        let missing = outcome(true, None, Some("access_denied")).unwrap_err();
        assert!(matches!(missing, ResponseError::MissingIssuer { .. }));
    }

    #[test]
    fn refusals_are_told() {
        let error = outcome(false, None, Some("access_denied")).unwrap_err().to_string();
        assert!(error.contains("as.example") && error.contains("access_denied"));
        assert!(error.contains("text"));
        assert!(!error.contains('\u{1b}'));
        assert!(outcome(false, None, Some("invalid_target")).unwrap_err().rejects_resource());
        let nothing =
            check(Parameters::default(), &ServerMetadata::default(), &Redactor::default());
        assert!(matches!(nothing, Err(ResponseError::NoCode { .. })));
        // Whoever sends an error and a code does not mean the code.
        let code = Secret::new("fake-code".into());
        let both = Parameters { code: Some(&code), error: Some("x"), ..Parameters::default() };
        let both = check(both, &ServerMetadata::default(), &Redactor::default());
        assert!(matches!(both, Err(ResponseError::Refused { .. })));
    }
}
