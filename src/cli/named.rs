//! Servers by name: where the URL stands among the words, and which flags there are to be set by a file.
//!
//! What a file says of a server becomes words in front of those that were typed, and clap reads them all. So
//! that what was typed wins, the words of a file are chosen by which flags were typed ([`Place::typed`]).

use std::ffi::{OsStr, OsString};

use clap::{ArgAction, Command};

use super::{Cli, ConnectionArgs};

use crate::order;

/// What is wrong with words.
pub type ParseError = clap::Error;

/// A flag of the bridge, as far as a file has to know it.
#[derive(Clone, Debug)]
pub struct Flag {
    /// Its name, without hyphens in front.
    pub long: String,
    /// What it is for, in one phrase.
    pub help: String,
    /// How its value is called in the help; none if it takes none.
    pub value: Option<String>,
    /// Whether the value may be left out.
    pub optional: bool,
    /// Whether it may be given several times.
    pub repeatable: bool,
    /// The values that it takes, where there are only some.
    pub choices: Vec<String>,
}

/// The flags of the bridge.
pub fn flags() -> Vec<Flag> {
    let command = super::command();
    let flags = command.get_arguments().filter(|arg| !arg.is_positional());
    flags
        .filter_map(|arg| {
            let takes = arg.get_action().takes_values();
            let names = arg.get_value_names().and_then(|names| names.first());
            let choices = arg.get_possible_values();
            Some(Flag {
                long: arg.get_long()?.to_owned(),
                help: arg.get_help().map(ToString::to_string).unwrap_or_default(),
                value: names.filter(|_| takes).map(ToString::to_string),
                optional: takes && arg.is_require_equals_set(),
                repeatable: matches!(arg.get_action(), ArgAction::Append | ArgAction::Count),
                choices: if takes {
                    choices.iter().map(|choice| choice.get_name().to_owned()).collect()
                } else {
                    Vec::new()
                },
            })
        })
        .collect()
}

/// The names of all commands, which a server cannot have.
pub fn commands() -> Vec<String> {
    let command = super::command();
    let mut names: Vec<String> =
        command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    // clap's own, and one that not every build has.
    names.extend(["help".to_owned(), "demo".to_owned()]);
    order::sort(&mut names);
    names.dedup();
    names
}

/// A flag as it was typed. The value may be secret, and therefore does not print.
pub struct Typed {
    /// Its name, without hyphens in front.
    pub flag: String,
    /// Its value, if it has one.
    pub value: Option<String>,
}

/// Where a command line says which server is meant.
pub struct Place {
    /// Behind the words of the command: where flags may be put in.
    pub begin: usize,
    /// The word for the server.
    pub server: usize,
    /// The flags that were typed.
    pub typed: Vec<Typed>,
    /// The flags that this command knows, without hyphens.
    pub known: Vec<String>,
    /// Whether there was a flag that nobody knows, so that `server` may be a value of it.
    pub doubtful: bool,
}

/// Finds the word for the server. `None` if the command takes none, if there is none, and where help is asked
/// for. The first word is the program.
pub fn place(words: &[OsString]) -> Option<Place> {
    let program = super::command();
    let mut command = &program;
    let mut begin = 1;
    while let Some(inner) =
        words.get(begin).and_then(|word| word.to_str()).and_then(|word| named(command, word))
    {
        command = inner;
        begin += 1;
    }
    let first = command.get_positionals().next()?;
    if first.get_id() != "url" || words.get(begin).is_some_and(|word| word == "help") {
        return None;
    }
    let known = command.get_arguments().filter_map(|arg| arg.get_long()).map(str::to_owned);
    let mut place =
        Place { begin, server: 0, typed: Vec::new(), known: known.collect(), doubtful: false };
    let mut at = begin;
    let mut flags_end = false;
    while let Some(word) = words.get(at) {
        at += 1;
        let text = word.to_string_lossy();
        if flags_end || !text.starts_with('-') || text == "-" {
            if place.server == 0 {
                place.server = at - 1;
            }
        } else if text == "--" {
            flags_end = true;
        } else if matches!(&*text, "-h" | "--help" | "-V" | "--version") {
            return None;
        } else if flag(command, word, &mut place) {
            let value = words.get(at).map(|word| word.to_string_lossy().into_owned());
            if let Some(typed) = place.typed.last_mut() {
                typed.value = value;
            }
            at += 1;
        }
    }
    (place.server > 0).then_some(place)
}

impl Cli {
    /// Where to connect and how, for a command that connects.
    pub fn connection_mut(&mut self) -> Option<&mut ConnectionArgs> {
        Some(match &mut self.command {
            None => &mut self.bridge.connection,
            Some(super::Command::Install(args)) => &mut args.bridge.connection,
            Some(super::Command::Check(args)) => &mut args.connection,
            Some(super::Command::Login(args)) => &mut args.connection,
            Some(super::Command::Logout(args)) => &mut args.connection,
            Some(super::Command::Auth(super::AuthCommand::Import(args))) => &mut args.connection,
            Some(super::Command::Client(command)) => &mut command.common_mut().connection,
            Some(_) => return None,
        })
    }
}

fn named<'a>(command: &'a Command, word: &str) -> Option<&'a Command> {
    command.find_subcommand(word)
}

/// Takes note of a word with flags. Whether the next word is a value.
fn flag(command: &Command, word: &OsStr, place: &mut Place) -> bool {
    let text = word.to_string_lossy();
    if let Some(long) = text.strip_prefix("--") {
        let (name, value) = long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v)));
        let Some(arg) = command.get_arguments().find(|arg| arg.get_long() == Some(name)) else {
            place.doubtful = true;
            return false;
        };
        let value_here = value.map(str::to_owned);
        place.typed.push(Typed { flag: name.to_owned(), value: value_here });
        return arg.get_action().takes_values() && value.is_none() && !arg.is_require_equals_set();
    }
    for (at, letter) in text.char_indices().skip(1) {
        let Some(arg) = command.get_arguments().find(|arg| arg.get_short() == Some(letter)) else {
            place.doubtful = true;
            return false;
        };
        let flag = arg.get_long().unwrap_or_default().to_owned();
        let takes = arg.get_action().takes_values();
        // Behind a letter that takes a value is the value.
        let rest = text.get(at + letter.len_utf8()..).filter(|rest| takes && !rest.is_empty());
        let rest = rest.map(|rest| rest.strip_prefix('=').unwrap_or(rest).to_owned());
        let missing = takes && rest.is_none();
        place.typed.push(Typed { flag, value: rest });
        if takes {
            return missing;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &[&str]) -> Option<(String, Vec<String>)> {
        let words: Vec<OsString> =
            [&["mcp-tether"], line].concat().iter().map(OsString::from).collect();
        let place = place(&words)?;
        let typed = place.typed.into_iter().map(|typed| typed.flag);
        Some((words[place.server].to_string_lossy().into_owned(), typed.collect()))
    }

    #[test]
    fn values_are_found_wherever_they_stand() {
        for line in [
            &["-H", "A: b", "linear"][..],
            &["-HA: b", "linear"],
            &["-H=A: b", "linear"],
            &["-vHA: b", "linear"],
            &["--header", "A: b", "linear"],
            &["linear", "--header=A: b"],
        ] {
            let words: Vec<OsString> =
                [&["mcp-tether"], line].concat().iter().map(OsString::from).collect();
            let typed = place(&words).unwrap().typed;
            let header = typed.iter().find(|typed| typed.flag == "header").unwrap();
            assert_eq!(header.value.as_deref(), Some("A: b"), "{line:?}");
        }
    }

    #[test]
    fn the_server_is_found_among_flags_and_values() {
        for (line, typed) in [
            (&["linear"][..], &[][..]),
            (&["--profile", "work", "linear"], &["profile"]),
            (
                &["--profile=work", "-vv", "linear", "-HA:b"],
                &["profile", "verbose", "verbose", "header"],
            ),
            (&["-H", "A: b", "--keep-alive", "linear"], &["header", "keep-alive"]),
            (&["-vH", "A: b", "linear"], &["verbose", "header"]),
            (&["--", "linear"], &[]),
            (&["check", "linear", "--json"], &["json"]),
            (&["check", "-q", "linear"], &["quiet"]),
            (&["call", "linear", "check", "a=1", "--", "--b"], &[]),
            (&["auth", "status", "--profile", "x", "linear"], &["profile"]),
            (&["logout", "linear"], &[]),
            (&["doctor", "--timeout", "1s", "linear"], &["timeout"]),
        ] {
            let (server, flags) = found(line).unwrap_or_else(|| panic!("{line:?}"));
            assert_eq!(
                (&*server, &*flags),
                ("linear", typed.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>().as_slice()),
                "{line:?}"
            );
        }
        for line in [
            &[][..],
            &["help", "check"],
            &["linear", "--help"],
            &["check", "linear", "-h"],
            &["--version"],
            &["check", "--config", "file"],
            &["logout", "--all"],
            &["auth", "help"],
            &["secret", "set", "name"],
            &["completions", "bash"],
        ] {
            assert_eq!(found(line), None, "{line:?}");
        }
    }

    #[test]
    fn unknown_flags_make_it_doubtful() {
        let doubtful = |line: &[&str]| {
            let words: Vec<OsString> = line.iter().map(OsString::from).collect();
            place(&words).unwrap().doubtful
        };
        assert!(doubtful(&["mcp-tether", "--no-such", "linear"]));
        assert!(doubtful(&["mcp-tether", "-Z", "linear"]));
        assert!(!doubtful(&["mcp-tether", "--ipv4", "linear"]));
    }

    /// What a file says of a flag has to mean the same for every command that has it.
    #[test]
    fn flags_are_the_same_for_every_command_that_takes_a_server() {
        fn all(command: &Command, found: &mut Vec<Command>) {
            found.push(command.clone());
            command.get_subcommands().for_each(|command| all(command, found));
        }
        let mut commands = Vec::new();
        all(&super::super::command(), &mut commands);
        let flags = flags();
        let mut seen = 0;
        for command in commands {
            let takes = command.get_positionals().next().is_some_and(|arg| arg.get_id() == "url");
            let any = command.get_positionals().any(|arg| arg.get_id() == "url");
            assert_eq!(takes, any, "{}: the URL has to come first", command.get_name());
            for arg in command.get_arguments().filter(|_| takes) {
                let Some(flag) = flags.iter().find(|flag| arg.get_long() == Some(&flag.long))
                else {
                    continue;
                };
                seen += 1;
                let repeatable = matches!(arg.get_action(), ArgAction::Append | ArgAction::Count);
                let takes_value = arg.get_action().takes_values();
                assert_eq!(
                    (repeatable, takes_value),
                    (flag.repeatable, flag.value.is_some()),
                    "{} --{}",
                    command.get_name(),
                    flag.long
                );
            }
        }
        assert!(seen > 300, "{seen}");
    }
}
