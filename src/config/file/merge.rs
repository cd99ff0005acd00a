//! What was typed, what is set for a server, and what is set for every server, put together: words for a command
//! line.
//!
//! In this order the first that has something to say of a flag decides. Tables of headers and parameters are put
//! together name by name; of lists the first counts, but for those that are added to ([`ADDED`]).

use super::keys::{ADDED, Key, Kind, NEEDS, keys};
use super::read::{Server, Setting, Value};
use crate::cli::named::{Place, Typed};

/// A word, and where it comes from.
pub struct Word {
    /// The word. It may hold a secret.
    pub text: String,
    /// What the errors of the program call it: `--connect-timeout`, `--header X-Team`.
    pub called: String,
    /// The key.
    pub key: String,
    /// The line in the file.
    pub line: usize,
    /// The path that it names, if it names one: some errors are about that.
    pub path: Option<String>,
}

/// What is set in the file, the nearest first: for the server, for every server.
type Layers<'a> = [&'a [Setting]; 2];

/// The words that stand for what the file says of a server, for a command line of which `place` is known.
pub fn words(defaults: &[Setting], server: &Server, place: &Place) -> Vec<Word> {
    let layers: Layers = [&server.settings, defaults];
    let mut out = Vec::new();
    for key in keys().iter().filter(|key| place.known.contains(&key.flag)) {
        match key.kind {
            Kind::Headers | Kind::Parameters => pairs(key, layers, &place.typed, &mut out),
            _ => single(key, layers, &place.typed, &mut out),
        }
    }
    out
}

fn setting<'a>(layer: &'a [Setting], flag: &str) -> Option<&'a Setting> {
    layer.iter().find(|setting| setting.key.flag == flag)
}

fn is_typed(typed: &[Typed], flag: &str) -> bool {
    // A client as JSON takes the place of its id.
    let is =
        |typed: &Typed| typed.flag == flag || (typed.flag == "client-info" && flag == "client-id");
    typed.iter().any(is)
}

/// The layer that decides about a flag, if it is one of the file's.
fn deciding(flag: &str, layers: Layers<'_>, typed: &[Typed]) -> Option<usize> {
    if is_typed(typed, flag) {
        return None;
    }
    let layer = (0..layers.len()).find(|layer| setting(layers[*layer], flag).is_some())?;
    if OF_AN_ISSUER.contains(&flag) && has_nearer_issuer(layer, layers, typed) {
        return None;
    }
    let needs = NEEDS.iter().find(|(name, _)| *name == flag).map(|(_, needs)| *needs);
    needs.is_none_or(|needs| is_of_use(layer, needs, layers, typed)).then_some(layer)
}

/// Who we are at an identity provider, and where it is: of the one whose issuer is named beside it, or of one
/// without. A secret must not go to another one.
const OF_AN_ISSUER: [&str; 4] =
    ["idp-client-id", "idp-client-secret", "idp-id-token", "idp-token-endpoint"];

/// Whether another issuer is named nearer than in `layer`.
fn has_nearer_issuer(layer: usize, layers: Layers<'_>, typed: &[Typed]) -> bool {
    let issuer = "idp-issuer";
    is_typed(typed, issuer) || layers[..layer].iter().any(|layer| setting(layer, issuer).is_some())
}

/// Whether what a layer says of a flag that `needs` another goes on the command line: what belongs to something
/// that was replaced or switched off is gone with it.
fn is_of_use(layer: usize, needs: &str, layers: Layers<'_>, typed: &[Typed]) -> bool {
    let beside = setting(layers[layer], needs);
    let Some(decides) = deciding(needs, layers, typed) else {
        if is_typed(typed, needs) {
            // Typing a switch replaces nothing.
            return beside.is_none_or(|beside| beside.key.kind == Kind::Switch);
        }
        // What is for every server is for those that have the other. For one server it is a mistake to be told.
        return layer == 0 && layers.iter().all(|layer| setting(layer, needs).is_none());
    };
    match setting(layers[decides], needs).map(|setting| &setting.value) {
        Some(Value::Switch(on)) => *on,
        _ => beside.is_none() || decides == layer,
    }
}

fn single(key: &Key, layers: Layers<'_>, typed: &[Typed], out: &mut Vec<Word>) {
    let chosen: Vec<&Setting> = if ADDED.contains(&&*key.flag) {
        layers.iter().rev().filter_map(|layer| setting(layer, &key.flag)).collect()
    } else {
        let layer = deciding(&key.flag, layers, typed);
        layer.and_then(|layer| setting(layers[layer], &key.flag)).into_iter().collect()
    };
    let flag = format!("--{}", key.flag);
    for setting in chosen {
        let mut word = |text: String, value: &str| {
            let path = (key.kind == Kind::Path).then(|| value.to_owned());
            let (called, key) = (flag.clone(), key.name.clone());
            out.push(Word { text, called, key, line: setting.line, path });
        };
        match &setting.value {
            Value::Switch(true) => word(flag.clone(), ""),
            Value::Switch(false) | Value::Pairs(_) => {}
            Value::Texts(texts) => {
                texts.iter().for_each(|text| word(format!("{flag}={text}"), text))
            }
        }
    }
}

fn pairs(key: &Key, layers: Layers<'_>, typed: &[Typed], out: &mut Vec<Word>) {
    let (separator, between) = if key.kind == Kind::Headers { (':', ": ") } else { ('=', "=") };
    let same = |one: &str, other: &str| {
        if key.kind == Kind::Headers { one.eq_ignore_ascii_case(other) } else { one == other }
    };
    let typed = typed.iter().filter(|typed| typed.flag == key.flag);
    let mut taken: Vec<String> = typed
        .filter_map(|typed| Some(typed.value.as_ref()?.split(separator).next()?.trim().to_owned()))
        .collect();
    for layer in layers {
        let Some(Setting { value: Value::Pairs(pairs), .. }) = setting(layer, &key.flag) else {
            continue;
        };
        let free = |name: &str| !taken.iter().any(|taken| same(taken, name));
        let pairs: Vec<_> = pairs.iter().filter(|(name, _, _)| free(name)).collect();
        for (name, values, line) in &pairs {
            for value in values {
                out.push(Word {
                    text: format!("--{}={name}{between}{value}", key.flag),
                    called: format!("--{} {name}", key.flag),
                    key: format!("{}.{name}", key.name),
                    line: *line,
                    path: None,
                });
            }
        }
        taken.extend(pairs.iter().map(|(name, _, _)| name.clone()));
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::read::{Around, read};
    use super::*;
    use crate::cli::named;

    /// The words for `server` when this was typed.
    #[track_caller]
    fn made(file: &str, typed: &[&str]) -> Vec<String> {
        let contents = read(file, &Around::default());
        assert_eq!(contents.problems, []);
        let line: Vec<OsString> =
            [&["mcp-tether"], typed].concat().iter().map(OsString::from).collect();
        let place = named::place(&line).unwrap();
        let name = line[place.server].to_str().unwrap();
        let server = contents.servers.iter().find(|server| server.name == name).unwrap();
        words(&contents.defaults, server, &place).into_iter().map(|word| word.text).collect()
    }

    const FILE: &str = r#"
        [defaults]
        connect-timeout = "5s"
        ipv4 = true
        headers = { X-All = "1", X-Team = "red" }
        ca-cert = "/all.pem"
        tools.deny = ["delete_*"]
        tools.allow = ["a*"]
        client-id = "all"
        client-secret = "keyring:all"

        [servers.plain]
        url = "https://plain.example/"

        [servers.rich]
        url = "https://rich.example/"
        connect-timeout = "7s"
        ipv4 = false
        headers = { x-team = ["blue", "green"] }
        ca-cert = ["/one.pem", "/two.pem"]
        tools = { deny = "drop_*", allow = ["b*"], read-only = true }
        client-id = "rich"
        keep-alive = true
        auth-param = { prompt = "login", audience = "x" }
    "#;

    #[test]
    fn the_nearest_decides() {
        assert_eq!(
            made(FILE, &["plain"]),
            [
                "--header=X-All: 1",
                "--header=X-Team: red",
                "--connect-timeout=5s",
                "--ipv4",
                "--ca-cert=/all.pem",
                "--client-id=all",
                "--client-secret=keyring:all",
                "--allow-tool=a*",
                "--deny-tool=delete_*",
            ]
        );
        assert_eq!(
            made(FILE, &["rich"]),
            [
                "--header=x-team: blue",
                "--header=x-team: green",
                "--header=X-All: 1",
                "--connect-timeout=7s",
                "--ca-cert=/one.pem",
                "--ca-cert=/two.pem",
                // Without the secret of the other client.
                "--client-id=rich",
                "--auth-param=prompt=login",
                "--auth-param=audience=x",
                "--keep-alive",
                "--allow-tool=b*",
                "--deny-tool=delete_*",
                "--deny-tool=drop_*",
                "--read-only",
            ]
        );
    }

    #[test]
    fn what_was_typed_wins() {
        let typed = [
            "rich",
            "--connect-timeout",
            "10s",
            "-H",
            "X-TEAM:typed",
            "--ca-cert=/typed.pem",
            "--allow-tool",
            "c*",
            "--deny-tool",
            "e*",
            "--auth-param",
            "prompt=none",
            "--client-id",
            "typed",
        ];
        assert_eq!(
            made(FILE, &typed),
            [
                "--header=X-All: 1",
                "--auth-param=audience=x",
                "--keep-alive",
                "--deny-tool=delete_*",
                "--deny-tool=drop_*",
                "--read-only",
            ]
        );
    }

    #[test]
    fn commands_get_what_they_know() {
        assert_eq!(made(FILE, &["doctor", "rich"]), [""; 0]);
        assert!(made(FILE, &["call", "rich", "tool"]).contains(&"--client-id=rich".to_owned()));
        assert!(!made(FILE, &["call", "rich", "tool"]).contains(&"--read-only".to_owned()));
        let file = "[servers.a]\nurl = 'https://a.example/'\nprofile = 'work'\nstore = 'file'";
        for command in [&["auth", "status", "a"][..], &["logout", "a"], &["repl", "a"]] {
            let mut words = made(file, command);
            words.sort();
            assert_eq!(words, ["--profile=work", "--store=file"], "{command:?}");
        }
        assert_eq!(made(file, &["logout", "a", "--profile", "default"]), ["--store=file"]);
    }

    #[test]
    fn what_belongs_to_something_replaced_goes_with_it() {
        let file = r#"
            [defaults]
            signing-alg = "ES256"
            [servers.a]
            url = "https://a.example/"
            client-id = "a"
            private-key = "keyring:a"
            client-cert = "/a.pem"
            client-key = "/a.key"
            [servers.b]
            url = "https://b.example/"
            client-id = "b"
            private-key = "keyring:b"
            signing-alg = "RS256"
        "#;
        let all = [
            "--client-cert=/a.pem",
            "--client-key=/a.key",
            "--client-id=a",
            "--private-key=keyring:a",
            "--signing-alg=ES256",
        ];
        assert_eq!(made(file, &["a"]), all);
        assert_eq!(made(file, &["a", "--client-cert=x"])[0], "--client-id=a");
        let left = made(file, &["b", "--client-id", "x", "--private-key", "env:K"]);
        assert_eq!(left, ["--signing-alg=ES256"; 0]);
        // Nor does it stay without the key that it is for.
        assert_eq!(made(file, &["a", "--client-id=x"]), all[..2]);
        assert_eq!(made(file, &["a", "--client-info", "{}"]), all[..2]);
    }

    #[test]
    fn what_one_identity_provider_knows_goes_to_no_other() {
        let file = r#"
            [defaults]
            idp-issuer = "https://one.example"
            idp-client-id = "me"
            idp-client-secret = "keyring:one"
            idp-token-endpoint = "https://one.example/token"
            idp-id-token = "file:/one"
            [servers.a]
            url = "https://a.example/"
            [servers.b]
            url = "https://b.example/"
            idp-issuer = "https://other.example"
            idp-client-id = "her"
        "#;
        assert_eq!(made(file, &["a"]).len(), 5);
        let mut words = made(file, &["b"]);
        words.sort();
        assert_eq!(words, ["--idp-client-id=her", "--idp-issuer=https://other.example"]);
        assert_eq!(made(file, &["a", "--idp-issuer", "https://x.example"]), [""; 0]);
    }

    #[test]
    fn what_belongs_to_a_switch_follows_it() {
        let file = r#"
            [defaults]
            aws-region = "eu-west-1"
            aws-profile = "all"
            idp-scope = "openid"
            [servers.plain]
            url = "https://plain.example/"
            [servers.on]
            url = "https://on.example/"
            aws-sigv4 = true
            aws-profile = "one"
            [servers.off]
            url = "https://off.example/"
            aws-sigv4 = false
            aws-service = "lambda"
            [servers.odd]
            url = "https://odd.example/"
            aws-service = "lambda"
        "#;
        assert_eq!(made(file, &["plain"]), [""; 0]);
        assert_eq!(
            made(file, &["plain", "--aws-sigv4"]),
            ["--aws-region=eu-west-1", "--aws-profile=all"]
        );
        assert_eq!(
            made(file, &["on"]),
            ["--aws-sigv4", "--aws-region=eu-west-1", "--aws-profile=one"]
        );
        assert_eq!(
            made(file, &["on", "--aws-sigv4"]),
            ["--aws-region=eu-west-1", "--aws-profile=one"]
        );
        assert_eq!(made(file, &["off"]), [""; 0]);
        assert_eq!(made(file, &["off", "--aws-sigv4"])[0], "--aws-service=lambda");
        // A mistake, of which the command line tells.
        assert_eq!(made(file, &["odd"]), ["--aws-service=lambda"]);

        let file = r#"
            [defaults]
            aws-sigv4 = true
            aws-region = "eu-west-1"
            [servers.same]
            url = "https://same.example/"
            aws-sigv4 = true
            [servers.off]
            url = "https://off.example/"
            aws-sigv4 = false
            [servers.idp]
            url = "https://idp.example/"
            idp-issuer = "https://idp.example"
            idp-authorization-endpoint = "https://idp.example/authorize"
            idp-scope = "openid"
        "#;
        assert_eq!(made(file, &["same"]), ["--aws-sigv4", "--aws-region=eu-west-1"]);
        assert_eq!(made(file, &["off"]), [""; 0]);
        let left = made(file, &["idp", "--idp-issuer=https://other.example"]);
        assert_eq!(left, ["--aws-sigv4", "--aws-region=eu-west-1"]);
    }
}
