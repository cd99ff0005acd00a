use std::ffi::OsString;

use super::keys::{Kind, keys};
use super::read::read;
use super::*;
use crate::cli::{Cli, named};
use crate::config::Config;

/// What is wrong with a file: line, column, server, text.
fn wrong(text: &str, open_to_others: bool) -> Vec<(usize, usize, Option<String>, String)> {
    let around = Around { open_to_others, ..Around::default() };
    let problems = read(text, &around).problems;
    problems.into_iter().map(|p| (p.line, p.column, p.server, p.text)).collect()
}

/// The one thing that is wrong with what is set for a server.
#[track_caller]
fn wrong_key(line: &str) -> String {
    let text = format!("[servers.a]\nurl = \"https://a.example/\"\n{line}\n");
    let found = wrong(&text, false);
    assert_eq!(found.len(), 1, "{line}: {found:?}");
    let (number, column, server, text) = found.into_iter().next().unwrap();
    assert_eq!((number, column, server.as_deref()), (3, 1, Some("a")), "{line}: {text}");
    text
}

#[test]
fn the_template_is_a_file_without_servers() {
    let contents = read(TEMPLATE, &Around::default());
    assert!(contents.problems.is_empty() && contents.servers.is_empty());
    // And what is in its comments is right.
    let examples: String = TEMPLATE
        .lines()
        .skip_while(|line| !line.starts_with("# [defaults]"))
        .map(|line| format!("{}\n", line.trim_start_matches("# ")))
        .collect();
    let contents = read(&examples, &Around::default());
    assert_eq!(contents.problems, []);
    assert_eq!(contents.servers.len(), 1);
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (line, said) in [
        ("timeout = '1s'", "timeout: there is no such key"),
        ("conect-timeout = '1s'", "did you mean connect-timeout?"),
        ("header = 1", "header: is called headers here"),
        ("allow-tool = 'x'", "allow-tool: is called tools.allow here"),
        ("trace = 'x'", "trace: cannot be set here: it is about one run"),
        ("connect-timeout = 5", "connect-timeout: has to be a string such as \"10s\""),
        ("connect-timeout = 'soon'", "connect-timeout: \"soon\" does not begin with a number"),
        ("max-message-size = 1", "max-message-size: has to be a string such as \"64MiB\""),
        ("max-message-size = '1PB'", "\"PB\" is no unit"),
        ("ipv4 = 'yes'", "ipv4: has to be true or false"),
        ("transport = 'stdio'", "transport: it can be auto, http, sse"),
        ("quiet = true", "quiet: cannot be set here: it is about one run"),
        ("header-file = 1", "header-file: has to be an array of strings, or a string"),
        ("idp-client-secret = 'fake-secret'", "idp-client-secret: has to say where the secret is"),
        ("keep-alive = 30", "keep-alive: has to be a string such as \"10s\", or true"),
        ("scope = ['a']", "scope: has to be a string"),
        ("ca-cert = 1", "ca-cert: has to be an array of strings, or a string"),
        ("ca-cert = [1]", "ca-cert: has to be an array of strings, or a string"),
        ("ca-cert = ''", "ca-cert: has to be the path of a file"),
        ("tools = 'x'", "tools: has to be a table"),
        ("headers = ['A: b']", "headers: has to be a table, as headers = { NAME = \"value\" }"),
        ("client-secret = 'fake-secret'", "client-secret: has to say where the secret is"),
        ("private-key = 'keyring:'", "private-key: has to say where the secret is"),
        ("tools.allowed = 'x'", "tools.allowed: there is no such key; did you mean tools.allow?"),
    ] {
        let line =
            if line.starts_with("tools.allowed") { "tools = { allowed = 'x' }" } else { line };
        let text = format!("[servers.a]\nurl = \"https://a.example/\"\n{line}\n");
        let found = wrong(&text, false);
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        let (number, _, server, text) = &found[0];
        assert_eq!((*number, server.as_deref()), (3, Some("a")), "{line}");
        assert!(text.contains(said) && !text.contains("fake"), "{line}: {text}");
    }
    assert!(wrong_key("no-such-thing-at-all = 1").contains("mcp-tether --help"));
}

#[test]
fn mistakes_in_tables_of_names() {
    for (value, said) in [
        ("headers = { 'a b' = 'fake-secret' }", "\"a b\" is not a header name"),
        ("headers = { 'a:b' = 'fake-secret' }", "\"a:b\" is not a header name"),
        ("headers = { Mcp-Session-Id = 'fake-secret' }", "is set by the bridge itself"),
        ("headers = { A = 1 }", "headers.A: has to be a string, or an array of strings"),
        ("headers = { A = \"fake-secret\\u0001\" }", "a character that a header cannot have"),
        ("headers = { A = '${fake-secret' }", "without \"}\""),
        ("auth-param = { state = 'fake-secret' }", "state is set by the sign-in itself"),
        ("auth-param = { a = ['b', 'c'] }", "auth-param.a: has to be a string"),
        ("token-param = { 'a=b' = 'c' }", "a name without ="),
    ] {
        let found =
            wrong(&format!("servers.a.url = 'https://a.example/'\nservers.a.{value}\n"), false);
        assert_eq!(found.len(), 1, "{value}: {found:?}");
        assert!(found[0].3.contains(said) && !found[0].3.contains("fake"), "{found:?}");
        assert_eq!(found[0].0, 2);
    }
}

#[test]
fn mistakes_of_the_whole_file() {
    for (text, line, column, server, said) in [
        ("a = ", 1, 5, None, "it is not TOML"),
        ("[servers.a]\nurl = 'https://a.example/'\nurl = 'x'", 3, 1, None, "duplicate key"),
        ("[server.a]\n", 1, 2, None, "server: there is no such table; did you mean servers?"),
        ("servers = 1", 1, 1, None, "servers: has to be a table"),
        ("[servers]\na = 'https://a.example/'", 2, 1, Some("a"), "servers.a: has to be a table"),
        ("[defaults]\nurl = 'x'", 2, 1, None, "url: every server has its own"),
        ("[defaults]\n  ipv4 = 1", 2, 3, None, "ipv4: has to be true or false"),
        ("[servers.a]\nipv4 = true", 1, 10, Some("a"), "url: is missing"),
        ("[servers.a]\nurl = 1", 2, 1, Some("a"), "url: has to be a string"),
        ("[servers.a]\nurl = 'h.example'", 2, 1, Some("a"), "url: \"h.example\" is not a URL"),
        ("[servers.a]\nurl = 'http://h.example'", 2, 1, Some("a"), "or allow-http = true if"),
        (
            "[servers.check]\nurl = 'https://a.example/'",
            1,
            10,
            Some("check"),
            "cannot be called like a command",
        ),
        (
            "[servers.'a.b']\nurl = 'https://a.example/'",
            1,
            10,
            Some("a.b"),
            "a name has up to 64 letters",
        ),
        ("'é' = 1 # ü\n'ü' = 1", 2, 1, None, "ü: there is no such table"),
    ] {
        let found = wrong(text, false);
        let found = found.iter().find(|(_, _, _, text)| text.contains(said));
        let Some((l, c, s, _)) = found else { panic!("{text}: {:?}", wrong(text, false)) };
        assert_eq!((*l, *c, s.as_deref()), (line, column, server), "{text}");
    }
    for fine in [
        "",
        "\u{feff}[servers]",
        "[defaults]\nallow-http = true\n[servers.a]\nurl = 'http://h.example'",
        "[servers.a]\nurl = 'http://127.0.0.1:1/'",
    ] {
        assert_eq!(wrong(fine, true), [], "{fine}");
    }
    let many: String = (0..500).map(|n| format!("x{n} = 1\n")).collect();
    assert_eq!(wrong(&many, false).len(), crate::limits::MAX_CONFIG_PROBLEMS);
    let many: String =
        (0..1001).map(|n| format!("[servers.s{n}]\nurl='https://a.example/'\n")).collect();
    let found = wrong(&many, false);
    assert_eq!(found.len(), 1);
    assert!(found[0].3.contains("more than 1000 servers") && found[0].0 == 2001, "{found:?}");
}

#[test]
fn credentials_want_a_file_that_is_ones_own() {
    for (line, credential) in [
        ("headers = { Authorization = 'Bearer fake-secret' }", true),
        ("headers = { X-Api-Key = 'fake-secret' }", true),
        ("headers = { Cookie = 'a=fake-secret' }", true),
        ("headers = { X-Token = 'literal:fake-secret' }", true),
        ("headers = { X-Token = ['keyring:a', 'fake-secret'] }", true),
        ("token-param = { my_token = 'fake-secret' }", true),
        ("headers = { X-Team = 'blue', X-Token = '' }", false),
        ("headers = { Authorization = 'Bearer ${TOKEN}', X-Api-Key = 'env:KEY' }", false),
        ("headers = { Authorization = 'Bearer keyring:a', X-Key = 'file:/x' }", false),
        ("client-secret = 'keyring:a'", false),
        ("url = 'https://a.example/?api_key=fake-secret'", true),
        ("url = 'https://user:fake-secret@a.example/'", true),
        ("url = 'https://user@a.example/?team=blue'", false),
    ] {
        let url = if line.starts_with("url") { "" } else { "url = 'https://a.example/'\n" };
        let text = format!("[servers.a]\n{url}{line}");
        assert_eq!(wrong(&text, false), [], "{line}");
        let found = wrong(&text, true);
        assert_eq!(found.len(), usize::from(credential), "{line}: {found:?}");
        for (_, _, _, text) in found {
            assert!(text.contains("chmod 600") && text.contains("keyring:NAME"), "{text}");
            assert!(!text.contains("fake-secret"), "{text}");
        }
    }
}

#[test]
fn paths_begin_at_the_file() {
    if cfg!(windows) {
        return;
    }
    let text = "
        [servers.a]
        url = 'https://a.example/'
        ca-cert = ['ca.pem', '/abs.pem', '~/home.pem', '${X}/y']
        client-secret = 'file:secrets/a'
        client-id = 'a'
        headers = { Authorization = 'Bearer file:~/t', X-A = 'file:a b', X-B = 'see file:x' }
    ";
    let (folder, home) = (Path::new("/etc/tether"), Some(PathBuf::from("/home/me")));
    let around = Around { folder: Some(folder), home, open_to_others: false };
    let contents = read(text, &around);
    assert_eq!(contents.problems, []);
    let line = ["mcp-tether", "a"].map(OsString::from);
    let place = named::place(&line).unwrap();
    let words = merge::words(&[], &contents.servers[0], &place);
    let words: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
    assert_eq!(
        words,
        [
            "--header=Authorization: Bearer file:/home/me/t",
            "--header=X-A: file:/etc/tether/a b",
            "--header=X-B: see file:x",
            "--ca-cert=/etc/tether/ca.pem",
            "--ca-cert=/abs.pem",
            "--ca-cert=/home/me/home.pem",
            "--ca-cert=${X}/y",
            "--client-id=a",
            "--client-secret=file:/etc/tether/secrets/a",
        ]
    );
}

/// Each key reaches the flag that it is called like, and nothing else.
#[test]
fn every_key_means_its_flag() {
    use clap::Parser as _;
    for key in keys() {
        let (in_file, typed): (String, Vec<String>) = match key.kind {
            Kind::Switch => ("true".into(), vec![format!("--{}", key.flag)]),
            Kind::Headers => ("{ X-A = 'b' }".into(), vec!["--header=X-A: b".into()]),
            Kind::Parameters => ("{ a = 'b' }".into(), vec![format!("--{}=a=b", key.flag)]),
            _ => {
                let value = match key.kind {
                    Kind::Choice => key.choices.last().unwrap(),
                    Kind::Duration => "17s",
                    Kind::Size => "17KiB",
                    Kind::Reference => "env:X",
                    _ => "/any",
                };
                (format!("'{value}'"), vec![format!("--{}={value}", key.flag)])
            }
        };
        // What it needs, so that clap takes it.
        let needs: &[&str] = match &*key.flag {
            "header-command-ttl" => &["--header-command=x"],
            "client-key" => &["--client-cert=x"],
            "client-secret" | "private-key" => &["--client-id=x"],
            "signing-alg" => &["--client-id=x", "--private-key=env:X"],
            "idp-client-secret" => &["--idp-client-id=x"],
            "idp-authorization-endpoint" | "idp-scope" => &["--idp-issuer=x"],
            "aws-service" | "aws-region" | "aws-profile" => &["--aws-sigv4"],
            _ => &[],
        };
        let text = format!("[servers.a]\nurl = 'https://a.example/'\n{} = {in_file}", key.name);
        let contents = read(&text, &Around::default());
        assert_eq!(contents.problems, [], "{}", key.name);
        let line: Vec<OsString> =
            [&["mcp-tether"], needs, &["a"]].concat().iter().map(Into::into).collect();
        let place = named::place(&line).unwrap();
        let words = merge::words(&[], &contents.servers[0], &place);
        let words: Vec<String> = words.into_iter().map(|word| word.text).collect();
        assert_eq!(words, typed, "{}", key.name);
        let all = needs.iter().map(|word| (*word).to_owned()).chain(words);
        let all = ["mcp-tether".to_owned(), "https://a.example/".to_owned()].into_iter().chain(all);
        assert!(Cli::try_parse_from(all).is_ok(), "{}", key.name);
    }
}

proptest::proptest! {
    /// Whatever is in the file, reading it ends, and every place that is told is in it.
    #[test]
    fn any_text_can_be_read(parts in proptest::collection::vec(proptest::sample::select(PARTS), 0..40)) {
        let text = parts.concat();
        let lines = text.lines().count() + 1;
        for (line, column, _, said) in wrong(&text, true) {
            assert!((1..=lines).contains(&line) && column > 0 && !said.contains("fake"), "{text}: {said}");
        }
    }
}

const PARTS: &[&str] = &[
    "[servers.a]\n",
    "[defaults]\n",
    "[[servers]]\n",
    "url = ",
    "headers",
    ".",
    " = ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "'",
    "\"",
    "\"\"\"",
    "\n",
    "\r\n",
    "#",
    "é",
    "\u{feff}",
    "tools.",
    "allow",
    "ipv4",
    "true",
    "1",
    "1979-05-27",
    "keep-alive",
    "'https://a.example/?key=fake'",
    "'fake'",
    "X-Key",
    "Authorization = 'Bearer fake'",
    "client-secret = 'fake'",
];

#[test]
fn files_are_where_the_system_wants_them() {
    let at = |variables: &[(&str, &str)]| {
        let env = |name: &str| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        };
        path(&env).map(|path| path.to_string_lossy().replace('\\', "/"))
    };
    let root = if cfg!(windows) { "C:" } else { "" };
    let (home, other) = (format!("{root}/home/me"), format!("{root}/x"));
    let usual = [("HOME", &*home), ("APPDATA", &*home)];
    assert_eq!(
        at(&[&usual[..], &[("MCP_TETHER_CONFIG", "y.toml")]].concat()),
        Some("y.toml".into())
    );
    let moved = [&usual[..], &[("MCP_TETHER_HOME", &*other)]].concat();
    assert_eq!(at(&moved), Some(format!("{other}/config.toml")));
    let both = [&moved[..], &[("MCP_TETHER_CONFIG", "y.toml")]].concat();
    assert_eq!(at(&both), Some("y.toml".into()));
    assert_eq!(at(&[&usual[..], &[("MCP_TETHER_HOME", "relative")]].concat()), None);
    assert_eq!(at(&[("MCP_TETHER_CONFIG", ""), ("MCP_TETHER_HOME", "")]), None);
    let expected = if cfg!(windows) {
        format!("{home}/mcp-tether/config.toml")
    } else if cfg!(target_vendor = "apple") {
        format!("{home}/Library/Application Support/mcp-tether/config.toml")
    } else {
        let xdg = [&usual[..], &[("XDG_CONFIG_HOME", "/c")]].concat();
        assert_eq!(at(&xdg), Some("/c/mcp-tether/config.toml".into()));
        assert_eq!(at(&[&usual[..], &[("XDG_CONFIG_HOME", "c")]].concat()), at(&usual));
        format!("{home}/.config/mcp-tether/config.toml")
    };
    assert_eq!(at(&usual), Some(expected));
}

#[test]
fn files_are_read_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let env = |_: &str| None;
    assert!(load(&file, &env).unwrap().is_none());
    assert!(matches!(load(folder.path(), &env), Err(FileError::NoFile { .. })));
    std::fs::write(&file, b"\xff").unwrap();
    assert!(matches!(load(&file, &env), Err(FileError::Encoding { .. })));
    File::create(&file).unwrap().set_len(MAX_CONFIG_FILE as u64 + 1).unwrap();
    assert!(matches!(load(&file, &env), Err(FileError::TooLarge { .. })));
    std::fs::write(&file, "[servers.a]\nurl = 'https://a.example/'\n[servers.b]\nurl = 1").unwrap();
    let named = load(&file, &env).unwrap().unwrap();
    assert_eq!(named.names().collect::<Vec<_>>(), ["a", "b"]);
    // What is wrong with one server is in the way of no other.
    assert!(named.server("a").unwrap().is_some() && named.server("c").unwrap().is_none());
    assert!(named.server("b").err().unwrap().to_string().contains("config.toml:4:1: url: has"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o602)).unwrap();
        assert!(matches!(load(&file, &env), Err(FileError::Writable { .. })));
        let error = load(&file, &env).err().unwrap().to_string();
        assert!(error.contains("chmod go-w"), "{error}");
    }
}

/// Whoever can change the file, put another in its place, or change what it is a link to.
#[cfg(unix)]
#[test]
fn a_file_that_others_can_change_is_refused() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
    let home = tempfile::tempdir().unwrap();
    let [folder, file] = ["folder", "folder/config.toml"].map(|name| home.path().join(name));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(&file, "[servers.a]\nurl = 'https://a.example/'").unwrap();
    let link = home.path().join("link.toml");
    symlink(&file, &link).unwrap();
    let is_refused = |modes: (u32, u32)| {
        for (path, mode) in [(&folder, modes.0), (&file, modes.1)] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let refused = |path| match load(path, &|_| None) {
            Ok(_) => false,
            Err(FileError::Writable { .. } | FileError::Foreign { .. }) => true,
            Err(other) => panic!("{other}"),
        };
        assert_eq!(refused(&file), refused(&link), "{modes:?}");
        refused(&file)
    };
    let person = file.metadata().unwrap().uid();
    for modes in [(0o700, 0o600), (0o755, 0o644), (0o1777, 0o644), (0o500, 0o400)] {
        assert!(!is_refused(modes), "{modes:?}");
    }
    for modes in [(0o700, 0o602), (0o777, 0o600), (0o702, 0o600), (0o1777, 0o666)] {
        assert!(is_refused(modes), "{modes:?}");
    }
    let of_group = [(0o700, 0o660), (0o770, 0o600)];
    let group = file.metadata().unwrap().gid();
    let alone = group == 0 || group == person;
    assert_eq!(of_group.map(is_refused), [!alone; 2]);
    // A link in a folder of everybody's leads wherever they like.
    assert!(!is_refused((0o700, 0o600)));
    std::fs::create_dir(home.path().join("open")).unwrap();
    std::fs::set_permissions(home.path().join("open"), std::fs::Permissions::from_mode(0o777))
        .unwrap();
    let astray = home.path().join("open/config.toml");
    symlink(&file, &astray).unwrap();
    assert!(matches!(load(&astray, &|_| None), Err(FileError::Writable { .. })));
    // Only root can give files away, and not in every container.
    if person == 0 && chown(&file, None, Some(54_321)).is_ok() {
        chown(&folder, None, Some(54_321)).unwrap();
        assert_eq!(of_group.map(is_refused), [true; 2]);
        assert!(!is_refused((0o750, 0o640)));
        chown(&file, Some(54_321), None).unwrap();
        let error = load(&file, &|_| None).err().unwrap().to_string();
        assert!(error.contains("belongs to the user 54321"), "{error}");
    }
}

/// Whatever the file sets is as secret as what is typed.
#[test]
fn values_are_known_to_the_redactor() {
    use clap::Parser as _;
    let text =
        "[servers.a]\nurl = 'https://a.example/?x=fake-query'\nheaders = { X-A = 'fake-header' }";
    let contents = read(text, &Around::default());
    let line = ["mcp-tether", "a"].map(OsString::from);
    let place = named::place(&line).unwrap();
    let server = &contents.servers[0];
    let words = merge::words(&[], server, &place).into_iter().map(|word| word.text);
    let url = server.url.clone().unwrap();
    let cli = Cli::parse_from(["mcp-tether".to_owned(), url].into_iter().chain(words));
    let config = Config::resolve(&cli.bridge, &|_| None).unwrap();
    let cleaned = config.target.redactor.clean("fake-query fake-header", 99);
    assert_eq!(cleaned, "[redacted] [redacted]");
}
