//! `mcp-tether config edit`.

use std::fs::{self, DirBuilder};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use super::{CommandError, ConfigFileError, check, load, usual};
use crate::config::Env;
use crate::config::file::{TEMPLATE, schema};
use crate::error::ExitCode;
use crate::platform::{find_program, private_folder};
use crate::supply::words;

/// What the template names in its first line.
const SCHEMA: &str = "config.schema.json";

/// Lets a person edit the file, and checks it.
pub(super) fn run(env: Env<'_>) -> Result<ExitCode, CommandError> {
    let path = usual(env)?;
    let existed = path.exists();
    if !existed {
        create(&path)?;
    }
    let schema_file = path.with_file_name(SCHEMA);
    if !existed || schema_file.exists() {
        // An editor does without it.
        let _ = fs::write(&schema_file, schema::schema());
    }
    open(&path, env)?;
    let named = load(&path, env)?.ok_or(ConfigFileError::Missing { path })?;
    check(&named, false)
}

/// Makes the file from the template. Nobody else can read it, because credentials may come to be in it.
fn create(path: &Path) -> Result<(), ConfigFileError> {
    let failed = |reason| ConfigFileError::Write { path: path.to_owned(), reason };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    let mut builder = DirBuilder::new();
    private_folder(&mut builder).recursive(true).create(folder).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(TEMPLATE.as_bytes()).map_err(failed)?;
    file.persist_noclobber(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Waits for the editor to end.
fn open(path: &Path, env: Env<'_>) -> Result<(), ConfigFileError> {
    let set = |name: &'static str| {
        env(name).filter(|value| !value.trim().is_empty()).map(|value| (name, value))
    };
    let usual = if cfg!(windows) { "notepad" } else { "vi" };
    let (variable, line) =
        set("VISUAL").or_else(|| set("EDITOR")).unwrap_or(("EDITOR", usual.to_owned()));
    let words = words::split(&line).unwrap_or_default();
    let Some((program, arguments)) = words.split_first() else {
        let text = format!("{variable} has a quote without its pair; there is no shell");
        return Err(ConfigFileError::Editor(text));
    };
    // On Windows editors are scripts more often than not, which are found by their whole name only.
    let found = find_program(program, env("PATH").as_deref());
    let program_file = found.unwrap_or_else(|| program.into());
    let status = Command::new(program_file).args(arguments).arg(path).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            Err(ConfigFileError::Editor(format!("{program} ({variable}) ended with {status}")))
        }
        Err(error) => Err(ConfigFileError::Editor(format!(
            "cannot start {program} ({variable}): {error}; set EDITOR to an editor, or edit {}",
            path.display()
        ))),
    }
}
