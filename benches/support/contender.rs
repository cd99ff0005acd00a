//! The bridges that are compared, and how each is started.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::stdio;

/// The name of this one.
pub const OURS: &str = "mcp-tether";

/// A bridge between stdio and Streamable HTTP, by its name.
#[derive(Clone)]
pub struct Contender {
    pub name: &'static str,
    program: OsString,
    before: Vec<OsString>,
    after: Vec<&'static str>,
    origin: Origin,
}

/// Where it is from.
#[derive(Clone)]
enum Origin {
    Ours,
    /// The folder of its package.
    Npm(PathBuf),
    /// The virtual environment that it is in.
    Python(PathBuf),
}

impl Contender {
    /// This one. The largest result is larger than what it takes by default.
    pub fn ours(program: OsString) -> Contender {
        let after = vec!["--max-message-size", "300MiB"];
        Contender { name: OURS, program, before: Vec::new(), after, origin: Origin::Ours }
    }

    /// The others, from the folder where `benches/compare/run` has installed them.
    pub fn rivals(folder: &Path) -> Vec<Contender> {
        let node = |name, script: &str, before: &[&str], after| {
            let modules = folder.join("npm/node_modules");
            let script = modules.join(script).into_os_string();
            let before = std::iter::once(script).chain(before.iter().map(OsString::from)).collect();
            let origin = Origin::Npm(modules.join(name));
            Contender { name, program: "node".into(), before, after, origin }
        };
        let python = |name, before: &[&str], after| {
            let environment = folder.join("venv");
            let program = environment.join("bin").join(name).into_os_string();
            let before = before.iter().map(OsString::from).collect();
            Contender { name, program, before, after, origin: Origin::Python(environment) }
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

    /// The version that runs here.
    pub fn version(&self) -> Option<String> {
        match &self.origin {
            Origin::Ours => said(&self.program)?.split_whitespace().last().map(str::to_owned),
            Origin::Npm(package) => {
                let package = fs::read_to_string(package.join("package.json")).ok()?;
                let package: Value = serde_json::from_str(&package).ok()?;
                Some(package["version"].as_str()?.to_owned())
            }
            Origin::Python(environment) => {
                // lib/python3.11/site-packages/mcp_proxy-0.13.0.dist-info
                let before = format!("{}-", self.name.replace('-', "_"));
                let packages = fs::read_dir(environment.join("lib")).ok()?.flatten();
                let packages = packages.map(|python| python.path().join("site-packages"));
                packages
                    .filter_map(|folder| fs::read_dir(folder).ok())
                    .flatten()
                    .flatten()
                    .find_map(|entry| {
                        let name = entry.file_name().into_string().ok()?;
                        Some(name.strip_prefix(&before)?.strip_suffix(".dist-info")?.to_owned())
                    })
            }
        }
    }

    /// What runs it, where that is a program of its own, and its version.
    pub fn runtime(&self) -> Option<String> {
        match &self.origin {
            Origin::Ours => None,
            Origin::Npm(_) => Some(format!("Node.js {}", said(&self.program)?)),
            Origin::Python(environment) => said(environment.join("bin/python").as_os_str()),
        }
    }

    /// Bytes of its binary, where it is one.
    pub fn size(&self) -> Option<u64> {
        matches!(self.origin, Origin::Ours)
            .then(|| fs::metadata(&self.program).ok())?
            .map(|of| of.len())
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

/// What a program says to `--version`.
fn said(program: &OsStr) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
