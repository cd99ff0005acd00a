//! Holding what commands print for programs against the published schemas.

use serde_json::Value;

/// Holds a value against the part of JSON Schema that ours use. Members that it does not name fail,
/// although it allows them: the documentation is whole.
#[track_caller]
pub fn fits(value: &Value, schema: &str) {
    let root: Value = serde_json::from_str(schema).expect("the schema is JSON");
    holds(value, &root, &root, "it");
}

#[track_caller]
fn holds(value: &Value, schema: &Value, root: &Value, place: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let target = root.pointer(name.trim_start_matches('#')).expect("the definition exists");
        return holds(value, target, root, place);
    }
    if let Some(choice) = schema["oneOf"].as_array() {
        // By the members that each of them requires first.
        let resolved = choice.iter().map(|schema| {
            let name = schema["$ref"].as_str().expect("a choice of definitions");
            root.pointer(name.trim_start_matches('#')).expect("the definition exists")
        });
        let mut fitting =
            resolved.filter(|schema| value.get(schema["required"][0].as_str().unwrap()).is_some());
        let chosen = fitting.next().unwrap_or_else(|| panic!("{place} is none of them: {value}"));
        assert!(fitting.next().is_none(), "{place} is several: {value}");
        return holds(value, chosen, root, place);
    }
    if let Some(choice) = schema["enum"].as_array() {
        assert!(choice.contains(value), "{place}: {value}");
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is = |name: &Value| name == kind || (name == "number" && kind == "integer");
    match &schema["type"] {
        Value::Null => {}
        Value::Array(names) => assert!(names.iter().any(is), "{place}: {value}"),
        name => assert!(is(name), "{place}: {value}"),
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(required.as_str().unwrap()).is_some(), "{place}: no {required}");
    }
    for element in value.as_array().into_iter().flatten() {
        holds(element, &schema["items"], root, &format!("{place}[]"));
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{name}");
        let schema = schema["properties"].get(name).unwrap_or_else(|| panic!("{place} is unknown"));
        holds(member, schema, root, &place);
    }
}
