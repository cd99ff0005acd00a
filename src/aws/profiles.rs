//! The two files that AWS tools share: `~/.aws/config` and `~/.aws/credentials`.
//!
//! They are given to the crates of AWS as text and not by name, because of one thing: what a
//! `credential_process` says goes to us, but its stdin would be ours, which is the MCP client's. It would
//! take messages from the bridge, or wait for their end.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::PathBuf;

use crate::limits::{MAX_AWS_FILE, MAX_LOGGED_TEXT};
use crate::secret::Redactor;

/// Where they are; each may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// `~/.aws/config`.
    pub config: Option<PathBuf>,
    /// `~/.aws/credentials`.
    pub credentials: Option<PathBuf>,
}

/// What is in them.
#[derive(Default)]
pub struct Texts {
    /// Of the file `config`.
    pub config: String,
    /// Of the file `credentials`.
    pub credentials: String,
}

/// Who gives the credentials of a profile, as far as it matters to somebody who has to renew them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// IAM Identity Center: `aws sso login`.
    Sso,
    /// A session of the console: `aws login`.
    Login,
    /// A program.
    Process,
    /// Keys in a file, a role, or anything else.
    Other,
    /// There is no such profile.
    Missing,
}

impl Files {
    /// Reads both. One that is not there is empty.
    ///
    /// # Errors
    /// Why one cannot be read, with its path and nothing of what it holds.
    pub fn read(&self) -> Result<Texts, String> {
        let read = |path: &Option<PathBuf>| match path {
            None => Ok(String::new()),
            Some(path) => read(path).map_err(|error| format!("{}: {error}", path.display())),
        };
        Ok(Texts { config: read(&self.config)?, credentials: read(&self.credentials)? })
    }
}

fn read(path: &PathBuf) -> io::Result<String> {
    // Before it is opened: a pipe would be waited for.
    match fs::metadata(path) {
        Ok(about) if about.is_file() => {}
        Ok(_) => return Err(io::Error::other("not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error),
    }
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    file.take(MAX_AWS_FILE as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_AWS_FILE {
        return Err(io::Error::other(format!("larger than {} KiB", MAX_AWS_FILE >> 10)));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("not a text"))
}

impl Texts {
    /// A property of a profile.
    pub fn property(&self, profile: &str, name: &str) -> Option<&str> {
        let in_config = || find(&self.config, |section| names_profile(section, profile), name);
        find(&self.credentials, |section| section == profile, name).or_else(in_config)
    }

    /// Who gives the credentials of a profile, or of the one that it takes a role from.
    pub fn origin(&self, profile: &str) -> Origin {
        let mut profile = profile;
        // A chain of roles is seldom longer than one.
        for _ in 0..5 {
            let has = |name| self.property(profile, name).is_some();
            if let Some(source) = self.property(profile, "source_profile")
                && source != profile
            {
                profile = source;
                continue;
            }
            return if has("sso_session") || has("sso_start_url") {
                Origin::Sso
            } else if has("login_session") {
                Origin::Login
            } else if has("credential_process") {
                Origin::Process
            } else if self.is_there(profile) {
                Origin::Other
            } else {
                Origin::Missing
            };
        }
        Origin::Other
    }

    fn is_there(&self, profile: &str) -> bool {
        let config = sections(&self.config).any(|section| names_profile(section, profile));
        config || sections(&self.credentials).any(|section| section == profile)
    }

    /// The same texts with an empty stdin for every `credential_process`, and `first` in front of its command.
    pub fn without_our_stdin(&self, first: &str) -> Texts {
        let guarded = |text| guarded(text, first);
        Texts { config: guarded(&self.config), credentials: guarded(&self.credentials) }
    }
}

/// The crates of AWS run the value by `sh -c`, or by `cmd.exe /C` on Windows.
const EMPTY_STDIN: &str = if cfg!(windows) { "<NUL " } else { "exec </dev/null; " };

fn guarded(text: &str, first: &str) -> String {
    let mut all = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match line.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("credential_process") => {
                all.extend([name, "= ", EMPTY_STDIN, first, value.trim_start_matches([' ', '\t'])]);
            }
            _ => all.push_str(line),
        }
    }
    all
}

/// `[default]` and `[profile NAME]` in `config`; the name may be in quotes.
fn names_profile(section: &str, profile: &str) -> bool {
    let named = section.strip_prefix("profile").filter(|rest| rest.starts_with([' ', '\t']));
    match named {
        Some(name) => name.trim().trim_matches('"') == profile,
        None => section == "default" && profile == "default",
    }
}

/// The text between brackets.
fn section(line: &str) -> Option<&str> {
    let rest = line.strip_prefix('[')?;
    rest.split_once(']').map(|(name, _)| name.trim())
}

fn sections(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(section)
}

fn find<'a>(text: &'a str, wanted: impl Fn(&str) -> bool, name: &str) -> Option<&'a str> {
    let mut inside = false;
    for line in text.lines() {
        if let Some(section) = section(line) {
            inside = wanted(section);
        } else if inside
            // What is indented belongs to the property above it.
            && !line.starts_with([' ', '\t'])
            && let Some((key, value)) = line.split_once('=')
            && key.trim().eq_ignore_ascii_case(name)
        {
            return Some(value.trim()).filter(|value| !value.is_empty());
        }
    }
    None
}

/// The name of a profile, as it may be shown and typed.
pub fn quoted(profile: &str) -> String {
    let profile = Redactor::default().clean(profile, MAX_LOGGED_TEXT);
    if profile.contains(char::is_whitespace) { format!("\"{profile}\"") } else { profile }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "\
[default]
region = eu-west-1
[profile work]
sso_session = company
region=us-west-2
s3 =
  region = no
[profile deploy]
role_arn = arn:aws:iam::111122223333:role/deploy
source_profile = work
[profile \"with tool\"]
 credential_process = ignored
Credential_Process =  tool --json
[profile console]
login_session = arn:aws:iam::111122223333:user/me
[profile loop]
source_profile = loop2
[profile loop2]
source_profile = loop
";

    fn texts() -> Texts {
        let credentials = "[keys]\naws_access_key_id = AKIDEXAMPLE\n[default]\nregion = x\n";
        Texts { config: CONFIG.into(), credentials: credentials.into() }
    }

    #[test]
    fn properties_of_profiles() {
        let texts = texts();
        assert_eq!(texts.property("work", "region"), Some("us-west-2"));
        // As other tools have it: what is in `credentials` counts more.
        assert_eq!(texts.property("default", "region"), Some("x"));
        assert_eq!(texts.property("deploy", "region"), None);
        assert_eq!(texts.property("profile work", "region"), None);
        for (profile, origin) in [
            ("work", Origin::Sso),
            ("deploy", Origin::Sso),
            ("with tool", Origin::Process),
            ("console", Origin::Login),
            ("keys", Origin::Other),
            ("default", Origin::Other),
            ("loop", Origin::Other),
            ("nobody", Origin::Missing),
        ] {
            assert_eq!(texts.origin(profile), origin, "{profile}");
        }
    }

    #[test]
    fn a_process_gets_an_empty_stdin_and_nothing_else_changes() {
        let guarded = texts().without_our_stdin("first; ").config;
        let line = format!("Credential_Process = {EMPTY_STDIN}first; tool --json\n");
        assert!(guarded.contains(&line), "{guarded}");
        let rest = |text: &str| {
            let lines = text.lines().filter(|line| !line.to_lowercase().contains("credential"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(rest(&guarded), rest(CONFIG));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let files = Files { config: Some(path.clone()), credentials: None };
        assert_eq!(files.read().ok().unwrap().config, "");
        std::fs::write(&path, vec![b'#'; MAX_AWS_FILE + 1]).unwrap();
        assert!(files.read().err().unwrap().ends_with("larger than 1024 KiB"));
        let files = Files { config: Some(folder.path().into()), credentials: None };
        assert!(files.read().is_err());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_waits_for_a_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let files = Files { config: Some(path), credentials: None };
        assert!(files.read().err().unwrap().ends_with("not a regular file"));
    }
}
