//! The lines of earlier sessions: one file for all of them, for its owner alone.

use std::path::PathBuf;

use crate::limits::{MAX_HISTORY_BYTES, MAX_HISTORY_LINE, MAX_HISTORY_LINES};
use crate::store::file;

/// The file.
pub(super) struct History {
    path: Option<PathBuf>,
}

impl History {
    /// Kept in a folder that need not exist; without one, for the length of the session.
    pub(super) fn new(state: Option<PathBuf>) -> History {
        History { path: state.map(|state| state.join("repl-history")) }
    }

    /// All lines, the oldest first. A file that cannot be read has none.
    pub(super) fn load(&self) -> Vec<String> {
        let Some(path) = &self.path else { return Vec::new() };
        let bytes = file::read(path).unwrap_or_else(|error| {
            log::debug!("cannot read {}: {error}", path.display());
            None
        });
        let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
        trimmed(text.lines().map(str::to_owned).collect())
    }

    /// Adds a line, to what other sessions have added meanwhile as well.
    pub(super) fn add(&self, line: &str) {
        let Some(path) = &self.path else { return };
        let mut lines = self.load();
        if lines.last().is_some_and(|last| last == line) {
            return;
        }
        lines.push(line.to_owned());
        let mut text = trimmed(lines).join("\n");
        text.push('\n');
        if let Err(error) = file::write(path, text.as_bytes()) {
            log::debug!("cannot write {}: {error}", path.display());
        }
    }
}

/// Whether a line is worth keeping. One that begins with a space is not meant to be kept.
pub(super) fn is_kept(line: &str) -> bool {
    !line.trim().is_empty()
        && !line.starts_with(' ')
        && line.len() <= MAX_HISTORY_LINE
        && !line.contains(['\n', '\r'])
}

/// The newest lines, as many as there is room for.
fn trimmed(mut lines: Vec<String>) -> Vec<String> {
    let mut room = MAX_HISTORY_BYTES;
    let kept = lines.iter().rev().take(MAX_HISTORY_LINES).take_while(|line| {
        let fits = room > line.len();
        room = room.saturating_sub(line.len() + 1);
        fits
    });
    let first = lines.len() - kept.count();
    lines.split_off(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_there_next_time_and_for_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("new");
        let (one, two) = (History::new(Some(state.clone())), History::new(Some(state.clone())));
        one.add("a");
        two.add("b");
        one.add("b");
        one.add("a");
        assert_eq!(History::new(Some(state.clone())).load(), ["a", "b", "a"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(state.join("repl-history")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let none = History::new(None);
        none.add("a");
        assert_eq!(none.load(), [""; 0]);
    }

    #[test]
    fn it_is_bounded() {
        let many: Vec<String> = (0..MAX_HISTORY_LINES + 5).map(|n| n.to_string()).collect();
        let kept = trimmed(many.clone());
        assert_eq!((kept.len(), kept.last()), (MAX_HISTORY_LINES, many.last()));
        let long = vec!["x".repeat(MAX_HISTORY_LINE); MAX_HISTORY_BYTES / MAX_HISTORY_LINE + 5];
        let kept = trimmed(long);
        assert!(kept.iter().map(|line| line.len() + 1).sum::<usize>() <= MAX_HISTORY_BYTES);
        assert!(kept.len() > 1);
        assert!(!is_kept(&"x".repeat(MAX_HISTORY_LINE + 1)));
        assert!(!is_kept(" secret") && !is_kept("") && is_kept("add a=1"));
    }
}
