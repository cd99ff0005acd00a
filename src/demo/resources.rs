//! The resources that the server offers.

use serde_json::Value;

use super::revision::Revision;
use super::rpc::{RESOURCE_NOT_FOUND, RpcError};
use super::session::Contents;
use crate::json;

/// Items on one page of `resources/list`: fewer than there are, so that there is a second page.
pub const PAGE: usize = 3;

/// The resource that `touch_resource` changes.
pub const COUNTER: &str = "demo://counter";
const README: &str = "demo://readme";
/// What the URIs of the planets begin with.
const PLANET: &str = "demo://planet/";

/// The planets, with their distance from the sun in millions of kilometres.
pub const PLANETS: [(&str, &str); 8] = [
    ("mercury", "58"),
    ("venus", "108"),
    ("earth", "150"),
    ("mars", "228"),
    ("jupiter", "778"),
    ("saturn", "1434"),
    ("uranus", "2871"),
    ("neptune", "4495"),
];

/// The planets that are listed as resources; the template reaches the others.
const LISTED: [&str; 3] = ["venus", "earth", "mars"];

const README_TEXT: &str = "\
This is the demo server of mcp-tether. Its contents belong to your session alone.

- demo://counter counts the calls of the tool touch_resource; subscribe to it to be told.
- demo://planet/{name} is a template for the eight planets.
- resources/list comes in pages: follow nextCursor to see all of it.
";

fn entry(
    revision: Revision,
    uri: &str,
    name: &str,
    title: &str,
    description: &str,
    mime: &str,
) -> Value {
    let mut entry = json!({"uri": uri, "name": name, "description": description, "mimeType": mime});
    if revision.has_titles_and_structured_results() {
        entry["title"] = title.into();
    }
    entry
}

/// The entries of `resources/list`.
pub fn list(revision: Revision) -> Vec<Value> {
    let mut entries = vec![
        entry(revision, README, "readme", "Read me", "What there is to see here", "text/plain"),
        entry(
            revision,
            COUNTER,
            "counter",
            "Counter",
            "How often touch_resource was called in this session",
            "application/json",
        ),
    ];
    entries.extend(LISTED.iter().map(|name| {
        entry(revision, &format!("{PLANET}{name}"), name, name, "A planet", "text/plain")
    }));
    entries
}

/// The entries of `resources/templates/list`.
pub fn templates(revision: Revision) -> Vec<Value> {
    let mut template = json!({
        "uriTemplate": format!("{PLANET}{{name}}"),
        "name": "planet",
        "description": "One of the eight planets, by its English name in lower case",
        "mimeType": "text/plain",
    });
    if revision.has_titles_and_structured_results() {
        template["title"] = "Planet".into();
    }
    vec![template]
}

/// The result of `resources/read`.
///
/// # Errors
/// [`RESOURCE_NOT_FOUND`].
pub fn read(uri: &str, contents: &Contents) -> Result<Value, RpcError> {
    let (mime, text) = match uri {
        README => ("text/plain", README_TEXT.to_owned()),
        COUNTER => ("application/json", json!({"touches": contents.touches}).to_string()),
        _ => ("text/plain", planet(uri).ok_or_else(|| not_found(uri))?),
    };
    Ok(json!({"contents": [{"uri": uri, "mimeType": mime, "text": text}]}))
}

/// Whether there is such a resource.
///
/// # Errors
/// [`RESOURCE_NOT_FOUND`].
pub fn check(uri: &str) -> Result<(), RpcError> {
    let exists = [README, COUNTER].contains(&uri) || planet(uri).is_some();
    exists.then_some(()).ok_or_else(|| not_found(uri))
}

fn planet(uri: &str) -> Option<String> {
    let name = uri.strip_prefix(PLANET)?;
    let (_, distance) = PLANETS.iter().find(|(planet, _)| *planet == name)?;
    Some(format!("{name}: {distance} million kilometres from the sun."))
}

fn not_found(uri: &str) -> RpcError {
    RpcError {
        code: RESOURCE_NOT_FOUND,
        message: "Resource not found".into(),
        data: Some(json!({ "uri": uri })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_resource_and_every_planet_can_be_read() {
        let contents = Contents::default();
        let listed = list(Revision::LATEST);
        assert!(listed.len() > PAGE, "there must be a second page");
        let listed = listed.iter().map(|entry| entry["uri"].as_str().unwrap().to_owned());
        let planets = PLANETS.iter().map(|(name, _)| format!("{PLANET}{name}"));
        for uri in listed.chain(planets) {
            assert_eq!(read(&uri, &contents).unwrap()["contents"][0]["uri"], uri.as_str());
            assert_eq!(check(&uri), Ok(()));
        }
    }

    #[test]
    fn what_does_not_exist_is_not_found() {
        for uri in ["", "demo://planet/", "demo://planet/pluto", "file:///etc/passwd"] {
            assert_eq!(read(uri, &Contents::default()).unwrap_err().code, RESOURCE_NOT_FOUND);
            assert_eq!(check(uri).unwrap_err().data, Some(json!({ "uri": uri })));
        }
    }
}
