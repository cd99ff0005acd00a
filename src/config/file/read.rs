//! What is written in the file, checked: types, values, names.

use std::path::{Path, PathBuf};

use http::HeaderName;
use toml_edit::{Document, Item, TableLike, Value as Toml};
use url::Url;

use super::keys::{self, Key, Kind, LEFT_OUT};
use super::names;
use crate::auth::parameters;
use crate::cli::mistakes::nearest;
use crate::config::{headers, server_url, values};
use crate::limits::{MAX_CONFIG_PROBLEMS, MAX_NAMED_SERVERS};
use crate::order;
use crate::secret::harmless;

/// What else decides about a file.
#[derive(Debug, Default)]
pub struct Around<'a> {
    /// The folder that the file is in: where the paths in it begin.
    pub folder: Option<&'a Path>,
    /// What `~` stands for.
    pub home: Option<PathBuf>,
    /// Whether others can read the file.
    pub open_to_others: bool,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, from 1.
    pub line: usize,
    /// Where in the line, in characters from 1.
    pub column: usize,
    /// The server that it is about; none if it is about all of them.
    pub server: Option<String>,
    /// What. Nothing of a value that may be secret is in it.
    pub text: String,
}

/// The value of a key.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// `true`, `false`.
    Switch(bool),
    /// A text, or several.
    Texts(Vec<String>),
    /// Texts by name, and the line of each.
    Pairs(Vec<(String, Vec<String>, usize)>),
}

/// A key with its value. The value may be secret, and therefore does not print.
#[derive(Clone)]
pub struct Setting {
    /// Which.
    pub key: &'static Key,
    /// Where, from 1.
    pub line: usize,
    /// What.
    pub value: Value,
}

/// A server that is named.
pub struct Server {
    /// Its name.
    pub name: String,
    /// Where, from 1.
    pub line: usize,
    /// Its address, as it is written; none if that is a problem.
    pub url: Option<String>,
    /// What is set for it.
    pub settings: Vec<Setting>,
}

/// All that is in a file.
#[derive(Default)]
pub struct Contents {
    /// What is set for every server.
    pub defaults: Vec<Setting>,
    /// The servers, in the order of the file.
    pub servers: Vec<Server>,
    /// What is wrong, in the order of the file.
    pub problems: Vec<Problem>,
}

/// Reads a file's text.
pub fn read(text: &str, around: &Around<'_>) -> Contents {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        text,
        lines: text.match_indices('\n').map(|(at, _)| at + 1).collect(),
        around,
        server: None,
        contents: Contents::default(),
    };
    match Document::parse(text) {
        Ok(document) => reader.document(document.as_table()),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            reader.problem(at, format!("it is not TOML: {}", error.message()));
        }
    }
    let mut contents = reader.contents;
    order::sort_by_key(&mut contents.problems, |problem| (problem.line, problem.column));
    contents
}

struct Reader<'a> {
    text: &'a str,
    /// Where each line but the first begins.
    lines: Vec<usize>,
    around: &'a Around<'a>,
    /// Whose table is read.
    server: Option<String>,
    contents: Contents,
}

/// Where a member of a table stands.
fn key_at(table: &dyn TableLike, name: &str) -> usize {
    let span = table.get_key_value(name).and_then(|(key, _)| key.span());
    span.map_or(0, |span| span.start)
}

impl Reader<'_> {
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|begin| *begin <= at) + 1
    }

    fn problem(&mut self, at: usize, text: impl Into<String>) {
        // The last one is of nobody, and so in the way of every server: what is not told may be of any.
        let count = self.contents.problems.len();
        if count >= MAX_CONFIG_PROBLEMS {
            return;
        }
        let last = count + 1 == MAX_CONFIG_PROBLEMS;
        let text = if last { "there are more mistakes than are told".into() } else { text.into() };
        let line = self.line(at);
        let begin = if line == 1 { 0 } else { self.lines[line - 2] };
        let before = self.text.get(begin..at).unwrap_or_default();
        self.contents.problems.push(Problem {
            line,
            column: before.chars().count() + 1,
            server: self.server.clone().filter(|_| !last),
            text: harmless(&text),
        });
    }

    fn document(&mut self, root: &dyn TableLike) {
        for (name, item) in root.iter() {
            let at = key_at(root, name);
            match (name, item.as_table_like()) {
                ("defaults", Some(table)) => {
                    if table.contains_key("url") {
                        self.problem(key_at(table, "url"), "url: every server has its own");
                    }
                    self.contents.defaults = self.settings(table, "");
                }
                ("servers", Some(table)) => self.servers(table),
                ("defaults" | "servers", None) => {
                    self.problem(at, format!("{name}: has to be a table"))
                }
                _ => {
                    let close = nearest(name, ["defaults", "servers"].into_iter());
                    let hint = match close {
                        Some(close) => format!("did you mean {close}?"),
                        None => "there are [defaults] and [servers.NAME]".to_owned(),
                    };
                    self.problem(at, format!("{name}: there is no such table; {hint}"));
                }
            }
        }
    }

    fn servers(&mut self, table: &dyn TableLike) {
        for (count, (name, item)) in table.iter().enumerate() {
            let at = key_at(table, name);
            if count == MAX_NAMED_SERVERS {
                self.server = None;
                self.problem(at, format!("there are more than {MAX_NAMED_SERVERS} servers"));
                return;
            }
            self.server = Some(name.to_owned());
            if let Err(reason) = names::check(name) {
                self.problem(at, reason);
            }
            let Some(inside) = item.as_table_like() else {
                self.problem(at, format!("servers.{name}: has to be a table"));
                continue;
            };
            let settings = self.settings(inside, "");
            let url = self.url(inside, at, &settings);
            let (name, line) = (name.to_owned(), self.line(at));
            self.contents.servers.push(Server { name, line, url, settings });
        }
        self.server = None;
    }

    /// The address of a server whose table begins at `at`.
    fn url(&mut self, table: &dyn TableLike, at: usize, settings: &[Setting]) -> Option<String> {
        let Some(item) = table.get("url") else {
            self.problem(at, "url: is missing");
            return None;
        };
        let at = key_at(table, "url");
        let Some(text) = item.as_str() else {
            self.problem(at, "url: has to be a string");
            return None;
        };
        let set = |settings: &[Setting]| {
            let found = settings.iter().find(|setting| setting.key.flag == "allow-http");
            found.map(|setting| setting.value == Value::Switch(true))
        };
        let allow_http = set(settings).or_else(|| set(&self.contents.defaults));
        if let Err(error) = server_url(text, allow_http.unwrap_or(false)) {
            self.problem(
                at,
                format!("url: {}", error.to_string().replace("--allow-http", "allow-http = true")),
            );
            return None;
        }
        if self.around.open_to_others && holds_credential(text) {
            self.open(at, "url");
        }
        Some(text.to_owned())
    }

    /// The keys in a table. `prefix` is in front of their names.
    fn settings(&mut self, table: &dyn TableLike, prefix: &str) -> Vec<Setting> {
        let mut found = Vec::new();
        for (name, item) in table.iter() {
            let at = key_at(table, name);
            let full = format!("{prefix}{name}");
            let group = format!("{full}.");
            if let Some(key) = keys::find(&full) {
                if let Some(value) = self.value(key, item, at) {
                    found.push(Setting { key, line: self.line(at), value });
                }
            } else if keys::keys().iter().any(|key| key.name.starts_with(&group)) {
                match item.as_table_like() {
                    Some(inside) => found.extend(self.settings(inside, &group)),
                    None => self.problem(at, format!("{full}: has to be a table")),
                }
            } else if full != "url" {
                self.problem(at, unknown(&full));
            }
        }
        found
    }

    fn value(&mut self, key: &'static Key, item: &Item, at: usize) -> Option<Value> {
        let name = &key.name;
        match key.kind {
            Kind::Headers | Kind::Parameters => {
                let Some(table) = item.as_table_like() else {
                    self.problem(
                        at,
                        format!("{name}: has to be a table, as {name} = {{ NAME = \"value\" }}"),
                    );
                    return None;
                };
                return Some(Value::Pairs(self.pairs(key, table)));
            }
            Kind::Switch => {
                let flag = item.as_bool();
                if flag.is_none() {
                    self.problem(at, format!("{name}: has to be true or false"));
                }
                return flag.map(Value::Switch);
            }
            _ => {}
        }
        if key.optional
            && let Some(flag) = item.as_bool()
        {
            return Some(Value::Switch(flag));
        }
        let Some(texts) = texts(item).filter(|_| key.many || item.is_str()) else {
            self.problem(at, format!("{name}: has to be {}", wanted(key)));
            return None;
        };
        let texts: Vec<String> =
            texts.into_iter().map(|text| self.text(key, text, at)).collect::<Option<_>>()?;
        Some(Value::Texts(texts))
    }

    /// One value, with paths as they are meant.
    fn text(&mut self, key: &Key, text: &str, at: usize) -> Option<String> {
        let wrong = match key.kind {
            Kind::Duration => values::duration(text).err().map(|error| error.to_string()),
            Kind::Size => values::size(text).err().map(|error| error.to_string()),
            Kind::Choice if !key.choices.iter().any(|choice| choice == text) => {
                Some(format!("it can be {}", key.choices.join(", ")))
            }
            Kind::Path if text.trim().is_empty() => Some("has to be the path of a file".to_owned()),
            Kind::Reference if !is_reference(text) => Some(
                "has to say where the secret is, as keyring:NAME, file:PATH or env:NAME".to_owned(),
            ),
            _ => None,
        };
        if let Some(wrong) = wrong {
            self.problem(at, format!("{}: {wrong}", key.name));
            return None;
        }
        Some(match key.kind {
            Kind::Path => self.path(text),
            Kind::Reference => self.reference(text),
            _ => text.to_owned(),
        })
    }

    fn pairs(&mut self, key: &Key, table: &dyn TableLike) -> Vec<(String, Vec<String>, usize)> {
        let mut found = Vec::new();
        for (name, item) in table.iter() {
            let at = key_at(table, name);
            let full = format!("{}.{name}", key.name);
            // A parameter cannot be there twice (RFC 6749, section 3.1).
            let several = key.kind == Kind::Headers;
            let Some(texts) = texts(item).filter(|_| several || item.is_str()) else {
                let or = if several { ", or an array of strings" } else { "" };
                self.problem(at, format!("{full}: has to be a string{or}"));
                continue;
            };
            let mut fine = Vec::new();
            for text in texts {
                let wrong = match key.kind {
                    Kind::Headers => header(name, text),
                    _ if name.contains('=') => Some("a name without =".to_owned()),
                    _ => {
                        parameters::parse(&[format!("{name}={text}")]).err().map(|e| e.to_string())
                    }
                };
                if let Some(wrong) = wrong {
                    self.problem(at, format!("{}: {wrong}", key.name));
                    continue;
                }
                let literal = key.kind != Kind::Headers || headers::is_literal(name, text);
                if self.around.open_to_others
                    && literal
                    && is_secret(name)
                    && !text.trim().is_empty()
                {
                    self.open(at, &full);
                }
                fine.push(match key.kind {
                    Kind::Headers => self.header(name, text),
                    _ => text.to_owned(),
                });
            }
            found.push((name.to_owned(), fine, self.line(at)));
        }
        found
    }

    /// A credential that everybody can read.
    fn open(&mut self, at: usize, name: &str) {
        let text = format!(
            "{name}: it holds a credential, and others can read the file; run chmod 600 on it, or keep the \
             value elsewhere, as keyring:NAME (mcp-tether secret set NAME)"
        );
        self.problem(at, text);
    }

    /// A path begins at the folder of the file, because where a client starts a program is anywhere.
    fn path(&self, text: &str) -> String {
        let at_home =
            text.strip_prefix("~/").or_else(|| text.strip_prefix("~\\").filter(|_| cfg!(windows)));
        let path = match (at_home, &self.around.home, self.around.folder) {
            (Some(rest), Some(home), _) => home.join(rest),
            // A variable is filled in later, and where that leads is not known.
            (None, _, Some(folder)) if !text.starts_with("${") => folder.join(text),
            _ => return text.to_owned(),
        };
        path.to_string_lossy().into_owned()
    }

    fn reference(&self, text: &str) -> String {
        match text.strip_prefix("file:") {
            Some(path) => format!("file:{}", self.path(path.trim())),
            None => text.to_owned(),
        }
    }

    /// The same in a header, where a scheme may stand in front.
    fn header(&self, name: &str, text: &str) -> String {
        match headers::file_in(name, text) {
            Some((before, path)) => format!("{before}file:{}", self.path(path)),
            None => text.to_owned(),
        }
    }
}

/// A string, or an array of nothing else.
fn texts(item: &Item) -> Option<Vec<&str>> {
    match item.as_value()? {
        Toml::String(text) => Some(vec![text.value()]),
        Toml::Array(array) => array.iter().map(Toml::as_str).collect(),
        _ => None,
    }
}

fn wanted(key: &Key) -> String {
    let one = match key.kind {
        Kind::Duration => "a string such as \"10s\"",
        Kind::Size => "a string such as \"64MiB\"",
        _ => "a string",
    };
    match (key.many, key.optional) {
        (true, _) => "an array of strings, or a string".to_owned(),
        (_, true) => format!("{one}, or true"),
        _ => one.to_owned(),
    }
}

fn unknown(name: &str) -> String {
    if let Some((_, reason)) = LEFT_OUT.iter().find(|(flag, _)| *flag == name) {
        return format!("{name}: cannot be set here: {reason}");
    }
    if let Some(key) = keys::keys().iter().find(|key| key.flag == name) {
        return format!("{name}: is called {} here", key.name);
    }
    let names = keys::keys().iter().map(|key| &*key.name).chain(["url"]);
    match nearest(name, names) {
        Some(close) => format!("{name}: there is no such key; did you mean {close}?"),
        None => format!(
            "{name}: there is no such key; they are called like the options of mcp-tether --help"
        ),
    }
}

fn is_reference(text: &str) -> bool {
    let kinds = ["env:", "file:", "keyring:", "command:"];
    kinds.iter().any(|kind| text.strip_prefix(kind).is_some_and(|rest| !rest.trim().is_empty()))
}

/// What is wrong with a header, whatever its variables hold.
fn header(name: &str, text: &str) -> Option<String> {
    if HeaderName::try_from(name).is_err() {
        return Some(format!("{name:?} is not a header name"));
    }
    let any = |_: &str| Some("x".to_owned());
    headers::parse(&[format!("{name}: {text}")], &any, &mut Vec::new())
        .err()
        .map(|error| error.to_string())
}

/// Whether what has this name is a credential more often than not.
fn is_secret(name: &str) -> bool {
    const PARTS: [&str; 8] =
        ["auth", "cookie", "credential", "key", "pass", "secret", "session", "token"];
    let name = name.to_ascii_lowercase();
    PARTS.iter().any(|part| name.contains(part))
}

fn holds_credential(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    url.password().is_some()
        || url.query_pairs().any(|(name, value)| is_secret(&name) && !value.is_empty())
}
