//! What becomes of a file: the difference for people, and writing it.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::{InstallError, difference, hidden};
use crate::clients::document::{DocumentError, Format, parse};
use crate::clients::private;
use crate::clients::save::{self, SaveError, Turn};
use crate::config::{Env, Places};
use crate::secret::Redactor;

/// A file that is to be another.
pub(super) struct Change {
    pub path: PathBuf,
    /// What it is; none if there is none.
    pub before: Option<String>,
    /// What it shall be.
    pub after: String,
    /// Whether a new file is for its owner alone.
    pub private: bool,
}

impl Change {
    /// The difference, with three lines around it and without what may be a secret.
    pub(super) fn difference(&self) -> String {
        let before = self.before.as_deref().unwrap_or_default();
        let format = Format::of(&self.path);
        let trees = [before, &self.after].map(|text| parse(text.as_bytes(), format));
        let name = self.path.display().to_string();
        let old = if self.before.is_some() { &name } else { "/dev/null" };
        let text = difference::unified(before, &self.after, old, &name);
        let (names, lines) = text.split_at(text.find("\n@@ ").unwrap_or(text.len()));
        // Only what is shown is searched, because a file may be large and have many.
        let secrets = trees.iter().flatten().flat_map(private::secrets);
        let lines = hidden::without(lines, secrets.collect(), format);
        Redactor::default().clean_lines(&format!("{names}{lines}"))
    }

    /// Writes it. Gives the place of what was there.
    pub(super) fn write(&self) -> Result<Option<PathBuf>, InstallError> {
        let before = self.before.as_deref().map(str::as_bytes);
        let now = OffsetDateTime::now_utc();
        save::write(&self.path, before, self.after.as_bytes(), self.private, now)
            .map_err(|source| InstallError::Save { path: self.path.clone(), source })
    }
}

/// What a file is; none if there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, InstallError> {
    let wrong = |source| InstallError::Unreadable { path: path.to_owned(), source };
    let Some(bytes) = save::read(path).map_err(wrong)? else { return Ok(None) };
    String::from_utf8(bytes).map(Some).map_err(|_| wrong(DocumentError::Encoding.into()))
}

/// The right to change files, while no other process of ours does. Without a place for such things there is
/// none, and the check in front of every write has to do.
pub(super) fn turn(env: Env<'_>, path: &Path) -> Result<Option<Turn>, InstallError> {
    let Some(places) = Places::find(env) else { return Ok(None) };
    match Turn::take(&places.state.join("locks").join("clients.lock")) {
        Ok(turn) => Ok(Some(turn)),
        Err(source @ SaveError::Busy(_)) => {
            Err(InstallError::Save { path: path.to_owned(), source })
        }
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str, before: String, after: String) -> String {
        Change { path: name.into(), before: Some(before), after, private: true }.difference()
    }

    /// With the time for each secret that a search of the whole file takes, this would be hours.
    #[test]
    fn a_large_file_with_many_secrets() {
        let members: String = (0..40_000).fold(String::new(), |mut all, n| {
            use std::fmt::Write as _;
            let _ = writeln!(all, "  \"fake-id-{n}\": \"fake{n:016x}-{n:016x}\",");
            all
        });
        let file = |last: &str| format!("{{\n{members}  \"last\": \"{last}\"\n}}\n");
        let difference = shown("fake/x.json", file("fake-a"), file("fake-b"));
        assert!(difference.starts_with("--- fake/x.json\n+++ fake/x.json\n@@ "), "{difference}");
        assert!(difference.contains("-  \"last\": \"fake-a\"\n+  \"last\": \"fake-b\"\n"));
        assert!(difference.contains(" \"fake-id-39999\": \"[redacted]\",\n"), "{difference}");
        // All in one line.
        let line = |last: &str| file(last).replace('\n', "");
        let difference = shown("x.json", line("fake-a"), line("fake-b"));
        assert_eq!(difference.matches("[redacted]").count(), 80_000);
    }

    #[test]
    fn secrets_of_several_lines() {
        let key = "env:\n  KEY: |\n    -----BEGIN FAKE\n    fakefake1\n    fk=\n  MORE: >\n    fakefake2\n    fakefake3\n";
        let difference =
            shown("x.yaml", key.to_owned(), format!("{key}a: 1\n").replace("KEY", "K"));
        assert!(!difference.contains("fakef") && !difference.contains("fk="), "{difference}");
        assert!(difference.contains("-  KEY: |\n+  K: |\n"), "{difference}");
        let key = "[env]\nKEY = \"\"\"\nfakefake1\nfakefake2\"\"\"\n";
        let difference = shown("x.toml", key.to_owned(), format!("{key}A = 1\n"));
        assert!(!difference.contains("fake"), "{difference}");
    }
}
