//! Headers whose value is elsewhere: `--header` with a reference, `--header-command`.

use std::path::Path;

use http::HeaderMap;

use super::{ConfigError, Env, duration, headers};
use crate::cli::ConnectionArgs;
use crate::secret::{Secret, file};
use crate::supply::{self, Place, Sources, words};

/// The headers that go with every request: those that are known, and where the others are. Files are looked
/// into already, so that a wrong path is noticed at once.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn all_headers(
    args: &ConnectionArgs,
    env: Env<'_>,
    secrets: &mut Vec<Secret>,
) -> Result<(HeaderMap, Sources), ConfigError> {
    let mut texts = args.header.clone();
    texts.extend(file_headers(args)?);
    let found = headers::parse(&texts, env, secrets)?;
    for source in &found.elsewhere {
        if let Place::File(path) = &source.place {
            let read = file::read(path).map_err(|reason| headers::HeaderError::Reference {
                header: source.header.to_string(),
                reason,
            });
            secrets.push(read?);
        }
    }
    let wrong = |reason: &str| ConfigError::HeaderCommand(reason.to_owned());
    let command = match &args.header_command {
        None => None,
        Some(text) => Some(supply::Command {
            words: words::split(text).ok_or_else(|| {
                wrong("it is empty, or has a quote without its pair; there is no shell")
            })?,
            ttl: match &args.header_command_ttl {
                None => None,
                Some(text) => Some(duration("--header-command-ttl", text)?),
            },
            reserved: &headers::RESERVED,
        }),
    };
    let sources = Sources {
        single: found.elsewhere,
        besides: found.besides,
        command,
        without_authorization: false,
    };
    Ok((found.fixed, sources))
}

/// The headers in all `--header-file`, as they are written.
///
/// # Errors
/// If a file cannot be used.
pub fn file_headers(args: &ConnectionArgs) -> Result<Vec<String>, ConfigError> {
    let mut texts = Vec::new();
    for path in &args.header_file {
        texts.extend(header_file(path)?);
    }
    Ok(texts)
}

/// The headers in a file: one a line, without empty ones and those that begin with `#`.
fn header_file(path: &Path) -> Result<Vec<String>, ConfigError> {
    let wrong = |reason| ConfigError::HeaderFile(reason);
    let text = file::read(path).map_err(wrong)?;
    let mut headers = Vec::new();
    for (number, line) in text.expose().lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if !line.contains(':') {
            // The line may be a secret.
            let reason =
                format!("line {} of {} is not \"Name: value\"", number + 1, path.display());
            return Err(wrong(reason));
        }
        headers.push(line.to_owned());
    }
    Ok(headers)
}
