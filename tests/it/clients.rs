//! `mcp-tether install`, `uninstall`, `migrate` and `clients`: the configurations of clients.
//!
//! `tests/it/clients/` has a file of each client as people have them, and what becomes of it
//! (`NAME.after.…`; `MCP_TETHER_RENEW=1 cargo test --test it clients::` writes those anew).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mcp_tether::clients::document::{Format, parse};
use mcp_tether::clients::edit::{find, same};
use mcp_tether::clients::places::{CLIENTS, files};
use mcp_tether::clients::{Client, System, load};
use serde_json::{Value, json};

use crate::support::oauth::Shown;
use crate::support::server::Server;
use crate::support::tls::Tls;

const URL: &str = "https://mcp.example.com/mcp";

/// An empty home, and a project in it.
struct Home {
    folder: tempfile::TempDir,
    tls: Tls,
}

impl Home {
    fn new() -> Home {
        let home = Home { folder: tempfile::tempdir().unwrap(), tls: Tls::new() };
        fs::create_dir(home.path("project")).unwrap();
        home
    }

    fn path(&self, rest: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(rest)
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let text = |rest: &str| self.path(rest).to_str().unwrap().to_owned();
        vec![
            ("HOME", text("")),
            ("USERPROFILE", text("")),
            ("APPDATA", text("roaming")),
            ("MCP_TETHER_HOME", text("tether")),
            ("SSL_CERT_FILE", self.tls.file("ca.pem").to_str().unwrap().to_owned()),
        ]
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-tether"));
        command
            .args(words)
            .env_clear()
            .envs(crate::support::profile())
            .current_dir(self.path("project"))
            .stdin(Stdio::null());
        for name in ["SystemRoot", "TEMP", "SystemDrive"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(self.variables());
        command
    }

    fn run(&self, words: &[&str]) -> Shown {
        Shown::of(&mut self.command(words))
    }

    /// The file of a client for this person.
    fn file(&self, id: &str) -> PathBuf {
        let variables = self.variables();
        let env = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
        };
        let all = files(System::here(), &env, None);
        all.into_iter().find(|file| file.client.id == id).unwrap().path
    }

    fn write(&self, id: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(id);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    #[track_caller]
    fn install(&self, id: &str, more: &[&str]) -> Shown {
        self.run(&[&["install", URL, "--client", id], more].concat())
    }
}

/// What is in a folder besides one file.
fn beside(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path.parent().unwrap()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| Some(&**name) != path.file_name().unwrap().to_str()).collect()
}

/// The text with a stand-in for the path of the binary, which is another on each machine.
fn without_command(text: &str) -> String {
    let command = env!("CARGO_BIN_EXE_mcp-tether");
    let written = Value::from(command).to_string();
    let text = text.replace(&written, "\"@COMMAND@\"").replace(command, "\"@COMMAND@\"");
    text.replace("\"\"@COMMAND@\"\"", "\"@COMMAND@\"")
}

fn kept(client: &Client) -> Option<(PathBuf, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients");
    ["json", "toml", "yaml"].iter().find_map(|end| {
        let before = folder.join(format!("{}.{end}", client.id));
        let after = folder.join(format!("{}.after.{end}", client.id));
        before.exists().then_some((before, after))
    })
}

#[test]
fn every_clients_file_gets_the_entry_and_nothing_else() {
    let renew = std::env::var_os("MCP_TETHER_RENEW").is_some();
    let mut seen = 0;
    for client in CLIENTS.iter().filter(|client| client.id != "jetbrains") {
        let (before, after) = kept(client).unwrap_or_else(|| panic!("{}", client.id));
        let before = fs::read(&before).unwrap();
        let home = Home::new();
        let path = home.write(client.id, &before);
        let flags = ["--header", "Authorization: Bearer keyring:example", "--profile", "work"];
        home.install(client.id, &flags).code(0);
        let now = fs::read_to_string(&path).unwrap();
        if renew {
            fs::write(&after, without_command(&now)).unwrap();
        }
        let expected = fs::read_to_string(&after).unwrap_or_default();
        assert_eq!(without_command(&now), expected, "{}", client.id);
        let copies = beside(&path);
        let copies: Vec<_> = copies.iter().filter(|name| name.contains(".bak-")).collect();
        assert_eq!(copies.len(), 1, "{copies:?}");
        assert_eq!(fs::read(path.with_file_name(copies[0])).unwrap(), before);

        // What the client would read is what was asked for.
        let servers = load(&path, Some(client)).unwrap().unwrap();
        let server =
            servers.iter().find(|server| server.name == "example" && server.project.is_none());
        let server = server.unwrap_or_else(|| panic!("{}", client.id));
        assert_eq!((server.kind_name(), server.disabled), ("mcp-tether", false));
        assert_eq!(server.url().unwrap().expose(), URL);

        // Once more changes nothing; without it everything is as before.
        home.install(client.id, &flags).code(0);
        assert_eq!(fs::read_to_string(&path).unwrap(), now);
        home.run(&["uninstall", "example", "--client", client.id]).code(0);
        let left = fs::read(&path).unwrap();
        let format = Format::of(&path);
        let (old, new) = (parse(&before, format).unwrap(), parse(&left, format).unwrap());
        for (name, node) in old.members() {
            assert!(same(node, new.get(name).unwrap()), "{}: {name}", client.id);
        }
        seen += 1;
    }
    assert_eq!(seen, CLIENTS.len() - 1);
}

#[test]
fn a_client_that_is_not_there_gets_a_file_only_if_told_so() {
    for id in ["cursor", "codex", "goose", "continue", "claude-code"] {
        let home = Home::new();
        let path = home.file(id);
        home.install(id, &[]).code(1).says(&["does not seem to be on this machine", "--force"]);
        assert!(!path.exists());
        home.install(id, &["--force"]).code(0);
        assert_eq!(load(&path, None).unwrap().unwrap().len(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
    // Its folder is enough.
    let home = Home::new();
    fs::create_dir(home.path(".cursor")).unwrap();
    home.install("cursor", &[]).code(0);
}

#[test]
fn the_file_of_a_project() {
    let home = Home::new();
    for (id, file) in [
        ("claude-code", ".mcp.json"),
        ("vscode", ".vscode/mcp.json"),
        ("codex", ".codex/config.toml"),
    ] {
        home.install(id, &["--project"]).code(0);
        assert_eq!(load(&home.path("project").join(file), None).unwrap().unwrap().len(), 1);
    }
    home.install("claude-desktop", &["--project"]).code(1).says(&["has no file for a project"]);
}

#[test]
fn what_cannot_be_read_stays() {
    for (id, text) in [
        ("cursor", "{\"mcpServers\": {"),
        ("cursor", "{\"mcpServers\": []}"),
        ("codex", "[mcp_servers\n"),
        ("goose", "extensions: [\n"),
        ("goose", "extensions: x\n"),
        ("cursor", "\u{fffd}\u{0}"),
    ] {
        let home = Home::new();
        let path = home.write(id, text);
        let shown = home.install(id, &[]);
        shown.code(1).says(&[path.file_name().unwrap().to_str().unwrap(), "by hand"]);
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), beside(&path).len()), (text, 0));
    }
    let home = Home::new();
    let path = home.write("cursor", b"\xff\xfe{\0");
    home.install("cursor", &[]).code(1).says(&["not UTF-8", "--print"]);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    home.install("cursor", &[]).code(1).says(&["not a regular file"]);
}

#[test]
fn another_entry_of_the_name_is_shown_and_stays() {
    let home = Home::new();
    let text =
        r#"{"mcpServers": {"example": {"command": "x", "env": {"KEY": "fake-secret-fake"}}}}"#;
    let path = home.write("cursor", text);
    let shown = home.install("cursor", &[]);
    shown.code(1).says(&["another \"example\"", "--force", "--name"]);
    assert!(shown.stdout.contains("+++") && shown.stdout.contains("mcp.example.com"));
    assert!(!shown.stdout.contains("fake-secret"), "{}", shown.stdout);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    home.run(&["uninstall", "example", "--client", "cursor"])
        .code(1)
        .says(&["does not start mcp-tether"]);
    home.install("cursor", &["--name", "other"]).code(0);
    home.install("cursor", &["--force"]).code(0);
    let servers = load(&path, None).unwrap().unwrap();
    assert!(servers.iter().all(|server| server.kind_name() == "mcp-tether") && servers.len() == 2);
    home.run(&["uninstall", "none", "--client", "cursor"]).code(1).says(&["it has example, other"]);
}

#[test]
fn looking_writes_nothing() {
    let home = Home::new();
    let path = home.write("zed", "// mine\n{}\n");
    let shown = home.install("zed", &["--dry-run"]);
    assert!(shown.code(0).stdout.contains("+  \"context_servers\": {"), "{shown:?}");
    let shown = home.install("zed", &["--print"]);
    let printed: Value = serde_json::from_str(&shown.code(0).stdout).unwrap();
    let command = env!("CARGO_BIN_EXE_mcp-tether");
    assert_eq!(printed["context_servers"]["example"], json!({"command": command, "args": [URL]}));
    home.run(&["migrate", "--dry-run"]).code(0);
    assert_eq!(fs::read_to_string(&path).unwrap(), "// mine\n{}\n");
    assert!(beside(&path).is_empty() && !home.path("tether").exists());
    // Some have no file at all.
    let shown = home.install("jetbrains", &[]);
    shown.code(0).says(&["Settings, Tools, AI Assistant"]);
    assert!(shown.stdout.contains("mcpServers"));
}

#[test]
fn secrets_are_not_written() {
    let home = Home::new();
    let path = home.write("cursor", "{}");
    for flags in [
        &["-H", "Authorization: Bearer fake-secret"][..],
        &["--header=X-Api-Key:fake-secret"],
        &["-HX-Any: fake0secret0fake0secret"],
        &["-vHAuthorization: Bearer fake-secret"],
        &["-vH", "X-Api-Key: fake-secret"],
        &["--client-info", r#"{"client_id":"c","client_secret":"fake-secret"}"#],
    ] {
        let shown = home.install("cursor", flags);
        shown.code(1).says(&["mcp-tether secret set", "keyring:"]);
        assert!(!format!("{shown:?}").contains("fake"), "{shown:?}");
    }
    home.run(&["install", "https://u:fake@h.example/", "--client", "cursor"]).code(1);
    home.run(&["install", "https://fake@h.example/", "--client", "cursor"]).code(1);
    home.install("cursor", &["--client-id", "c", "--client-secret", "fake-secret"]).code(1);
    home.install("cursor", &["--transport", "nonsense"]).code(1);
    assert_eq!(fs::read_to_string(&path).unwrap(), "{}");
    let client = r#"{"client_id":"c","client_secret":"${SECRET}"}"#;
    home.install("cursor", &["--client-info", client, "--dry-run"]).code(0);
    // A variable is named, not filled in: the client would put its value on the command line.
    home.install("cursor", &["-H", "Authorization: Bearer ${TOKEN}"]).code(0);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("Authorization: Bearer env:TOKEN"), "{text}");
}

#[cfg(unix)]
#[test]
fn links_stay_links_and_what_is_read_only_stays() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let home = Home::new();
    fs::create_dir(home.path("dotfiles")).unwrap();
    fs::create_dir(home.path(".cursor")).unwrap();
    let (real, link) = (home.path("dotfiles/mcp.json"), home.file("cursor"));
    fs::write(&real, "{}").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("../dotfiles/mcp.json", &link).unwrap();
    home.install("cursor", &[]).code(0);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(load(&real, None).unwrap().unwrap().len(), 1);
    let text = fs::read(&real).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o440)).unwrap();
    home.install("cursor", &["--name", "other"]).code(1).says(&["read-only"]);
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(home.path("dotfiles"), fs::Permissions::from_mode(0o500)).unwrap();
    // Root may write everywhere.
    if fs::write(home.path("dotfiles/probe"), "").is_err() {
        home.install("cursor", &["--name", "other"]).code(1).says(&["cannot write in"]);
        assert_eq!(fs::read(&real).unwrap(), text);
    }
    fs::set_permissions(home.path("dotfiles"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn many_at_once_lose_nothing() {
    let home = Home::new();
    let path = home.write("cursor", "{\n  // mine\n}\n");
    let names: Vec<_> = (0..8).map(|n| format!("server-{n}")).collect();
    let running: Vec<_> = names
        .iter()
        .map(|name| {
            let mut command = home.command(&["install", URL, "--client", "cursor", "--name", name]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let mut found: Vec<_> =
        load(&path, None).unwrap().unwrap().into_iter().map(|server| server.name).collect();
    found.sort();
    assert_eq!(found, names);
    assert!(fs::read_to_string(&path).unwrap().contains("// mine"));
    assert!(beside(&path).iter().all(|name| name.contains(".bak-")), "{:?}", beside(&path));
}

const FOREIGN: &str = r#"{
  // bridges
  "mcpServers": {
    "a": {
      "command": "npx",
      "args": ["-y", "mcp-remote@latest", "https://a.example.com/mcp", "3334",
               "--header", "Authorization:${TOKEN}", "--transport", "http-only"], // A
      "env": { "TOKEN": "Bearer fake-secret-fake" },
      "disabled": true,
    },
    "b": { "command": "uvx", "args": ["mcp-stdio", "https://b.example.com/mcp", "--oauth-scope", "x y"] },
    "c": { "command": "npx", "args": ["mcp-remote", "https://c.example.com/", "--made-up", "x"] },
    "d": { "command": "npx", "args": ["some-server"] }, /* D */
  },
}
"#;

#[test]
fn entries_of_other_bridges_become_ours() {
    let home = Home::new();
    let path = home.write("cursor", FOREIGN);
    let shown = home.run(&["migrate"]);
    shown.code(1).says(&["--yes", "left alone: c", "--made-up"]);
    assert!(
        shown.stdout.contains("-      \"command\": \"npx\",") && !shown.stdout.contains("fake")
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), FOREIGN);
    home.run(&["migrate", "--client", "zed", "--yes"]).code(0);
    assert_eq!(fs::read_to_string(&path).unwrap(), FOREIGN);
    let shown = home.run(&["migrate", "--yes"]);
    shown.code(0).says(&["left alone: c", "mcp-tether auth import", "what was there before"]);
    assert!(shown.stdout.contains("a, b start mcp-tether"));
    let now = fs::read_to_string(&path).unwrap();
    let expected = FOREIGN
        .replace("\"command\": \"npx\",\n", "\"command\": \"@COMMAND@\",\n")
        .replace(
            "[\"-y\", \"mcp-remote@latest\", \"https://a.example.com/mcp\", \"3334\",\n               \"--header\", \"Authorization:${TOKEN}\", \"--transport\", \"http-only\"]",
            "[\n        \"https://a.example.com/mcp\",\n        \"--header\",\n        \"Authorization:${TOKEN}\",\n        \"--transport\",\n        \"http\",\n        \"--callback-url\",\n        \"http://localhost:3334/oauth/callback\"\n      ]",
        );
    let (first, _) = expected.split_once("    \"b\"").unwrap();
    assert!(without_command(&now).starts_with(first), "{now}");
    assert!(now.ends_with(
        "    \"d\": { \"command\": \"npx\", \"args\": [\"some-server\"] }, /* D */\n  },\n}\n"
    ));
    let kinds: Vec<_> = load(&path, None).unwrap().unwrap().iter().map(|s| s.kind_name()).collect();
    assert_eq!(kinds, ["mcp-tether", "mcp-tether", "mcp-remote", "stdio"]);
    // What was found before is found again.
    let again = home.run(&["migrate", "--config", path.to_str().unwrap(), "--yes"]);
    again.code(0).says(&["left alone: c"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), now);
}

#[test]
fn other_formats_migrate_as_well() {
    let home = Home::new();
    let codex = home.write(
        "codex",
        "model = 'm'\n[mcp_servers.a] # A\ncommand = 'npx' # how\nargs = ['mcp-remote', 'https://a.example.com/mcp']\nstartup_timeout_sec = 20\n[mcp_servers.a.env]\nX = 'y'\n",
    );
    let goose = home.write(
        "goose",
        "extensions:\n  a:\n    cmd: npx # how\n    args:\n    - -y\n    - mcp-remote\n    - https://a.example.com/mcp\n    timeout: 300\n    type: stdio\n",
    );
    let opencode = home.write(
        "opencode",
        "{ \"mcp\": { \"a\": { \"type\": \"local\", \"command\": [\"npx\", \"mcp-remote\", \"https://a.example.com/mcp\"] } } }\n",
    );
    home.run(&["migrate", "--yes"]).code(0);
    let text = |path: &Path| without_command(&fs::read_to_string(path).unwrap());
    assert_eq!(
        text(&codex),
        "model = 'm'\n[mcp_servers.a] # A\ncommand = \"@COMMAND@\" # how\nargs = [\"https://a.example.com/mcp\"]\nstartup_timeout_sec = 20\n[mcp_servers.a.env]\nX = 'y'\n"
    );
    assert_eq!(
        text(&goose),
        "extensions:\n  a:\n    cmd: \"@COMMAND@\" # how\n    args:\n    - https://a.example.com/mcp\n    timeout: 300\n    type: stdio\n"
    );
    assert!(
        text(&opencode).contains("\"command\": [\"@COMMAND@\", \"https://a.example.com/mcp\"]")
    );
}

#[test]
fn all_remote_servers_of_all_clients() {
    let home = Home::new();
    home.write("cursor", FOREIGN);
    home.write("goose", "extensions: {}\n");
    home.write("zed", "{");
    home.install("goose", &["--name", "g"]).code(0);
    let shown = home.run(&["clients", "--json"]);
    assert!(!shown.stdout.contains("fake"), "{shown:?}");
    let found: Value = serde_json::from_str(&shown.code(0).stdout).unwrap();
    let servers: Vec<_> = found["servers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| {
            (
                s["client"].as_str().unwrap(),
                s["name"].as_str().unwrap(),
                s["kind"].as_str().unwrap(),
                s["enabled"].as_bool().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("cursor", "a", "mcp-remote", false),
        ("cursor", "b", "mcp-stdio", true),
        ("cursor", "c", "mcp-remote", true),
        ("goose", "g", "mcp-tether", true),
    ];
    assert_eq!(servers, expected);
    assert_eq!(found["files"].as_array().unwrap().len(), 3);
    let shown = home.run(&["clients"]);
    let text = &shown.code(0).stdout;
    assert!(text.contains("a  mcp-remote  https://a.example.com/mcp  (off)"), "{text}");
    assert!(text.contains("Zed (") && text.contains("it is not JSON"), "{text}");
    home.write(
        "cursor",
        r#"{"mcpServers": {"p": {"url": "https://me:fake@${input:host}/mcp?k=fake"}}}"#,
    );
    for words in [&["clients"][..], &["clients", "--json"]] {
        let shown = home.run(words);
        let text = &shown.code(0).stdout;
        assert!(text.contains("https://${input:host}/mcp") && !text.contains("fake"), "{text}");
    }
}

#[test]
fn a_name_is_written_and_nothing_of_what_belongs_to_it() {
    let server = Server::start();
    let home = Home::new();
    let path = home.write("cursor", "{}");
    fs::create_dir(home.path("tether")).unwrap();
    let ours = home.path("tether/config.toml");
    let file = format!(
        "[servers.team]\nurl = '{}?key=fake-query'\nprofile = 'work'\n\
         headers = {{ X-A = 'fake-header', X-Key = '${{UNSET_HERE}}' }}\n",
        server.url()
    );
    fs::write(&ours, file).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let install = ["install", "--scope", "team", "team", "--client", "cursor"];
    let shown = home.run(&install);
    shown.code(0).says(&["team is found with MCP_TETHER_HOME as it is set here"]);
    assert!(!format!("{shown:?}").contains("fake"), "{shown:?}");
    let written: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let args = &written["mcpServers"]["team"]["args"];
    assert_eq!(*args, json!(["team", "--scope", "team"]));
    assert!(home.run(&["clients"]).code(0).stdout.contains("team"));
    // The client starts what it leads to.
    let mut check = home.command(&["check", "--config", path.to_str().unwrap(), "--json"]);
    let shown = Shown::of(check.env("UNSET_HERE", "set"));
    let found: Value = serde_json::from_str(&shown.code(0).stdout).unwrap();
    assert_eq!(found["servers"][0]["result"], "ok", "{found}");
    // A name that is none is no server.
    home.run(&["install", "taem", "--client", "cursor"]).code(1).says(&["did you mean team?"]);
}

#[test]
fn what_is_installed_works() {
    let server = Server::start();
    let home = Home::new();
    let path = home.write("claude-desktop", "{}");
    let url = server.url();
    home.run(&["install", &url, "--client", "claude-desktop", "--name", "it"]).code(0);
    let file = path.to_str().unwrap();
    let shown = home.run(&["check", "--config", file, "--json"]);
    let found: Value = serde_json::from_str(&shown.code(0).stdout).unwrap();
    assert_eq!(found["servers"][0]["result"], "ok", "{found}");
    let tree = parse(&fs::read(&path).unwrap(), Format::Json).unwrap();
    let place = load(&path, None).unwrap().unwrap().remove(0).place;
    let entry = find(&tree, &place).unwrap();
    let command = entry.get("command").unwrap().text().unwrap();
    assert!(Path::new(command).is_absolute() && Path::new(command).exists(), "{command}");
    home.run(&["doctor"]);
}

#[cfg(unix)]
#[test]
fn a_person_is_asked_about_each_file() {
    use crate::support::terminal::Terminal;
    let home = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let path = home.path().join(".cursor/mcp.json");
    fs::create_dir(path.parent().unwrap()).unwrap();
    fs::write(&path, FOREIGN).unwrap();
    let args = ["migrate", "--client", "cursor"];
    for (answer, kinds) in [("n\r", 0), ("\r", 0), ("y\r", 2)] {
        let mut terminal = Terminal::run_in(&home, &args, &[]);
        terminal.sees("[y/N] ");
        terminal.press(answer);
        assert_eq!(terminal.code(), Some(0));
        let servers = load(&path, None).unwrap().unwrap();
        let ours = servers.iter().filter(|server| server.kind_name() == "mcp-tether").count();
        assert_eq!((ours, fs::read_to_string(&path).unwrap() == FOREIGN), (kinds, kinds == 0));
    }
}
