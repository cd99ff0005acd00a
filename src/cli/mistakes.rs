//! What is said when the words on the command line cannot be read.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// A first word that is neither a URL nor a command, but nearly one: the error that says so.
pub fn mistyped(command: &clap::Command, words: &[OsString]) -> Option<clap::Error> {
    let first = words.get(1)?.to_str()?;
    let is_word = first.chars().all(|c| c.is_ascii_alphabetic() || c == '-' || c == '_');
    if !is_word || first.starts_with('-') || first == "help" {
        return None;
    }
    let names = || command.get_subcommands().map(clap::Command::get_name);
    let meant = nearest(first, names()).filter(|_| names().all(|name| name != first))?;
    let mut error = clap::Error::new(ErrorKind::InvalidSubcommand);
    let meant = ContextValue::Strings(vec![meant.to_owned()]);
    error.insert(ContextKind::SuggestedSubcommand, meant);
    Some(error)
}

const HEADER: &str = "A header is one argument, for example --header Name:value.";

/// The name of a command, if it is one.
fn command_named(word: &str) -> Option<String> {
    super::command().find_subcommand(word).map(|command| command.get_name().to_owned())
}

/// What is wrong with the arguments. Values are left out: a client that splits arguments
/// at spaces makes an argument of what was meant to be a secret.
pub fn explain(error: &clap::Error, words: &[OsString]) -> String {
    let mut text = error.kind().as_str().unwrap_or("the arguments are wrong").to_owned();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        text = "a command is missing".to_owned();
    }
    // The program takes a URL or a command, and clap takes a command behind flags for a URL.
    if error.kind() == ErrorKind::ArgumentConflict
        && error.get(ContextKind::InvalidSubcommand).is_some()
    {
        text = match words.iter().skip(1).find_map(|word| word.to_str().and_then(command_named)) {
            Some(name) => format!("the command goes first: mcp-tether {name}, and flags behind it"),
            None => format!("there is a word too many\n{HEADER}"),
        };
    }
    if let Some(name) = named(error, ContextKind::InvalidArg) {
        text = format!("{text}: {name}");
    }
    let ours = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) if !texts.is_empty() => Some(texts.join(", ")),
        _ => None,
    };
    if let Some(valid) = ours(ContextKind::ValidValue) {
        text = format!("{text}; it can be {valid}");
    }
    for kind in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand] {
        if let Some(meant) = ours(kind) {
            text = format!("{text}; did you mean {meant}?");
        }
    }
    let flag = named(error, ContextKind::InvalidArg).is_some_and(|name| name.starts_with('-'));
    if error.kind() == ErrorKind::UnknownArgument && !flag {
        text = format!("{text}\n{HEADER}");
    }
    // It names flags and no values.
    let usage = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => format!("{usage}\n"),
        _ => String::new(),
    };
    format!("{text}\n{usage}For all options see mcp-tether{} --help.", asked(&usage))
}

/// The same in one phrase, for arguments that somebody else has written.
pub fn reason(error: &clap::Error) -> String {
    let text = error.kind().as_str().unwrap_or("the arguments are wrong").to_owned();
    match named(error, ContextKind::InvalidArg) {
        Some(name) => format!("{text}: {name}"),
        None => text,
    }
}

/// A flag or the name of a value that an error is about, without a value of it.
fn named(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) if text.starts_with('-') || text.starts_with('<') => {
            let end = text.find('=').unwrap_or(text.len());
            Some(text[..end].to_owned())
        }
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        _ => None,
    }
}

/// The command in a line of usage, with a space in front.
fn asked(usage: &str) -> String {
    let words = usage.split_whitespace().skip_while(|word| *word != "mcp-tether").skip(1);
    let names = words.take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()));
    names.map(|name| format!(" {name}")).collect()
}

/// The name that may be meant by a misspelled one.
pub fn nearest<'n>(typed: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let folded = |text: &str| text.to_lowercase().replace(['-', '.', ' '], "_");
    let typed = folded(typed);
    // A third of the letters may be wrong; a name of two or three letters, one.
    let limit = (typed.chars().count() / 3).clamp(1, 4);
    names
        .map(|name| (distance(&typed, &folded(name)), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many letters must be put in, taken out, changed, or swapped with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    const LONGEST: usize = 64;
    let one: Vec<char> = one.chars().take(LONGEST).collect();
    let other: Vec<char> = other.chars().take(LONGEST).collect();
    let mut rows = vec![(0..=other.len()).collect::<Vec<usize>>()];
    for (at, letter) in one.iter().enumerate() {
        let before = &rows[at];
        let mut row = vec![at + 1];
        for (column, wanted) in other.iter().enumerate() {
            let changed = before[column] + usize::from(letter != wanted);
            let mut least = changed.min(before[column + 1] + 1).min(row[column] + 1);
            let swapped = at > 0 && column > 0;
            if swapped && one[at - 1] == *wanted && *letter == other[column - 1] {
                least = least.min(rows[at - 1][column - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    fn said(args: &[&str]) -> String {
        let words: Vec<OsString> =
            [&["mcp-tether"], args].concat().iter().map(Into::into).collect();
        explain(&cli::parse(&words).unwrap_err(), &words)
    }

    #[test]
    fn errors_name_flags_and_show_no_values() {
        for (args, shown) in [
            (
                &["--header", "Authorization:", "Bearer", "fake-secret", "https://h.example/"][..],
                "--header Name:value",
            ),
            (&["https://h.example/", "--fake-flag=fake-secret"], "--fake-flag"),
            (&["https://h.example/", "--haeder=fake-secret"], "did you mean --header?"),
            (&["https://h.example/", "--client-key", "fake-secret"], "--client-cert"),
            (&[], "<URL>"),
            (&["demo", "--port", "fake-secret"], "--port"),
            (
                &["https://h.example/", "--auth", "fake-secret"],
                "it can be interactive, stored, none",
            ),
            (&["check", "https://h.example/", "--json", "--quiet"], "--json"),
            (&["https://h.example/", "fake-secret"], "a word too many"),
            (&["-v", "check", "https://h.example/"], "the command goes first: mcp-tether check"),
            (&["auth"], "a command is missing"),
            (&["auth", "fake-secret"], "subcommand"),
        ] {
            let text = said(args);
            assert!(text.contains(shown) && !text.contains("fake-secret"), "{text}");
        }
    }

    #[test]
    fn errors_show_how_the_command_is_used() {
        assert_eq!(
            said(&["call", "https://h.example/"]),
            "one or more required arguments were not provided: <TOOL>\n\
             Usage: mcp-tether call <URL> <TOOL> [ARGUMENT]...\n\
             For all options see mcp-tether call --help."
        );
        assert!(said(&["auth", "status", "--no"]).ends_with("see mcp-tether auth status --help."));
        assert!(said(&[]).ends_with("see mcp-tether --help."));
    }

    #[test]
    fn a_command_that_is_mistyped() {
        for (typed, meant) in
            [("inspct", "inspect"), ("chekc", "check"), ("Login", "login"), ("lisen", "listen")]
        {
            for more in [&["https://h.example/"][..], &[]] {
                let text = said(&[&[typed], more].concat());
                assert!(text.contains(&format!("did you mean {meant}?")), "{text}");
            }
        }
        for fine in ["https://check/", "inspect", "fake-secret-word", "--check", "help"] {
            let words: Vec<OsString> = ["mcp-tether", fine].iter().map(Into::into).collect();
            assert!(mistyped(&cli::command(), &words).is_none(), "{fine}");
        }
    }
}
