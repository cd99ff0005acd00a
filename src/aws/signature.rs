//! The signature of one request (AWS Signature Version 4).

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use url::Url;

use super::place::Place;

/// Header fields that carry a signature, or belong to one.
pub const DATE: HeaderName = HeaderName::from_static("x-amz-date");
/// Of temporary credentials.
pub const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Why a request cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// A header that is to be signed.
    #[error("the header {0} cannot be signed: it is not text")]
    Header(HeaderName),
    /// The library.
    #[error("the request cannot be signed: {0}")]
    Library(String),
}

/// Signs a request: adds `Authorization`, `X-Amz-Date` and, for temporary credentials,
/// `X-Amz-Security-Token`, in the place of any that are there. `body` is what is sent, whole.
///
/// The host, the content type and whatever AWS gives a meaning to are part of it, as the specification
/// asks for; what MCP gives a meaning to is not, so that a proxy may add to it.
///
/// # Errors
/// See [`SignatureError`].
pub fn add(
    method: &Method,
    url: &Url,
    headers: &mut HeaderMap,
    body: &[u8],
    credentials: &Credentials,
    place: &Place,
    time: SystemTime,
) -> Result<(), SignatureError> {
    for name in [header::AUTHORIZATION, DATE, TOKEN] {
        headers.remove(name);
    }
    let mut signed = Vec::new();
    for (name, value) in &*headers {
        if is_signed(name) {
            let value = std::str::from_utf8(value.as_bytes())
                .map_err(|_| SignatureError::Header(name.clone()))?;
            signed.push((name.as_str(), value));
        }
    }
    for (name, value) in fields(method, url, signed, body, credentials, place, time)? {
        headers.insert(name, value);
    }
    Ok(())
}

fn is_signed(name: &HeaderName) -> bool {
    name == header::HOST || name == header::CONTENT_TYPE || name.as_str().starts_with("x-amz")
}

/// The header fields that make a request with the header fields `signed` a signed one.
fn fields<'a>(
    method: &'a Method,
    url: &'a Url,
    signed: Vec<(&'a str, &'a str)>,
    body: &'a [u8],
    credentials: &Credentials,
    place: &'a Place,
    time: SystemTime,
) -> Result<Vec<(HeaderName, HeaderValue)>, SignatureError> {
    let library = |error: &dyn std::error::Error| SignatureError::Library(error.to_string());
    let identity = credentials.clone().into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&place.region)
        .name(&place.service)
        .time(time)
        // Paths are encoded twice, as every service but S3 expects it.
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| library(&error))?
        .into();
    let body = SignableBody::Bytes(body);
    let request = SignableRequest::new(method.as_str(), url.as_str(), signed.into_iter(), body)
        .map_err(|error| library(&error))?;
    let (instructions, _) = sign(request, &params).map_err(|error| library(&error))?.into_parts();
    let mut fields = Vec::new();
    for (name, value) in instructions.headers() {
        let name = HeaderName::try_from(name).map_err(|error| library(&error))?;
        let mut value = HeaderValue::try_from(value).map_err(|error| library(&error))?;
        value.set_sensitive(name != DATE);
        fields.push((name, value));
    }
    Ok(fields)
}

#[cfg(test)]
mod tests;
