//! `mcp-tether completions` and `mcp-tether man`.

use std::fs;
use std::io::{self, Write as _};

use super::{CommandError, say};
use crate::cli::generated::{self, CompletionsArgs, ManArgs};
use crate::error::ExitCode;
use crate::platform;

/// Prints the script for a shell.
pub(super) fn completions(args: &CompletionsArgs) -> Result<ExitCode, CommandError> {
    Ok(print(generated::completions(args.shell).as_bytes())?)
}

/// Prints the page of the program, or writes all pages into a folder.
pub(super) fn man(args: &ManArgs) -> Result<ExitCode, CommandError> {
    let pages = generated::manual()?;
    let Some(dir) = &args.dir else { return Ok(print(&pages[0].text)?) };
    let failed = |path: &std::path::Path| {
        let path = path.to_owned();
        move |source| CommandError::Page { path, source }
    };
    fs::create_dir_all(dir).map_err(failed(dir))?;
    for page in &pages {
        let path = dir.join(&page.name);
        fs::write(&path, &page.text).map_err(failed(&path))?;
    }
    say(&format!("{} pages are in {}", pages.len(), dir.display()))?;
    Ok(ExitCode::Success)
}

/// All of it to stdout, where somebody may stop reading early.
fn print(bytes: &[u8]) -> io::Result<ExitCode> {
    let mut stdout = platform::stdout()?;
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::OutputClosed),
        outcome => outcome.map(|()| ExitCode::Success),
    }
}
