//! Servers by name, in `config.toml`: a name from it stands wherever a URL can.
//!
//! * [`keys`]: what can be set: the flags of the bridge. [`names`]: what a server can be called.
//! * [`read`]: the text of the file, checked. [`merge`]: what it says, as words for a command line.
//! * [`schema`]: the same keys, for editors.
//!
//! The file is never written to but to make a new one from [`TEMPLATE`].

pub mod keys;
pub mod merge;
pub mod names;
pub mod read;
pub mod schema;

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use self::read::{Around, Contents, Problem, Server};
use super::Env;
use crate::cli::mistakes::nearest;
use crate::cli::named::Place;
use crate::limits::MAX_CONFIG_FILE;
use crate::platform::{self, Others};
use crate::secret::harmless;

/// What a new file begins with.
pub const TEMPLATE: &str = include_str!("file/template.toml");

/// The variables that lead to another file: one names it, the other its folder. The first that is set counts.
pub const VARIABLES: [&str; 2] = ["MCP_TETHER_CONFIG", "MCP_TETHER_HOME"];

/// Where the file is, or would be. `None` where the environment names no home.
///
/// `MCP_TETHER_CONFIG` names the file itself. With `MCP_TETHER_HOME` it is in that folder, like everything else.
/// Otherwise it is where this system's conventions want it: `$XDG_CONFIG_HOME` or `~/.config`, on macOS
/// `~/Library/Application Support` unless there is one in `~/.config`, on Windows `%APPDATA%`.
pub fn path(env: Env<'_>) -> Option<PathBuf> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let absolute = |name: &str| set(name).filter(|path| path.is_absolute());
    let [named, folder] = VARIABLES;
    if let Some(file) = set(named) {
        return Some(file);
    }
    const NAME: &str = "config.toml";
    if set(folder).is_some() {
        // A relative one is a mistake, as it is for credentials.
        return Some(absolute(folder)?.join(NAME));
    }
    let inside = |folder: PathBuf| folder.join("mcp-tether").join(NAME);
    if cfg!(windows) {
        return absolute("APPDATA").map(inside);
    }
    let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    let usual = config.map(inside);
    if cfg!(target_vendor = "apple") && !usual.as_ref().is_some_and(|path| path.exists()) {
        return Some(inside(absolute("HOME")?.join("Library").join("Application Support")));
    }
    usual
}

/// Why a file tells nothing.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system.
    #[error("cannot read {}: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// It is a folder, or a pipe, which could keep us waiting for ever.
    #[error("{} is not a regular file", path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// It is larger than any that a person has written.
    #[error("{} has more than {} KiB", path.display(), MAX_CONFIG_FILE >> 10)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Bytes that are no text.
    #[error("{} is not UTF-8", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
    },
    /// Whoever can write to it can have commands run, and tokens sent elsewhere.
    #[error("{0} can be changed by other users of this machine; mend it with: chmod go-w {0}", path.display())]
    Writable {
        /// The file, or a folder that lists it.
        path: PathBuf,
    },
    /// The same, and its owner is among them.
    #[error(
        "{} belongs to the user {owner}, and mcp-tether runs as {person}; give it to that one with chown, or run as its owner",
        path.display()
    )]
    Foreign {
        /// The file, or a folder that lists it.
        path: PathBuf,
        /// The number of its owner.
        owner: u32,
        /// The number of the person.
        person: u32,
    },
}

/// Why a name leads to no server. The texts are whole sentences, with the file.
#[derive(Debug, thiserror::Error)]
pub enum NameError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// What the file says of the server, or of every server, is wrong.
    #[error("{}:{}:{}: {}{more}", path.display(), problem.line, problem.column, problem.text)]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong first.
        problem: Problem,
        /// What to do if that is not all.
        more: &'static str,
    },
    /// There is no such server.
    #[error("{text}")]
    Unknown {
        /// What is said of it.
        text: String,
        /// Whether there is a file at all.
        file_is_there: bool,
    },
}

/// A file that was read.
pub struct Named {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub contents: Contents,
}

/// Reads a file. `None` says that there is none.
///
/// # Errors
/// If it cannot be read. What is wrong with what it says is in [`Contents::problems`].
pub fn load(path: &Path, env: Env<'_>) -> Result<Option<Named>, FileError> {
    let here = || path.to_owned();
    let failed = |reason| FileError::Io { path: here(), reason };
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
        Ok(file) if !file.is_file() => return Err(FileError::NoFile { path: here() }),
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    file.take(MAX_CONFIG_FILE as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MAX_CONFIG_FILE {
        return Err(FileError::TooLarge { path: here() });
    }
    // What a folder lists can be replaced by whoever may write to that: the file, and a link to it.
    let folder = std::path::absolute(path).map_err(failed)?;
    let real = path.canonicalize().map_err(failed)?;
    refuse_of_others(path, &about)?;
    for folder in [folder.parent(), real.parent()].into_iter().flatten() {
        refuse_of_others(folder, &folder.metadata().map_err(failed)?)?;
    }
    let text = String::from_utf8(bytes).map_err(|_| FileError::Encoding { path: here() })?;
    let home = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
    let around = Around {
        folder: folder.parent(),
        home: env(home).filter(|home| !home.is_empty()).map(PathBuf::from),
        open_to_others: platform::is_open_to_others(path),
    };
    Ok(Some(Named { path: here(), contents: read::read(&text, &around) }))
}

fn refuse_of_others(path: &Path, about: &Metadata) -> Result<(), FileError> {
    let path = || path.to_owned();
    match platform::changed_by(about) {
        None => Ok(()),
        Some(Others::Owner { owner, person }) => {
            Err(FileError::Foreign { path: path(), owner, person })
        }
        Some(Others::Mode) => Err(FileError::Writable { path: path() }),
    }
}

/// What the file says of one server, for one command line.
pub struct Expansion {
    /// The server's address.
    pub url: String,
    /// Words to be put in front of those that were typed.
    pub words: Vec<merge::Word>,
}

impl Named {
    /// The server of this name, if nothing is wrong with it.
    ///
    /// # Errors
    /// What is wrong with it, or with the whole file. `None` if there is no such server.
    pub fn server(&self, name: &str) -> Result<Option<&Server>, NameError> {
        let contents = &self.contents;
        let concerns =
            |problem: &&Problem| problem.server.as_deref().is_none_or(|server| server == name);
        let mut problems = contents.problems.iter().filter(concerns);
        if let Some(problem) = problems.next() {
            let more =
                if problems.next().is_some() { "; mcp-tether config check says more" } else { "" };
            return Err(NameError::Wrong {
                path: self.path.clone(),
                problem: problem.clone(),
                more,
            });
        }
        Ok(contents.servers.iter().find(|server| server.name == name))
    }

    /// What the file says of a server that has no problem, for a command line.
    pub fn expand(&self, server: &Server, place: &Place) -> Expansion {
        Expansion {
            url: server.url.clone().unwrap_or_default(),
            words: merge::words(&self.contents.defaults, server, place),
        }
    }

    /// The names of all servers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.contents.servers.iter().map(|server| &*server.name)
    }
}

/// The server of this name in the file that the environment leads to. `commands` are words that could have been
/// meant besides, if any could.
///
/// # Errors
/// Why there is none.
pub fn look_up<T>(
    name: &str,
    commands: &[String],
    env: Env<'_>,
    found: impl FnOnce(&Named, &Server) -> T,
) -> Result<T, NameError> {
    let path = path(env);
    let file = path.as_deref().map(|path| load(path, env)).transpose()?.flatten();
    if let Some(file) = &file
        && let Some(server) = file.server(name)?
    {
        return Ok(found(file, server));
    }
    let place = path.map(|path| harmless(&path.display().to_string()));
    Err(NameError::Unknown {
        text: unknown(name, commands, file.as_ref(), place.as_deref()),
        file_is_there: file.is_some(),
    })
}

/// What is said of a word that means nothing.
fn unknown(word: &str, commands: &[String], file: Option<&Named>, place: Option<&str>) -> String {
    let what =
        if commands.is_empty() { "neither a URL nor" } else { "neither a URL, a command nor" };
    let names: Vec<&str> = file.map(|file| file.names().collect()).unwrap_or_default();
    let place = match (file, place) {
        (Some(_), Some(place)) => format!("a server in {place}"),
        (None, Some(place)) => format!("a server in {place}, which is not there"),
        (_, None) => "the name of a server".to_owned(),
    };
    let mut text = format!("{word:?} is {what} {place}");
    let candidates = names.iter().copied().chain(commands.iter().map(String::as_str));
    if let Some(close) = nearest(word, candidates) {
        text.push_str(&format!("; did you mean {close}?"));
    }
    // As many as one can read.
    const SHOWN: usize = 20;
    if !names.is_empty() {
        let end = if names.len() > SHOWN { " and others (mcp-tether config list)" } else { "" };
        let shown: Vec<&str> = names.iter().copied().take(SHOWN).collect();
        text.push_str(&format!("\nThe file has {}{end}.", shown.join(", ")));
    } else if file.is_some() {
        text.push_str("\nThe file has no servers.");
    }
    text.push_str("\nA URL looks like https://mcp.example.com/mcp.");
    text
}

#[cfg(test)]
mod tests;
