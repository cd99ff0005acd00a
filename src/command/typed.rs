//! From the words of a command line to what is meant by them, with a server's name in place of its URL.

use std::ffi::OsString;

use super::outcome;
use crate::cli::named::{self, ParseError, Place};
use crate::cli::{self, BridgeArgs, Cli, Command};
use crate::config::Env;
use crate::config::file::merge::Word;
use crate::config::file::{self, Expansion, NameError, names};
use crate::error::ExitCode;

/// A command line that was understood.
#[derive(Debug)]
pub struct Typed {
    /// What it says.
    pub cli: Cli,
    /// What of it is the file's.
    pub(super) origin: Origin,
}

/// What of a command line comes from the file with servers by name.
#[derive(Debug, Default)]
pub(super) struct Origin {
    /// The file, as it is shown.
    file: String,
    set: Vec<Set>,
}

/// One thing that is set in the file.
#[derive(Debug)]
struct Set {
    /// How the program calls it.
    called: String,
    /// The path that it names, if it names one.
    path: Option<String>,
    key: String,
    line: usize,
}

impl From<&Word> for Set {
    fn from(word: &Word) -> Set {
        let Word { called, path, key, line, .. } = word;
        Set { called: called.clone(), path: path.clone(), key: key.clone(), line: *line }
    }
}

impl Origin {
    /// An error of the program, with where its cause stands if that is in the file.
    pub fn explain(&self, text: &str) -> String {
        let about = |set: &&Set| {
            let start = text.get(..set.called.len());
            let end = text.get(set.called.len()..).and_then(|rest| rest.chars().next());
            let goes_on = end.is_some_and(|c| c.is_alphanumeric() || c == '-' || c == '_');
            start.is_some_and(|start| start.eq_ignore_ascii_case(&set.called)) && !goes_on
                || set.path.as_ref().is_some_and(|path| text.contains(path))
        };
        match self.set.iter().find(about) {
            Some(Set { key, line, .. }) => format!("{text} ({key} in {}, line {line})", self.file),
            None => text.to_owned(),
        }
    }
}

/// Why a command line was not understood.
#[derive(Debug)]
pub enum Misread {
    /// The words, or help was asked for.
    Words(ParseError),
    /// The name of a server.
    Name(String),
}

/// Reads a command line. The first word is the program itself.
///
/// # Errors
/// See [`Misread`].
pub fn read(words: &[OsString]) -> Result<Typed, Misread> {
    let env = |name: &str| std::env::var(name).ok();
    let Some((more, name, origin)) = expanded(words, &env)? else {
        let cli = cli::parse(words).map_err(Misread::Words)?;
        return Ok(Typed { cli, origin: Origin::default() });
    };
    let mut cli = cli::parse(&more).map_err(Misread::Words)?;
    if let Some(Command::Install(args)) = &mut cli.command {
        args.typed = Some(words.to_vec());
    }
    if let Some(connection) = cli.connection_mut() {
        connection.called = Some(name);
    }
    Ok(Typed { cli, origin })
}

/// The bridge's arguments among the words behind `mcp-tether` in a client's configuration.
///
/// # Errors
/// What is wrong with them, without a value.
pub(super) fn bridge_arguments(words: &[String], env: Env<'_>) -> Result<BridgeArgs, String> {
    let line: Vec<OsString> = std::iter::once("mcp-tether")
        .chain(words.iter().map(String::as_str))
        .map(OsString::from)
        .collect();
    match expanded(&line, env) {
        Ok(None) => cli::bridge_arguments(words),
        Ok(Some((line, name, _))) => {
            let words: Vec<String> =
                line.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
            let mut bridge = cli::bridge_arguments(&words)?;
            bridge.connection.called = Some(name);
            Ok(bridge)
        }
        Err(Misread::Name(reason)) => Err(reason),
        // It says what is wrong with them in one phrase.
        Err(Misread::Words(_)) => cli::bridge_arguments(words),
    }
}

/// The words with what the file says of the server, its name, and what comes from where; `None` if there is no
/// name among them.
fn expanded(
    words: &[OsString],
    env: Env<'_>,
) -> Result<Option<(Vec<OsString>, String, Origin)>, Misread> {
    // Most bridges are started with a URL, and need not wait for the tree of all commands.
    let is_url = |word: &OsString| word.to_str().is_some_and(|word| word.contains("://"));
    let may_be = |word: &OsString| word.to_str().is_some_and(names::is_name);
    if words.get(1).is_some_and(is_url) || !words.iter().skip(1).any(may_be) {
        return Ok(None);
    }
    // The value of another bridge's flag must not be taken for the name.
    let words = &cli::translated(words);
    let Some(place) = named::place(words) else { return Ok(None) };
    let Some(name) = words[place.server].to_str().filter(|word| names::is_name(word)) else {
        return Ok(None);
    };
    let commands = if place.begin == 1 { named::commands() } else { Vec::new() };
    let found = file::look_up(name, &commands, env, |file, server| {
        let Expansion { url, words: more } = file.expand(server, &place);
        let origin = Origin {
            file: file.path.display().to_string(),
            set: more.iter().map(Set::from).collect(),
        };
        (
            put_in(words, &place, url, more.into_iter().map(|word| word.text)),
            name.to_owned(),
            origin,
        )
    });
    match found {
        Ok(found) => Ok(Some(found)),
        Err(NameError::Unknown { text, file_is_there }) => {
            // What else is wrong with the words says more about a word that means nothing.
            if (!file_is_there || place.doubtful)
                && let Err(error) = cli::parse(words)
            {
                return Err(Misread::Words(error));
            }
            Err(Misread::Name(text))
        }
        Err(error) => Err(Misread::Name(error.to_string())),
    }
}

fn put_in(
    words: &[OsString],
    place: &Place,
    url: String,
    more: impl Iterator<Item = String>,
) -> Vec<OsString> {
    let mut out = words[..place.begin].to_vec();
    out.extend(more.map(OsString::from));
    out.extend_from_slice(&words[place.begin..place.server]);
    out.push(url.into());
    out.extend_from_slice(&words[place.server + 1..]);
    out
}

/// Says why a command line was not understood, and gives the exit code. Help that was asked for is printed.
pub fn refuse(misread: &Misread, words: &[OsString]) -> ExitCode {
    let json = words.iter().any(|word| word == "--json");
    match misread {
        Misread::Words(error) if error.use_stderr() => {
            outcome::refuse("usage", &cli::mistakes::explain(error, words), json)
        }
        Misread::Words(error) => {
            // `--help` and `--version`. There is nobody to tell that this cannot be printed.
            let _ = error.print();
            ExitCode::Success
        }
        Misread::Name(text) => outcome::refuse("usage", text, json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_explained_by_the_key_that_they_are_about() {
        let set = |called: &str, path: Option<&str>, key: &str, line| Set {
            called: called.into(),
            path: path.map(str::to_owned),
            key: key.into(),
            line,
        };
        let set = vec![
            set("--ca-cert", Some("/x/gone.pem"), "ca-cert", 3),
            set("--header X-A", None, "headers.X-A", 4),
            set("--client-id", None, "client-id", 5),
        ];
        let origin = Origin { file: "FILE".into(), set };
        for (text, place) in [
            ("--ca-cert: no", Some("(ca-cert in FILE, line 3)")),
            ("--ca-cert FILE: no", Some("(ca-cert in FILE, line 3)")),
            ("--header x-a: no", Some("(headers.X-A in FILE, line 4)")),
            ("--header X-AB: no", None),
            ("--header", None),
            ("--client-id-x: no", None),
            ("no --ca-cert", None),
            ("cannot read /x/gone.pem: no", Some("(ca-cert in FILE, line 3)")),
        ] {
            let explained = origin.explain(text);
            assert!(explained.starts_with(text));
            assert_eq!(explained.strip_prefix(&format!("{text} ")), place, "{text}");
        }
    }
}
