//! `mcp-tether call`, `prompt` and `complete`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use tokio::sync::oneshot;

use super::lists::{self, Kind};
use super::progress::Shown;
use super::{Client, Stop};
use crate::cli::client::{CallArgs, CompleteArgs, PromptArgs};
use crate::command::arguments::{Problem, Source, Word, build};
use crate::json;
use crate::jsonrpc::member::{is_true, lookup};
use crate::jsonrpc::splice::Patch;
use crate::limits::MAX_MESSAGE_SIZE;
use crate::tasks;

/// What is asked for by name, with arguments.
pub(in crate::command) struct Call<'a> {
    method: &'static str,
    /// The list that has it; none where nothing is held against it.
    kind: Option<Kind>,
    name: &'a str,
    words: Vec<Word<String>>,
    check: bool,
    save: Option<&'a Path>,
    /// The `ref` of a completion.
    reference: Option<Value>,
    /// Whether stdin was read for the arguments.
    pub stdin: bool,
}

impl<'a> Call<'a> {
    pub(super) async fn tool(args: &'a CallArgs) -> Result<Call<'a>, Stop> {
        let (words, stdin) = load(&args.arguments).await?;
        Ok(Call {
            method: "tools/call",
            kind: Some(lists::TOOLS),
            name: &args.tool,
            words,
            check: !args.no_check,
            save: args.save.as_deref(),
            reference: None,
            stdin,
        })
    }

    pub(super) async fn prompt(args: &'a PromptArgs) -> Result<Call<'a>, Stop> {
        let (words, stdin) = load(&args.arguments).await?;
        Ok(Call {
            method: "prompts/get",
            kind: Some(lists::PROMPTS),
            name: &args.prompt,
            words,
            check: !args.no_check,
            save: args.save.as_deref(),
            reference: None,
            stdin,
        })
    }

    pub(super) async fn completion(args: &'a CompleteArgs) -> Result<Call<'a>, Stop> {
        let (words, stdin) = load(&args.arguments).await?;
        let reference = match (&args.prompt, &args.template) {
            (Some(name), _) => json!({ "type": "ref/prompt", "name": name }),
            (None, uri) => json!({ "type": "ref/resource", "uri": uri }),
        };
        Ok(Call {
            method: "completion/complete",
            kind: None,
            name: "",
            words,
            check: false,
            save: None,
            reference: Some(reference),
            stdin,
        })
    }
}

/// Takes words apart, and reads what they name.
async fn load(words: &[String]) -> Result<(Vec<Word<String>>, bool), Stop> {
    let words = words.to_vec();
    apart(move || load_all(&words)).await
}

/// Does what may have to wait for a pipe on a thread of its own, which nothing can interrupt; it ends with
/// the process.
pub(super) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Stop> + Send + 'static,
) -> Result<T, Stop> {
    let (sender, outcome) = oneshot::channel();
    tasks::thread("arguments", move || {
        // Whoever wanted it may have been interrupted.
        let _ = sender.send(work());
    })?;
    outcome.await.unwrap_or_else(|_| Err(std::io::Error::other("reading failed").into()))
}

fn load_all(words: &[String]) -> Result<(Vec<Word<String>>, bool), Stop> {
    let mut stdin = false;
    let mut problems = Vec::new();
    let mut loaded = Vec::new();
    let mut read = |source| read(source, &mut stdin);
    for word in words {
        match Word::parse(word) {
            Ok(word) => loaded.push(word.load(&mut read)?),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok((loaded, stdin)) } else { Err(usage(&problems)) }
}

/// The text of a source, which may have as many bytes as a message.
pub(super) fn read(source: Source, stdin: &mut bool) -> Result<String, Stop> {
    match source {
        Source::Typed(text) => Ok(text),
        Source::File(path) => {
            let file = File::open(&path).map_err(|error| unreadable(&path, &error));
            bounded(file?, &path)
        }
        Source::Stdin => {
            *stdin = true;
            bounded(std::io::stdin(), "stdin")
        }
    }
}

fn bounded(from: impl Read, name: &str) -> Result<String, Stop> {
    let mut text = String::new();
    let mut from = from.take(MAX_MESSAGE_SIZE as u64 + 1);
    from.read_to_string(&mut text).map_err(|error| unreadable(name, &error))?;
    if text.len() > MAX_MESSAGE_SIZE {
        let limit = MAX_MESSAGE_SIZE >> 20;
        return Err(Stop::Usage(vec![format!("{name}: it has more than {limit} MiB")]));
    }
    Ok(text)
}

fn unreadable(name: &str, error: &std::io::Error) -> Stop {
    Stop::Usage(vec![format!("{name}: {error}")])
}

fn usage(problems: &[Problem]) -> Stop {
    Stop::Usage(problems.iter().map(ToString::to_string).collect())
}

impl Client {
    pub(super) async fn call(&self, call: &Call<'_>, shown: &Shown) -> Result<(), Stop> {
        let schema = match call.kind.filter(|_| call.check || call.method == "tools/call") {
            Some(kind) => self.schema(kind, call).await?,
            None => None,
        };
        let arguments = build(&call.words, schema.as_ref(), call.check).map_err(|problems| {
            let Stop::Usage(mut lines) = usage(&problems) else { return usage(&problems) };
            lines.push("nothing was sent; --no-check sends arguments as they are".to_owned());
            Stop::Usage(lines)
        })?;
        let params = match &call.reference {
            Some(reference) => completion(reference, &arguments)?,
            None => {
                let params = json!({ "name": call.name }).to_string();
                let token = shown.token().map(|token| token.to_string());
                let mut patch = Patch::new().set(&["arguments"], arguments.as_str());
                if let Some(token) = token.as_deref() {
                    patch = patch.set(&["_meta", "progressToken"], token);
                }
                let patched = patch.apply(params.as_bytes()).map(|bytes| bytes.to_vec());
                patched.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or(params)
            }
        };
        let (answer, result) = self.ask(call.method, &params).await?;
        shown.clear();
        if !self.print_as_json(&answer, &result)? {
            self.print_result(&result, call.save)?;
        }
        if is_true(result.as_bytes(), &["isError"]) {
            return Err(Stop::Tool(self.redactor.clean(call.name, 100)));
        }
        Ok(())
    }

    /// The schema of the arguments of what is called; none without `--no-check` is an error.
    async fn schema(&self, kind: Kind, call: &Call<'_>) -> Result<Option<Value>, Stop> {
        let list = match self.list(kind, false).await {
            // It is the server's to say what is wrong with the call.
            Err(_) if !call.check => return Ok(None),
            list => list?,
        };
        let Some(item) = list.find(call.name) else {
            if !call.check {
                return Ok(None);
            }
            return Err(Stop::Usage(vec![self.unknown(call.name, &list.names())]));
        };
        if let Some(schema) = lookup(item.as_bytes(), &["inputSchema"]) {
            return Ok(serde_json::from_str(schema).ok());
        }
        Ok(serde_json::from_str(item).ok().map(|prompt: Value| schema_of_prompt(&prompt)))
    }

    /// Text for people.
    fn print_result(&self, result: &str, save: Option<&Path>) -> Result<(), Stop> {
        let Ok(value) = serde_json::from_str::<Value>(result) else {
            return self.print_json(result.as_bytes());
        };
        if let Some(values) = value["completion"]["values"].as_array() {
            let mut values = values.iter().filter_map(Value::as_str);
            return values.try_for_each(|text| self.print_text(text));
        }
        if let Some(messages) = value["messages"].as_array() {
            for (number, message) in messages.iter().enumerate() {
                if number > 0 {
                    self.print_text("\n")?;
                }
                let role = self.redactor.clean(message["role"].as_str().unwrap_or_default(), 40);
                super::write(&[self.style.strong(&format!("{role}:")).as_bytes(), b"\n"])?;
                self.print_block(&message["content"], save)?;
            }
            return Ok(());
        }
        let blocks = value["content"].as_array().map(Vec::as_slice).unwrap_or_default();
        if blocks.is_empty()
            && let Some(structured) = lookup(result.as_bytes(), &["structuredContent"])
        {
            return self.print_json(structured.as_bytes());
        }
        blocks.iter().try_for_each(|block| self.print_block(block, save))
    }
}

/// What a prompt declares, as a schema: all its arguments are texts (server/prompts).
pub(in crate::command) fn schema_of_prompt(prompt: &Value) -> Value {
    let mut properties = serde_json::Map::new();
    let mut required = Vec::new();
    for argument in prompt["arguments"].as_array().into_iter().flatten() {
        let Some(name) = argument["name"].as_str() else { continue };
        properties.insert(name.to_owned(), json!({ "type": "string" }));
        if argument["required"] == true {
            required.push(name);
        }
    }
    json!({ "properties": properties, "required": required, "additionalProperties": false })
}

/// The parameters of a completion: the first argument is to be completed, the others are known.
fn completion(reference: &Value, arguments: &str) -> Result<String, Stop> {
    let members = crate::jsonrpc::splice::members(arguments).unwrap_or_default();
    let Some((first, known)) = members.split_first() else {
        return Err(Stop::Usage(vec![
            "the argument to complete is missing: name=value".to_owned(),
        ]));
    };
    let known: Vec<String> = known.iter().map(|m| format!("{}:{}", m.name, m.value)).collect();
    let context = if known.is_empty() {
        String::new()
    } else {
        format!(r#","context":{{"arguments":{{{}}}}}"#, known.join(","))
    };
    Ok(format!(
        r#"{{"ref":{reference},"argument":{{"name":{},"value":{}}}{context}}}"#,
        first.name, first.value
    ))
}
