//! Which file of a client.

use std::path::{Path, PathBuf};

use super::InstallError;
use crate::clients::document::Format;
use crate::clients::edit;
use crate::clients::form::Form;
use crate::clients::places::files;
use crate::clients::{Client, System, document, save};
use crate::config::Env;
use crate::platform::find_program;

/// The file for an entry called `name`: one that has it, or else one that is there, or else the one whose
/// folder is there, or else the first.
pub(super) fn choose(
    client: &'static Client,
    project: bool,
    name: &str,
    env: Env<'_>,
) -> Result<PathBuf, InstallError> {
    if client.form == Form::Pasted {
        return Err(InstallError::NoFile { client: client.name });
    }
    let paths = candidates(client, project, env)?;
    let has = |path: &&PathBuf| {
        let format = Format::of(path);
        let bytes = save::read(path).ok().flatten().unwrap_or_default();
        let steps = client.form.place(name, format);
        document::parse(&bytes, format).is_ok_and(|tree| edit::find(&tree, &steps).is_some())
    };
    let there = |path: &&PathBuf| path.exists();
    let beside = |path: &&PathBuf| path.parent().is_some_and(Path::is_dir);
    let found = paths.iter().find(has).or_else(|| paths.iter().find(there));
    let found = found.or_else(|| paths.iter().find(beside)).or(paths.first());
    found.cloned().ok_or(InstallError::NoProject { client: client.name })
}

/// The same for who is only shown it.
pub(super) fn shown(
    client: &'static Client,
    project: bool,
    name: &str,
    env: Env<'_>,
) -> Option<PathBuf> {
    choose(client, project, name, env).ok()
}

fn candidates(
    client: &'static Client,
    project: bool,
    env: Env<'_>,
) -> Result<Vec<PathBuf>, InstallError> {
    let here = project.then(std::env::current_dir).transpose().map_err(|_| InstallError::Folder)?;
    let all = files(System::here(), env, here.as_deref());
    let own = all.into_iter().filter(|file| file.client == client && file.in_project == project);
    // Where VS Code had its servers formerly: it moves them by itself.
    let former = |path: &Path| client.form == Form::VsCode && path.ends_with("settings.json");
    Ok(own.map(|file| file.path).filter(|path| !former(path)).collect())
}

/// Whether the client of a file seems to be on this machine.
pub(super) fn is_here(client: &Client, path: &Path, env: Env<'_>) -> bool {
    let home = ["HOME", "USERPROFILE"].into_iter().find_map(env).map(PathBuf::from);
    let folder = path.parent().filter(|folder| Some(*folder) != home.as_deref());
    // Claude Code has a file beside its folder.
    let beside = || path.with_extension("").is_dir();
    let started = || {
        let program = client.program?;
        find_program(program, env("PATH").as_deref())
    };
    folder.is_some_and(Path::is_dir) || (folder.is_none() && beside()) || started().is_some()
}
