use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn load(word: &str) -> Word<String> {
    let mut read = |source| {
        Ok::<_, ()>(match source {
            Source::Typed(text) => text,
            Source::File(path) => format!("<{path}>"),
            Source::Stdin => r#"{"whole" : 1.0, "b":12345678901234567890}"#.to_owned(),
        })
    };
    Word::parse(word).unwrap().load(&mut read).unwrap()
}

fn built(words: &[&str], schema: Option<&Value>) -> Result<String, Vec<String>> {
    let words: Vec<Word<String>> = words.iter().map(|word| load(word)).collect();
    build(&words, schema, true)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "count": {"type": "integer", "minimum": 1, "maximum": 10},
            "ratio": {"type": "number"},
            "loud": {"type": "boolean"},
            "nothing": {"type": "null"},
            "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "either": {"type": ["string", "integer"]},
            "colour": {"enum": ["red", "green", 3]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "numbers": {"type": "array", "items": {"type": "integer"}},
            "point": {"$ref": "#/$defs/point"},
            "free": {},
        },
        "$defs": {"point": {
            "type": "object",
            "properties": {"x": {"type": "number"}},
            "required": ["x"],
        }},
    })
}

#[test]
fn words() {
    let typed = |text: &str| Source::Typed(text.into());
    for (word, expected) in [
        ("a=b", Word::Text("a".into(), typed("b"))),
        ("a=b=c:=d", Word::Text("a".into(), typed("b=c:=d"))),
        ("a=", Word::Text("a".into(), typed(""))),
        ("a:=1", Word::Json("a".into(), typed("1"))),
        ("a:b=1", Word::Text("a:b".into(), typed("1"))),
        (r"a\=b=c", Word::Text("a=b".into(), typed("c"))),
        (r"a\:=c", Word::Text("a:".into(), typed("c"))),
        (r"a\b=c", Word::Text(r"a\b".into(), typed("c"))),
        ("a=@f", Word::Text("a".into(), Source::File("f".into()))),
        ("a:=@f", Word::Json("a".into(), Source::File("f".into()))),
        ("@f", Word::Whole(Source::File("f".into()))),
        ("-", Word::Whole(Source::Stdin)),
    ] {
        assert_eq!(Word::parse(word), Ok(expected), "{word}");
    }
    for word in ["", "a", "=b", ":=1", "--x"] {
        assert!(matches!(Word::parse(word), Err(Problem::Word(_))), "{word}");
    }
}

#[test]
fn values_are_read_as_the_schema_wants_them() {
    let schema = schema();
    for (word, expected) in [
        ("text=5", r#"{"text":"5"}"#),
        ("text=true", r#"{"text":"true"}"#),
        ("text= a\"\n", r#"{"text":" a\"\n"}"#),
        ("count=5", r#"{"count":5}"#),
        ("count=5.0", r#"{"count":5.0}"#),
        ("ratio=-1.50", r#"{"ratio":-1.50}"#),
        ("ratio=12345678901234567890", r#"{"ratio":12345678901234567890}"#),
        ("loud=true", r#"{"loud":true}"#),
        ("nothing=null", r#"{"nothing":null}"#),
        ("maybe=null", r#"{"maybe":null}"#),
        ("maybe=x", r#"{"maybe":"x"}"#),
        ("either=5", r#"{"either":5}"#),
        ("either=five", r#"{"either":"five"}"#),
        ("colour=red", r#"{"colour":"red"}"#),
        ("colour=3", r#"{"colour":3}"#),
        (r#"tags=["a", "b"]"#, r#"{"tags":["a", "b"]}"#),
        ("tags=a", r#"{"tags":["a"]}"#),
        ("numbers=1", r#"{"numbers":[1]}"#),
        (r#"point={"x" : 1.0}"#, r#"{"point":{"x" : 1.0}}"#),
        ("free=1", r#"{"free":"1"}"#),
        ("free:=1", r#"{"free":1}"#),
        (r#"text:="\u0041""#, r#"{"text":"\u0041"}"#),
    ] {
        assert_eq!(built(&[word], Some(&schema)).as_deref(), Ok(expected), "{word}");
    }
    assert_eq!(
        built(&["tags=a", "tags=b", "numbers=1", "numbers=[2,3]"], Some(&schema)).unwrap(),
        r#"{"tags":["a","b"],"numbers":[1,2,3]}"#
    );
}

#[test]
fn what_is_wrong_is_said_before_anything_is_sent() {
    let schema = schema();
    for (words, expected) in [
        (
            &["count=five"][..],
            "count: \"five\" is not what is expected: integer, at least 1, at most 10",
        ),
        (&["count=1.5"], "count: \"1.5\" is not"),
        (&["count=11"], "at most 10"),
        (&["count:=0"], "count: 0 is not what is expected: integer, at least 1"),
        (&["loud=yes"], "loud: \"yes\" is not what is expected: boolean"),
        (&["colour=blue"], r#"colour: "blue" is not what is expected: one of "red", "green", 3"#),
        (&["colour:=4"], "colour: 4 is not"),
        (&["text:=5"], "text: 5 is not what is expected: string"),
        (&["text:=five"], "text: what is behind := must be JSON"),
        (&["numbers=[1,\"b\"]"], "numbers:"),
        (&["numbers:=[1,\"b\"]"], "numbers[1]: "),
        (&["point:={\"y\":1}"], "point.x: "),
        (&["point:={\"x\":\"1\"}"], "point.x: "),
        (&["cuont=1"], "cuont: there is no such argument; is count meant?"),
        (&["weather=1"], "weather: there is no such argument"),
        (&["text=a", "text=b"], "text: it is given twice"),
    ] {
        let problems = built(words, Some(&schema)).unwrap_err();
        assert!(problems[0].contains(expected), "{words:?}: {problems:?}");
        assert_eq!(problems.len(), 1, "{words:?}: {problems:?}");
    }
}

#[test]
fn missing_arguments_are_named_with_what_they_should_be() {
    let mut schema = schema();
    schema["required"] = json!(["text", "count"]);
    let problems = built(&["txet=a", "ratio=x"], Some(&schema)).unwrap_err();
    assert_eq!(
        problems,
        [
            "ratio: \"x\" is not what is expected: number",
            "txet: there is no such argument; is text meant?",
            "text: this argument is required: string",
            "count: this argument is required: integer, at least 1, at most 10",
        ]
    );
    // One that was given and could not be read is wrong, not missing.
    assert_eq!(built(&["text=a", "count=x"], Some(&schema)).unwrap_err().len(), 1);
}

#[test]
fn other_arguments_pass_where_the_schema_is_open() {
    for schema in [
        json!({}),
        json!({"type": "object"}),
        json!({"properties": {"a": {"type": "string"}}, "additionalProperties": true}),
        json!({"properties": {"a": {}}, "additionalProperties": {"type": "number"}}),
    ] {
        assert_eq!(built(&["b=1"], Some(&schema)).as_deref(), Ok(r#"{"b":"1"}"#), "{schema}");
    }
    assert!(built(&["b=1"], Some(&json!({"additionalProperties": false}))).is_err());
    assert_eq!(built(&["b=1", "c:=1.0"], None).as_deref(), Ok(r#"{"b":"1","c":1.0}"#));
}

#[test]
fn nothing_is_held_against_them_on_demand() {
    let words = [load("count=five"), load("cuont=1")];
    let built = build(&words, Some(&schema()), false).unwrap();
    assert_eq!(built, r#"{"count":"five","cuont":"1"}"#);
}

#[test]
fn a_whole_object_keeps_its_bytes() {
    assert_eq!(
        built(&["-", "c=x", "whole:=2"], None).unwrap(),
        r#"{"whole" : 2, "b":12345678901234567890,"c":"x"}"#
    );
    assert_eq!(built(&["@f"], None).unwrap_err(), ["@FILE and - must hold one JSON object"]);
    assert_eq!(built(&["a=@f"], None).unwrap(), r#"{"a":"<f>"}"#);
    assert_eq!(built(&[], None).unwrap(), "{}");
}

#[test]
fn schemas_that_refer_to_themselves_end() {
    let circle = json!({
        "properties": {"a": {"$ref": "#/properties/a"}, "b": {"anyOf": [{"$ref": "#/properties/b"}]},
            "c": {"$ref": "#/properties/c/items", "items": {"$ref": "#/properties/c"}}},
    });
    for word in ["a=1", "b=1", "c=1"] {
        assert!(built(&[word], Some(&circle)).is_ok(), "{word}");
    }
}

#[test]
fn foreign_names_cannot_move_the_cursor() {
    let schema = json!({"properties": {"a\u{1b}[31m": {"type": "in\u{202e}teger"}}, "required": ["a\u{1b}[31m"]});
    let problems = built(&["b=1"], Some(&schema)).unwrap_err().join(" ");
    assert!(!problems.contains(['\u{1b}', '\u{202e}']), "{problems}");
}

#[test]
fn near_misses() {
    let names = ["delay_ms", "to", "message", "b"];
    for (typed, expected) in [
        ("mesage", Some("message")),
        ("delay-ms", Some("delay_ms")),
        ("Message", Some("message")),
        ("ot", Some("to")),
        ("xyz", None),
        ("t", Some("to")),
        ("zzzzzz", None),
    ] {
        assert_eq!(nearest(typed, names.into_iter()), expected, "{typed}");
    }
}

proptest! {
    #[test]
    fn what_is_built_is_one_object(
        values in proptest::collection::vec(
            (prop::sample::select(vec!["text", "count", "tags", "numbers", "either", "x"]), "=|:=",
             prop_oneof!["\\PC{0,8}", "[0-9\\[\\]{},.e\" -]{0,8}"]),
            0..5,
        ),
        check: bool,
    ) {
        let words: Vec<_> = values
            .iter()
            .map(|(name, sign, value)| format!("{name}{sign}{value}"))
            .filter(|word| !word.contains("=@"))
            .map(|word| load(&word))
            .collect();
        if let Ok(text) = build(&words, Some(&schema()), check) {
            let value: Value = serde_json::from_str(&text).unwrap();
            prop_assert!(value.is_object());
            if check && let Some(tags) = value.get("tags") {
                prop_assert!(tags.as_array().unwrap().iter().all(Value::is_string));
            }
        }
    }
}
