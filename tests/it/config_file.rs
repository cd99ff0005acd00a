//! Servers by name: `config.toml`, and the commands about it.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use serde_json::{Value, json};

use crate::client_commands::run_with;
use crate::support::bridge::Builder;
use crate::support::*;

/// A home with a file in it.
struct Home(tempfile::TempDir);

impl Home {
    fn new(file: &str) -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        fs::write(home.file(), file).unwrap();
        home
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("config.toml")
    }

    fn shown(&self) -> String {
        self.file().to_str().unwrap().to_owned()
    }

    fn bridge(&self, first: &str) -> Builder {
        Bridge::with(first).env("MCP_TETHER_HOME", self.0.path())
    }

    fn run(&self, args: &[&str]) -> Output {
        run_with(args, &[("MCP_TETHER_HOME", self.0.path().to_str().unwrap())], "")
    }

    /// stdout and stderr of a command that ends with this code.
    #[track_caller]
    fn ends(&self, code: i32, args: &[&str]) -> (String, String) {
        let output = self.run(args);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stdout} {stderr}");
        (stdout, stderr)
    }

    #[cfg(unix)]
    fn chmod(&self, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(self.file(), fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn lenient() -> Server {
    let server = Server::start();
    server.mcp().set(|settings| settings.strict = false);
    server
}

/// The values of a header in the first request that a server got.
fn first(server: &Server, name: &str) -> Vec<String> {
    let request = &server.wait("initialize", 1)[0];
    let all = request.headers.get_all(name).iter();
    all.map(|value| value.to_str().unwrap().to_owned()).collect()
}

/// What a header of the first request is, by what stands in the file and what is typed.
#[test]
fn what_is_typed_wins_over_the_server_and_that_over_the_defaults() {
    let (default, own) = ("headers = { X-A = 'default' }", "headers = { x-a = 'own' }");
    let cases: [(&str, &str, &[&str], &[&str]); 8] = [
        ("", "", &[], &[]),
        (default, "", &[], &["default"]),
        ("", own, &[], &["own"]),
        (default, own, &[], &["own"]),
        (default, own, &["-H", "X-A: typed"], &["typed"]),
        (default, "", &["--header=x-a:typed"], &["typed"]),
        (default, own, &["-H", "X-B: typed"], &["own"]),
        (default, "headers = { X-A = ['1', '2'] }", &[], &["1", "2"]),
    ];
    for (default, own, typed, expected) in cases {
        let server = Server::start();
        let url = server.url();
        let home =
            Home::new(&format!("[defaults]\n{default}\n[servers.it]\nurl = '{url}'\n{own}\n"));
        let bridge = typed.iter().fold(home.bridge("it"), |bridge, word| bridge.arg(word)).start();
        bridge.handshake().result();
        assert_eq!(first(&server, "x-a"), expected, "{default} {own} {typed:?}");
        bridge.finish().clean();
    }
}

#[test]
fn a_typed_default_wins_as_well() {
    let server = Server::start();
    // The server speaks Streamable HTTP only.
    let home = Home::new(&format!("[servers.it]\nurl = '{}'\ntransport = 'sse'\n", server.url()));
    let bridge = home.bridge("it").start();
    bridge.send(INITIALIZE);
    assert!(bridge.answer(0).value()["error"].is_object());
    bridge.finish();
    home.ends(0, &["ping", "it", "--transport", "auto", "--count", "1"]);
}

/// Their values are no names, wherever they stand, and win over the file as ours do.
#[test]
fn flags_of_other_bridges_stand_in_front_of_a_name() {
    for (typed, expected) in [
        (&["--bearer-token", "fake-typed", "it"][..], "Bearer fake-typed"),
        (&["--ignore-tool", "it", "it", "--bearer-token=fake-typed"], "Bearer fake-typed"),
        (&["--headers-timeout", "5", "--silent", "it"], "Bearer fake-own"),
        (&["it", "9696", "--host", "localhost"], "Bearer fake-own"),
    ] {
        let server = Server::start();
        let home = Home::new(&format!(
            "[servers.it]\nurl = '{}'\nkeep-alive = true\nheaders = {{ Authorization = 'Bearer fake-own' }}\n",
            server.url()
        ));
        #[cfg(unix)]
        home.chmod(0o600);
        let bridge = home.bridge(typed[0]);
        let bridge = typed[1..].iter().fold(bridge, |bridge, word| bridge.arg(word)).start();
        bridge.handshake().result();
        assert_eq!(first(&server, "authorization"), [expected], "{typed:?}");
        bridge.finish().clean();
    }
}

#[test]
fn a_file_of_headers_lies_beside_the_file() {
    let server = Server::start();
    let home = Home::new(&format!(
        "[servers.it]\nurl = '{}'\nheader-file = 'headers.txt'\n",
        server.url()
    ));
    fs::write(home.0.path().join("headers.txt"), "# ours\nX-A: file\n").unwrap();
    let bridge = home.bridge("it").arg("-H").arg("X-A: typed").start();
    bridge.handshake().result();
    assert_eq!(first(&server, "x-a"), ["typed", "file"]);
    bridge.finish().clean();
}

#[test]
fn the_client_gets_to_see_what_the_file_allows() {
    let server = lenient();
    server.always("tools/list", |request| {
        let tool = |name: &str| format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#);
        let tools = ["get_a", "get_b", "delete_a"].map(tool).join(",");
        Reply::json(request.result(&format!(r#"{{"tools":[{tools}]}}"#)))
    });
    let home = Home::new(&format!(
        "[defaults]\ntools.deny = ['delete_*']\n[servers.it]\nurl = '{}'\ntools.allow = ['get_*']\n",
        server.url()
    ));
    let seen = |more: &[&str]| {
        let bridge = more.iter().fold(home.bridge("it"), |bridge, word| bridge.arg(word)).start();
        bridge.handshake().result();
        let tools = bridge.ask(1, "tools/list").result()["tools"].clone();
        bridge.finish().clean();
        let names =
            tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(seen(&[]), ["get_a", "get_b"]);
    // What is typed takes the place of the one list, and is added to the other.
    assert_eq!(seen(&["--allow-tool", "*"]), ["get_a", "get_b"]);
    assert_eq!(seen(&["--allow-tool", "*_a"]), ["get_a"]);
    assert_eq!(seen(&["--deny-tool", "get_a"]), ["get_b"]);
    // A person sees all of it.
    let (stdout, _) = home.ends(0, &["tools", "it", "--json"]);
    assert_eq!(
        serde_json::from_str::<Value>(&stdout).unwrap()["tools"].as_array().unwrap().len(),
        3
    );
}

#[test]
fn every_command_takes_a_name() {
    let server = lenient();
    server.always("tools/list", |request| {
        Reply::json(request.result(r#"{"tools":[{"name":"add","inputSchema":{"type":"object"}}]}"#))
    });
    server.always("tools/call", |request| {
        Reply::json(request.result(r#"{"content":[{"type":"text","text":"called"}]}"#))
    });
    let url = server.url();
    let home = Home::new(&format!(
        "[servers.it]\nurl = '{url}'\nheaders = {{ X-Team = 'blue' }}\nstore = 'file'\n"
    ));
    for args in [
        &["check", "it"][..],
        &["check", "--quiet", "it"],
        &["inspect", "it"],
        &["tools", "it", "add"],
        &["call", "it", "add", "a=1"],
        &["call", "--json", "it", "add", "it"],
        &["ping", "it", "--count=1"],
        &["raw", "it", "tools/list"],
        &["repl", "it"],
        &["doctor", "it", "--json"],
        &["auth", "status"],
        &["logout", "it"],
    ] {
        let before = server.seen("*").len();
        let (code, allowed) = match args[0] {
            // The machine may have problems of its own.
            "doctor" => (home.run(args).status.code().unwrap(), true),
            "call" if args.last() == Some(&"it") => (1, false),
            _ => (0, true),
        };
        let (stdout, stderr) = home.ends(code, args);
        if !allowed {
            assert!(stderr.contains("name=value"), "{stderr}");
        }
        if args[0] == "call" && allowed {
            assert_eq!(stdout, "called\n");
        }
        for request in server.seen("*").iter().skip(before) {
            let wants = args[0] != "doctor";
            let team = request.header("x-team");
            assert_eq!(team, wants.then_some("blue"), "{args:?}");
        }
    }
    let (stdout, _) = home.ends(3, &["auth", "status", "it"]);
    assert_eq!(stdout, format!("not signed in to {url}\n"));
}

#[cfg(unix)]
#[test]
fn signing_in_by_name() {
    let realm = Realm::new();
    let url = realm.mcp.url();
    let file = format!("[servers.it]\nurl = '{url}'\nprofile = 'work'\nscope = 'mcp:tools'\n");
    fs::write(realm.home().join("config.toml"), file).unwrap();
    // Whoever has to sign in is told to by the name, which has the profile and all else with it.
    let refused = realm.run(&["ping", "it", "--auth", "stored"]);
    refused.code(3).says(&["mcp-tether login it"]);
    realm.run(&["login", "it"]).code(0);
    assert_eq!(realm.authorizations()[0]["scope"], "mcp:tools");
    let status = realm.run(&["auth", "status", "it", "--json"]);
    let status: Value = serde_json::from_str(&status.code(0).stdout).unwrap();
    assert_eq!(status["signIns"][0]["profile"], "work");
    realm.run(&["login", "it", "--silent"]).code(0);
    realm.run(&["ping", "it", "--count=1", "--auth=stored"]).code(0);
    realm.run(&["ping", "it", "--count=1", "--auth=stored", "--profile=default"]).code(3);
    let bridge = realm.at_home(Bridge::with("it")).start();
    bridge.handshake().result();
    bridge.finish().clean();
    assert!(realm.run(&["logout", &url]).code(0).stdout.contains("nothing is stored"));
    assert!(realm.run(&["logout", "it"]).code(0).stdout.contains("(work): signed out"));
}

#[test]
fn names_that_mean_nothing() {
    let home = Home::new(
        "[servers.linear]\nurl = 'https://l.example/'\n[servers.sentry]\nurl = 'https://s.example/'\n",
    );
    let file = home.shown();
    for (args, said) in [
        (&["linaer"][..], "\"linaer\" is neither a URL, a command nor a server in"),
        (&["linaer"], "did you mean linear?"),
        (&["linaer"], "The file has linear, sentry."),
        (&["linaer"], &*file),
        (&["chekc"], "did you mean check?"),
        (&["call", "sentri", "tool"], "\"sentri\" is neither a URL nor a server in"),
        (&["call", "sentri", "tool"], "did you mean sentry?"),
        (&["check", "inspct"], "The file has linear, sentry."),
        (&["auth", "status", "other"], "The file has linear, sentry."),
        // What else is wrong comes first.
        (&["--no-such-flag", "x", "linear"], "--no-such-flag"),
        (&["linear", "--no-such-flag"], "--no-such-flag"),
        (&["linear", "fake-word"], "a word too many"),
    ] {
        let (stdout, stderr) = home.ends(1, args);
        assert!(stderr.contains(said) && stdout.is_empty(), "{args:?}: {stderr}");
    }
    let (_, stderr) = home.ends(1, &["check", "inspct"]);
    assert!(!stderr.contains("did you mean"), "{stderr}");
    let (_, stderr) = home.ends(1, &["ping", "linaer", "--json"]);
    let error: Value = serde_json::from_str(&stderr).unwrap();
    assert_eq!((&error["error"]["code"], &error["error"]["kind"]), (&json!(1), &json!("usage")));
    // Help needs no file.
    home.ends(0, &["call", "linaer", "--help"]);
}

#[test]
fn without_a_file_there_are_no_names() {
    let home = Home(tempfile::tempdir().unwrap());
    for (args, said) in [
        (&["linear"][..], "which is not there"),
        (&["linear"], "A URL looks like https://mcp.example.com/mcp."),
        (&["chekc"], "did you mean check?"),
        (&["call", "linear"], "<TOOL>"),
        (&["h.example"], "\"h.example\" is not a URL"),
    ] {
        let (_, stderr) = home.ends(1, args);
        assert!(stderr.contains(said), "{args:?}: {stderr}");
    }
    let none = run_with(&["linear"], &[("HOME", ""), ("APPDATA", "")], "");
    assert!(String::from_utf8_lossy(&none.stderr).contains("nor the name of a server"));
}

#[test]
fn mistakes_in_the_file() {
    let server = Server::start();
    let url = server.url();
    let home = Home::new(&format!(
        "[servers.good]\nurl = '{url}'\n[servers.bad]\nurl = '{url}'\nconnect-timeout = 'fake'\nipv = true\n\
         [servers.check]\nurl = '{url}'\n[servers.gone]\nurl = '{url}'\nca-cert = 'gone.pem'\n\
         headers = {{ X-A = '${{UNSET}}' }}\n"
    ));
    let file = home.shown();
    // One that is wrong is in the way of no other.
    home.ends(0, &["ping", "good", "--count=1"]);
    let (_, stderr) = home.ends(1, &["bad"]);
    let said =
        "connect-timeout: \"fake\" does not begin with a number; mcp-tether config check says more";
    assert_eq!(stderr, format!("mcp-tether: {file}:5:1: {said}\n"));
    // Commands win over names.
    let (_, stderr) = home.ends(1, &["check"]);
    assert!(stderr.contains("<URL>"), "{stderr}");
    let (_, stderr) = home.ends(1, &["ping", "check"]);
    assert!(
        stderr.contains(":7:10: servers.check: a server cannot be called like a command"),
        "{stderr}"
    );
    // What is found out later is explained as well.
    let (_, stderr) = home.ends(1, &["gone"]);
    assert!(stderr.contains(&format!("(headers.X-A in {file}, line 12)")), "{stderr}");
    let (_, stderr) = home.ends(1, &["gone", "-H", "x-a: b"]);
    assert!(stderr.contains(&format!("(ca-cert in {file}, line 11)")), "{stderr}");
    assert!(stderr.contains("gone.pem"), "{stderr}");
    // A file that is none is in everybody's way.
    fs::write(home.file(), "[servers.good]\nurl = fake-secret").unwrap();
    let (_, stderr) = home.ends(1, &["ping", "good"]);
    assert!(stderr.contains(":2:7: it is not TOML") && !stderr.contains("fake"), "{stderr}");
    fs::remove_file(home.file()).unwrap();
    fs::create_dir(home.file()).unwrap();
    let (_, stderr) = home.ends(1, &["ping", "good"]);
    assert!(stderr.contains("is not a regular file"), "{stderr}");
    // And a URL needs none.
    home.ends(0, &["ping", &url, "--count=1"]);
}

#[cfg(unix)]
#[test]
fn credentials_in_the_file_stay_there() {
    const SECRET: &str = "fake-secret-in-the-file";
    let server = lenient();
    let url = server.url();
    let home = Home::new(&format!(
        "[servers.it]\nurl = '{url}?api_key={SECRET}'\nheaders = {{ Authorization = 'Bearer {SECRET}' }}\n\
         [servers.other]\nurl = '{url}'\n"
    ));
    home.chmod(0o644);
    let (_, stderr) = home.ends(1, &["ping", "it"]);
    assert!(stderr.contains("others can read the file; run chmod 600"), "{stderr}");
    assert!(!stderr.contains(SECRET), "{stderr}");
    home.ends(0, &["ping", "other", "--count=1"]);
    home.chmod(0o622);
    let (_, stderr) = home.ends(1, &["ping", "other"]);
    assert!(stderr.contains("can be changed by other users"), "{stderr}");
    home.chmod(0o600);
    let (trace, log) = (home.0.path().join("trace"), home.0.path().join("log"));
    let bridge =
        home.bridge("it").path("--trace", &trace).path("--log-file", &log).arg("-vv").start();
    bridge.handshake().result();
    let words = bridge.command_line();
    let stderr = bridge.finish().clean().stderr.clone();
    let request = &server.wait("initialize", 2)[1];
    assert_eq!(request.header("authorization"), Some(&*format!("Bearer {SECRET}")));
    let read = |path: &PathBuf| fs::read_to_string(path).unwrap();
    for text in [&words, &stderr, &read(&trace), &read(&log)] {
        assert!(!text.contains(SECRET), "{text}");
    }
    for args in
        [&["config", "list"][..], &["config", "list", "--json"], &["config", "check", "--json"]]
    {
        assert!(!home.ends(0, args).0.contains(SECRET), "{args:?}");
    }
}

#[test]
fn commands_about_the_file() {
    let home = Home::new(
        "[servers.linear]\nurl = 'https://l.example/mcp?a=fake-query'\n[servers.s]\nurl = 'https://s.example/'\n",
    );
    let file = home.shown();
    assert_eq!(home.ends(0, &["config", "path"]).0, format!("{file}\n"));
    let listed = "linear  https://l.example/mcp\ns       https://s.example/\n";
    assert_eq!(home.ends(0, &["config", "list"]).0, listed);
    let (stdout, _) = home.ends(0, &["config", "list", "--json"]);
    let servers = json!([
        { "name": "linear", "url": "https://l.example/mcp", "line": 1 },
        { "name": "s", "url": "https://s.example/", "line": 3 },
    ]);
    assert_eq!(
        serde_json::from_str::<Value>(&stdout).unwrap(),
        json!({ "file": file, "servers": servers })
    );
    let fine = home.ends(0, &["config", "check"]);
    assert_eq!(fine, (format!("{file}: 2 servers: linear, s\n"), String::new()));
    let (schema, _) = home.ends(0, &["config", "schema"]);
    assert_eq!(schema, include_str!("../../docs/config.schema.json").replace("\r\n", "\n"));

    let other = home.0.path().join("other.toml");
    fs::write(&other, "[defaults]\nipv = true\n[servers.a]\nurl = 1\n").unwrap();
    let other = other.to_str().unwrap();
    let (stdout, stderr) = home.ends(1, &["config", "check", other]);
    assert_eq!(stdout, format!("{other}: 1 server: a\n"));
    let first = format!("{other}:2:1: ipv: there is no such key; did you mean ipv4?");
    assert_eq!(stderr, format!("{first}\n{other}:4:1: a: url: has to be a string\n"));
    let (stdout, stderr) = home.ends(1, &["config", "check", other, "--json"]);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&report["result"], &report["exitCode"]), (&json!("failed"), &json!(1)));
    assert_eq!(report["servers"], json!([{ "name": "a", "url": null, "line": 3 }]));
    assert_eq!(
        report["problems"][1],
        json!({ "line": 4, "column": 1, "server": "a", "message": "url: has to be a string" })
    );
    assert!(serde_json::from_str::<Value>(&stderr).unwrap()["error"]["message"] == json!(first));
    let elsewhere = [("MCP_TETHER_CONFIG", other)];
    let path = run_with(&["config", "path"], &elsewhere, "");
    assert_eq!(String::from_utf8(path.stdout).unwrap(), format!("{other}\n"));

    let empty = Home(tempfile::tempdir().unwrap());
    let (_, stderr) = empty.ends(1, &["config", "check"]);
    assert!(stderr.contains("mcp-tether config edit makes one"), "{stderr}");
    assert!(empty.ends(0, &["config", "list"]).0.contains("is not there"));
    assert!(
        empty.ends(1, &["config", "check", "no-such-file"]).1.contains("there is no no-such-file")
    );
}

/// A person with an editor.
#[cfg(unix)]
#[test]
fn editing() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    fs::write(
        path("editor"),
        "cat \"$2\" > \"$1.seen\"; cat \"$1.new\" > \"$2\"; exit $(cat \"$1.code\")\n",
    )
    .unwrap();
    fs::write(path("base.new"), "[servers.a]\nurl = 'https://a.example/'\n").unwrap();
    fs::write(path("base.code"), "0").unwrap();
    let folder = path("deep/er");
    let editor = format!("sh '{}' '{}'", text("editor"), text("base"));
    let edit = |variable: &str| {
        let environment = [("MCP_TETHER_HOME", folder.to_str().unwrap()), (variable, &*editor)];
        let output = run_with(&["config", "edit"], &environment, "");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let file = folder.join("config.toml");
    let (code, stdout, stderr) = edit("EDITOR");
    assert_eq!((code, &*stderr), (Some(0), ""));
    assert_eq!(stdout, format!("{}: 1 server: a\n", file.display()));
    // It began with the template, for its owner alone.
    let seen = fs::read_to_string(path("base.seen")).unwrap();
    assert!(seen.starts_with("#:schema ./config.schema.json\n") && seen.contains("# [servers."));
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(&folder)), (0o600, 0o700));
    assert!(folder.join("config.schema.json").is_file());

    fs::write(path("base.new"), "[servers.a]\nurl = 'a'\n").unwrap();
    let (code, _, stderr) = edit("VISUAL");
    assert_eq!(code, Some(1));
    assert!(stderr.contains("config.toml:2:1: a: url: \"a\" is not a URL"), "{stderr}");
    assert!(fs::read_to_string(path("base.seen")).unwrap().contains("https://a.example/"));
    fs::write(path("base.code"), "3").unwrap();
    assert!(edit("VISUAL").2.contains("sh (VISUAL) ended with exit status: 3"));
    let environment =
        [("MCP_TETHER_HOME", folder.to_str().unwrap()), ("EDITOR", "/no/such/editor")];
    let output = run_with(&["config", "edit"], &environment, "");
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("cannot start /no/such/editor (EDITOR)"), "{stderr}");
}

/// A client starts the bridge by a name.
#[test]
fn entries_of_clients_with_a_name() {
    let server = lenient();
    let home = Home::new(&format!(
        "[servers.it]\nurl = '{}'\nheaders = {{ X-Team = '${{TEAM}}' }}\n",
        server.url()
    ));
    let client = home.0.path().join("mcp.json");
    let entries = json!({ "mcpServers": {
        "named": { "command": "mcp-tether", "args": ["it", "--store=file"], "env": { "TEAM": "blue" } },
        "gone": { "command": "mcp-tether", "args": ["gone"] },
        "demo": { "command": "mcp-tether", "args": ["demo"] },
    } });
    fs::write(&client, entries.to_string()).unwrap();
    let (stdout, _) = home.ends(1, &["check", "--config", client.to_str().unwrap(), "--json"]);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    let of = |name: &str| {
        let all = report["servers"].as_array().unwrap();
        all.iter().find(|server| server["name"] == name).cloned().unwrap_or(Value::Null)
    };
    assert_eq!(of("named")["result"], "ok", "{stdout}");
    assert_eq!(first(&server, "x-team"), ["blue"]);
    let message = of("gone")["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("\"gone\" is neither a URL, a command nor a server in"), "{message}");
    assert_eq!(of("demo"), Value::Null);
}
