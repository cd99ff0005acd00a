//! What in a configuration file is, or may be, a secret: it is not shown when a part of the file is.

use super::document::Node;
use super::template::Template;
use crate::secret::Secret;

/// Words in the names of settings, headers and flags whose values are secrets.
const TELLING: [&str; 12] = [
    "apikey",
    "auth",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "key",
    "pass",
    "password",
    "secret",
    "signature",
    "token",
];

/// Members whose values are all secrets, as far as anybody can tell.
const HOLDERS: [&str; 5] = ["env", "envs", "environment", "headers", "http_headers"];

/// The values that are not to be shown.
pub fn secrets(tree: &Node) -> Vec<Secret> {
    let mut found = Vec::new();
    collect(tree, false, &mut found);
    found
}

/// Whether what is called so is a secret.
pub fn tells(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| TELLING.iter().any(|telling| word == *telling || word.ends_with(telling)))
}

/// Whether a value looks as only secrets do: long, and of letters and digits without order.
pub fn looks_secret(value: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.~+/=".contains(c);
    value.len() >= 20
        && value.chars().all(plain)
        && value.contains(|c: char| c.is_ascii_digit())
        && value.contains(|c: char| c.is_ascii_alphabetic())
}

fn collect(node: &Node, secret: bool, out: &mut Vec<Secret>) {
    match node {
        Node::Text(text) if secret => add(text, out),
        Node::Text(text) => {
            // `Name: value`, `Name=value`, and what a URL has.
            for part in [text.split_once(':'), text.split_once('=')] {
                if let Some((name, value)) = part
                    && tells(name)
                {
                    add(value.trim(), out);
                    value.split_whitespace().for_each(|word| add(word, out));
                }
            }
            if let Ok(url) = url::Url::parse(text) {
                // A user name alone may be a key.
                url.password().or(Some(url.username())).into_iter().for_each(|word| add(word, out));
                url.query().into_iter().for_each(|query| add(query, out));
            }
            // As it is written, and with placeholders, with which it is none.
            if let Some((_, rest)) = text.split_once("://")
                && let Some((user, _)) = rest.rsplit_once('@')
                && let Some((_, password)) = user.split_once(':')
            {
                add(password, out);
            }
            if looks_secret(text) && !text.contains('/') {
                add(text, out);
            }
        }
        Node::List(items) => {
            let mut before = false;
            for item in items {
                collect(item, secret || before, out);
                before = item.text().is_some_and(|text| text.starts_with('-') && tells(text));
            }
        }
        Node::Table(members) => {
            for (name, value) in members {
                collect(value, secret || HOLDERS.contains(&&**name) || tells(name), out);
            }
        }
        Node::Flag(_) | Node::Other => {}
    }
}

fn add(text: &str, out: &mut Vec<Secret>) {
    let reference = ["env:", "file:", "keyring:"].iter().any(|kind| text.contains(kind));
    if text.is_empty() || reference || Template::new(text).has_placeholders() {
        return;
    }
    out.push(Secret::new(text.to_owned()));
    // As JSON and the others write it.
    let written = serde_json::Value::from(text).to_string();
    let inner = &written[1..written.len() - 1];
    if inner != text {
        out.push(Secret::new(inner.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use crate::clients::document::{Format, parse};
    use crate::secret::Redactor;

    #[test]
    fn whatever_may_be_one_is_not_shown() {
        let text = r#"{
          "apiKey": "fake-1-fake",
          "mcpServers": {
            "a": {"command": "x", "args": ["--api-key", "fake-2-fake", "--header", "Authorization: Bearer fake-3-fake", "TOKEN=fake-4-fake"]},
            "b": {"command": "x", "env": {"A": "fake-5-fake\n\"", "B": "${SHOWN}"}},
            "c": {"url": "https://u:fake-6-fake@h.example/?k=fake-7-fake", "headers": {"X": "fake-8-fake"}},
            "e": {"url": "https://fake-user@h.example/"},
            "f": {"url": "https://u:fake-10-fake@${input:host}/"},
            "d": {"args": ["fake9abcdefghijklmnopqrst"]}
          }}"#;
        let tree = parse(text.as_bytes(), Format::Json).unwrap();
        let shown = Redactor::new(super::secrets(&tree)).without_secrets(text);
        assert!(!shown.contains("fake"), "{shown}");
        assert!(shown.contains("${SHOWN}") && shown.contains("https://u:"), "{shown}");
        for (name, tells) in
            [("X-Api-Key", true), ("Authorization", true), ("X-Team", false), ("MYTOKEN", true)]
        {
            assert_eq!(super::tells(name), tells, "{name}");
        }
    }
}
