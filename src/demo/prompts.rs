//! The prompts that the server offers, and completion of their arguments.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::resources::PLANETS;
use super::revision::Revision;
use super::rpc::RpcError;
use crate::json;

/// The entries of `prompts/list`.
pub fn list(revision: Revision) -> Vec<Value> {
    let mut tour = json!({
        "name": "tour",
        "description": "Asks a model to show what this server can do",
    });
    let mut planet = json!({
        "name": "describe_planet",
        "description": "Asks a model to describe a planet",
        "arguments": [{
            "name": "planet",
            "description": "The planet's English name in lower case",
            "required": true,
        }],
    });
    if revision.has_titles_and_structured_results() {
        tour["title"] = "Tour of the server".into();
        planet["title"] = "Describe a planet".into();
    }
    vec![tour, planet]
}

/// The parameters of `prompts/get`.
#[derive(Debug, Deserialize)]
pub struct GetParams {
    name: String,
    #[serde(default)]
    arguments: BTreeMap<String, String>,
}

/// The result of `prompts/get`.
///
/// # Errors
/// Invalid parameters for an unknown prompt, a missing argument or an unknown planet.
pub fn get(params: &GetParams) -> Result<Value, RpcError> {
    let (description, text) = match params.name.as_str() {
        "tour" => (
            "A tour of the server",
            "Call every tool of this server once, with small arguments, and say in one line each \
             what happened."
                .to_owned(),
        ),
        "describe_planet" => {
            let planet = params
                .arguments
                .get("planet")
                .ok_or_else(|| RpcError::params("missing argument: planet"))?;
            if !PLANETS.iter().any(|(name, _)| name == planet) {
                return Err(RpcError::params("unknown planet; completion/complete knows all"));
            }
            (
                "A question about a planet",
                format!(
                    "Read the resource demo://planet/{planet} and describe the planet {planet}."
                ),
            )
        }
        _ => return Err(RpcError::params("unknown prompt")),
    };
    Ok(json!({
        "description": description,
        "messages": [{"role": "user", "content": {"type": "text", "text": text}}],
    }))
}

/// The parameters of `completion/complete`.
#[derive(Debug, Deserialize)]
pub struct CompleteParams {
    r#ref: Reference,
    argument: Argument,
}

/// What an argument is completed for.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum Reference {
    #[serde(rename = "ref/prompt")]
    Prompt { name: String },
    #[serde(rename = "ref/resource")]
    Resource { uri: String },
}

#[derive(Debug, Deserialize)]
struct Argument {
    name: String,
    value: String,
}

/// The result of `completion/complete`: the planets that begin with what was typed.
///
/// # Errors
/// Invalid parameters for an unknown prompt or template, or an argument it does not have.
pub fn complete(params: &CompleteParams) -> Result<Value, RpcError> {
    let argument = match &params.r#ref {
        Reference::Prompt { name } if name == "describe_planet" => "planet",
        Reference::Resource { uri } if uri == "demo://planet/{name}" => "name",
        Reference::Prompt { name } if name == "tour" => {
            return Err(RpcError::params("the prompt tour has no arguments"));
        }
        Reference::Prompt { .. } => return Err(RpcError::params("unknown prompt")),
        Reference::Resource { .. } => return Err(RpcError::params("unknown resource template")),
    };
    if params.argument.name != argument {
        return Err(RpcError::params(format!("the only argument is {argument}")));
    }
    let typed = params.argument.value.to_lowercase();
    let values: Vec<&str> =
        PLANETS.iter().map(|(name, _)| *name).filter(|name| name.starts_with(&typed)).collect();
    Ok(json!({"completion": {"total": values.len(), "values": values, "hasMore": false}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get_text(params: Value) -> Result<String, RpcError> {
        let params = serde_json::from_value(params).unwrap();
        get(&params).map(|result| {
            let text = &result["messages"][0]["content"]["text"];
            text.as_str().unwrap().to_owned()
        })
    }

    fn values(reference: Value, name: &str, value: &str) -> Result<Value, RpcError> {
        let params = json!({"ref": reference, "argument": {"name": name, "value": value}});
        let params: CompleteParams = serde_json::from_value(params).unwrap();
        complete(&params).map(|result| result["completion"]["values"].clone())
    }

    #[test]
    fn a_prompt_wants_its_argument() {
        assert!(get_text(json!({"name": "tour"})).is_ok());
        let mars = json!({"name": "describe_planet", "arguments": {"planet": "mars"}});
        assert!(get_text(mars).unwrap().contains("mars"));
        for wrong in [
            json!({"name": "describe_planet"}),
            json!({"name": "describe_planet", "arguments": {"planet": "pluto"}}),
            json!({"name": "unknown"}),
        ] {
            assert!(get_text(wrong).is_err());
        }
    }

    #[test]
    fn completion_offers_the_planets_that_fit() {
        let prompt = json!({"type": "ref/prompt", "name": "describe_planet"});
        assert_eq!(values(prompt.clone(), "planet", "M"), Ok(json!(["mercury", "mars"])));
        assert_eq!(values(prompt.clone(), "planet", "x"), Ok(json!([])));
        assert!(values(prompt, "name", "").is_err());
        let template = json!({"type": "ref/resource", "uri": "demo://planet/{name}"});
        assert_eq!(values(template, "name", "").unwrap().as_array().unwrap().len(), 8);
        let unknown = json!({"type": "ref/prompt", "name": "unknown"});
        assert!(values(unknown, "planet", "").is_err());
    }
}
