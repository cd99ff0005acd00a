//! Words of a POSIX shell, with variables in the place of what a trace does not tell.

use std::collections::HashMap;

/// Longest text that is looked at for the name of what was redacted in it.
const NAME_REACH: usize = 80;

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Text.
    Text(String),
    /// The name of a variable.
    Variable(String),
}

/// The variables that have been named so far.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// By fingerprint; by name where there is none.
    names: HashMap<String, String>,
    /// In the order in which they came.
    pub order: Vec<String>,
}

impl Variables {
    /// A text taken apart. `name` is what the whole of it is called (a header); without it, the name is
    /// taken from what stands before: `"token":"[redacted]"`, `code=[redacted]`.
    pub fn parts(&mut self, text: &str, name: Option<&str>) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, fingerprint, after)) = next_redacted(rest) {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let known = name.map(str::to_owned).or_else(|| name_before(before));
            parts.push(Part::Variable(
                self.name(&known.unwrap_or_else(|| "VALUE".into()), fingerprint),
            ));
            rest = after;
        }
        if !rest.is_empty() || parts.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        parts
    }

    /// The same name for the same fingerprint, and another for another.
    fn name(&mut self, wanted: &str, fingerprint: &str) -> String {
        let wanted = variable(wanted);
        let key =
            if fingerprint.is_empty() { format!(" {wanted}") } else { fingerprint.to_owned() };
        if let Some(name) = self.names.get(&key) {
            return name.clone();
        }
        let name = (1..)
            .map(|n| if n == 1 { wanted.clone() } else { format!("{wanted}_{n}") })
            .find(|name| !self.order.contains(name))
            .unwrap_or(wanted);
        self.names.insert(key, name.clone());
        self.order.push(name.clone());
        name
    }
}

/// What is before, the fingerprint of, and what is after the first redacted value.
fn next_redacted(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    // In a URL or a form it may have been percent-encoded.
    while let Some(found) = text[from..].find("redacted") {
        let at = from + found;
        from = at + "redacted".len();
        let Some(begin) = ["[", "%5B", "%5b"]
            .iter()
            .find_map(|open| text[..at].ends_with(open).then(|| at - open.len()))
        else {
            continue;
        };
        let after = &text[from..];
        let gap =
            [" ", "%20", "+"].iter().find(|gap| after.starts_with(**gap)).map_or(0, |it| it.len());
        let hex = after[gap..].bytes().take_while(u8::is_ascii_hexdigit).count();
        let (fingerprint, close) = after[gap..].split_at(hex);
        if (gap > 0) != (hex > 0) {
            continue;
        }
        if let Some(end) = ["]", "%5D", "%5d"].iter().find(|end| close.starts_with(**end)) {
            return Some((&text[..begin], fingerprint, &close[end.len()..]));
        }
    }
    None
}

/// What the value behind this text is called.
fn name_before(text: &str) -> Option<String> {
    let start = text.len().saturating_sub(NAME_REACH);
    let start = (start..text.len()).find(|at| text.is_char_boundary(*at))?;
    let text = &text[start..];
    if let Some(form) = text.strip_suffix('=') {
        let from = form.rfind(['&', '?', '/', ' ']).map_or(0, |at| at + 1);
        return Some(form[from..].to_owned());
    }
    // The string that the value is in, or begins, is that of a member.
    let quote = text.rfind('"')?;
    let member = text[..quote].trim_end().strip_suffix(':')?.trim_end().strip_suffix('"')?;
    Some(member[member.rfind('"')? + 1..].to_owned())
}

/// The name of a variable: `accessToken`, `access-token` and `access_token` become `ACCESS_TOKEN`.
fn variable(name: &str) -> String {
    let mut out = String::new();
    let mut lower = false;
    for c in name.chars().take(NAME_REACH) {
        if c.is_ascii_alphanumeric() {
            if lower && c.is_ascii_uppercase() {
                out.push('_');
            }
            out.push(c.to_ascii_uppercase());
        } else if !out.ends_with('_') && !out.is_empty() {
            out.push('_');
        }
        lower = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    let out = out.trim_end_matches('_');
    match out.bytes().next() {
        None => "VALUE".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{out}"),
        // What a shell or curl itself goes by.
        Some(_)
            if matches!(out, "PATH" | "HOME" | "IFS" | "ENV" | "PS1" | "PS2" | "PS4" | "PWD") =>
        {
            format!("{out}_VALUE")
        }
        Some(_) => out.to_owned(),
    }
}

/// One word for the shell.
pub(super) fn word(parts: &[Part]) -> String {
    if let [Part::Text(text)] = parts {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,@%+=".contains(c);
        if !text.is_empty() && text.chars().all(plain) {
            return text.clone();
        }
        return single(text);
    }
    let simple = |part: &Part| match part {
        Part::Text(text) => !text.contains(['"', '\\', '$', '`', '!']),
        Part::Variable(_) => true,
    };
    if parts.iter().all(simple) {
        let inner: String = inside(parts, str::to_owned);
        return format!("\"{inner}\"");
    }
    parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => single(text),
            Part::Variable(name) => format!("\"${name}\""),
        })
        .collect()
}

/// The lines between `<<EOF` and `EOF`.
pub(super) fn here_document(parts: &[Part]) -> String {
    if let [Part::Text(text)] = parts {
        return text.clone();
    }
    inside(parts, |text| text.replace('\\', "\\\\").replace('$', "\\$").replace('`', "\\`"))
}

/// Text and variables where the shell replaces variables.
fn inside(parts: &[Part], escape: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Text(text) => out.push_str(&escape(text)),
            Part::Variable(name) => {
                let goes_on = matches!(parts.get(at + 1), Some(Part::Text(text))
                    if text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'));
                out.push_str(&if goes_on { format!("${{{name}}}") } else { format!("${name}") });
            }
        }
    }
    out
}

fn single(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &str, name: Option<&str>) -> String {
        word(&Variables::default().parts(text, name))
    }

    #[test]
    fn words() {
        assert_eq!(quoted("", None), "''");
        assert_eq!(quoted("https://h/mcp", None), "https://h/mcp");
        assert_eq!(quoted("it's $HOME", None), "'it'\\''s $HOME'");
        assert_eq!(quoted("A: Bearer [redacted 3f9c1a]", Some("token")), "\"A: Bearer $TOKEN\"");
        assert_eq!(
            quoted("{\"apiKey\": \"[redacted]\"}", None),
            "'{\"apiKey\": \"'\"$API_KEY\"'\"}'"
        );
        assert_eq!(quoted("x=[redacted]y", None), "\"x=${X}y\"");
    }

    #[test]
    fn values_are_named_by_what_they_are_and_told_apart() {
        let mut variables = Variables::default();
        let text = "https://h/?sessionId=%5Bredacted%20aa01%5D&code=[redacted bb02]&c=[redacted aa01]\
                    &code=[redacted cc03]&[redacted";
        let word = word(&variables.parts(text, None));
        assert_eq!(
            word,
            "\"https://h/?sessionId=$SESSION_ID&code=$CODE&c=$SESSION_ID&code=$CODE_2&[redacted\""
        );
        assert_eq!(variables.order, ["SESSION_ID", "CODE", "CODE_2"]);
        variables.parts("[redacted dd04] é[redacted]", None);
        assert_eq!(variables.order[3..], ["VALUE", "VALUE_2"]);
    }

    #[test]
    fn names() {
        for (name, wanted) in
            [("x-api-key", "X_API_KEY"), ("path", "PATH_VALUE"), ("é", "VALUE"), ("2fa", "_2FA")]
        {
            assert_eq!(variable(name), wanted);
        }
    }

    proptest::proptest! {
        #[test]
        fn a_shell_reads_what_was_written(text in "[^\0]{0,40}") {
            let parts = [Part::Text(text.clone())];
            proptest::prop_assert_eq!(shlex::split(&word(&parts)), Some(vec![text.clone()]));
            Variables::default().parts(&format!("{text}redacted{text}[redacted {text}]"), None);
        }
    }
}
