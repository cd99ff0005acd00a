//! What a line means.

use std::path::PathBuf;

use super::words::{Word, split};
use crate::cli::client::{
    Ask, CallArgs, CompleteArgs, ListArgs, OutputArg, PingArgs, PromptArgs, RawArgs, ReadArgs,
};
use crate::json;

/// A command: its name, what it takes, and what it does.
pub(super) struct Command {
    pub name: &'static str,
    pub takes: &'static str,
    pub about: &'static str,
}

const fn command(name: &'static str, takes: &'static str, about: &'static str) -> Command {
    Command { name, takes, about }
}

/// All commands.
pub(super) const COMMANDS: [Command; 24] = [
    command("inspect", "", "what the server is and offers"),
    command("tools", "[NAME]", "its tools, or one of them"),
    command("resources", "[URI]", "its resources and templates"),
    command("prompts", "[NAME]", "its prompts"),
    command("call", "TOOL [NAME=VALUE]…", "call a tool; the tool's name alone does as well"),
    command("read", "URI", "read a resource"),
    command("prompt", "NAME [NAME=VALUE]…", "get a prompt"),
    command(
        "complete",
        "--prompt NAME NAME=VALUE",
        "completions; --template URI for those of a URI",
    ),
    command("raw", "METHOD [JSON]", "one request as it is typed"),
    command("ping", "[COUNT]", "how long it takes to answer"),
    command("subscribe", "URI", "be told when a resource changes"),
    command("unsubscribe", "URI", "no longer"),
    command("level", "LEVEL", "be told what it logs, from this level on"),
    command(":info", "", "what the server said of itself"),
    command(":output", "text | json | raw", "how results are printed"),
    command(":save", "FILE", "the last result into a new file, byte for byte"),
    command(":login", "", "sign in with the browser, and connect again"),
    command(":reconnect", "", "end the session, and begin another one"),
    command(":trace", "on | off [FILE]", "record everything that is sent and received"),
    command(":help", "", "this"),
    command(":quit", "", "the end; Ctrl-D does as well"),
    command("help", "", ""),
    command("quit", "", ""),
    command("exit", "", ""),
];

/// The levels of log messages (server/utilities/logging).
pub(super) const LEVELS: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// What is to be done.
#[derive(Debug)]
pub(super) enum Line {
    /// An empty line, or a comment.
    Nothing,
    /// A question to the server.
    Ask(Box<Ask>),
    /// A request whose result is of no interest, with its parameters.
    Request(&'static str, String),
    Info,
    Output(OutputArg),
    Save(PathBuf),
    Login,
    Reconnect,
    Trace(bool, Option<PathBuf>),
    Help,
    Quit,
}

/// Reads a line.
///
/// # Errors
/// What is wrong with it, for a person.
pub(super) fn parse(line: &str) -> Result<Line, String> {
    if line.trim_start().starts_with('#') {
        return Ok(Line::Nothing);
    }
    let words = split(line);
    if let Some(Word { open: Some(quote), .. }) = words.last() {
        return Err(format!("{quote} is not closed"));
    }
    let mut words = words.into_iter().map(|word| word.text);
    let Some(name) = words.next() else { return Ok(Line::Nothing) };
    let mut words = Words { command: name.clone(), words: words.collect() };
    let line = match name.as_str() {
        "inspect" => ask(Ask::Inspect),
        "tools" => ask(Ask::Tools(ListArgs { name: words.next() })),
        "resources" => ask(Ask::Resources(ListArgs { name: words.next() })),
        "prompts" => ask(Ask::Prompts(ListArgs { name: words.next() })),
        "call" => {
            let tool = words.needed("the name of a tool")?;
            words.call(tool)?
        }
        "read" => {
            let save = words.option("--save")?.map(PathBuf::from);
            ask(Ask::Read(ReadArgs { uri: words.needed("a URI")?, save }))
        }
        "prompt" => {
            let prompt = words.needed("the name of a prompt")?;
            let save = words.option("--save")?.map(PathBuf::from);
            let no_check = words.flag("--no-check");
            ask(Ask::Prompt(PromptArgs { prompt, no_check, save, arguments: words.arguments()? }))
        }
        "complete" => {
            let prompt = words.option("--prompt")?;
            let template = words.option("--template")?;
            if prompt.is_some() == template.is_some() {
                return Err("complete takes --prompt NAME or --template URI".to_owned());
            }
            ask(Ask::Complete(CompleteArgs { prompt, template, arguments: words.arguments()? }))
        }
        "raw" => {
            let method = words.needed("a method")?;
            let params = words.next();
            if params.as_deref() == Some("-") {
                return Err(STDIN.to_owned());
            }
            ask(Ask::Raw(RawArgs { method, params }))
        }
        "ping" => {
            let count = words.next().map_or(Ok(1), |text| text.parse());
            let count = count.ok().filter(|count| (1..=10_000).contains(count));
            let count = count.ok_or("ping takes a number from 1 to 10000")?;
            ask(Ask::Ping(PingArgs { count, interval: "1s".to_owned() }))
        }
        "subscribe" | "unsubscribe" => {
            let uri = json!({ "uri": words.needed("a URI")? }).to_string();
            let on = name == "subscribe";
            Line::Request(if on { "resources/subscribe" } else { "resources/unsubscribe" }, uri)
        }
        "level" => {
            let level = words.needed("a level")?;
            if !LEVELS.contains(&&*level) {
                return Err(format!("level takes one of {}", LEVELS.join(", ")));
            }
            Line::Request("logging/setLevel", json!({ "level": level }).to_string())
        }
        ":info" => Line::Info,
        ":output" => Line::Output(match words.next().as_deref() {
            Some("text") => OutputArg::Text,
            Some("json") => OutputArg::Json,
            Some("raw") => OutputArg::Raw,
            _ => return Err(":output takes text, json or raw".to_owned()),
        }),
        ":save" => Line::Save(words.needed("a file")?.into()),
        ":login" => Line::Login,
        ":reconnect" => Line::Reconnect,
        ":trace" => {
            let on = match words.next().as_deref() {
                Some("on") => true,
                Some("off") => false,
                _ => return Err(":trace takes on or off".to_owned()),
            };
            Line::Trace(on, words.next().map(PathBuf::from))
        }
        ":help" | "help" => Line::Help,
        ":quit" | "quit" | "exit" => Line::Quit,
        other if other.starts_with(':') => {
            return Err(format!("{other}: there is no such command; :help lists them"));
        }
        tool => words.call(tool.to_owned())?,
    };
    words.end()?;
    Ok(line)
}

const STDIN: &str = "- cannot be used here: stdin has the commands";

fn ask(ask: Ask) -> Line {
    Line::Ask(Box::new(ask))
}

/// The words behind a command.
struct Words {
    command: String,
    words: std::collections::VecDeque<String>,
}

impl Words {
    fn next(&mut self) -> Option<String> {
        self.words.pop_front()
    }

    fn needed(&mut self, what: &str) -> Result<String, String> {
        self.next().ok_or_else(|| format!("{} takes {what}", self.command))
    }

    /// Takes an option out, wherever it stands.
    fn flag(&mut self, name: &str) -> bool {
        let before = self.words.len();
        self.words.retain(|word| word != name);
        self.words.len() < before
    }

    /// The same with a value, which is behind it or behind a `=`.
    fn option(&mut self, name: &str) -> Result<Option<String>, String> {
        let is_it = |word: &String| {
            word.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        let Some(at) = self.words.iter().position(is_it) else { return Ok(None) };
        let word = self.words.remove(at).unwrap_or_default();
        if let Some((_, value)) = word.split_once('=') {
            return Ok(Some(value.to_owned()));
        }
        self.words.remove(at).map(Some).ok_or_else(|| format!("{name} takes a value"))
    }

    fn call(&mut self, tool: String) -> Result<Line, String> {
        let save = self.option("--save")?.map(PathBuf::from);
        let no_check = self.flag("--no-check");
        Ok(ask(Ask::Call(CallArgs { tool, arguments: self.arguments()?, no_check, save })))
    }

    /// All that is left.
    fn arguments(&mut self) -> Result<Vec<String>, String> {
        let words: Vec<String> = std::mem::take(&mut self.words).into();
        if words.iter().any(|word| word == "-") {
            return Err(STDIN.to_owned());
        }
        Ok(words)
    }

    fn end(&mut self) -> Result<(), String> {
        match self.next() {
            Some(word) => Err(format!("{} does not take {word}", self.command)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_called_with_and_without_a_command() {
        for line in [
            "call add a=1 --no-check b:=[1, 2] --save out",
            "add a=1 --save=out b:=[1, 2] --no-check",
        ] {
            let Ok(Line::Ask(ask)) = parse(line) else { panic!("{line}") };
            let Ask::Call(args) = *ask else { panic!("{line}") };
            assert_eq!((args.tool.as_str(), args.no_check), ("add", true));
            assert_eq!(args.arguments, ["a=1", "b:=[1, 2]"]);
            assert_eq!(args.save, Some("out".into()));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, said) in [
            ("call", "the name of a tool"),
            ("call x 'y", "' is not closed"),
            ("add -", "stdin"),
            ("raw x -", "stdin"),
            ("read a b", "read does not take b"),
            ("complete x=1", "--prompt"),
            (":output xml", "text, json or raw"),
            (":nothing", "no such command"),
            ("level loud", "emergency"),
            ("ping 0", "from 1"),
            (":save", "a file"),
            ("read --save", "takes a value"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(said), "{line}: {error}");
        }
    }

    #[test]
    fn nothing_is_done_for_nothing() {
        for line in ["", "  ", "# add a=1", " #"] {
            assert!(matches!(parse(line), Ok(Line::Nothing)), "{line}");
        }
        assert!(matches!(parse("exit"), Ok(Line::Quit)));
        assert!(matches!(parse(":trace on f"), Ok(Line::Trace(true, Some(_)))));
    }

    #[test]
    fn every_command_is_known() {
        for command in &COMMANDS {
            let bare = parse(command.name);
            let called = matches!(&bare, Ok(Line::Ask(ask)) if matches!(**ask, Ask::Call(_)));
            assert!(!called, "{} is taken for a tool", command.name);
            assert!(command.takes.is_empty() || bare.is_err() || command.takes.starts_with('['));
        }
    }
}
