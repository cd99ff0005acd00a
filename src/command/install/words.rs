//! The arguments of an entry.

use std::path::{Path, PathBuf};

use http::HeaderName;
use url::{Host, Url};

use super::InstallError;
use crate::cli::{self, InstallArgs};
use crate::clients::arguments::OURS;
use crate::clients::private::{looks_secret, tells};
use crate::config::{Config, ConfigError, Env, file};

/// Flags of `install` alone, and whether they take a value.
const OWN: [(&str, bool); 6] = [
    ("--client", true),
    ("--name", true),
    ("--project", false),
    ("--force", false),
    ("--print", false),
    ("--dry-run", false),
];

/// The server, and whether all arguments make sense. Variables that the client will have need not be set
/// here.
///
/// # Errors
/// What is wrong with them.
pub(super) fn url(args: &InstallArgs, env: Env<'_>) -> Result<Url, ConfigError> {
    let all = args.words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let named =
        |name: &str| all.contains(&format!("${{{name}}}")) || all.contains(&format!("env:{name}"));
    let env = |name: &str| env(name).or_else(|| named(name).then(|| "placeholder".to_owned()));
    Ok(Config::resolve(&args.bridge, &env)?.target.url)
}

/// The words of the entry: the URL or the name for it, and the bridge's flags as they were typed, with whole paths.
///
/// # Errors
/// If there is a secret among them.
pub(super) fn arguments(args: &InstallArgs) -> Result<Vec<String>, InstallError> {
    let typed = args.typed.as_ref().unwrap_or(&args.words);
    let typed: Result<Vec<String>, _> =
        typed.iter().map(|word| word.clone().into_string()).collect();
    let typed = typed.map_err(|_| InstallError::Encoding)?;
    let connection = &args.bridge.connection;
    let url = connection.called.as_ref().or(connection.url.as_ref()).cloned().unwrap_or_default();
    // A user name alone is a Basic credential as well: some servers take a key so.
    let credential = |url: Url| url.password().is_some() || !url.username().is_empty();
    if Url::parse(&url).is_ok_and(credential) {
        return Err(InstallError::Password);
    }
    let here = std::env::current_dir().map_err(|_| InstallError::Folder)?;
    let paths = cli::path_flags();
    let mut out = vec![url];
    // Behind the program and the command.
    let mut words = typed.into_iter().skip(2);
    let mut flags_end = false;
    while let Some(word) = words.next() {
        if flags_end || !word.starts_with('-') {
            // The URL, which is the first one.
            continue;
        }
        if word == "--" {
            flags_end = true;
            continue;
        }
        for (flag, value) in split(&word) {
            if let Some((_, with_value)) = OWN.iter().find(|(own, _)| *own == flag) {
                if *with_value && value.is_none() {
                    words.next();
                }
                continue;
            }
            let value = match value {
                None if OURS.contains(&&*flag) => words.next(),
                value => value.map(ToOwned::to_owned),
            };
            out.push(flag.clone());
            let Some(value) = value else { continue };
            let value = match &*flag {
                "-H" | "--header" => header(&value, &here)?,
                "--client-info" | "--client-metadata" => match value.strip_prefix('@') {
                    Some(path) => format!("@{}", whole(path, &here)),
                    None if flag == "--client-info" && has_secret(&value) => {
                        return Err(InstallError::ClientSecret);
                    }
                    None => value,
                },
                _ if paths.contains(&flag) => whole(&value, &here),
                _ => reference(&value, &here),
            };
            out.push(value);
        }
    }
    Ok(out)
}

/// Whether a client as JSON has its secret in clear.
fn has_secret(json: &str) -> bool {
    let members: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    members["client_secret"].as_str().is_some_and(|secret| !secret.contains("${"))
}

/// The flags of a word, with the value that is in the same word: `--flag=value`, `-Hvalue`, `-H=value`, and
/// `-vHvalue`, which is `-v` and the second of these.
fn split(word: &str) -> Vec<(String, Option<&str>)> {
    if word.starts_with("--") {
        let (flag, value) = word.split_once('=').map_or((word, None), |(f, v)| (f, Some(v)));
        return vec![(flag.to_owned(), value)];
    }
    let mut found = Vec::new();
    for (at, letter) in word.char_indices().skip(1) {
        let flag = format!("-{letter}");
        if OURS.contains(&&*flag) {
            // Behind a letter that takes a value is the value.
            let rest = &word[at + letter.len_utf8()..];
            let value = (!rest.is_empty()).then(|| rest.strip_prefix('=').unwrap_or(rest));
            found.push((flag, value));
            break;
        }
        found.push((flag, None));
    }
    found
}

/// A header for a file: never a secret, and no variable that the client would fill in itself, because it
/// would be on the command line then.
fn header(text: &str, here: &Path) -> Result<String, InstallError> {
    let Some((name, value)) = text.split_once(':') else { return Ok(text.to_owned()) };
    let value = value.trim();
    let authorization = name.trim().to_ascii_lowercase().ends_with("authorization");
    let scheme = value.split_once(' ').filter(|_| authorization).map(|(scheme, _)| scheme);
    let rest = scheme.map_or(value, |scheme| value[scheme.len()..].trim_start());
    let kind =
        ["env:", "file:", "keyring:", "literal:"].iter().find(|kind| rest.starts_with(**kind));
    let rest = match kind {
        Some(_) => reference(rest, here),
        None if is_variable(rest) => format!("env:{}", &rest[2..rest.len() - 1]),
        None if rest.contains("${") => rest.to_owned(),
        None if tells(name) || looks_secret(rest) => {
            let shown = name.trim();
            let fine = HeaderName::try_from(shown).is_ok();
            return Err(InstallError::Literal(if fine { shown } else { "…" }.to_owned()));
        }
        None => rest.to_owned(),
    };
    let scheme = scheme.map_or_else(String::new, |scheme| format!("{scheme} "));
    Ok(format!("{}: {scheme}{rest}", name.trim()))
}

fn is_variable(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|text| text.strip_suffix('}'));
    name.is_some_and(|name| !name.is_empty() && !name.contains(['$', '{', '}', ':']))
}

/// `file:PATH` with the whole path: a client starts programs in another folder.
fn reference(value: &str, here: &Path) -> String {
    match value.strip_prefix("file:") {
        Some(path) => format!("file:{}", whole(path, here)),
        None => value.to_owned(),
    }
}

fn whole(path: &str, here: &Path) -> String {
    let given = PathBuf::from(path);
    if path.is_empty() || given.is_absolute() || path.contains("${") {
        return path.to_owned();
    }
    here.join(given).to_string_lossy().into_owned()
}

/// A name that all clients take.
///
/// # Errors
/// If it is none.
pub(super) fn name(name: &str) -> Result<String, InstallError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        return Err(InstallError::Name(super::harmless(name)));
    }
    Ok(name.to_owned())
}

/// A name from the host: what is between `mcp.` and `.com`.
pub(super) fn name_of(url: &Url) -> String {
    let port = url.port().map(|port| format!("-{port}")).unwrap_or_default();
    let host = match url.host() {
        Some(Host::Domain(domain)) => domain.trim_end_matches('.').to_ascii_lowercase(),
        _ => return cut(&format!("server{port}")),
    };
    let labels: Vec<&str> = host.split('.').collect();
    if labels.len() < 2 {
        return cut(&format!("{host}{port}"));
    }
    const SECOND: [&str; 7] = ["co", "com", "org", "net", "gov", "ac", "edu"];
    let mut own = &labels[..labels.len() - 1];
    if own.len() > 1 && SECOND.contains(&own[own.len() - 1]) {
        own = &own[..own.len() - 1];
    }
    let told: Vec<&str> =
        own.iter().copied().filter(|label| !["mcp", "www", "api"].contains(label)).collect();
    cut(&if told.is_empty() { own.join("-") } else { told.join("-") })
}

fn cut(text: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
    text.chars().map(fits).take(64).collect()
}

/// What a person should know about the entry.
pub(super) fn notes(args: &InstallArgs, url: &Url, command: &str, env: Env<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(name) = &args.bridge.connection.called {
        let set = |name: &&str| env(name).is_some_and(|value| !value.is_empty());
        if let Some(variable) = file::VARIABLES.iter().copied().find(set) {
            notes.push(format!(
                "note: {name} is found with {variable} as it is set here; the client has to set it as well"
            ));
        }
    } else if url.query_pairs().any(|(name, value)| tells(&name) || looks_secret(&value)) {
        notes.push(
            "note: the URL seems to hold a secret, which everybody who reads the file sees; a header with \
             keyring:NAME is better, if the server takes one"
                .to_owned(),
        );
    }
    let temporary =
        ["_npx", "/tmp/", "uv/cache", "\\Temp\\"].iter().any(|part| command.contains(part));
    if temporary {
        notes.push(format!("note: {command} may be removed; install mcp-tether to stay first"));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;

    fn words(line: &str) -> Result<Vec<String>, InstallError> {
        let words: Vec<std::ffi::OsString> =
            shlex::split(line).unwrap().into_iter().map(Into::into).collect();
        let cli = cli::parse(&words).unwrap();
        let Some(Command::Install(args)) = cli.command else { panic!() };
        arguments(&args)
    }

    #[test]
    fn the_entry_has_the_bridges_flags_and_whole_paths() {
        let here = std::env::current_dir().unwrap();
        let found = words(
            "mcp-tether install --client cursor -v --ca-cert ca.pem https://h.example/ --name x --force \
             '-HX-Team: a b' --header='Authorization: Bearer ${T}' --scope 'a b' \
             --client-id c --client-secret file:s.txt -H X-Key:keyring:k",
        )
        .unwrap();
        let path = |name: &str| here.join(name).to_string_lossy().into_owned();
        let expected = [
            "https://h.example/".to_owned(),
            "-v".into(),
            "--ca-cert".into(),
            path("ca.pem"),
            "-H".into(),
            "X-Team: a b".into(),
            "--header".into(),
            "Authorization: Bearer env:T".into(),
            "--scope".into(),
            "a b".into(),
            "--client-id".into(),
            "c".into(),
            "--client-secret".into(),
            format!("file:{}", path("s.txt")),
            "-H".into(),
            "X-Key: keyring:k".into(),
        ];
        assert_eq!(found, expected);
        for (flags, expected) in [
            ("-vHX-Team:a", &["-v", "-H", "X-Team: a"][..]),
            ("-vvH 'X-Team: a'", &["-v", "-v", "-H", "X-Team: a"]),
            ("-vH='X-Team: a'", &["-v", "-H", "X-Team: a"]),
            ("-H=X-Team:a", &["-H", "X-Team: a"]),
        ] {
            let found =
                words(&format!("mcp-tether install --client zed {flags} https://h.example/"));
            let mut words = vec!["https://h.example/"];
            words.extend(expected);
            assert_eq!(found.unwrap(), words, "{flags}");
        }
    }

    #[test]
    fn secrets_are_refused() {
        for header in [
            "Authorization: Bearer fake-secret",
            "X-Api-Key: fake-secret",
            "Cookie: a=fake-secret",
            "X-Other: fake0123456789abcdefghij",
        ] {
            let error =
                words(&format!("mcp-tether install https://h.example/ --client zed -H '{header}'"))
                    .unwrap_err()
                    .to_string();
            assert!(error.contains("secret set") && !error.contains("fake"), "{error}");
        }
        for flags in [
            "'-vHAuthorization: Bearer fake-secret'",
            "-vH 'Authorization: Bearer fake-secret'",
            "'-vvH=X-Api-Key: fake-secret'",
        ] {
            let error =
                words(&format!("mcp-tether install https://h.example/ --client zed {flags}"));
            assert!(matches!(error, Err(InstallError::Literal(_))), "{flags}: {error:?}");
        }
        for header in ["X-Api-Key: literal:none", "X-Version: 2025-11-25", "X-A: ${B}-${C}"] {
            words(&format!("mcp-tether install https://h.example/ --client zed -H '{header}'"))
                .unwrap();
        }
        for user in ["a:fake", "fake-key", ":fake"] {
            let line = format!("mcp-tether install https://{user}@h.example/ --client zed");
            assert!(matches!(words(&line), Err(InstallError::Password)), "{line}");
        }
    }

    #[test]
    fn names_from_hosts() {
        for (url, name) in [
            ("https://mcp.linear.app/mcp", "linear"),
            ("https://docs.mcp.cloudflare.com/sse", "docs-cloudflare"),
            ("https://mcp.shop.co.uk/", "shop"),
            ("https://mcp.com/", "mcp"),
            ("http://localhost:3917/mcp", "localhost-3917"),
            ("http://127.0.0.1:3917/mcp", "server-3917"),
            ("https://api.githubcopilot.com/mcp/", "githubcopilot"),
        ] {
            assert_eq!(name_of(&Url::parse(url).unwrap()), name);
        }
        assert!(name("a-b_1").is_ok() && name("a b").is_err() && name("").is_err());
    }
}
