//! Which files each client has, on each system.
//!
//! From the documentation of the clients, as of 2026, and from what those that can be had as a program
//! write themselves (tests/interop). Left out are those that keep their servers in an account.

use std::path::{Path, PathBuf};

use super::form::Form;

/// The systems that differ in where files go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Linux and other systems with the XDG base directories.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

impl System {
    /// This one.
    pub const fn here() -> System {
        if cfg!(windows) {
            System::Windows
        } else if cfg!(target_vendor = "apple") {
            System::MacOs
        } else {
            System::Linux
        }
    }
}

/// A client.
#[derive(Debug, PartialEq, Eq)]
pub struct Client {
    /// What it is called by programs.
    pub id: &'static str,
    /// What it is called by people.
    pub name: &'static str,
    /// Whether it fills in `$NAME` as well as `${NAME}`.
    pub bare_dollars: bool,
    /// How it writes an entry.
    pub form: Form,
    /// What it is started as in a terminal, if it can be.
    pub program: Option<&'static str>,
    /// Its files for a person. Parts are separated by `/` on every system.
    files: &'static [(Base, &'static str)],
    /// Its files in the folder of a project.
    project: &'static [&'static str],
}

/// What a file's place begins with.
#[derive(Debug, PartialEq, Eq)]
enum Base {
    /// The person's home.
    Home,
    /// A folder that a variable names, or else one in the home.
    Variable(&'static str, &'static str),
    /// `~/.config`, or `$XDG_CONFIG_HOME`.
    Config,
    /// Where applications with windows keep their data: `~/.config`, `~/Library/Application Support`,
    /// `%APPDATA%`.
    Applications,
    /// `%APPDATA%`, on Windows only.
    Roaming,
    /// The same as [`Base::Config`], but not on Windows.
    UnixConfig,
}

use Base::{Applications, Config, Home, Roaming, UnixConfig, Variable};

/// All clients that are known, in the order of their names.
pub const CLIENTS: &[Client] = &[
    Client {
        form: Form::Amp,
        program: Some("amp"),
        ..client("amp", "Amp", &[(Config, "amp/settings.json")], &[])
    },
    Client {
        form: Form::Typed,
        program: Some("claude"),
        ..client(
            "claude-code",
            "Claude Code",
            // With the variable the file is inside the folder, without it beside.
            &[(Variable("CLAUDE_CONFIG_DIR", ""), ".claude.json")],
            &[".mcp.json"],
        )
    },
    client(
        "claude-desktop",
        "Claude Desktop",
        &[(Applications, "Claude/claude_desktop_config.json")],
        &[],
    ),
    Client {
        program: Some("cline"),
        ..client(
            "cline",
            "Cline",
            &[
                (
                    Applications,
                    "Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
                ),
                (Home, ".cline/data/settings/cline_mcp_settings.json"),
            ],
            &[],
        )
    },
    Client {
        form: Form::Codex,
        program: Some("codex"),
        ..client(
            "codex",
            "Codex CLI",
            &[(Variable("CODEX_HOME", ".codex"), "config.toml")],
            &[".codex/config.toml"],
        )
    },
    Client {
        form: Form::Continue,
        program: Some("cn"),
        ..client(
            "continue",
            "Continue",
            &[(Home, ".continue/config.yaml")],
            // What is in this folder may be JSON in the form of other clients.
            &[".continue/mcpServers/mcp.json"],
        )
    },
    Client {
        form: Form::Copilot,
        program: Some("copilot"),
        ..client("copilot-cli", "Copilot CLI", &[(Home, ".copilot/mcp-config.json")], &[])
    },
    client("cursor", "Cursor", &[(Home, ".cursor/mcp.json")], &[".cursor/mcp.json"]),
    Client {
        bare_dollars: true,
        program: Some("gemini"),
        ..client(
            "gemini",
            "Gemini CLI",
            &[(Home, ".gemini/settings.json")],
            &[".gemini/settings.json"],
        )
    },
    Client {
        form: Form::Goose,
        program: Some("goose"),
        ..client(
            "goose",
            "Goose",
            &[(UnixConfig, "goose/config.yaml"), (Roaming, "Block/goose/config/config.yaml")],
            &[],
        )
    },
    // The AI Assistant keeps its servers in the settings of each IDE.
    Client { form: Form::Pasted, ..client("jetbrains", "JetBrains AI Assistant", &[], &[]) },
    client("junie", "Junie", &[(Home, ".junie/mcp/mcp.json")], &[".junie/mcp/mcp.json"]),
    client("kiro", "Kiro", &[(Home, ".kiro/settings/mcp.json")], &[".kiro/settings/mcp.json"]),
    client("lm-studio", "LM Studio", &[(Home, ".lmstudio/mcp.json")], &[]),
    Client {
        form: Form::Opencode,
        program: Some("opencode"),
        ..client(
            "opencode",
            "opencode",
            &[(Config, "opencode/opencode.json"), (Config, "opencode/opencode.jsonc")],
            &["opencode.json", "opencode.jsonc"],
        )
    },
    client(
        "roo-code",
        "Roo Code",
        &[(
            Applications,
            "Code/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
        )],
        &[".roo/mcp.json"],
    ),
    Client {
        form: Form::VsCode,
        program: Some("code"),
        ..client(
            "vscode",
            "VS Code",
            &[
                (Applications, "Code/User/mcp.json"),
                (Applications, "Code/User/settings.json"),
                (Applications, "Code - Insiders/User/mcp.json"),
            ],
            &[".vscode/mcp.json"],
        )
    },
    client("warp", "Warp", &[(Home, ".warp/.mcp.json")], &[".warp/.mcp.json"]),
    client("windsurf", "Windsurf", &[(Home, ".codeium/windsurf/mcp_config.json")], &[]),
    Client {
        form: Form::Zed,
        ..client(
            "zed",
            "Zed",
            &[(UnixConfig, "zed/settings.json"), (Roaming, "Zed/settings.json")],
            &[".zed/settings.json"],
        )
    },
];

const fn client(
    id: &'static str,
    name: &'static str,
    files: &'static [(Base, &'static str)],
    project: &'static [&'static str],
) -> Client {
    let form = Form::Standard;
    Client { id, name, bare_dollars: false, form, program: None, files, project }
}

/// A file that a client reads, if it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownFile {
    /// Whose it is.
    pub client: &'static Client,
    /// Where.
    pub path: PathBuf,
    /// Whether it is for one project.
    pub in_project: bool,
}

/// The files of all clients, for the person whose environment `env` reads, and in `project`. They need
/// not exist. What the environment does not lead to is left out.
pub fn files(
    system: System,
    env: &dyn Fn(&str) -> Option<String>,
    project: Option<&Path>,
) -> Vec<KnownFile> {
    let mut found: Vec<KnownFile> = Vec::new();
    for client in CLIENTS {
        let own = client.files.iter().filter_map(|(base, rest)| {
            let path = joined(base.folder(system, env)?, rest);
            Some(KnownFile { client, path, in_project: false })
        });
        found.extend(own);
        let Some(project) = project else { continue };
        for rest in client.project {
            let path = joined(project.to_owned(), rest);
            // Somebody may sit in their home.
            if !found.iter().any(|file| file.path == path) {
                found.push(KnownFile { client, path, in_project: true });
            }
        }
    }
    found
}

/// The client of a name.
pub fn client_of(id: &str) -> Option<&'static Client> {
    CLIENTS.iter().find(|client| client.id == id)
}

/// Whose file it is, by its name and the folders above it.
pub fn owner(path: &Path) -> Option<&'static Client> {
    let ours = |client: &Client| {
        let own = client.files.iter().map(|(base, rest)| match base {
            Variable(_, usual) => joined(PathBuf::from(usual), rest),
            _ => PathBuf::from(rest),
        });
        let places = own.chain(client.project.iter().map(PathBuf::from));
        places.filter(|place| path.ends_with(place)).map(|place| place.components().count()).max()
    };
    // Warp's `.warp/.mcp.json` ends as that of Claude Code does.
    let known = CLIENTS.iter().filter_map(|client| Some((ours(client)?, client)));
    known.rev().max_by_key(|(parts, _)| *parts).map(|(_, client)| client)
}

impl Base {
    fn folder(&self, system: System, env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = || set(if system == System::Windows { "USERPROFILE" } else { "HOME" });
        let config = || set("XDG_CONFIG_HOME").or_else(|| Some(home()?.join(".config")));
        let windows = system == System::Windows;
        match self {
            Home => home(),
            Variable(name, usual) => set(name).or_else(|| Some(joined(home()?, usual))),
            Config => config(),
            UnixConfig => config().filter(|_| !windows),
            Roaming => set("APPDATA").filter(|_| windows),
            Applications => match system {
                System::Linux => config(),
                System::MacOs => Some(joined(home()?, "Library/Application Support")),
                System::Windows => set("APPDATA"),
            },
        }
    }
}

fn joined(folder: PathBuf, rest: &str) -> PathBuf {
    rest.split('/').filter(|part| !part.is_empty()).fold(folder, |path, part| path.join(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(system: System, variables: &[(&str, &str)], id: &str) -> Vec<String> {
        let env = |name: &str| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        };
        let found = files(system, &env, None);
        let found = found.into_iter().filter(|file| file.client.id == id);
        found.map(|file| file.path.to_string_lossy().replace('\\', "/")).collect()
    }

    #[test]
    fn each_system_has_its_places() {
        let unix = &[("HOME", "/home/me")][..];
        let windows =
            &[("USERPROFILE", "C:/Users/me"), ("APPDATA", "C:/Users/me/AppData/Roaming")][..];
        for (system, variables, id, path) in [
            (
                System::Linux,
                unix,
                "claude-desktop",
                "/home/me/.config/Claude/claude_desktop_config.json",
            ),
            (
                System::MacOs,
                unix,
                "claude-desktop",
                "/home/me/Library/Application Support/Claude/claude_desktop_config.json",
            ),
            (
                System::Windows,
                windows,
                "claude-desktop",
                "C:/Users/me/AppData/Roaming/Claude/claude_desktop_config.json",
            ),
            (System::Linux, unix, "claude-code", "/home/me/.claude.json"),
            (System::Windows, windows, "cursor", "C:/Users/me/.cursor/mcp.json"),
            (System::Linux, unix, "zed", "/home/me/.config/zed/settings.json"),
            (System::MacOs, unix, "zed", "/home/me/.config/zed/settings.json"),
            (System::Windows, windows, "zed", "C:/Users/me/AppData/Roaming/Zed/settings.json"),
            (System::Linux, unix, "codex", "/home/me/.codex/config.toml"),
            (System::MacOs, unix, "windsurf", "/home/me/.codeium/windsurf/mcp_config.json"),
            (System::MacOs, unix, "goose", "/home/me/.config/goose/config.yaml"),
            (
                System::Windows,
                windows,
                "goose",
                "C:/Users/me/AppData/Roaming/Block/goose/config/config.yaml",
            ),
            (System::Windows, windows, "continue", "C:/Users/me/.continue/config.yaml"),
            (System::Linux, unix, "warp", "/home/me/.warp/.mcp.json"),
        ] {
            assert_eq!(paths(system, variables, id), [path], "{system:?} {id}");
        }
        let first = paths(System::MacOs, unix, "vscode").remove(0);
        assert_eq!(first, "/home/me/Library/Application Support/Code/User/mcp.json");
    }

    #[test]
    fn variables_move_them() {
        let moved = &[
            ("HOME", "/home/me"),
            ("XDG_CONFIG_HOME", "/c"),
            ("CODEX_HOME", "/x"),
            ("CLAUDE_CONFIG_DIR", "/y"),
        ];
        assert_eq!(paths(System::Linux, moved, "opencode")[0], "/c/opencode/opencode.json");
        assert_eq!(paths(System::Linux, moved, "codex"), ["/x/config.toml"]);
        assert_eq!(paths(System::Linux, moved, "claude-code"), ["/y/.claude.json"]);
        assert!(files(System::Windows, &|_| None, None).is_empty());
    }

    #[test]
    fn projects_have_files_of_their_own() {
        let env = |name: &str| (name == "HOME").then(|| "/home/me".to_owned());
        let here = files(System::Linux, &env, Some(Path::new("/project")));
        let inside = |path: &str| here.iter().any(|f| f.in_project && f.path == Path::new(path));
        assert!(inside("/project/.mcp.json") && inside("/project/.vscode/mcp.json"));
        let home = files(System::Linux, &env, Some(Path::new("/home/me")));
        let twice = |file: &&KnownFile| file.path == Path::new("/home/me/.cursor/mcp.json");
        assert_eq!(home.iter().filter(twice).count(), 1);
    }

    #[test]
    fn files_tell_their_owner() {
        for (path, id) in [
            ("/home/me/.cursor/mcp.json", Some("cursor")),
            ("backup/claude_desktop_config.json", None),
            ("/x/Claude/claude_desktop_config.json", Some("claude-desktop")),
            ("/home/me/.codex/config.toml", Some("codex")),
            ("/home/me/.gemini/settings.json", Some("gemini")),
            (".mcp.json", Some("claude-code")),
            ("/home/me/.warp/.mcp.json", Some("warp")),
            ("/home/me/.config/goose/config.yaml", Some("goose")),
            ("mcp.json", None),
        ] {
            assert_eq!(owner(Path::new(path)).map(|client| client.id), id, "{path}");
        }
        let names: Vec<_> = CLIENTS.iter().map(|client| client.name.to_lowercase()).collect();
        assert!(names.is_sorted(), "{names:?}");
    }
}
