use proptest::prelude::*;

use super::*;

fn table(members: &[(&str, Node)]) -> Node {
    Node::Table(members.iter().map(|(name, node)| ((*name).to_owned(), node.clone())).collect())
}

fn text(text: &str) -> Node {
    Node::Text(text.to_owned())
}

fn entry() -> Node {
    table(&[("command", text("/bin/x")), ("args", Node::List(vec![text("u"), text("a: b")]))])
}

fn keys(names: &[&str]) -> Vec<Step> {
    names.iter().map(|name| Step::Key((*name).to_owned())).collect()
}

const SERVERS: [&str; 2] = ["mcpServers", "new"];

#[track_caller]
fn added(format: Format, path: &[Step], before: &str, after: &str) {
    let done = set(before, format, path, &entry()).unwrap();
    assert_eq!(done, after);
    // What was added can be taken out again, and once more added.
    let removed = remove(&done, format, path).unwrap();
    let tree = |text: &str| parse(text.as_bytes(), format).unwrap();
    assert!(find(&tree(&removed), path).is_none(), "{removed}");
    assert!(same(&without(&tree(before), path), &without(&tree(&removed), path)), "{removed}");
    let again = set(&done, format, path, &entry()).unwrap();
    assert!(same(&tree(&again), &tree(&done)), "{again}");
}

#[test]
fn json_in_every_style() {
    let add = |before: &str, after: &str| added(Format::Json, &keys(&SERVERS), before, after);
    let new = "\"new\": {\n      \"command\": \"/bin/x\",\n      \"args\": [\n        \"u\",\n        \"a: b\"\n      ]\n    }";
    let whole = format!("{{\n  \"mcpServers\": {{\n    {new}\n  }}\n}}");
    add("", &format!("{whole}\n"));
    add("// nothing", &format!("// nothing\n{whole}\n"));
    add("{}", &whole);
    add("{}\n", &format!("{whole}\n"));
    add("{\n  \"mcpServers\": {}\n}", &whole);
    add("{\n  \"mcpServers\": null\n}", &whole);
    add(
        "{\n  \"mcpServers\": {\n    // none yet\n  }\n}\n",
        &format!("{{\n  \"mcpServers\": {{\n    // none yet\n    {new}\n  }}\n}}\n"),
    );
    // A comment behind the last one, and one below; the file's own trailing comma.
    add(
        "{\n  \"mcpServers\": {\n    \"a\": {} // A\n    // below\n  }\n}\n",
        &format!(
            "{{\n  \"mcpServers\": {{\n    \"a\": {{}}, // A\n    {new}\n    // below\n  }}\n}}\n"
        ),
    );
    add(
        "{\n  \"mcpServers\": {\n    \"a\": {}, /* A */\n  },\n}\n",
        &format!("{{\n  \"mcpServers\": {{\n    \"a\": {{}}, /* A */\n    {new},\n  }},\n}}\n"),
    );
    add(
        "{\"mcpServers\":{\"a\":{}}, \"z\": 1.0}",
        "{\"mcpServers\":{\"a\":{}, \"new\": {\"command\": \"/bin/x\", \"args\": [\"u\", \"a: b\"]}}, \"z\": 1.0}",
    );
    add(
        "\u{feff}{\r\n\t\"z\": 12345678901234567890\r\n}\r\n",
        "\u{feff}{\r\n\t\"z\": 12345678901234567890,\r\n\t\"mcpServers\": {\r\n\t\t\"new\": {\r\n\t\t\t\"command\": \"/bin/x\",\r\n\t\t\t\"args\": [\r\n\t\t\t\t\"u\",\r\n\t\t\t\t\"a: b\"\r\n\t\t\t]\r\n\t\t}\r\n\t}\r\n}\r\n",
    );
}

#[test]
fn json_without_an_entry() {
    for (before, after) in [
        ("{\"mcpServers\": {\"new\": {}}}", "{\"mcpServers\": {}}"),
        ("{\"mcpServers\": {\"new\": {}, \"b\": 1}}", "{\"mcpServers\": {\"b\": 1}}"),
        ("{\"mcpServers\": {\"b\": 1, \"new\": {}}}", "{\"mcpServers\": {\"b\": 1}}"),
        (
            "{\"mcpServers\": {\n  \"b\": 1, // B\n  // of new\n  \"new\": {} // N\n}}",
            "{\"mcpServers\": {\n  \"b\": 1 // B\n  // of new\n}}",
        ),
        (
            "{\"mcpServers\": {\n  \"b\": 1,\n  \"new\": {},\n}}",
            "{\"mcpServers\": {\n  \"b\": 1,\n}}",
        ),
        (
            "{\"mcpServers\": {\n  \"new\": {\n    \"x\": 1\n  },\n  \"b\": 1\n}}",
            "{\"mcpServers\": {\n  \"b\": 1\n}}",
        ),
        (
            "{\"mcpServers\": {\"new\": 1,\n  \"b\": 1, \"new\": {}}}",
            "{\"mcpServers\": {\n  \"b\": 1}}",
        ),
        // It is there twice, and last.
        (
            "{\"mcpServers\": {\n  \"b\": 1,\n  \"new\": 1, \"new\": {}\n}}",
            "{\"mcpServers\": {\n  \"b\": 1\n}}",
        ),
        (
            "{\"mcpServers\": {\n  \"b\": 1,\n  \"new\": 1,\n  // second\n  \"new\": {}\n}}",
            "{\"mcpServers\": {\n  \"b\": 1\n  // second\n}}",
        ),
        ("{\"mcpServers\": {\"b\": 1, \"new\": 1, \"new\": {}}}", "{\"mcpServers\": {\"b\": 1}}"),
        ("{\"mcpServers\": {\"b\":1,\"new\":1,\"new\":{}}}", "{\"mcpServers\": {\"b\":1}}"),
        ("{\"mcpServers\": {\"new\": 1, \"new\": {}}}", "{\"mcpServers\": {}}"),
        (
            "{\"mcpServers\": {\"new\": 1, \"new\": 2, \"b\": 1, \"new\": {},}}",
            "{\"mcpServers\": {\"b\": 1, }}",
        ),
    ] {
        assert_eq!(remove(before, Format::Json, &keys(&SERVERS)).unwrap(), after);
    }
}

#[test]
fn toml_in_every_style() {
    let path = keys(&["mcp_servers", "new"]);
    let add = |before: &str, after: &str| added(Format::Toml, &path, before, after);
    let new = "[mcp_servers.new]\ncommand = \"/bin/x\"\nargs = [\"u\", \"a: b\"]\n";
    add("", new);
    add("model = 'x' # m", &format!("model = 'x' # m\n\n{new}"));
    add("[mcp_servers.a]\ncommand = 'x'\n", &format!("[mcp_servers.a]\ncommand = 'x'\n\n{new}"));
    add(
        "[mcp_servers]\na = {command = 'x'}\n",
        &format!("[mcp_servers]\na = {{command = 'x'}}\n\n{new}"),
    );
    add(
        "mcp_servers = { a = { command = 'x' } } # all\n",
        "mcp_servers = { a = { command = 'x' }, new = { command = \"/bin/x\", args = [\"u\", \"a: b\"] } } # all\n",
    );
    add(
        "a = 1\r\n# c\r\n[b]\r\n",
        &format!("a = 1\r\n# c\r\n[b]\r\n\r\n{}", new.replace('\n', "\r\n")),
    );
    let dotted = "mcp_servers.a.command = 'x'\n";
    add(dotted, &format!("{dotted}\n{new}"));
    // In place of what is there, where that is.
    let before = "[mcp_servers.new] # mine\ncommand = 'y'\nargs = [\n 'z' # z\n]\n[mcp_servers.new.env]\nA = 'b'\n\n# next\n[c]\nd = 1\n";
    let after = "[mcp_servers.new]\ncommand = \"/bin/x\"\nargs = [\"u\", \"a: b\"]\n\n\n# next\n[c]\nd = 1\n";
    assert_eq!(set(before, Format::Toml, &path, &entry()).unwrap(), after);
    assert_eq!(remove(before, Format::Toml, &path).unwrap(), "\n# next\n[c]\nd = 1\n");
    // Parts of one.
    let args = [path.clone(), keys(&["args"])].concat();
    let list = Node::List(vec![text("q")]);
    let changed = set(before, Format::Toml, &args, &list).unwrap();
    assert_eq!(changed, before.replace("[\n 'z' # z\n]", "[\"q\"]"));
    let without = "[mcp_servers.new]\ncommand = 'y' # c\n[c]\n";
    let changed = set(without, Format::Toml, &args, &list).unwrap();
    assert_eq!(changed, "[mcp_servers.new]\ncommand = 'y' # c\nargs = [\"q\"]\n[c]\n");
}

#[test]
fn yaml_in_every_style() {
    let path = keys(&["extensions", "new"]);
    let add = |before: &str, after: &str| added(Format::Yaml, &path, before, after);
    let new = "  new:\n    command: /bin/x\n    args:\n      - u\n      - \"a: b\"\n";
    add("", &format!("extensions:\n{new}"));
    add("# goose\n", &format!("# goose\nextensions:\n{new}"));
    add("a: 1", format!("a: 1\nextensions:\n{new}").trim_end());
    add("extensions:\na: 1\n", &format!("extensions:\n{new}a: 1\n"));
    add("extensions: {} # none\na: é\n", &format!("extensions: # none\n{new}a: é\n"));
    add(
        "extensions:\n  dev: # D\n    args: [a, 'b']\n    env:\n      X: |\n        y\n\n# end\na: 1\n",
        &format!(
            "extensions:\n  dev: # D\n    args: [a, 'b']\n    env:\n      X: |\n        y\n{new}\n# end\na: 1\n"
        ),
    );
    add(
        "extensions: {dev: {enabled: true}} # flow\n",
        "extensions: {dev: {enabled: true}, \"new\": {\"command\": \"/bin/x\", \"args\": [\"u\", \"a: b\"]}} # flow\n",
    );
    add(
        "e: 1\r\nextensions:\r\n    dev:\r\n        k: v\r\n",
        "e: 1\r\nextensions:\r\n    dev:\r\n        k: v\r\n    new:\r\n      command: /bin/x\r\n      args:\r\n        - u\r\n        - \"a: b\"\r\n",
    );
    let args = [path.clone(), keys(&["args"])].concat();
    let list = Node::List(vec![text("q"), text("no")]);
    for (before, after) in [
        (
            "extensions:\n  new:\n    args: [a] # c\n",
            "extensions:\n  new:\n    args: [\"q\", \"no\"] # c\n",
        ),
        (
            "extensions:\n  new:\n    args: # c\n    - a\n    - b # b\n    x: 1\n",
            "extensions:\n  new:\n    args: # c\n    - q\n    - \"no\" # b\n    x: 1\n",
        ),
        (
            "extensions:\n  new:\n    args: []\n",
            "extensions:\n  new:\n    args:\n      - q\n      - \"no\"\n",
        ),
        (
            "extensions:\n  new:\n    cmd: x\n",
            "extensions:\n  new:\n    cmd: x\n    args:\n      - q\n      - \"no\"\n",
        ),
    ] {
        assert_eq!(set(before, Format::Yaml, &args, &list).unwrap(), after);
    }
}

#[test]
fn yaml_lists_of_named_entries() {
    let path = [Step::Key("mcpServers".into()), Step::Named("new".into())];
    let entry = table(&[("name", text("new")), ("command", text("/bin/x"))]);
    let add = |before: &str| set(before, Format::Yaml, &path, &entry).unwrap();
    let new = "  - name: new\n    command: /bin/x\n";
    assert_eq!(add("name: L\n"), format!("name: L\nmcpServers:\n{new}"));
    assert_eq!(add("mcpServers: []\nb: 1\n"), format!("mcpServers:\n{new}b: 1\n"));
    let one = "mcpServers:\n  - name: a # A\n    args:\n      - x\nb: 1\n";
    let two = format!("mcpServers:\n  - name: a # A\n    args:\n      - x\n{new}b: 1\n");
    assert_eq!(add(one), two);
    assert_eq!(remove(&two, Format::Yaml, &path).unwrap(), one);
    // Dashes below their key.
    let flat = "mcpServers:\n- name: a\n- name: new\n  command: y # why\nb: 1\n";
    assert_eq!(add(flat), flat.replace("command: y # why", "command: /bin/x # why"));
    assert_eq!(remove(flat, Format::Yaml, &path).unwrap(), "mcpServers:\n- name: a\nb: 1\n");
    let only = "mcpServers:\n- name: new\n";
    assert_eq!(remove(only, Format::Yaml, &path).unwrap(), "mcpServers: []\n");
}

#[test]
fn what_is_no_place_for_servers_stays() {
    for (format, text) in [
        (Format::Json, "{\"mcpServers\": []}"),
        (Format::Json, "{\"mcpServers\": \"x\"}"),
        (Format::Json, "[]"),
        (Format::Toml, "mcpServers = 1\n"),
        (Format::Yaml, "mcpServers: x\n"),
        (Format::Yaml, "- x\n"),
    ] {
        let error = set(text, format, &keys(&SERVERS), &entry()).unwrap_err();
        assert!(matches!(error, EditError::Occupied(_) | EditError::Unsafe), "{text}: {error}");
    }
    let broken = set("{\"a\": fake-secret}", Format::Json, &keys(&SERVERS), &entry()).unwrap_err();
    assert!(!broken.to_string().contains("fake"));
    // An alias is not ours to look behind.
    let alias = "a: &x\n  b: 1\nmcpServers: *x\n";
    assert!(set(alias, Format::Yaml, &keys(&SERVERS), &entry()).is_err());
}

#[test]
fn strings_survive_all_formats() {
    let odd = "a\"b\\c\n\t\u{7f}\u{85}\u{2028}é😀'# : - {}[]";
    for format in [Format::Json, Format::Toml, Format::Yaml] {
        let node =
            table(&[("args", Node::List(vec![text(odd), text(""), text("~"), text("1e3")]))]);
        set("", format, &keys(&["mcpServers", "odd name: 1"]), &node).unwrap();
    }
}

/// A gap between tokens, with comments.
fn gap() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(" ".to_owned()),
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("\t".to_owned()),
        "[a-z,{}\"\\[\\]: é]{0,6}".prop_map(|text| format!("/*{text}*/")),
        "[a-z,{}\"\\[\\]: é]{0,6}".prop_map(|text| format!("//{text}\n")),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("1.0".to_owned()),
        Just("12345678901234567890".to_owned()),
        "[a-z /*,{}:#é]{0,5}".prop_map(|text| format!("\"{text}\"")),
    ]
}

fn object(inner: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = String> {
    let member = (gap(), "[a-c]", gap(), gap(), inner, gap())
        .prop_map(|(a, name, b, c, value, d)| format!("{a}\"{name}\"{b}:{c}{value}{d}"));
    (prop::collection::vec(member, 0..4), any::<bool>(), gap()).prop_map(|(members, comma, end)| {
        let trailing = if comma && !members.is_empty() { "," } else { "" };
        format!("{{{}{trailing}{end}}}", members.join(","))
    })
}

fn document() -> impl Strategy<Value = String> {
    let list = prop::collection::vec((gap(), scalar(), gap()), 0..3).prop_map(|items| {
        let items: Vec<_> = items.iter().map(|(a, value, b)| format!("{a}{value}{b}")).collect();
        format!("[{}]", items.join(","))
    });
    let value = prop_oneof![scalar(), list].boxed();
    let inner = prop_oneof![value.clone(), object(value).boxed()].boxed();
    (any::<bool>(), gap(), object(inner), gap()).prop_map(|(mark, a, object, b)| {
        format!("{}{a}{object}{b}", if mark { "\u{feff}" } else { "" })
    })
}

/// Every character of the file is still there, in its order.
#[track_caller]
fn the_rest_is_there(before: &str, after: &str) {
    let mut rest = after.chars();
    // Between the brackets of what was empty white space makes room.
    for c in before.chars().filter(|c| !c.is_whitespace()) {
        assert!(rest.any(|other| other == c), "{before:?} became {after:?}");
    }
}

proptest! {
    #[test]
    fn json_but_for_the_entry_stays(before in document(), depth in 1..3_usize) {
        let path = keys(&["a", "new"][2 - depth..]);
        match set(&before, Format::Json, &path, &entry()) {
            Ok(after) => {
                let read = |text: &str| -> serde_json::Value {
                    let text = text.trim_start_matches('\u{feff}');
                    jsonc_parser::parse_to_ast(text, &jsonc_parser::CollectOptions::default(), &jsonc_parser::ParseOptions::default()).unwrap();
                    // Comments and commas are no part of the meaning.
                    serde_json::from_str(&plain(text)).unwrap()
                };
                let (mut one, mut other) = (read(&before), read(&after));
                let parent = if depth == 1 { &mut other } else { &mut other["a"] };
                let added = parent.as_object_mut().unwrap().remove("new").unwrap();
                prop_assert_eq!(added, serde_json::json!({"command": "/bin/x", "args": ["u", "a: b"]}));
                if depth == 2 {
                    for tree in [&mut one, &mut other] {
                        let empty = tree.get("a").is_some_and(|a| a.is_null() || *a == serde_json::json!({}));
                        if empty { tree.as_object_mut().unwrap().remove("a"); }
                    }
                }
                prop_assert_eq!(one, other);
                if !before.contains("null") {
                    the_rest_is_there(&before, &after);
                }
                let again = remove(&after, Format::Json, &path).unwrap();
                prop_assert!(find(&parse(again.as_bytes(), Format::Json).unwrap(), &path).is_none());
            }
            Err(EditError::Occupied(_)) => prop_assert_eq!(depth, 2),
            Err(error) => prop_assert!(false, "{error}: {before:?}"),
        }
    }

    #[test]
    fn toml_but_for_the_entry_stays(
        parts in prop::collection::vec(prop_oneof![
            Just("# comment é"), Just(""), Just("[x]"), Just("[[y]]"), Just("[mcp_servers.a]"),
            Just("[mcp_servers.a.env]"), Just("[mcp_servers.'b c']"), Just("[mcp_servers]"), Just("mcp_servers.d.e = 1"),
        ], 0..8),
        crlf: bool, end: bool,
    ) {
        let mut number = 0;
        let mut lines = Vec::new();
        for part in parts {
            lines.push(part.to_owned());
            number += 1;
            lines.push(format!("k{number}   = {{ v = [1.0, '#'] }} # c"));
        }
        let mut before = lines.join(if crlf { "\r\n" } else { "\n" });
        if end { before.push('\n'); }
        if before.parse::<toml_edit::Document<String>>().is_err() { return Ok(()); }
        let path = keys(&["mcp_servers", "new"]);
        match set(&before, Format::Toml, &path, &entry()) {
            Ok(after) => {
                prop_assert!(after.starts_with(&before), "{after}");
                after.parse::<toml_edit::Document<String>>().unwrap();
                let again = remove(&after, Format::Toml, &path).unwrap();
                prop_assert!(again.starts_with(&before));
            }
            Err(error) => prop_assert!(false, "{error}: {before}"),
        }
    }

    #[test]
    fn yaml_but_for_the_entry_stays(
        parts in prop::collection::vec((0..5_usize, prop_oneof![
            Just("x # c"), Just("[a, {b: c}] # é"), Just("|\n      lit\n      # no comment\n"), Just("'q'"), Just(""), Just("\n      n: [1.0]"),
            Just(">-\n      folded\n\n      text"), Just("&anchor v"), Just("\n      - 1\n      - z: {}\n      # end"),
        ]), 0..5),
        section: bool, crlf: bool, end: bool,
    ) {
        let mut before = String::from("# top\nfirst: 1\n");
        if section { before.push_str("extensions:\n"); } else { before.push_str("other:\n"); }
        for (n, (gap, value)) in parts.iter().enumerate() {
            before.push_str(&format!("  e{n}:\n    k: {value}\n{}", if *gap == 0 { "\n  # between\n" } else { "" }));
        }
        before.push_str("last: [x]");
        if end { before.push_str("\n# over\n"); }
        if crlf { before = before.replace('\n', "\r\n"); }
        let path = keys(&["extensions", "new"]);
        let after = set(&before, Format::Yaml, &path, &entry());
        let after = after.unwrap_or_else(|error| panic!("{error}: {before}"));
        the_rest_is_there(&before, &after);
        let again = remove(&after, Format::Yaml, &path).unwrap();
        if section && parts.is_empty() { return Ok(()); }
        if section { prop_assert_eq!(again, before); } else { the_rest_is_there(&before, &again); }
    }

    #[test]
    fn nothing_panics(text in "[\\[\\]{}\"a:,#/* \n=.'|>&*-]{0,40}", which in 0..3_usize) {
        let format = [Format::Json, Format::Toml, Format::Yaml][which];
        for path in [keys(&["a"]), keys(&["a", "a"])] {
            if let Ok(after) = set(&text, format, &path, &entry()) {
                assert!(same(find(&parse(after.as_bytes(), format).unwrap(), &path).unwrap(), &entry()));
            }
            let _ = remove(&text, format, &path);
        }
    }
}

/// JSON without comments and trailing commas.
fn plain(text: &str) -> String {
    let (mut out, mut rest, mut string) = (String::new(), text, false);
    while let Some(c) = rest.chars().next() {
        if !string && rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if !string && rest.starts_with("/*") {
            rest = &rest[rest.find("*/").unwrap() + 2..];
        } else {
            string ^= c == '"';
            if !string && matches!(c, '}' | ']') && out.trim_end().ends_with(',') {
                out.truncate(out.trim_end().len() - 1);
            }
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}
