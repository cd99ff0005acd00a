//! The file of an administrator, which says for which servers a company's identity provider vouches.
//! `document`: what is in it.
//!
//! It has one place on each system, which only administrators can write to. A variable names another file,
//! but only where there is none at that place: who can set variables cannot replace what an administrator
//! has written. A file that others could have written is refused, and so is one that cannot be read or
//! understood: going on without it would be another sign-in than the one that is wanted.

pub mod document;

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use url::Url;

use self::document::Enterprise;
use super::{ConfigError, Env};
use crate::cli::SignInArgs;
use crate::cli::grant::GrantArg;
use crate::limits::MAX_ENTERPRISE_FILE;
use crate::platform;

/// Names the file where there is none at the system's place.
pub const VARIABLE: &str = "MCP_TETHER_ENTERPRISE_FILE";

/// Where administrators put it. No variable has a part in that. On Windows everybody can make folders in
/// `C:\ProgramData`, but not here.
pub const PLACE: &str = if cfg!(windows) {
    r"C:\Program Files\mcp-tether\enterprise.toml"
} else if cfg!(target_vendor = "apple") {
    "/Library/Application Support/mcp-tether/enterprise.toml"
} else {
    "/etc/mcp-tether/enterprise.toml"
};

/// A file, and what it says.
#[derive(Debug)]
pub struct Found {
    /// Which one.
    pub path: PathBuf,
    /// What it says.
    pub enterprise: Enterprise,
}

/// The file, if there is one.
///
/// # Errors
/// If it cannot be used.
pub fn find(env: Env<'_>) -> Result<Option<Found>, ConfigError> {
    let system = Path::new(PLACE);
    let (path, by_variable) = match fs::symlink_metadata(system) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            match env(VARIABLE).filter(|path| !path.is_empty()) {
                Some(path) => (PathBuf::from(path), true),
                None => return Ok(None),
            }
        }
        // Whatever keeps us from it: it is there.
        _ => (system.to_owned(), false),
    };
    let wrong = |reason: String| ConfigError::Enterprise { at: path.display().to_string(), reason };
    let text = read(&path, by_variable).map_err(wrong)?;
    let enterprise = Enterprise::parse(&text).map_err(|error| {
        let at = format!("{}:{}", path.display(), error.line);
        ConfigError::Enterprise { at, reason: error.reason }
    })?;
    Ok(Some(Found { path, enterprise }))
}

/// The text of a file that nobody but administrators could have written; with `own` the person either.
fn read(path: &Path, own: bool) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("it cannot be read: {error}");
    if own && !path.is_absolute() {
        return Err(format!("{VARIABLE} has to be an absolute path"));
    }
    let real = fs::canonicalize(path).map_err(unreadable)?;
    let irregular = || "it is not a regular file".to_owned();
    // Before it is opened: a pipe would be waited for.
    if !fs::metadata(&real).map_err(unreadable)?.is_file() {
        return Err(irregular());
    }
    let file = File::open(&real).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if !about.is_file() {
        return Err(irregular());
    }
    let open = |about: &fs::Metadata| platform::is_writable_by_others(about, own);
    if open(&about) {
        return Err(others("it", own));
    }
    for folder in [path.parent(), real.parent()].into_iter().flatten() {
        if open(&fs::metadata(folder).map_err(unreadable)?) {
            return Err(others(&folder.display().to_string(), own));
        }
    }
    let mut text = String::new();
    file.take(MAX_ENTERPRISE_FILE as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() > MAX_ENTERPRISE_FILE {
        return Err(format!("it has more than {} KiB", MAX_ENTERPRISE_FILE >> 10));
    }
    Ok(text)
}

fn others(what: &str, own: bool) -> String {
    let who = if own { "you" } else { "root" };
    format!("{what} could be written by others than {who}; correct its owner and mode")
}

/// The arguments with what the file says of `server`, and the file, if it says anything and no `--grant`
/// says otherwise. What was typed goes before it.
///
/// # Errors
/// If the file cannot be used.
pub(super) fn applied(
    args: &SignInArgs,
    server: &Url,
    env: Env<'_>,
) -> Result<Option<(SignInArgs, PathBuf)>, ConfigError> {
    let given = &args.grant;
    let typed = given.idp_issuer.is_some()
        || given.idp_token_endpoint.is_some()
        || given.idp_client_id.is_some()
        || given.idp_id_token.is_some();
    if typed || !matches!(given.grant, None | Some(GrantArg::Enterprise)) {
        return Ok(None);
    }
    let Some(Found { path, enterprise }) = find(env)? else { return Ok(None) };
    let Some(managed) = enterprise.of(server) else { return Ok(None) };
    let (mut args, idp) = (args.clone(), &enterprise.provider);
    args.grant.grant = Some(GrantArg::Enterprise);
    args.grant.idp_issuer = Some(idp.issuer.clone());
    args.grant.idp_authorization_endpoint.clone_from(&idp.authorization_endpoint);
    args.grant.idp_token_endpoint.clone_from(&idp.token_endpoint);
    args.grant.idp_client_id = Some(idp.client_id.clone());
    args.grant.idp_client_secret.clone_from(&idp.client_secret);
    args.grant.idp_scope.clone_from(&idp.scope);
    if args.callback_url.is_none() && args.callback_bind.is_none() {
        args.callback_url.clone_from(&idp.callback_url);
    }
    if args.client_id.is_none() && args.client_info.is_none() {
        args.client_id.clone_from(&managed.client_id);
        args.client_secret.clone_from(&managed.client_secret);
    }
    args.scope = args.scope.or_else(|| managed.scope.clone());
    log::debug!("{} says that --grant enterprise is for this server", path.display());
    Ok(Some((args, path)))
}
