//! How each client writes an entry that starts a program.

use super::document::{Format, Node};
use super::edit::Step;

/// A way to write one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `mcpServers`, with `command` and `args`.
    Standard,
    /// The same with `type`.
    Typed,
    /// `servers`, with `type`.
    VsCode,
    /// `context_servers`.
    Zed,
    /// `amp.mcpServers`, which is one name.
    Amp,
    /// The same as `Standard` with a type of its own, and the tools that may be used.
    Copilot,
    /// `mcp`, with the whole command line in a list.
    Opencode,
    /// `mcp_servers`, in TOML.
    Codex,
    /// `extensions`, in YAML.
    Goose,
    /// A list, in YAML; in the folder of a project as `Standard`.
    Continue,
    /// No file: a person pastes it.
    Pasted,
}

impl Form {
    /// Where an entry called `name` is in a file.
    pub fn place(self, name: &str, format: Format) -> Vec<Step> {
        let section = match self {
            Form::VsCode => "servers",
            Form::Zed => "context_servers",
            Form::Amp => "amp.mcpServers",
            Form::Opencode => "mcp",
            Form::Codex => "mcp_servers",
            Form::Goose => "extensions",
            Form::Standard | Form::Typed | Form::Copilot | Form::Continue | Form::Pasted => {
                "mcpServers"
            }
        };
        let listed = self == Form::Continue && format == Format::Yaml;
        let name = name.to_owned();
        vec![Step::Key(section.into()), if listed { Step::Named(name) } else { Step::Key(name) }]
    }

    /// The entry that starts `command` with `arguments`.
    pub fn entry(self, name: &str, command: &str, arguments: &[String], format: Format) -> Node {
        let text = |text: &str| Node::Text(text.to_owned());
        let list = |words: &[String]| Node::List(words.iter().cloned().map(Node::Text).collect());
        let start = [("command", text(command)), ("args", list(arguments))];
        let first: Vec<(&str, Node)> = match self {
            Form::Typed | Form::VsCode => vec![("type", text("stdio"))],
            Form::Copilot => vec![("type", text("local"))],
            Form::Continue if format == Format::Yaml => vec![("name", text(name))],
            Form::Opencode => {
                let words: Vec<_> =
                    std::iter::once(command.to_owned()).chain(arguments.iter().cloned()).collect();
                return table(vec![
                    ("type", text("local")),
                    ("command", list(&words)),
                    ("enabled", Node::Flag(true)),
                ]);
            }
            Form::Goose => {
                return table(vec![
                    ("enabled", Node::Flag(true)),
                    ("type", text("stdio")),
                    ("name", text(name)),
                    ("description", text("")),
                    ("cmd", text(command)),
                    ("args", list(arguments)),
                ]);
            }
            _ => Vec::new(),
        };
        let mut members = first;
        members.extend(start);
        if self == Form::Copilot {
            members.push(("tools", Node::List(vec![text("*")])));
        }
        table(members)
    }

    /// What a file has to begin with, if it is made.
    pub const fn preamble(self, format: Format) -> &'static str {
        match (self, format) {
            (Form::Continue, Format::Yaml) => "name: Local\nversion: 1.0.0\nschema: v1\n",
            _ => "",
        }
    }
}

fn table(members: Vec<(&str, Node)>) -> Node {
    Node::Table(members.into_iter().map(|(name, node)| (name.to_owned(), node)).collect())
}

/// The settings of an entry that have to change for it to start another command line: from an entry as it
/// is to places in it and values. `None` if it starts nothing.
pub fn restarted(
    entry: &Node,
    command: &str,
    arguments: &[String],
) -> Option<Vec<(Vec<Step>, Node)>> {
    let key = |names: &[&str]| names.iter().map(|name| Step::Key((*name).into())).collect();
    let list = |words: Vec<String>| Node::List(words.into_iter().map(Node::Text).collect());
    let name = if entry.get("command").is_some() { "command" } else { "cmd" };
    let separate = |command_at: &[&str], arguments_at: &[&str]| {
        vec![
            (key(command_at), Node::Text(command.to_owned())),
            (key(arguments_at), list(arguments.to_vec())),
        ]
    };
    match entry.get(name)? {
        Node::Text(_) => Some(separate(&[name], &["args"])),
        Node::List(_) if entry.get("args").is_none() => {
            let words = std::iter::once(command.to_owned()).chain(arguments.iter().cloned());
            Some(vec![(key(&[name]), list(words.collect()))])
        }
        nested @ Node::Table(_) => {
            nested.get("path")?.text()?;
            Some(separate(&[name, "path"], &[name, "args"]))
        }
        _ => None,
    }
}
