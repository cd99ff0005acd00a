//! Where the servers are in a configuration file, and what each of them is.

use super::arguments::{Arguments, COMMANDS, MCP_REMOTE, MCP_STDIO, OURS};
use super::document::Node;
use super::edit::Step;
use super::launch::{Launched, look_through, stem};
use super::places::Client;
use super::template::{Template, with_braces};
use crate::limits::MAX_CLIENT_SERVERS;

/// One entry of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name in the file.
    pub name: String,
    /// The folder that it is for, where a file has servers for several.
    pub project: Option<String>,
    /// Where it stands in the file.
    pub place: Vec<Step>,
    /// Whether it is switched off.
    pub disabled: bool,
    /// The environment variables that it sets.
    pub env: Vec<(String, Template)>,
    /// What it is.
    pub kind: Kind,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A remote server that the client connects to by itself.
    Remote(Remote),
    /// A bridge that the client starts.
    Bridge(Box<Bridge>),
    /// A program that is a server itself, or a bridge that is not known here.
    Local(Launched),
}

/// A remote server that a client connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its address.
    pub url: Template,
    /// Headers of every request.
    pub headers: Vec<(String, Template)>,
    /// What it speaks, where the entry says so.
    pub wire: Option<Wire>,
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE.
    Sse,
}

/// Which bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BridgeKind {
    /// This program.
    Ours,
    /// mcp-remote, of npm.
    McpRemote,
    /// mcp-stdio, of PyPI.
    McpStdio,
}

impl BridgeKind {
    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            BridgeKind::Ours => "mcp-tether",
            BridgeKind::McpRemote => "mcp-remote",
            BridgeKind::McpStdio => "mcp-stdio",
        }
    }

    fn of(program: &str) -> Option<BridgeKind> {
        match program {
            "mcp-tether" => Some(BridgeKind::Ours),
            "mcp-remote" => Some(BridgeKind::McpRemote),
            "mcp-stdio" => Some(BridgeKind::McpStdio),
            _ => None,
        }
    }
}

/// A bridge to a remote server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// Which.
    pub kind: BridgeKind,
    /// How it is started.
    pub launched: Launched,
    /// The server's address, or for a bridge of ours its name, if there is one among the arguments.
    pub url: Option<Template>,
    /// Headers of every request, as far as they are arguments.
    pub headers: Vec<(String, Template)>,
    /// All of its arguments.
    pub arguments: Arguments,
}

impl Server {
    /// What kind it is, for people and programs.
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::Remote(Remote { wire: Some(Wire::Sse), .. }) => "sse",
            Kind::Remote(_) => "http",
            Kind::Bridge(bridge) => bridge.kind.name(),
            Kind::Local(_) => "stdio",
        }
    }

    /// The address, where it is a remote server.
    pub fn url(&self) -> Option<&Template> {
        match &self.kind {
            Kind::Remote(remote) => Some(&remote.url),
            Kind::Bridge(bridge) => bridge.url.as_ref(),
            Kind::Local(_) => None,
        }
    }
}

/// Members that hold servers by name, and whether they can hold nothing else.
const SECTIONS: [(&[&str], bool); 9] = [
    (&["mcpServers"], true),
    (&["context_servers"], true),
    (&["mcp_servers"], true),
    (&["mcp", "servers"], true),
    (&["mcp.servers"], true),
    (&["amp.mcpServers"], true),
    (&["servers"], false),
    (&["mcp"], false),
    // Goose.
    (&["extensions"], false),
];

/// The servers in a file; `None` if there is no place for them. `client` is whose file it is.
pub fn find(tree: &Node, client: Option<&Client>) -> Option<Vec<Server>> {
    let dollars = client.is_some_and(|client| client.bare_dollars);
    let mut found = sections(tree, None, dollars);
    // Claude Code keeps those of single folders in one file.
    for (folder, node) in tree.get("projects").map(Node::members).unwrap_or_default() {
        if let Some(more) = sections(node, Some(folder), dollars) {
            found.get_or_insert_default().extend(more);
        }
    }
    if let Some(found) = &mut found {
        found.truncate(MAX_CLIENT_SERVERS);
    }
    found
}

fn sections(tree: &Node, project: Option<&str>, dollars: bool) -> Option<Vec<Server>> {
    let mut found = None;
    let above = project.iter().flat_map(|folder| ["projects", folder]);
    for (path, certain) in SECTIONS {
        let Some(section @ (Node::Table(_) | Node::List(_))) = tree.at(path) else { continue };
        let above: Vec<Step> =
            above.clone().chain(path.iter().copied()).map(|name| Step::Key(name.into())).collect();
        let place = |step| above.iter().cloned().chain([step]).collect();
        let servers: Vec<Server> = match section {
            // Continue has them in a list.
            Node::List(items) => items
                .iter()
                .take(MAX_CLIENT_SERVERS)
                .filter_map(|node| {
                    let name = node.get("name")?.text()?;
                    server(name, project, place(Step::Named(name.into())), node, dollars)
                })
                .collect(),
            table => (table.members().into_iter().take(MAX_CLIENT_SERVERS))
                .filter_map(|(name, node)| {
                    server(name, project, place(Step::Key(name.into())), node, dollars)
                })
                .collect(),
        };
        if certain || !servers.is_empty() {
            found.get_or_insert_with(Vec::new).extend(servers);
        }
    }
    found
}

/// One entry; `None` if it is none.
fn server(
    name: &str,
    project: Option<&str>,
    place: Vec<Step>,
    node: &Node,
    dollars: bool,
) -> Option<Server> {
    let template = |text: &str| {
        if dollars { Template::new(with_braces(text)) } else { Template::new(text) }
    };
    let pairs = |path: &[&str]| -> Vec<(String, Template)> {
        let table = node.at(path).map(Node::members).unwrap_or_default();
        table.iter().filter_map(|(n, v)| Some(((*n).to_owned(), template(v.text()?)))).collect()
    };
    let mut env = pairs(&["env"]);
    // Goose; opencode; Zed's former nesting.
    env.extend(pairs(&["envs"]));
    env.extend(pairs(&["environment"]));
    env.extend(pairs(&["command", "env"]));
    let text = |name| node.get(name).and_then(Node::text);
    let said = ["type", "transport", "transportType"].into_iter().find_map(text);
    let wire = said.and_then(wire);
    let url = ["url", "serverUrl", "httpUrl", "uri"].into_iter().find_map(text);
    let command = command(node);
    let kind = match (url, command) {
        (Some(url), command) if wire.is_some() || command.is_none() => {
            let http = node.get("httpUrl").is_some().then_some(Wire::Http);
            let mut headers = pairs(&["headers"]);
            headers.extend(pairs(&["requestInit", "headers"]));
            headers.extend(pairs(&["http_headers"]));
            // Codex names variables.
            for (name, variable) in pairs(&["env_http_headers"]) {
                headers.push((name, Template::new(format!("${{{}}}", variable.expose()))));
            }
            if let Some(variable) = text("bearer_token_env_var") {
                let value = Template::new(format!("Bearer ${{{variable}}}"));
                headers.push(("Authorization".into(), value));
            }
            Kind::Remote(Remote { url: template(url), headers, wire: wire.or(http) })
        }
        (_, Some((command, arguments))) => {
            let words: Vec<String> = arguments
                .iter()
                .map(|word| if dollars { with_braces(word) } else { (*word).to_owned() })
                .collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let launched = look_through(command, &words);
            env.extend(launched.assigned.iter().cloned());
            launched_kind(launched)
        }
        (_, None) => return None,
    };
    let flag = |name| node.get(name).map(|node| *node == Node::Flag(true));
    let disabled = flag("disabled") == Some(true) || flag("enabled") == Some(false);
    let (name, project) = (name.to_owned(), project.map(ToOwned::to_owned));
    Some(Server { name, project, place, disabled, env, kind })
}

/// The command and its arguments, in any of the forms that clients have.
fn command(node: &Node) -> Option<(&str, Vec<&str>)> {
    let arguments = || node.get("args").map(Node::texts).unwrap_or_default();
    match node.get("command").or_else(|| node.get("cmd"))? {
        Node::Text(command) => Some((command, arguments())),
        list @ Node::List(_) => {
            let mut words = list.texts().into_iter();
            let command = words.next()?;
            Some((command, words.chain(arguments()).collect()))
        }
        nested @ Node::Table(_) => {
            let arguments = nested.get("args").map(Node::texts).unwrap_or_default();
            Some((nested.get("path")?.text()?, arguments))
        }
        _ => None,
    }
}

fn wire(said: &str) -> Option<Wire> {
    match &*said.to_ascii_lowercase().replace(['-', '_'], "") {
        "sse" => Some(Wire::Sse),
        "http" | "streamablehttp" | "httpstream" => Some(Wire::Http),
        _ => None,
    }
}

/// Words behind `mcp-tether` that make it something else than a bridge have no scheme.
fn is_address(text: &str) -> bool {
    text.contains("://") || text.contains("${") || text.contains("{env:")
}

/// The name of a server in our own configuration file is no command of ours.
fn is_name(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.chars().all(letters) && !text.is_empty() && !COMMANDS.contains(&text)
}

fn launched_kind(launched: Launched) -> Kind {
    let Some(kind) =
        BridgeKind::of(&launched.program).or_else(|| BridgeKind::of(&stem(&launched.program)))
    else {
        return Kind::Local(launched);
    };
    let with_value = match kind {
        BridgeKind::Ours => OURS,
        BridgeKind::McpRemote => MCP_REMOTE,
        BridgeKind::McpStdio => MCP_STDIO,
    };
    let arguments = Arguments::read(&launched.arguments, with_value);
    let leads = |word: &str| is_address(word) || (kind == BridgeKind::Ours && is_name(word));
    let url = arguments.positional.first().filter(|word| leads(word.expose())).cloned();
    if url.is_none() && !arguments.positional.is_empty() {
        // `mcp-tether demo`, `mcp-stdio serve`.
        return Kind::Local(launched);
    }
    let mut headers: Vec<_> = ["--header", "-H"]
        .into_iter()
        .flat_map(|flag| arguments.values(flag))
        .filter_map(|text| {
            let (name, value) = text.expose().split_once(':')?;
            Some((name.trim().to_owned(), Template::new(value.trim())))
        })
        .collect();
    for token in arguments.values("--bearer-token") {
        let value = Template::new(format!("Bearer {}", token.expose()));
        headers.push(("Authorization".into(), value));
    }
    Kind::Bridge(Box::new(Bridge { kind, launched, url, headers, arguments }))
}

#[cfg(test)]
mod tests;
