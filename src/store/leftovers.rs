//! Files that nobody needs any more: of processes that were killed, of sign-ins that are over.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::places::Places;
use crate::limits::{LEFT_BEHIND, MAX_FILES_SEEN, TAB_INTERVAL};
use crate::order;

/// What lies around.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Files that were being written when their writer was killed. They may hold secrets.
    pub staged: Vec<PathBuf>,
    /// Credentials that no note leads to.
    pub orphans: Vec<PathBuf>,
    /// Notes on tabs that mean nothing any more.
    pub tabs: Vec<PathBuf>,
    /// Locks of records that are gone.
    pub locks: Vec<PathBuf>,
}

impl Leftovers {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Leftovers::default()
    }
}

/// Looks for them. What cannot be read is as good as absent.
pub(super) fn find(places: &Places) -> Leftovers {
    let state = &places.state;
    let records = state.join("records");
    let mut found = Leftovers::default();
    let mut folders = vec![places.credentials.clone()];
    folders.extend(["records", "servers", "tabs"].map(|name| state.join(name)));
    folders.extend(files(&places.cache).into_iter().filter(|path| path.is_dir()));
    for folder in folders {
        // `.NAME.RANDOM`; a lone name with a dot in front is somebody else's.
        let staged = |path: &PathBuf| {
            let ours = name(path).strip_prefix('.').is_some_and(|rest| rest.contains('.'));
            ours && is_older(path, LEFT_BEHIND)
        };
        found.staged.extend(files(&folder).into_iter().filter(staged));
    }
    let has_record = |name: &str| records.join(format!("{name}.json")).exists();
    for path in files(&places.credentials) {
        let named = name(&path);
        if let Some(record) = named.strip_suffix(".json")
            && !named.starts_with('.')
            && !has_record(record)
            && is_older(&path, LEFT_BEHIND)
        {
            found.orphans.push(path);
        }
    }
    let tab = |path: &PathBuf| !name(path).starts_with('.') && is_older(path, 2 * TAB_INTERVAL);
    found.tabs.extend(files(&state.join("tabs")).into_iter().filter(tab));
    let lock = |path: &PathBuf| {
        let named = name(path);
        let gone = named.strip_suffix(".lock").is_some_and(|record| !has_record(record));
        gone && is_older(path, LEFT_BEHIND)
    };
    found.locks.extend(files(&state.join("locks")).into_iter().filter(lock));
    for list in [&mut found.staged, &mut found.orphans, &mut found.tabs, &mut found.locks] {
        order::sort(list);
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.take(MAX_FILES_SEEN).map(|entry| entry.path()).collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_older(path: &Path, age: std::time::Duration) -> bool {
    let changed = fs::symlink_metadata(path).and_then(|file| file.modified());
    changed.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|since| since > age))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_old_and_of_no_use() {
        let home = tempfile::tempdir().unwrap();
        let places = Places::below(home.path());
        assert!(find(&places).is_empty());
        let old = SystemTime::now() - 3 * TAB_INTERVAL - LEFT_BEHIND;
        let file = |name: &str, is_old: bool| {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let file = fs::File::create(&path).unwrap();
            if is_old {
                file.set_modified(old).unwrap();
            }
            path
        };
        file("state/records/token-a.json", true);
        file("credentials/token-a.json", true);
        file("state/locks/token-a.lock", true);
        file("state/servers/s.json", true);
        file("credentials/.DS_Store", true);
        for name in ["credentials/.x.json.1", "credentials/token-n.json", "state/tabs/n.json"] {
            file(name, false);
        }
        file("state/locks/login-n.lock", false);
        assert!(find(&places).is_empty(), "{:?}", find(&places));
        let expected = Leftovers {
            staged: vec![file("cache/era/.y.1", true), file("credentials/.token-a.json.z", true)],
            orphans: vec![file("credentials/token-b.json", true)],
            tabs: vec![file("state/tabs/s.json", true)],
            locks: vec![file("state/locks/token-b.lock", true)],
        };
        assert_eq!(find(&places), expected);
    }
}
