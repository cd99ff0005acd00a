//! Credentials that are not OAuth: headers from variables, files, the store and a command, and the secrets
//! in the store.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::client_commands::run_with;
use crate::support::bridge::Builder;
use crate::support::oauth::wait_for;
use crate::support::terminal::Terminal;
use crate::support::*;

const IN_VARIABLE: &str = "fake-secret-in-variable";
const IN_FILE: &str = "fake-secret-in-file";
const IN_STORE: &str = "fake-secret-in-store";
const IN_OUTPUT: &str = "fake-secret-in-output";

/// A folder for one test: its home, and what it needs besides.
struct Scene(tempfile::TempDir);

impl Scene {
    fn new() -> Scene {
        Scene(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A command that notes each of its runs and then does this.
    fn command(&self, text: &str) -> String {
        let path = self.write("script", &format!("echo run >> \"${{0%/*}}/runs\"\n{text}\n"));
        format!("sh '{}'", path.display())
    }

    fn runs(&self) -> usize {
        fs::read_to_string(self.path("runs")).map_or(0, |text| text.lines().count())
    }

    fn bridge(&self, server: &Server) -> Builder {
        Bridge::with(&server.url()).env("MCP_TETHER_HOME", self.path("home"))
    }

    fn run(&self, args: &[&str], stdin: &str) -> Output {
        run_with(args, &[("MCP_TETHER_HOME", &self.text("home"))], stdin)
    }

    /// Runs a command that ends with this code, and gives stdout and stderr.
    #[track_caller]
    fn ends(&self, code: i32, args: &[&str], stdin: &str) -> (String, String) {
        let output = self.run(args, stdin);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stdout} {stderr}");
        (stdout, stderr)
    }

    fn set(&self, name: &str, value: &str) {
        self.ends(0, &["secret", "set", name, "--store", "file"], value);
    }
}

fn lenient() -> Server {
    let server = Server::start();
    server.mcp().set(|settings| settings.strict = false);
    server
}

/// A server that refuses what has not this `Authorization`, the number behind which may change.
fn guarded(server: &Server) -> Arc<AtomicUsize> {
    let wanted = Arc::new(AtomicUsize::new(1));
    let now = wanted.clone();
    server.maybe("*", move |request| {
        let token = format!("Bearer {IN_OUTPUT}-{}", now.load(Ordering::SeqCst));
        let fine = request.header("authorization") == Some(&*token);
        (!fine).then(|| Reply::status(401).header("www-authenticate", "Bearer"))
    });
    wanted
}

/// Prints a token with the number of the run.
const NUMBERED: &str =
    "echo \"Authorization: Bearer fake-secret-in-output-$(grep -c . \"${0%/*}/runs\")\"";

#[test]
fn every_form_reaches_the_server_and_nothing_else() {
    let scene = Scene::new();
    scene.set("the key", IN_STORE);
    let file = scene.write("token", &format!("{IN_FILE}\n"));
    let command = scene.command(&format!(
        "printf '{{\"X-Command\": \"{IN_OUTPUT}\", \"X-Literal\": \"of the command\"}}'\n\
         echo 'it says {IN_OUTPUT}' >&2"
    ));
    let server = lenient();
    server.always("tools/call", |request| {
        let all: Vec<_> = request.headers.iter().map(|(n, v)| format!("{n}: {v:?}")).collect();
        Reply::body(400, "text/plain", all.join(", "))
    });
    let (log, trace) = (scene.path("log"), scene.path("trace"));
    let bridge = scene
        .bridge(&server)
        .header("Authorization: Bearer keyring:the key")
        .header("X-Variable: env:FAKE")
        .header(&format!("X-File: file:{}", file.display()))
        .header("X-Look: literal:env:FAKE")
        .header("X-Literal: fake-literal")
        .arg("--header-command")
        .arg(&command)
        .env("FAKE", IN_VARIABLE)
        .arg("-vv")
        .path("--log-file", &log)
        .path("--trace", &trace)
        .ready(&server);
    let mut places = vec![("stdout", bridge.ask(1, "tools/call").text)];
    #[cfg(target_os = "linux")]
    places.push(("command line", bridge.command_line()));
    places.push(("stderr", bridge.finish().stderr));
    places.push(("log", fs::read_to_string(log).unwrap()));
    places.push(("trace", fs::read_to_string(trace).unwrap()));
    assert!(places.iter().any(|(_, text)| text.contains("says: it says [redacted]")), "{places:?}");
    for (place, text) in places {
        for secret in [IN_VARIABLE, IN_FILE, IN_STORE, IN_OUTPUT] {
            assert!(!text.contains(secret), "{secret} in {place}: {text}");
        }
    }
    for request in ["initialize", "tools/call", "GET", "DELETE"].map(|kind| server.wait(kind, 1)) {
        let header = |name: &str| request[0].header(name).unwrap_or_default().to_owned();
        assert_eq!(header("authorization"), format!("Bearer {IN_STORE}"));
        assert_eq!(header("x-variable"), IN_VARIABLE);
        assert_eq!(header("x-file"), IN_FILE);
        assert_eq!(header("x-look"), "env:FAKE");
        assert_eq!(
            (header("x-command"), header("x-literal")),
            (IN_OUTPUT.into(), "of the command".into())
        );
    }
    assert_eq!(scene.runs(), 1);
}

#[test]
fn what_leads_nowhere_is_said_at_once() {
    let scene = Scene::new();
    let server = Server::start();
    let pipe = scene.text("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    scene.write("empty", "\n");
    scene.write("large", &"x".repeat(100_000));
    let file = |name: &str| format!("X-Key: file:{}", scene.text(name));
    for (header, reason) in [
        ("X-Key: env:FAKE_UNSET".to_owned(), "the environment variable FAKE_UNSET is not set"),
        ("Authorization: Bearer env:".to_owned(), "is not set"),
        ("X-Key: keyring:".to_owned(), "keyring: without anything behind it"),
        (file("none"), "cannot read"),
        (file("pipe"), "is not a regular file"),
        (file(""), "is not a regular file"),
        (file("empty"), "is empty"),
        (file("large"), "that is no secret"),
    ] {
        let exit = scene.bridge(&server).header(&header).start().wait();
        exit.code(1);
        assert!(exit.stderr.contains(reason), "{header}: {}", exit.stderr);
    }
    for (command, reason) in [("", "is empty"), ("a 'b", "a quote without its pair")] {
        let exit = scene.bridge(&server).arg("--header-command").arg(command).start().wait();
        exit.code(1);
        assert!(exit.stderr.contains(reason), "{}", exit.stderr);
    }
    let exit = scene
        .bridge(&server)
        .arg("--client-id=x")
        .arg(format!("--client-secret=file:{pipe}"))
        .start()
        .wait();
    exit.code(1);
    assert!(exit.stderr.contains("is not a regular file"), "{}", exit.stderr);
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_secret_that_is_not_there_is_an_error_of_each_request() {
    let scene = Scene::new();
    let server = Server::start();
    let bridge = scene.bridge(&server).header("X-Key: keyring:other").arg("--store=file").start();
    bridge.send(INITIALIZE);
    let error = bridge.answer(0).failed("unauthorized");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("run: mcp-tether secret set other"), "{message}");
    assert_eq!(server.connections(), 0);
}

#[test]
fn what_a_command_prints_is_kept_until_the_server_refuses_it() {
    let scene = Scene::new();
    let server = Server::start();
    let wanted = guarded(&server);
    let bridge =
        scene.bridge(&server).arg("--header-command").arg(scene.command(NUMBERED)).ready(&server);
    bridge.ask(1, "tools/list").result();
    bridge.ask(2, "tools/list").result();
    assert_eq!(scene.runs(), 1);
    wanted.store(2, Ordering::SeqCst);
    for id in 10..20 {
        bridge.send(request(id, "tools/list"));
    }
    for id in 10..20 {
        bridge.answer(id).result();
    }
    assert_eq!(scene.runs(), 2);
    // Nothing that it prints will do any more.
    wanted.store(1000, Ordering::SeqCst);
    let error = bridge.ask(3, "tools/list").failed("unauthorized");
    assert!(error["message"].as_str().unwrap().contains("was refused by 127.0.0.1"), "{error}");
    assert!(scene.runs() <= 3, "{}", scene.runs());
    // There is no OAuth beside it.
    assert!(server.kinds().iter().all(|kind| !kind.contains("metadata")), "{:?}", server.kinds());
    bridge.finish();
}

#[test]
fn a_request_that_is_taken_back_does_not_wait_for_other_headers() {
    let scene = Scene::new();
    let server = Server::start();
    let wanted = guarded(&server);
    // It waits for as long as somebody holds it.
    let waits = "while [ -e \"${0%/*}/hold\" ]; do sleep 0.02; done";
    let command = scene.command(&format!("{waits}\n{NUMBERED}"));
    let bridge =
        scene.bridge(&server).arg("-vv").arg("--header-command").arg(command).ready(&server);
    scene.write("hold", "");
    wanted.store(2, Ordering::SeqCst);
    bridge.send(request(1, "tools/list"));
    wait_for("the second run", || (scene.runs() == 2).then_some(()));
    bridge.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    // The command goes on for the others.
    bridge.wait_stderr("took the request back");
    bridge.send(request(2, "prompts/list"));
    fs::remove_file(scene.path("hold")).unwrap();
    bridge.answer(2).result();
    assert_eq!(server.seen("tools/list").len(), 1, "{:?}", server.kinds());
    bridge.finish().clean();
}

#[test]
fn what_is_good_for_a_time_is_obtained_anew() {
    let scene = Scene::new();
    let server = Server::start();
    let bridge = scene
        .bridge(&server)
        .arg("--header-command")
        .arg(scene.command("echo A: 1"))
        .arg("--header-command-ttl=0s")
        .ready(&server);
    let before = scene.runs();
    assert!(before >= 3, "{before}");
    bridge.ask(1, "tools/list").result();
    assert_eq!(scene.runs(), before + 1);
}

#[test]
fn a_file_that_has_changed_is_read_again() {
    let scene = Scene::new();
    let server = Server::start();
    let wanted = guarded(&server);
    let file = scene.write("token", &format!("{IN_OUTPUT}-1"));
    let header = format!("Authorization: Bearer file:{}", file.display());
    let bridge = scene.bridge(&server).header(&header).ready(&server);
    scene.write("token", &format!("{IN_OUTPUT}-2\n"));
    bridge.ask(1, "tools/list").result();
    wanted.store(2, Ordering::SeqCst);
    bridge.ask(2, "tools/list").result();
    bridge.finish();
}

#[test]
fn a_command_that_fails_is_not_run_again_and_again() {
    for (text, reason) in [
        ("echo 'X-Key: fake-secret-in-output'; exit 7", "sh failed (exit status: 7)"),
        ("echo fake-secret-in-output", "sh printed no header in line 1"),
        ("yes fake-secret-in-output", "sh printed more than 64 KiB"),
    ] {
        let scene = Scene::new();
        let server = Server::start();
        let log = scene.path("log");
        let bridge = scene
            .bridge(&server)
            .arg("--header-command")
            .arg(scene.command(text))
            .arg("-vv")
            .path("--log-file", &log)
            .start();
        bridge.send(INITIALIZE);
        for id in 1..10 {
            bridge.send(request(id, "tools/list"));
        }
        for id in 0..10 {
            let error = bridge.answer(id).failed("unauthorized");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(reason), "{message}");
            assert!(!message.contains(IN_OUTPUT), "{message}");
        }
        // One, and another one for each ten seconds that this took.
        assert!(scene.runs() <= 3, "{}", scene.runs());
        let exit = bridge.finish();
        let logged = fs::read_to_string(log).unwrap();
        assert!(!exit.stderr.contains(IN_OUTPUT) && !logged.contains(IN_OUTPUT), "{logged}");
        assert_eq!(server.connections(), 0);
    }
}

/// Whether a process is there and has not ended.
#[cfg(target_os = "linux")]
pub fn lives(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim().starts_with('Z'))
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_that_hangs_ends_with_the_bridge() {
    for signal in [false, true] {
        let scene = Scene::new();
        let server = Server::start();
        let text = "sleep 100000 &\necho $$ $! > \"${0%/*}/new\"; mv \"${0%/*}/new\" \"${0%/*}/pids\"\nsleep 100000";
        let bridge = scene
            .bridge(&server)
            .arg("--header-command")
            .arg(scene.command(text))
            .arg("--drain-timeout=100ms")
            .start();
        bridge.send(INITIALIZE);
        let end = std::time::Instant::now() + DEADLINE;
        while !scene.path("pids").exists() {
            assert!(std::time::Instant::now() < end, "it does not run");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let pids = fs::read_to_string(scene.path("pids")).unwrap();
        assert!(pids.split_whitespace().all(lives), "{pids}");
        if signal {
            bridge.signal("TERM");
            bridge.wait();
        } else {
            bridge.finish();
        }
        while pids.split_whitespace().any(lives) {
            assert!(std::time::Instant::now() < end, "it lives on");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

#[test]
fn commands_take_the_same_flags() {
    let scene = Scene::new();
    scene.set("token", &format!("{IN_OUTPUT}-1"));
    let server = lenient();
    let wanted = guarded(&server);
    let (url, command) = (server.url(), scene.command(NUMBERED));
    let by_command = ["--header-command", &command];
    let by_name = ["-H", "Authorization: Bearer keyring:token"];
    let (shown, _) = scene.ends(0, &[&["check", &url, "--json"], &by_command[..]].concat(), "");
    assert!(shown.contains(r#""state":"configured""#), "{shown}");
    scene.ends(0, &[&["check", &url], &by_name[..]].concat(), "");
    scene.ends(0, &[&["ping", &url], &by_name[..]].concat(), "");
    // The next run prints another token.
    wanted.store(2, Ordering::SeqCst);
    scene.ends(0, &[&["tools", &url], &by_command[..]].concat(), "");
    scene.ends(
        0,
        &[
            &["repl", &url],
            &["--header-command", "echo 'Authorization: Bearer fake-secret-in-output-2'"][..],
        ]
        .concat(),
        "ping\n",
    );
    let (_, error) =
        scene.ends(3, &[&["tools", &url], &["--header-command", "false"][..]].concat(), "");
    assert!(error.contains("--header-command: false failed"), "{error}");
    let (shown, _) = scene.ends(3, &["check", &url, "--header-command", "false"], "");
    assert!(shown.contains("--header-command: false failed"), "{shown}");

    let entry = json!({ "command": "mcp-tether", "args": [url, "--header-command", command] });
    let file = scene.write("mcp.json", &json!({ "mcpServers": { "s": entry } }).to_string());
    wanted.store(3, Ordering::SeqCst);
    scene.ends(0, &["check", "--config", file.to_str().unwrap()], "");
    let client = scene.run(&["doctor"], "");
    assert!(!String::from_utf8_lossy(&client.stdout).contains(IN_OUTPUT));
    assert_eq!(scene.runs(), 3);
}

#[test]
fn other_bridges_headers_are_taken_as_they_are() {
    let scene = Scene::new();
    let server = lenient();
    let args = json!(["mcp-remote", server.url(), "--allow-http", "--header", "X-Key: env:PATH"]);
    let entry = json!({ "command": "npx", "args": args });
    let file = scene.write("mcp.json", &json!({ "mcpServers": { "s": entry } }).to_string());
    scene.ends(0, &["check", "--config", file.to_str().unwrap()], "");
    assert_eq!(server.seen("initialize")[0].header("x-key"), Some("env:PATH"));
}

fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777
}

#[test]
fn secrets_are_set_listed_and_removed() {
    let scene = Scene::new();
    assert_eq!(scene.ends(0, &["secret", "list"], "").0, "");
    assert_eq!(scene.ends(0, &["secret", "list", "--json"], "").0, "{\"secrets\":[]}\n");
    let (said, _) = scene.ends(0, &["secret", "set", "b", "--store", "file"], IN_STORE);
    assert!(said.starts_with("b is kept in files in "), "{said}");
    // There is no keyring here.
    scene.ends(0, &["secret", "set", "a b"], "fake-secret-2\n");
    let (_, error) = scene.ends(1, &["secret", "set", "c", "--store", "keyring"], IN_STORE);
    assert!(error.contains("keyring cannot be used") && !error.contains(IN_STORE), "{error}");
    assert_eq!(scene.ends(0, &["secret", "list"], "").0, "a b\nb\n");
    let listed: Value =
        serde_json::from_str(&scene.ends(0, &["secret", "list", "--json"], "").0).unwrap();
    let expected = json!([{ "name": "a b", "store": "file" }, { "name": "b", "store": "file" }]);
    assert_eq!(listed["secrets"], expected);
    let mut holding = 0;
    for entry in fs::read_dir(scene.path("home/credentials")).unwrap() {
        let path = entry.unwrap().path();
        holding += usize::from(fs::read_to_string(&path).unwrap().contains(IN_STORE));
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert_eq!(holding, 1);
    scene.ends(0, &["secret", "rm", "b"], "");
    let (_, error) = scene.ends(1, &["secret", "rm", "b", "--store", "file"], "");
    assert!(error.contains("there is no secret"), "{error}");
    assert_eq!(scene.ends(0, &["secret", "list"], "").0, "a b\n");
    for (args, stdin, reason) in [
        (["secret", "set", "x"], "", "stdin is empty"),
        (["secret", "set", "x"], " \n", "stdin is empty"),
        (["secret", "set", " x"], "fake", "cannot be the name"),
        (["secret", "set", ""], "fake", "cannot be the name"),
        (["secret", "set", "x"], &*"x".repeat(70_000), "that is no secret"),
    ] {
        let (_, error) = scene.ends(1, &args, stdin);
        assert!(error.contains(reason), "{args:?}: {error}");
    }
}

#[test]
fn a_secret_that_is_typed_is_not_shown() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let args = ["secret", "set", "typed", "--store", "file"];
    let mut terminal = Terminal::run_in(&home, &args, &[]);
    terminal.sees("Secret typed (it is not shown): ");
    terminal.press("fake-secret-X\u{7f}typed\r");
    assert_eq!(terminal.code(), Some(0));
    let shown = String::from_utf8_lossy(&terminal.bytes()).into_owned();
    assert!(!shown.contains("fake"), "{shown}");
    let credentials = home.path().join("credentials");
    let file = fs::read_dir(credentials).unwrap().next().unwrap().unwrap().path();
    assert!(fs::read_to_string(file).unwrap().contains("fake-secret-typed"));
    let mut terminal = Terminal::run_in(&home, &args, &[]);
    terminal.sees("Secret typed (it is not shown): ");
    terminal.press("fake-secret\u{3}");
    assert_eq!(terminal.code(), Some(130));
}
