//! `mcp-tether install` and `uninstall`: an entry in the configuration of a client.
//!
//! * [`words`]: the arguments of the entry, from those that were typed.
//! * [`place`]: which file.
//! * [`change`]: what becomes of a file. [`difference`]: as it is shown, [`hidden`]: without secrets.
//! * [`migrate`]: entries of other bridges. [`listing`]: what there is.

mod change;
mod difference;
mod hidden;
pub(super) mod listing;
pub(super) mod migrate;
mod place;
mod words;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use self::change::Change;
use super::{CommandError, say};
use crate::cli::install::PlaceArgs;
use crate::cli::{InstallArgs, UninstallArgs};
use crate::clients::document::{Format, Node, parse};
use crate::clients::edit::{self, EditError, Step};
use crate::clients::form::Form;
use crate::clients::places::client_of;
use crate::clients::save::SaveError;
use crate::clients::{BridgeKind, Client, FileError, Kind, servers};
use crate::config::Env;
use crate::error::ExitCode;
use crate::limits::MAX_LOGGED_TEXT;
use crate::platform::find_program;
use crate::secret::Redactor;

/// Why a configuration is as it was. No secret is in the texts.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A header that should not be in a file.
    #[error(
        "--header {0}: its value looks like a secret, and is not written into a file; keep it with \
         mcp-tether secret set NAME and give keyring:NAME in its place (literal:VALUE if it is none)"
    )]
    Literal(String),
    /// A client's secret that should not be in a file.
    #[error(
        "--client-info: its client_secret is not written into a file; keep it with mcp-tether secret set \
         NAME and use --client-id with --client-secret keyring:NAME, or write \"${{NAME}}\" for a variable"
    )]
    ClientSecret,
    /// A URL with a password, or with a user name, which may be a key.
    #[error(
        "the URL has a user name or a password, which are not written into a file; use a header with \
         keyring:NAME"
    )]
    Password,
    /// A name that some clients do not take.
    #[error("--name {0}: a name has 1 to 64 letters, digits, - and _")]
    Name(String),
    /// A relative path without a folder to begin in.
    #[error("the folder that this was started in is gone")]
    Folder,
    /// This program cannot be found.
    #[error("this program's own path is unknown: {0}")]
    Own(io::Error),
    /// The arguments are not UTF-8.
    #[error("the arguments are not UTF-8")]
    Encoding,
    /// The client has no such file.
    #[error("{client} has no file for a project; leave out --project")]
    NoProject {
        /// Whose.
        client: &'static str,
    },
    /// The client has no file at all.
    #[error(
        "{client} keeps its servers in its own settings; mcp-tether install --print shows what to \
         enter there"
    )]
    NoFile {
        /// Whose.
        client: &'static str,
    },
    /// The client seems not to be here.
    #[error("{client} does not seem to be on this machine: there is no {}; --force makes it", path.display())]
    Absent {
        /// Which.
        client: &'static str,
        /// Its file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("{}: {source}; correct it, or see what to add with --print", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FileError,
    },
    /// The file cannot be changed.
    #[error("{}: {source}; change it by hand", path.display())]
    Edit {
        /// The file.
        path: PathBuf,
        /// Why.
        source: EditError,
    },
    /// The file cannot be written.
    #[error("{}: {source}", path.display())]
    Save {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SaveError,
    },
    /// There is something of this name.
    #[error("{} has another {name:?} already; --force replaces it, --name takes another name", path.display())]
    Taken {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// There is nothing of this name.
    #[error("there is no {name:?} in {}; it has {known}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
        /// What there is.
        known: String,
    },
    /// It is not one of ours.
    #[error("{name:?} in {} does not start mcp-tether; --force takes it out all the same", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// Nobody can be asked.
    #[error("nothing is changed: this is no terminal to ask on, and --yes was not given")]
    Unasked,
}

/// Writes an entry.
pub(super) fn run(args: &InstallArgs, env: Env<'_>) -> Result<ExitCode, CommandError> {
    let client = of(&args.place);
    let url = words::url(args, env)?;
    let arguments = words::arguments(args)?;
    let name = match &args.name {
        Some(name) => words::name(name)?,
        None => match &args.bridge.connection.called {
            Some(called) => called.clone(),
            None => words::name_of(&url),
        },
    };
    let command = own_command(env)?;
    let format_of = |path: &Path| Format::of(path);
    let file = match client.form {
        Form::Pasted => None,
        _ => match place::choose(client, args.place.project, &name, env) {
            Err(_) if args.print => None,
            file => Some(file?),
        },
    };
    let format = file.as_deref().map_or(Format::Json, format_of);
    let entry = client.form.entry(&name, &command, &arguments, format);
    let steps = client.form.place(&name, format);
    let Some(path) = file.filter(|_| !args.print) else {
        return print(
            client,
            &steps,
            &entry,
            format,
            place::shown(client, args.place.project, &name, env),
        );
    };
    let _turn = if args.dry_run { None } else { Some(change::turn(env, &path)?) };
    let before = change::read(&path)?;
    if before.is_none() && !args.place.project && !args.force && !place::is_here(client, &path, env)
    {
        return Err(InstallError::Absent { client: client.name, path }.into());
    }
    let text = before.as_deref().filter(|text| !text.trim().is_empty());
    let text = text.unwrap_or(client.form.preamble(format));
    let wrong = |source| InstallError::Edit { path: path.clone(), source };
    let tree = parse(text.as_bytes(), format).map_err(|error| wrong(error.into()))?;
    let there = edit::find(&tree, &steps);
    if there.is_some_and(|there| edit::same(there, &entry)) {
        say(&format!("{name} is in {} already; there is nothing to do", path.display()))?;
        return Ok(ExitCode::Success);
    }
    let taken = there.is_some();
    let after = edit::set(text, format, &steps, &entry).map_err(wrong)?;
    let change = Change { path, before, after, private: !args.place.project };
    if args.dry_run || (taken && !args.force) {
        show(&change.difference())?;
    }
    if taken && !args.force {
        return Err(InstallError::Taken { path: change.path, name }.into());
    }
    if args.dry_run {
        return Ok(ExitCode::Success);
    }
    let kept = change.write()?;
    say(&format!("{name} is in {}; restart {} to use it", change.path.display(), client.name))?;
    tell_kept(kept.as_deref())?;
    words::notes(args, &url, &command, env).iter().try_for_each(|note| tell(note))?;
    Ok(ExitCode::Success)
}

/// Takes an entry out.
pub(super) fn take_out(args: &UninstallArgs, env: Env<'_>) -> Result<ExitCode, CommandError> {
    let client = of(&args.place);
    let path = place::choose(client, args.place.project, &args.name, env)?;
    let format = Format::of(&path);
    let name = harmless(&args.name);
    let _turn = if args.dry_run { None } else { Some(change::turn(env, &path)?) };
    let before = change::read(&path)?;
    let text = before.as_deref().unwrap_or_default();
    let wrong = |source| InstallError::Edit { path: path.clone(), source };
    let tree = parse(text.as_bytes(), format).map_err(|error| wrong(error.into()))?;
    let steps = client.form.place(&args.name, format);
    let known = servers::find(&tree, Some(client)).unwrap_or_default();
    if edit::find(&tree, &steps).is_none() {
        let names: Vec<_> = known.iter().map(|server| harmless(&server.name)).collect();
        let known = if names.is_empty() { "no servers".into() } else { names.join(", ") };
        return Err(InstallError::Missing { path, name, known }.into());
    }
    let ours = known.iter().any(|server| {
        server.place == steps
            && matches!(&server.kind, Kind::Bridge(bridge) if bridge.kind == BridgeKind::Ours)
    });
    if !ours && !args.force {
        return Err(InstallError::Foreign { path, name }.into());
    }
    let after = edit::remove(text, format, &steps).map_err(wrong)?;
    let change = Change { path, before, after, private: !args.place.project };
    if args.dry_run {
        show(&change.difference())?;
        return Ok(ExitCode::Success);
    }
    let kept = change.write()?;
    say(&format!("{name} is no longer in {}", change.path.display()))?;
    tell_kept(kept.as_deref())?;
    Ok(ExitCode::Success)
}

fn of(args: &PlaceArgs) -> &'static Client {
    client_of(&args.client)
        .expect("clap takes the names of clients only, and a test holds them against these")
}

/// The entry alone, as a file would have it.
fn print(
    client: &Client,
    steps: &[Step],
    entry: &Node,
    format: Format,
    file: Option<PathBuf>,
) -> Result<ExitCode, CommandError> {
    let text = edit::set("", format, steps, entry).map_err(|source| {
        let path = file.clone().unwrap_or_default();
        InstallError::Edit { path, source }
    })?;
    match file {
        Some(file) => tell(&format!("for {} ({})", file.display(), client.name))?,
        None if client.form == Form::Pasted => tell(&format!(
            "for {}: Settings, Tools, AI Assistant, Model Context Protocol (MCP), Add, as JSON",
            client.name
        ))?,
        None => tell(&format!("for {}", client.name))?,
    }
    say(text.trim_end())?;
    Ok(ExitCode::Success)
}

/// How a client is to start this program: by the whole path, because clients with windows do not have the
/// `PATH` of a shell. A link in the `PATH` is preferred to what it leads to, which goes with the next version.
fn own_command(env: Env<'_>) -> Result<String, InstallError> {
    let own = std::env::current_exe().map_err(InstallError::Own)?;
    let linked = find_program("mcp-tether", env("PATH").as_deref());
    let same = |path: &PathBuf| {
        path.canonicalize().is_ok_and(|path| Ok(path) == own.canonicalize().map_err(drop))
    };
    let path = linked.filter(same).unwrap_or(own);
    path.into_os_string().into_string().map_err(|_| InstallError::Encoding)
}

/// A difference; nothing is printed for none.
fn show(difference: &str) -> io::Result<()> {
    if difference.is_empty() { Ok(()) } else { say(difference.trim_end_matches('\n')) }
}

fn tell(text: &str) -> io::Result<()> {
    writeln!(io::stderr(), "{text}")
}

fn tell_kept(kept: Option<&Path>) -> io::Result<()> {
    kept.map_or(Ok(()), |kept| tell(&format!("what was there before is in {}", kept.display())))
}

fn harmless(text: &str) -> String {
    Redactor::default().clean(text, MAX_LOGGED_TEXT)
}

#[cfg(test)]
mod tests {
    use crate::cli::install::CLIENT_IDS;
    use crate::clients::places::CLIENTS;

    #[test]
    fn every_client_can_be_named() {
        let ids: Vec<_> = CLIENTS.iter().map(|client| client.id).collect();
        assert_eq!(ids, CLIENT_IDS);
    }
}
