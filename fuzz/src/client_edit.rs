//! Changing an entry of a configuration file: what comes out has it, or nothing comes out; and what is
//! taken out again is gone.
//!
//! Input: a line whose first byte is for the format, and whose second for the path; then the text of the file.
use mcp_tether::clients::document::{Format, Node, parse};
use mcp_tether::clients::edit::{Step, find, remove, same, set};

/// One input.
pub fn run(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else { return };
    let (choice, text) = input.split_once('\n').unwrap_or(("", input));
    let mut choice = choice.bytes();
    let format = match choice.next() {
        Some(b't') => Format::Toml,
        Some(b'y') => Format::Yaml,
        _ => Format::Json,
    };
    let mut path = vec![Step::Key("a".into())];
    match choice.next() {
        Some(b'k') => path.push(Step::Key("b".into())),
        Some(b'n') => path.push(Step::Named("b".into())),
        _ => {}
    }
    let text_of = |text: &str| Node::Text(text.to_owned());
    let entry = Node::Table(vec![
        ("name".into(), text_of("b")),
        ("args".into(), Node::List(vec![text_of("x"), text_of("y: #")])),
    ]);
    let Ok(after) = set(text, format, &path, &entry) else { return };
    let tree = parse(after.as_bytes(), format).unwrap();
    assert!(same(find(&tree, &path).unwrap(), &entry));
    if let Ok(again) = remove(&after, format, &path) {
        assert!(find(&parse(again.as_bytes(), format).unwrap(), &path).is_none());
    }
}
