//! What the tools do.
//!
//! A tool that cannot do its work says so in its result, with `isError`, so that a model can do
//! better next time (server/tools, "Error Handling").

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Number, Value};
use tokio::time::sleep;

use super::call::Call;
use super::log_level::LogLevel;
use super::resources::COUNTER;
use super::rpc::{self, Params};
use super::tools::{MAX_BIG, MAX_COUNT, MAX_DELAY_MS, Tool};
use crate::json;

/// The longest name that `ask_name` accepts, in characters.
const MAX_NAME: usize = 100;

/// Runs a tool to its end and gives the result of `tools/call`. Cancelled by dropping.
pub async fn run(tool: &Tool, arguments: &Params, call: &Call) -> Value {
    let outcome = match tool {
        Tool::Echo => echo(arguments),
        Tool::Add => add(arguments, call),
        Tool::Count => count(arguments, call).await,
        Tool::AskName => ask_name(arguments, call).await,
        Tool::AskModel => ask_model(arguments, call).await,
        Tool::TouchResource => touch_resource(arguments, call),
        Tool::AddAnother => add_tool(arguments, call),
        Tool::Big => big(arguments),
        Tool::Added(name) => read::<NoArguments>(arguments)
            .map(|_| text(format!("This is {name}, added while the session was running."))),
    };
    outcome.unwrap_or_else(|message| {
        let mut result = text(message);
        result["isError"] = true.into();
        result
    })
}

/// The result of a tool, or the message of its `isError` result.
type Outcome = Result<Value, String>;

fn text(text: impl Into<String>) -> Value {
    json!({"content": [{"type": "text", "text": text.into()}]})
}

fn read<T: serde::de::DeserializeOwned>(arguments: &Params) -> Result<T, String> {
    arguments.read().map_err(|error| format!("Invalid arguments: {}", error.message))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoArguments {}

fn echo(arguments: &Params) -> Outcome {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Arguments {
        text: String,
    }
    let arguments: Arguments = read(arguments)?;
    Ok(text(arguments.text))
}

fn add(arguments: &Params, call: &Call) -> Outcome {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Arguments {
        a: Number,
        b: Number,
    }
    let Arguments { a, b } = read(arguments)?;
    let sum = sum(&a, &b).ok_or("The sum is too large.")?;
    let mut result = text(sum.to_string());
    if call.session.revision.has_titles_and_structured_results() {
        result["structuredContent"] = json!({ "sum": sum });
    }
    Ok(result)
}

/// Exact for integers where it can be.
fn sum(a: &Number, b: &Number) -> Option<Number> {
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64())
        && let Some(sum) = a.checked_add(b)
    {
        return Some(sum.into());
    }
    Number::from_f64(a.as_f64()? + b.as_f64()?)
}

async fn count(arguments: &Params, call: &Call) -> Outcome {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Arguments {
        to: u64,
        #[serde(default = "default_delay")]
        delay_ms: u64,
    }
    fn default_delay() -> u64 {
        200
    }
    let Arguments { to, delay_ms } = read(arguments)?;
    if !(1..=MAX_COUNT).contains(&to) || delay_ms > MAX_DELAY_MS {
        return Err(format!(
            "Invalid arguments: 'to' must be from 1 to {MAX_COUNT}, 'delay_ms' at most {MAX_DELAY_MS}."
        ));
    }
    call.log(LogLevel::Info, "count", &format!("counting to {to}"));
    for number in 1..=to {
        sleep(Duration::from_millis(delay_ms)).await;
        call.progress(number, to, &format!("{number} of {to}"));
        call.log(LogLevel::Debug, "count", &format!("at {number}"));
    }
    Ok(text(format!("Counted to {to}.")))
}

async fn ask_name(arguments: &Params, call: &Call) -> Outcome {
    let NoArguments {} = read(arguments)?;
    if !call.session.client.form_elicitation {
        return Err("The client cannot ask its user: it has not declared the capability \
                    'elicitation' with forms."
            .into());
    }
    let mut params = json!({
        "message": "What is your name? The demo server would like to greet you.",
        "requestedSchema": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "title": "Name", "minLength": 1, "maxLength": MAX_NAME},
            },
            "required": ["name"],
        },
    });
    if call.session.revision.has_elicitation_modes() {
        params["mode"] = "form".into();
    }
    let answer = call
        .ask("elicitation/create", &params)
        .await
        .map_err(|error| format!("Could not ask: {error}."))?;
    match answer["action"].as_str() {
        Some("accept") => match answer["content"]["name"].as_str() {
            Some(name) if (1..=MAX_NAME).contains(&name.chars().count()) => {
                Ok(text(format!("Hello, {name}!")))
            }
            _ => Err("The client's answer does not fit the requested schema.".into()),
        },
        Some("decline") => Ok(text("Hello, whoever you are: you declined to say your name.")),
        Some("cancel") => Ok(text("Hello, whoever you are: the question was dismissed.")),
        _ => Err("The client's answer has no valid action.".into()),
    }
}

async fn ask_model(arguments: &Params, call: &Call) -> Outcome {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Arguments {
        #[serde(default = "default_question")]
        question: String,
    }
    fn default_question() -> String {
        "Say hello in five words.".into()
    }
    let Arguments { question } = read(arguments)?;
    if !call.session.client.sampling {
        return Err(
            "The client cannot ask a model: it has not declared the capability 'sampling'.".into(),
        );
    }
    let params = json!({
        "messages": [{"role": "user", "content": {"type": "text", "text": question}}],
        "systemPrompt": "Answer briefly.",
        "maxTokens": 100,
    });
    let answer = call
        .ask("sampling/createMessage", &params)
        .await
        .map_err(|error| format!("Could not ask: {error}."))?;
    let said = said(&answer["content"]).ok_or("The model's answer has no text.")?;
    let model = answer["model"].as_str().unwrap_or("an unnamed model");
    Ok(text(format!("{model} says: {said}")))
}

/// The text of a sampling result, whose content is one block or, since 2025-11-25, several.
fn said(content: &Value) -> Option<String> {
    let blocks = match content {
        Value::Array(blocks) => blocks.as_slice(),
        block => std::slice::from_ref(block),
    };
    let texts: Vec<&str> = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

fn touch_resource(arguments: &Params, call: &Call) -> Outcome {
    let NoArguments {} = read(arguments)?;
    let touches = {
        let mut contents = call.session.contents();
        contents.touches += 1;
        contents.touches
    };
    let told = if call.session.notify_update(COUNTER) {
        "the subscriber was told"
    } else {
        "nobody has subscribed to it"
    };
    Ok(text(format!("{COUNTER} is now {touches}; {told}.")))
}

fn add_tool(arguments: &Params, call: &Call) -> Outcome {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Arguments {
        name: Option<String>,
    }
    let Arguments { name } = read(arguments)?;
    let name = {
        let mut contents = call.session.contents();
        if contents.added_tools.len() >= call.session.limits.added_tools {
            return Err(format!(
                "No more than {} tools can be added to a session.",
                call.session.limits.added_tools
            ));
        }
        let free = |name: &str| Tool::find(name, &contents).is_none();
        let name = match name {
            Some(name) if !is_tool_name(&name) => {
                return Err("A name has 1 to 64 of the characters A-Z a-z 0-9 _ . -".into());
            }
            Some(name) if !free(&name) => return Err(format!("There is already a tool {name}.")),
            Some(name) => name,
            None => (1..)
                .map(|number: u32| format!("extra_{number}"))
                .find(|name| free(name))
                .ok_or("No name is free.")?,
        };
        contents.added_tools.push(name.clone());
        name
    };
    call.session.notify(&rpc::bare_notification("notifications/tools/list_changed"));
    Ok(text(format!("Added the tool {name}; the list of tools has changed.")))
}

fn is_tool_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// The arguments of `big`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Big {
    bytes: usize,
    #[serde(default)]
    stream: bool,
}

/// Whether a call of `big` asks for its answer on a stream.
pub fn big_streams(arguments: &Params) -> bool {
    arguments.read::<Big>().is_ok_and(|big| big.stream)
}

fn big(arguments: &Params) -> Outcome {
    let Big { bytes, .. } = read(arguments)?;
    if bytes > MAX_BIG {
        return Err(format!("Invalid arguments: 'bytes' must be at most {MAX_BIG}."));
    }
    let line = "The quick brown fox jumps over the lazy dog. ";
    Ok(text(line.chars().cycle().take(bytes).collect::<String>()))
}
