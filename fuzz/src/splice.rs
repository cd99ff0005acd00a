//! A JSON text, a name and a value: members are set and removed, and nothing else changes.
//!
//! Input: a line with the name, a line with the value, a number; then the text.
use mcp_tether::jsonrpc::member::lookup;
use mcp_tether::jsonrpc::splice::{Patch, elements, members};

/// One input.
pub fn run(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else { return };
    let mut parts = input.splitn(3, '\n');
    let (Some(name), Some(value), Some(json)) = (parts.next(), parts.next(), parts.next()) else {
        return;
    };
    let value = value.parse().unwrap_or(i64::MIN);
    if let Some(list) = elements(json) {
        assert!(list.iter().map(|element| element.len()).sum::<usize>() <= json.len());
    }
    let Some(before) = members(json) else {
        assert!(Patch::new().set(&[name], "1").apply(json.as_bytes()).is_none());
        return;
    };
    // What is in front of the object and behind it is not the patch's to judge.
    if serde_json::from_str::<serde::de::IgnoredAny>(json).is_err() {
        return;
    }
    assert_eq!(Patch::new().apply(json.as_bytes()).as_deref(), Some(json.as_bytes()));
    let value = value.to_string();
    let set = Patch::new().set(&[name], value.as_str()).apply(json.as_bytes()).expect("an object");
    assert_eq!(lookup(&set, &[name]), Some(value.as_str()));
    let removed = Patch::new().remove(&[name]).apply(json.as_bytes()).expect("an object");
    assert_eq!(lookup(&removed, &[name]), None);
    let nested = Patch::new()
        .set(&[name, "a", "b"], value.as_str())
        .apply(json.as_bytes())
        .expect("an object");
    assert_eq!(lookup(&nested, &[name, "a", "b"]), Some(value.as_str()));
    // The other members stay as they were spelled.
    let others = |text: &[u8]| -> Vec<(String, String)> {
        let text = std::str::from_utf8(text).expect("it was text");
        let all = members(text).expect("an object");
        let others = all.into_iter().filter(|member| member.key != name);
        others.map(|member| (member.name.to_owned(), member.value.to_owned())).collect()
    };
    let kept: Vec<_> = before
        .iter()
        .filter(|member| member.key != name)
        .map(|member| (member.name.to_owned(), member.value.to_owned()))
        .collect();
    for text in [&set, &removed, &nested] {
        assert_eq!(others(text), kept);
    }
}
