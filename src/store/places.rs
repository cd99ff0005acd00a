//! Where files go on this system.

use std::path::{Path, PathBuf};

/// The folders of this program. None of them need exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Credentials, where there is no keyring.
    pub credentials: PathBuf,
    /// The index of records, locks, and when a tab was opened. No secrets.
    pub state: PathBuf,
    /// What can be found out again. No secrets.
    pub cache: PathBuf,
}

impl Places {
    /// Everything below one folder (`MCP_TETHER_HOME`).
    pub fn below(home: &Path) -> Places {
        Places {
            credentials: home.join("credentials"),
            state: home.join("state"),
            cache: home.join("cache"),
        }
    }

    /// The folders that this system's conventions name: the XDG base directories, on macOS
    /// `~/Library`, on Windows the local application data. `None` where the environment names no
    /// home.
    pub fn find(env: &dyn Fn(&str) -> Option<String>) -> Option<Places> {
        // Relative paths are invalid there (XDG Base Directory Specification, "Basics").
        let absolute = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
        if env("MCP_TETHER_HOME").is_some_and(|home| !home.is_empty()) {
            // A relative one is a mistake, and credentials must not go elsewhere because of it.
            return Some(Places::below(&absolute("MCP_TETHER_HOME")?));
        }
        let app = "mcp-tether";
        if cfg!(windows) {
            return Some(Places::below(&absolute("LOCALAPPDATA")?.join(app)));
        }
        if cfg!(target_vendor = "apple") {
            let library = absolute("HOME")?.join("Library");
            let support = Places::below(&library.join("Application Support").join(app));
            return Some(Places { cache: library.join("Caches").join(app), ..support });
        }
        let below_home = |variable: &str, usual: &str| {
            absolute(variable).or_else(|| Some(absolute("HOME")?.join(usual)))
        };
        Some(Places {
            credentials: below_home("XDG_DATA_HOME", ".local/share")?.join(app),
            state: below_home("XDG_STATE_HOME", ".local/state")?.join(app),
            cache: below_home("XDG_CACHE_HOME", ".cache")?.join(app),
        })
    }
}
