//! The bridges that are compared, and how each is started.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::stdio;

/// A bridge between stdio and Streamable HTTP, by its name.
#[derive(Clone)]
pub struct Contender {
    pub name: &'static str,
    program: OsString,
    before: Vec<OsString>,
    after: Vec<&'static str>,
}

impl Contender {
    /// This one. The largest result is larger than what it takes by default.
    pub fn ours(program: OsString) -> Contender {
        let after = vec!["--max-message-size", "300MiB"];
        Contender { name: "mcp-tether", program, before: Vec::new(), after }
    }

    /// The others, from the folder where `benches/compare/run` has installed them.
    pub fn rivals(folder: &Path) -> Vec<Contender> {
        let node = |name, script: &str, before: &[&str], after| {
            let script = folder.join("npm/node_modules").join(script).into_os_string();
            let before = std::iter::once(script).chain(before.iter().map(OsString::from)).collect();
            Contender { name, program: "node".into(), before, after }
        };
        let python = |name, before: &[&str], after| {
            let program: PathBuf = folder.join("venv/bin").join(name);
            let before = before.iter().map(OsString::from).collect();
            Contender { name, program: program.into(), before, after }
        };
        vec![
            node(
                "mcp-remote",
                "mcp-remote/dist/proxy.js",
                &[],
                vec!["--allow-http", "--transport", "http-only"],
            ),
            python("mcp-stdio", &[], vec!["--max-message-size", "300000000"]),
            python("mcp-proxy", &["--transport", "streamablehttp"], Vec::new()),
            node(
                "supergateway",
                "supergateway/dist/index.js",
                &["--logLevel", "none", "--streamableHttp"],
                Vec::new(),
            ),
        ]
    }

    /// The program alone, with `home` in the place of the person's folder.
    pub fn bare(&self, home: &Path) -> Command {
        let mut command = stdio::bare(&self.program);
        command.env("HOME", home);
        for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
            command.env_remove(name);
        }
        command
    }

    /// The command that starts it, with `home` in the place of the person's folder: none finds anything there.
    pub fn command(&self, url: &str, home: &Path) -> Command {
        let mut command = self.bare(home);
        command.args(&self.before).arg(url).args(&self.after);
        command
    }
}
