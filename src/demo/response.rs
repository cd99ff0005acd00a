//! Responses, made of a status and a body.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

use super::body::Body;

/// A response of the server.
pub type Response = http::Response<Body>;

/// A response that is nothing but a status.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::Whole(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// A response that is one JSON document.
pub fn json(status: StatusCode, document: String) -> Response {
    let mut response = Response::new(Body::Whole(document.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
