//! Headers by example, and schemas at random.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::jsonrpc::Source;
use crate::limits::{MAX_MIRRORED_ARGUMENTS, MAX_MIRRORED_TOOLS, MAX_SCHEMA_DEPTH};

fn message(text: impl Into<String>) -> Message {
    Message::parse(Bytes::from(text.into()), Source::Server).unwrap()
}

fn page(tools: &str, more: &str) -> Message {
    message(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{tools}]{more}}}}}"#))
}

fn tool(name: &str, schema: &str) -> String {
    format!(r#"{{"name":"{name}","inputSchema":{schema}}}"#)
}

/// What is wrong with a tool that has this schema.
fn fault(schema: &str) -> Option<Fault> {
    let mut tools = ToolHeaders::default();
    let learned = tools.learn(&page(&tool("t", schema), ""), true);
    assert_eq!(learned.filtered.is_some(), !learned.rejected.is_empty());
    let [rejected] = &learned.rejected[..] else {
        assert!(learned.rejected.is_empty());
        return None;
    };
    assert!(tools.of("t").is_none(), "{schema}");
    assert_eq!(rejected.tool, "t");
    Some(rejected.fault.clone())
}

fn headers(tools: &ToolHeaders, request: &str) -> Vec<(String, String)> {
    let mut headers: Vec<_> = of_request(&message(request), tools)
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    headers
}

/// The `Mcp-Param-*` headers of a call of `t`, by the rest of their names.
fn mirrored(tools: &ToolHeaders, arguments: &str) -> Vec<(String, String)> {
    let call = format!(
        r#"{{"id":1,"method":"tools/call","params":{{"name":"t","arguments":{arguments}}}}}"#
    );
    headers(tools, &call)
        .into_iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("mcp-param-")?.to_owned(), value)))
        .collect()
}

fn knowing(schema: &str) -> ToolHeaders {
    let mut tools = ToolHeaders::default();
    assert_eq!(tools.learn(&page(&tool("t", schema), ""), true), Learned::default());
    tools
}

#[test]
fn standard_headers() {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    for (request, method, name) in [
        (r#""method":"tools/list","params":{META,"name":"x"}"#, "tools/list", None),
        (r#""method":"tools/call","params":{"name":"a b",META}"#, "tools/call", Some("a b")),
        (r#""method":"tools/call","params":{"name":"a","name":"b",META}"#, "tools/call", Some("b")),
        (
            r#""method":"prompts/get","params":{META,"name":"\u00fcber"}"#,
            "prompts/get",
            Some("=?base64?w7xiZXI=?="),
        ),
        (
            r#""method":"resources/read","params":{META,"uri":"file:///a","name":"b"}"#,
            "resources/read",
            Some("file:///a"),
        ),
        (r#""method":"tasks/get","params":{META,"taskId":"7"}"#, "tasks/get", Some("7")),
        (r#""method":"tasks/update","params":{META,"taskId":"7"}"#, "tasks/update", Some("7")),
        (
            r#""method":"tasks/cancel","params":{META,"taskId":" "}"#,
            "tasks/cancel",
            Some("=?base64?IA==?="),
        ),
        (r#""method":"tasks/list","params":{META,"taskId":"7"}"#, "tasks/list", None),
        (r#""method":"tools/call","params":{META}"#, "tools/call", None),
        (r#""method":"tools/call","params":{META,"name":1}"#, "tools/call", None),
        (r#""method":"tools\u002flist","params":{META}"#, "tools/list", None),
    ] {
        let request = format!(r#"{{"jsonrpc":"2.0","id":1,{}}}"#, request.replace("META", meta));
        let mut expected = vec![("mcp-method", method)];
        expected.extend(name.map(|name| ("mcp-name", name)));
        expected.push(("mcp-protocol-version", "2026-07-28"));
        let found = headers(&ToolHeaders::default(), &request);
        let found: Vec<_> = found.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(found, expected, "{request}");
    }
}

#[test]
fn what_no_header_can_hold_is_left_out() {
    let tools = ToolHeaders::default();
    for request in [
        r#"{"id":1,"method":"a\nb"}"#,
        r#"{"id":1,"method":" é","params":[]}"#,
        r#"{"id":1,"method":"\t","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"1\r\nX: y"}}}"#,
    ] {
        assert_eq!(headers(&tools, request), [], "{request}");
    }
    assert!(of_request(&message(r#"{"id":1,"result":{}}"#), &tools).is_empty());
}

#[test]
fn arguments_are_mirrored() {
    let tools = knowing(
        r#"{"type":"object","properties":{
            "region":{"type":"string","x-mcp-header":"Region"},
            "n":{"x-mcp-header":"Method","type":"integer"},
            "\u006f":{"type":"object","properties":{
                "deep":{"type":"object","properties":{"flag":{"type":"boolean","x-mcp-header":"Flag"}}},
                "b":{"type":"string","x-mcp-header":"B"}}},
            "plain":{"type":"string"}}}"#,
    );
    for (arguments, expected) in [
        (
            r#"{"region":"us west","n":42.0,"o":{"deep":{"flag":true},"b":""},"plain":"x"}"#,
            &[("b", ""), ("flag", "true"), ("method", "42"), ("region", "us west")][..],
        ),
        (r#"{"region":null,"n":null,"o":null}"#, &[]),
        (r#"{"o":{"deep":{"flag":null},"b":"é"}}"#, &[("b", "=?base64?w6k=?=")]),
        (r#"{"o":[{"b":"x"}],"b":"y","flag":true}"#, &[]),
        (r#"{"o":{"b":"x"},"o":{"b":"y"}}"#, &[("b", "y")]),
        (r#"{"regi\u006fn":"x"}"#, &[("region", "x")]),
        // What the server makes of another type is for the server to say.
        (
            r#"{"region":7e0,"n":"42","o":{"deep":{"flag":"yes"},"b":false}}"#,
            &[("b", "false"), ("flag", "yes"), ("method", "42"), ("region", "7")],
        ),
        (r#"{"region":{},"n":9007199254740992,"o":{"b":["x"]}}"#, &[]),
        ("{}", &[]),
        ("null", &[]),
        ("[]", &[]),
    ] {
        let found = mirrored(&tools, arguments);
        let found: Vec<_> = found.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(found, expected, "{arguments}");
    }
    let other =
        r#"{"id":1,"method":"tools/call","params":{"name":"u","arguments":{"region":"x"}}}"#;
    assert_eq!(headers(&tools, other).len(), 2, "another tool");
    let prompt =
        r#"{"id":1,"method":"prompts/get","params":{"name":"t","arguments":{"region":"x"}}}"#;
    assert_eq!(headers(&tools, prompt).len(), 2, "a prompt of the same name");
}

#[test]
fn an_annotated_property_may_have_properties_of_its_own() {
    let tools = knowing(
        r#"{"properties":{"a":{"type":"string","x-mcp-header":"A",
            "properties":{"b":{"type":"string","x-mcp-header":"B"}}}}}"#,
    );
    assert_eq!(mirrored(&tools, r#"{"a":"x"}"#), [("a".into(), "x".into())]);
    assert_eq!(mirrored(&tools, r#"{"a":{"b":"x"}}"#), [("b".into(), "x".into())]);
}

#[test]
fn valid_annotations() {
    for schema in [
        r#"{"properties":{"a":{"type":"string","x-mcp-header":"!#$%&'*+-.^_`|~09aZ"}}}"#,
        r#"{"properties":{"a":{"type":"object","properties":{"b":{"type":"boolean","x-mcp-header":"B"}}}}}"#,
        // The last of repeated members counts.
        r#"{"properties":{"a":{"type":"number","type":"string","x-mcp-header":"","x-mcp-header":"A"}}}"#,
        r#"{"properties":{"a":{"items":{"x-mcp-header":"A"},"items":{}}}}"#,
        // Properties that are only named like keywords.
        r#"{"properties":{"x-mcp-header":{"type":"string"},"items":{"type":"string","x-mcp-header":"I"}}}"#,
        // Data that only looks like a schema.
        r#"{"properties":{"a":{"default":{"x-mcp-header":""},"const":{"x-mcp-header":1}}}}"#,
        r#"{"examples":[{"x-mcp-header":"A"}],"enum":[[{"x-mcp-header":"A"}]]}"#,
        r#"{"description":"see x-mcp-header","x-note":{"x-mcp-header":"A"}}"#,
        r#"{"required":["x-mcp-header"],"dependentRequired":{"x-mcp-header":["a"]}}"#,
        r#"{"title":"x\u002dmcp-header","properties":{"\u0061":true}}"#,
        "true",
        "[]",
        r#""x-mcp-header""#,
    ] {
        assert_eq!(fault(schema), None, "{schema}");
    }
}

#[test]
fn invalid_annotations() {
    use Fault::*;
    let a = || "a".to_owned();
    for (property, expected) in [
        (r#""type":"string","x-mcp-header":"""#, Empty(a())),
        (r#""type":"string","x-mcp-header":null"#, NotString(a())),
        (r#""type":"string","x-mcp-header":{"x-mcp-header":"A"}"#, NotString(a())),
        (r#""type":"string","x-mcp-header":"My Region""#, NotToken(a(), "My Region".into())),
        (r#""type":"string","x-mcp-header":"A:B""#, NotToken(a(), "A:B".into())),
        (r#""type":"string","x-mcp-header":"\"""#, NotToken(a(), "\"".into())),
        (r#""type":"string","x-mcp-header":"Région""#, NotToken(a(), "Région".into())),
        (r#""type":"string","x-mcp-header":"R\t1""#, NotToken(a(), "R 1".into())),
        (r#""type":"number","x-mcp-header":"A""#, NotPrimitive(a())),
        (r#""type":"object","x-mcp-header":"A""#, NotPrimitive(a())),
        (r#""type":"array","items":{"type":"string"},"x-mcp-header":"A""#, NotPrimitive(a())),
        (r#""type":"null","x-mcp-header":"A""#, NotPrimitive(a())),
        (r#""type":["string","null"],"x-mcp-header":"A""#, NotPrimitive(a())),
        (r#""type":["string"],"x-mcp-header":"A""#, NotPrimitive(a())),
        (r#""anyOf":[{"type":"string"}],"x-mcp-header":"A""#, NotPrimitive(a())),
        (r#""x-mcp-header":"A""#, NotPrimitive(a())),
        (r#""type":"String","x-mcp-header":"A""#, NotPrimitive(a())),
        (r#""type":"number","x\u002dmcp\u002dheader":"A""#, NotPrimitive(a())),
    ] {
        let schema = format!(r#"{{"properties":{{"a":{{{property}}}}}}}"#);
        assert_eq!(fault(&schema), Some(expected), "{schema}");
    }
    for name in ["Region", "region", "REGION"] {
        let schema = format!(
            r#"{{"properties":{{"a":{{"type":"string","x-mcp-header":"Region"}},
            "b":{{"properties":{{"c":{{"type":"string","x-mcp-header":"{name}"}}}}}}}}}}"#
        );
        assert_eq!(fault(&schema), Some(Repeated("b.c".into(), name.into())), "{schema}");
    }
}

#[test]
fn annotations_in_other_places_are_invalid() {
    let good = r#"{"type":"string","x-mcp-header":"A"}"#;
    for (schema, place) in [
        (r#"{"type":"string","x-mcp-header":"A"}"#, ""),
        (r#"{"items":GOOD}"#, "items"),
        (r#"{"items":[{},GOOD]}"#, "items"),
        (r#"{"properties":{"p":{"items":{"properties":{"q":GOOD}}}}}"#, "p.items.q"),
        (r#"{"properties":{"p":{"prefixItems":[GOOD]}}}"#, "p.prefixItems"),
        (r#"{"contains":GOOD}"#, "contains"),
        (r#"{"additionalItems":GOOD}"#, "additionalItems"),
        (r#"{"unevaluatedItems":GOOD}"#, "unevaluatedItems"),
        (r#"{"additionalProperties":GOOD}"#, "additionalProperties"),
        (r#"{"unevaluatedProperties":GOOD}"#, "unevaluatedProperties"),
        (r#"{"propertyNames":GOOD}"#, "propertyNames"),
        (r#"{"patternProperties":{"^p":GOOD}}"#, "patternProperties.^p"),
        (r#"{"dependentSchemas":{"p":GOOD}}"#, "dependentSchemas.p"),
        (r#"{"dependencies":{"o":["p"],"p":GOOD}}"#, "dependencies.p"),
        (r#"{"oneOf":[{"properties":{"p":GOOD}}]}"#, "oneOf.p"),
        (r#"{"anyOf":[GOOD]}"#, "anyOf"),
        (r#"{"allOf":[{"properties":{"p":GOOD}}]}"#, "allOf.p"),
        (r#"{"not":GOOD}"#, "not"),
        (r#"{"if":{"properties":{"p":GOOD}}}"#, "if.p"),
        (r#"{"then":GOOD}"#, "then"),
        (r#"{"else":GOOD}"#, "else"),
        (r#"{"contentSchema":GOOD}"#, "contentSchema"),
        (r##"{"properties":{"p":{"$ref":"#/$defs/d"}},"$defs":{"d":GOOD}}"##, "$defs.d"),
        (r#"{"definitions":{"d":GOOD}}"#, "definitions.d"),
        // A reference can make a schema of what is under any keyword.
        (r##"{"properties":{"p":{"$ref":"#/x-shared/d"}},"x-shared":{"d":GOOD}}"##, "x-shared"),
        (r##"{"$dynamicRef":"#d","x-shared":[[GOOD]]}"##, "x-shared"),
    ] {
        let schema = schema.replace("GOOD", good);
        assert_eq!(fault(&schema), Some(Fault::Misplaced(place.to_owned())), "{schema}");
    }
}

#[test]
fn schemas_have_limits() {
    let chain = |depth: usize, inner: &str| {
        format!("{}{inner}{}", r#"{"properties":{"p":"#.repeat(depth), "}}".repeat(depth))
    };
    let good = r#"{"type":"string","x-mcp-header":"A"}"#;
    assert_eq!(fault(&chain(MAX_SCHEMA_DEPTH / 2, good)), None);
    assert_eq!(fault(&chain(MAX_SCHEMA_DEPTH / 2 + 1, good)), Some(Fault::TooDeep));
    assert_eq!(fault(&chain(1000, good)), Some(Fault::TooDeep));
    assert_eq!(fault(&chain(10_000, "true")), None);
    let lists = format!(r#"{{"anyOf":{}{good}{}}}"#, "[".repeat(1000), "]".repeat(1000));
    assert_eq!(fault(&lists), Some(Fault::TooDeep));

    let many = |count: usize| {
        let properties: Vec<_> = (0..count)
            .map(|i| format!(r#""p{i}":{{"type":"string","x-mcp-header":"H{i}"}}"#))
            .collect();
        format!(r#"{{"properties":{{{}}}}}"#, properties.join(","))
    };
    assert_eq!(fault(&many(MAX_MIRRORED_ARGUMENTS)), None);
    assert_eq!(fault(&many(MAX_MIRRORED_ARGUMENTS + 1)), Some(Fault::TooMany));
    let long = format!(
        r#"{{"properties":{{"{}":{{"type":"string","x-mcp-header":"A"}}}}}}"#,
        "p".repeat(crate::limits::MAX_MIRRORED_NAMES)
    );
    assert_eq!(fault(&long), Some(Fault::TooMany));

    let large = |size: usize| {
        format!(r#"{{"description":"{}","properties":{{"a":{good}}}}}"#, "x".repeat(size))
    };
    assert_eq!(fault(&large(1 << 20)), None);
    assert_eq!(fault(&large(crate::limits::MAX_SCHEMA_READ)), Some(Fault::TooLarge));
}

#[test]
fn invalid_tools_are_taken_out_and_nothing_else() {
    let good = tool("good", r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}"#);
    let bad = tool("bad", r#"{"x-mcp-header":"A"}"#);
    let plain = r#"{ "name":"plain", "n":12345678901234567890.0 }"#;
    let no_name = r#"{"inputSchema":{"items":{"x-mcp-header":"A"}}}"#;
    for (list, expected) in [
        (format!("{good} , {bad} , {plain}"), format!("{good} , {plain}")),
        (format!(" {bad},\n{good},\t{bad} "), format!(" {good} ")),
        (format!("{plain},{no_name},{bad}"), plain.to_owned()),
        (format!("{bad}, {bad}"), String::new()),
    ] {
        let more = r#", "ttlMs":1.0,"\u006eextCursor":"x""#;
        let learned = ToolHeaders::default().learn(&page(&list, more), true);
        assert_eq!(learned.filtered.as_ref(), Some(page(&expected, more).bytes()), "{list}");
    }
    let learned = ToolHeaders::default().learn(&page(&format!("{bad},{no_name},1"), ""), true);
    let names: Vec<_> = learned.rejected.iter().map(|rejected| &*rejected.tool).collect();
    assert_eq!(names, ["bad", ""]);
    assert_eq!(
        learned.rejected[1].fault.to_string(),
        r#"x-mcp-header at "items" is not on a plain property"#
    );
}

#[test]
fn only_the_schema_of_the_input_counts() {
    for text in [
        r#"{"name":"t","outputSchema":{"x-mcp-header":""},"_meta":{"x-mcp-header":1}}"#,
        r#"{"name":"t","description":"x-mcp-header","inputSchema":{}}"#,
        r#"{"name":"t","inputSchema":{"x-mcp-header":1},"inputSchema":{}}"#,
        r#""x-mcp-header""#,
    ] {
        assert_eq!(ToolHeaders::default().learn(&page(text, ""), true), Learned::default());
    }
}

fn asks(name: &str, header: &str) -> String {
    let schema =
        format!(r#"{{"properties":{{"a":{{"type":"string","x-mcp-header":"{header}"}}}}}}"#);
    tool(name, &schema)
}

/// The header that a call of each tool has.
fn known(tools: &ToolHeaders, names: &[&str]) -> Vec<Option<String>> {
    let header = |name: &&str| {
        let params = tools.of(name)?;
        Some(params[0].header.as_str().strip_prefix("mcp-param-")?.to_owned())
    };
    names.iter().map(header).collect()
}

#[test]
fn pages_and_listings() {
    let mut tools = ToolHeaders::default();
    let more = r#","nextCursor":"2""#;
    let some = |text: &str| Some(text.to_owned());
    tools.learn(&page(&asks("t", "A"), more), true);
    tools.learn(&page(&asks("u", "B"), ""), false);
    assert_eq!(known(&tools, &["t", "u"]), [some("a"), some("b")]);

    // A new listing: until it is complete, what it has not said yet is as before.
    tools.learn(&page(&asks("t", "C"), more), true);
    assert_eq!(known(&tools, &["t", "u"]), [some("c"), some("b")]);
    tools.learn(&page(r#"{"name":"u","description":"no x-mcp-header"}"#, more), false);
    assert_eq!(known(&tools, &["t", "u"]), [some("c"), None]);
    tools.learn(&page(&asks("u", "D"), more), false);
    tools.learn(&page("", r#","nextCursor":null"#), false);
    assert_eq!(known(&tools, &["t", "u"]), [some("c"), some("d")]);

    // Errors say nothing.
    tools.learn(&message(r#"{"id":1,"error":{"code":1,"message":"x-mcp-header"}}"#), true);
    assert_eq!(known(&tools, &["t", "u"]), [some("c"), some("d")]);

    // A list without annotations, which is not even read.
    tools.learn(&page(r#"{"name":"t"}"#, ""), true);
    assert_eq!(known(&tools, &["t", "u"]), [None, None]);

    tools.learn(&page(&asks("t", "A"), ""), true);
    tools.forget();
    assert_eq!(known(&tools, &["t"]), [None]);
}

#[test]
fn the_number_of_tools_has_a_limit() {
    let many = |range: std::ops::Range<usize>| {
        let list: Vec<_> = range.map(|i| asks(&format!("t{i}"), "A")).collect();
        list.join(",")
    };
    let mut tools = ToolHeaders::default();
    let learned = tools.learn(&page(&many(0..MAX_MIRRORED_TOOLS + 2), ""), true);
    assert_eq!((learned.unremembered, learned.filtered), (2, None));
    // Those of an earlier listing make room.
    let more = r#","nextCursor":"2""#;
    let learned = tools.learn(&page(&many(5000..5001), more), true);
    assert_eq!(learned.unremembered, 0);
    assert_eq!(known(&tools, &["t0", "t5000"]), [None, Some("a".into())]);
    let long = asks(&"t".repeat(crate::limits::MAX_MIRRORED_NAMES + 1), "A");
    assert_eq!(tools.learn(&page(&long, ""), true).unremembered, 1);
}

/// Whether a schema is valid, from the specification and by a tree.
fn valid(schema: &Value, plain: bool, root: bool, names: &mut Vec<String>) -> bool {
    if let Value::Array(list) = schema {
        return list.iter().all(|schema| valid(schema, false, false, names));
    }
    let Value::Object(keywords) = schema else { return true };
    if let Some(annotation) = keywords.get("x-mcp-header") {
        let Some(name) = annotation.as_str().map(str::to_lowercase) else { return false };
        let primitive = matches!(
            keywords.get("type").and_then(Value::as_str),
            Some("integer" | "string" | "boolean")
        );
        let token = !name.is_empty()
            && name.chars().all(|c| c.is_ascii_graphic() && !"\"(),/:;<=>?@[\\]{}".contains(c));
        if !plain || root || !primitive || !token || names.contains(&name) {
            return false;
        }
        names.push(name);
    }
    keywords.iter().all(|(keyword, value)| match (&**keyword, value) {
        ("properties", Value::Object(all)) => all.values().all(|s| valid(s, plain, false, names)),
        ("$defs" | "patternProperties", Value::Object(all)) => {
            all.values().all(|s| valid(s, false, false, names))
        }
        ("items" | "oneOf" | "not" | "if" | "additionalProperties", value) => {
            valid(value, false, false, names)
        }
        _ => true,
    })
}

fn schemas() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["a", "b", "items", "x-mcp-header", "default"]);
    let annotation = prop_oneof![
        6 => prop::sample::select(vec!["A", "a", "B", "C", "D", "e-f"]).prop_map(Value::from),
        1 => prop::sample::select(vec![json!(""), json!("a b"), json!(null), json!("é"), json!({})]),
    ];
    let kind = prop_oneof![
        6 => prop::sample::select(vec!["string", "integer", "boolean"]).prop_map(Value::from),
        1 => prop::sample::select(vec![json!("number"), json!(["string"]), json!("object")]),
    ];
    let leaf =
        (prop::option::weighted(0.7, annotation.clone()), prop::option::weighted(0.95, kind))
            .prop_map(|(annotation, kind)| {
                let mut schema = serde_json::Map::new();
                schema.extend(kind.map(|kind| ("type".to_owned(), kind)));
                schema.extend(annotation.map(|name| ("x-mcp-header".to_owned(), name)));
                Value::Object(schema)
            });
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let named = prop::collection::btree_map(name.clone(), inner.clone(), 0..4)
            .prop_map(|all| json!(all))
            .boxed();
        prop_oneof![
            12 => named.clone().prop_map(|all| json!({"properties": all, "type": "object"})),
            1 => named.clone().prop_map(|all| json!({"$defs": all})),
            1 => named.clone().prop_map(|all| json!({"patternProperties": all})),
            1 => inner.clone().prop_map(|one| json!({"items": one})),
            1 => inner.clone().prop_map(|one| json!({"oneOf": [true, one]})),
            1 => inner.clone().prop_map(|one| json!({"not": one, "if": [[one]]})),
            2 => inner.clone().prop_map(|one| json!({"default": one, "enum": [one], "x-y": one})),
            1 => (inner.clone(), annotation.clone()).prop_map(|(one, name)| {
                json!({"type": "string", "x-mcp-header": name, "properties": {"c": one}})
            }),
        ]
    })
}

proptest! {
    #[test]
    fn exactly_the_invalid_tools_are_taken_out(all in prop::collection::vec(schemas(), 0..5)) {
        let list: Vec<Value> = all
            .iter()
            .enumerate()
            .map(|(i, schema)| json!({"name": format!("t{i}"), "inputSchema": schema}))
            .collect();
        let kept: Vec<_> = list
            .iter()
            .filter(|tool| valid(&tool["inputSchema"], true, true, &mut Vec::new()))
            .cloned()
            .collect();
        let response = json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": list}});
        let response = message(response.to_string());
        let mut tools = ToolHeaders::default();
        let learned = tools.learn(&response, true);
        prop_assert_eq!(learned.rejected.len(), list.len() - kept.len());
        let filtered = learned.filtered.unwrap_or_else(|| response.bytes().clone());
        let value: Value = serde_json::from_slice(&filtered).unwrap();
        prop_assert_eq!(&value["result"]["tools"], &json!(kept));
        // Nothing is left to be found, and the same is known.
        let again = message(String::from_utf8(filtered.to_vec()).unwrap());
        let mut others = ToolHeaders::default();
        prop_assert_eq!(others.learn(&again, true), Learned::default());
        for tool in &list {
            let name = tool["name"].as_str().unwrap();
            prop_assert_eq!(tools.of(name), others.of(name));
        }
    }

    #[test]
    fn any_text_is_read_without_panic(text in "(x-mcp-header|properties|items|type|string|A|\\\\u002d|[\\[\\]{}:,\"]){0,40}") {
        for schema in [text.clone(), format!("\"{text}\""), format!("{{\"properties\":{{{text}}}}}")] {
            let list = tool("t", &schema);
            let text = format!(r#"{{"id":1,"result":{{"tools":[{list}]}}}}"#);
            if let Ok(response) = Message::parse(text.into(), Source::Server) {
                let learned = ToolHeaders::default().learn(&response, true);
                prop_assert_eq!(learned.filtered.is_some(), !learned.rejected.is_empty());
            }
        }
    }
}
