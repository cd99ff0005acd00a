//! The JSON schema of the file, for editors (draft 7, which those for TOML understand).

use serde_json::{Map, Value};

use super::keys::{Key, Kind, keys};
use crate::json;
use crate::limits::{MAX_NAMED_SERVERS, MAX_SERVER_NAME};
use crate::order;

/// The schema, with a line feed at its end.
pub fn schema() -> String {
    let url = json!({ "description": "The MCP endpoint to connect to (https, or http on this machine)", "type": "string" });
    let definitions: Map<String, Value> =
        order::map(keys().iter().map(|key| (key.name.clone(), definition(key))));
    let mut server = table("A server.", "");
    server["required"] = json!(["url"]);
    server["properties"]["url"] = url;
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "config.toml of mcp-tether",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "defaults": table("For every server.", ""),
            "servers": {
                "description": "The servers, by the names that stand for them on a command line.",
                "type": "object",
                "maxProperties": MAX_NAMED_SERVERS,
                "propertyNames": {
                    "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]*$",
                    "maxLength": MAX_SERVER_NAME,
                },
                "additionalProperties": server,
            },
        },
        "definitions": definitions,
    });
    format!("{schema:#}\n")
}

/// The table of all keys that begin with `prefix`.
fn table(description: &str, prefix: &str) -> Value {
    let mut properties = Map::new();
    for key in keys() {
        let Some(rest) = key.name.strip_prefix(prefix) else { continue };
        match rest.split_once('.') {
            None => {
                let reference = format!("#/definitions/{}", key.name);
                properties.insert(rest.to_owned(), json!({ "$ref": reference }));
            }
            Some((group, _)) => {
                let inside = table("Of what the client gets to see.", &format!("{prefix}{group}."));
                properties.insert(group.to_owned(), inside);
            }
        }
    }
    json!({
        "description": description,
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

fn definition(key: &Key) -> Value {
    let text = json!({ "type": "string" });
    let several = |one: &Value| json!({ "anyOf": [one, { "type": "array", "items": one }] });
    let mut out = match key.kind {
        Kind::Switch => json!({ "type": "boolean" }),
        Kind::Choice => json!({ "enum": key.choices }),
        Kind::Duration => {
            json!({ "type": "string", "pattern": "^\\s*[0-9.]+\\s*(ms|s|m|min|h)?\\s*$" })
        }
        Kind::Size => {
            json!({ "type": "string", "pattern": "^\\s*[0-9.]+\\s*([bB]|[kKmMgG]([iI]?[bB])?)?\\s*$" })
        }
        Kind::Reference => json!({ "type": "string", "pattern": "^(env|file|keyring|command):." }),
        Kind::Headers => json!({ "type": "object", "additionalProperties": several(&text) }),
        Kind::Parameters => json!({ "type": "object", "additionalProperties": text }),
        Kind::Path | Kind::Text if key.many => several(&text),
        Kind::Path | Kind::Text => text,
    };
    if key.optional {
        out = json!({ "anyOf": [out, { "type": "boolean" }] });
    }
    out["description"] = json!(key.help);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_schema_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.schema.json");
        if std::env::var_os("MCP_TETHER_RENEW").is_some() {
            std::fs::write(path, schema()).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap_or_default().replace("\r\n", "\n");
        let hint = "MCP_TETHER_RENEW=1 cargo test --lib config::file renews it";
        assert!(published == schema(), "docs/config.schema.json is not up to date: {hint}");
    }
}
