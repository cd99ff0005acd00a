//! What can be set in the file: every flag of the bridge, but for those that are listed here as left out.
//!
//! A key is called like its flag, and what its value has to be follows from the flag. Therefore a new flag is
//! a new key by itself; where that is not wanted, [`LEFT_OUT`] says why.

use std::sync::LazyLock;

use crate::cli::named;

/// What a value has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// true or false.
    Switch,
    /// Any text.
    Text,
    /// `10s`.
    Duration,
    /// `64MiB`.
    Size,
    /// One of some.
    Choice,
    /// A file.
    Path,
    /// Where a secret is.
    Reference,
    /// A table of texts by name, sent as headers.
    Headers,
    /// A table of texts by name.
    Parameters,
}

/// A key.
#[derive(Debug)]
pub struct Key {
    /// As it is written, with dots.
    pub name: String,
    /// The flag, without hyphens in front.
    pub flag: String,
    /// What its value has to be.
    pub kind: Kind,
    /// Whether there may be several values.
    pub many: bool,
    /// Whether `true` does in place of a value.
    pub optional: bool,
    /// The values that it takes, if only some.
    pub choices: Vec<String>,
    /// What it is for, in one phrase.
    pub help: String,
}

/// Flags whose key is called otherwise.
const RENAMED: [(&str, &str); 4] = [
    ("header", "headers"),
    ("allow-tool", "tools.allow"),
    ("deny-tool", "tools.deny"),
    ("read-only", "tools.read-only"),
];

/// Flags that are none of a server's settings, and why.
pub const LEFT_OUT: [(&str, &str); 5] = [
    ("client-info", "it may hold a secret; use client-id and client-secret"),
    ("quiet", "it is about one run; type -q"),
    ("verbose", "it is about one run; type -v"),
    ("trace", "it is about one run, and two would write into one file; type --trace FILE"),
    ("trace-max-size", "it belongs to --trace, which is typed"),
];

/// Flags that mean nothing without another, which comes first here where it is in need itself. What belongs to a
/// value that is replaced goes with it: the secret of one client must not be sent with the name of another.
pub const NEEDS: [(&str, &str); 11] = [
    ("header-command-ttl", "header-command"),
    ("client-key", "client-cert"),
    ("client-secret", "client-id"),
    ("private-key", "client-id"),
    ("signing-alg", "private-key"),
    ("idp-authorization-endpoint", "idp-issuer"),
    ("idp-client-secret", "idp-client-id"),
    ("idp-scope", "idp-issuer"),
    ("aws-service", "aws-sigv4"),
    ("aws-region", "aws-sigv4"),
    ("aws-profile", "aws-sigv4"),
];

/// Lists to which is added what is said elsewhere, in place of being replaced: what somebody has forbidden stays
/// forbidden.
pub const ADDED: [&str; 1] = ["deny-tool"];

static KEYS: LazyLock<Vec<Key>> =
    LazyLock::new(|| named::flags().into_iter().filter_map(key).collect());

/// All keys but `url`, in the order of the help.
pub fn keys() -> &'static [Key] {
    &KEYS
}

/// A key by its name.
pub fn find(name: &str) -> Option<&'static Key> {
    keys().iter().find(|key| key.name == name)
}

fn key(flag: named::Flag) -> Option<Key> {
    if LEFT_OUT.iter().any(|(name, _)| *name == flag.long) {
        return None;
    }
    let kind = match flag.value.as_deref() {
        None => Kind::Switch,
        Some(_) if flag.long == "header" => Kind::Headers,
        Some(_) if !flag.choices.is_empty() => Kind::Choice,
        Some("NAME=VALUE") => Kind::Parameters,
        Some("DURATION") => Kind::Duration,
        Some("SIZE") => Kind::Size,
        Some("FILE") => Kind::Path,
        Some("REFERENCE") => Kind::Reference,
        Some(_) => Kind::Text,
    };
    let renamed = RENAMED.iter().find(|(name, _)| *name == flag.long);
    Some(Key {
        name: renamed.map_or(&*flag.long, |(_, key)| key).to_owned(),
        kind,
        many: flag.repeatable && !matches!(kind, Kind::Headers | Kind::Parameters),
        optional: flag.optional,
        choices: flag.choices,
        help: flag.help,
        flag: flag.long,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    #[test]
    fn names_are_those_of_flags_and_differ() {
        let flags = named::flags();
        let known = |name: &str| flags.iter().any(|flag| flag.long == name);
        let listed = RENAMED.iter().map(|(flag, _)| *flag);
        let listed = listed.chain(LEFT_OUT.iter().map(|(flag, _)| *flag)).chain(ADDED);
        for flag in listed.chain(NEEDS.iter().flat_map(|(one, other)| [*one, *other])) {
            assert!(known(flag), "there is no --{flag}");
        }
        assert_eq!(keys().len() + LEFT_OUT.len(), flags.len());
        let mut names: Vec<_> = keys().iter().map(|key| &*key.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), keys().len());
        assert!(find("url").is_none() && !names.contains(&"tools"));
    }

    /// What kind of value a flag takes is known by what the help calls it. A new name has to be put here, or
    /// gets a kind of its own above.
    #[test]
    fn values_that_may_be_any_text() {
        const TEXTS: [&str; 11] = [
            "ADDRESS[:PORT]",
            "ALGORITHM",
            "COMMAND",
            "ID",
            "JSON|@FILE",
            "NAME",
            "PATTERN",
            "SCOPES",
            "URI",
            "URL",
            "NAME: VALUE",
        ];
        for flag in named::flags() {
            let Some(key) = key(flag.clone()).filter(|key| key.kind == Kind::Text) else {
                continue;
            };
            let called = flag.value.unwrap();
            assert!(TEXTS.contains(&&*called), "--{} {called}: of which kind?", key.flag);
        }
    }

    /// [`NEEDS`] against what clap says.
    #[test]
    fn what_is_in_need_is_listed() {
        let value = |key: &Key| match key.kind {
            Kind::Switch => String::new(),
            Kind::Choice => format!("={}", key.choices[0]),
            Kind::Headers => "=a: b".to_owned(),
            Kind::Parameters => "=a=b".to_owned(),
            _ => "=1".to_owned(),
        };
        let parsed = |keys: &[&Key]| {
            let words = keys.iter().map(|key| format!("--{}{}", key.flag, value(key)));
            let words: Vec<_> =
                std::iter::once("https://h.example/".to_owned()).chain(words).collect();
            cli::bridge_arguments(&words)
        };
        for key in keys() {
            let needs = NEEDS.iter().find(|(flag, _)| *flag == key.flag);
            assert_eq!(parsed(&[key]).is_err(), needs.is_some(), "--{}", key.flag);
            let mut all = vec![key];
            let mut flag = &*key.flag;
            while let Some((_, other)) = NEEDS.iter().find(|(name, _)| *name == flag) {
                all.push(keys().iter().find(|key| key.flag == *other).unwrap());
                flag = other;
            }
            assert!(parsed(&all).is_ok(), "--{}", key.flag);
        }
        // In this order a need is looked at before what depends on it.
        for (at, (_, other)) in NEEDS.iter().enumerate() {
            let before = NEEDS.iter().position(|(flag, _)| flag == other);
            assert!(before.is_none_or(|before| before < at), "{other}");
        }
    }
}
