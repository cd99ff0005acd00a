//! A question to a person, on the terminal (client/elicitation).

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::oneshot;

use super::WHOLE;
use super::progress::Quiet;
use crate::command::arguments::schema::Schema;
use crate::json;
use crate::jsonrpc::member::lookup;
use crate::jsonrpc::splice::members;
use crate::secret::Redactor;
use crate::tasks;

/// How often a wrong answer may be given anew.
const MAX_TRIES: usize = 5;

/// Where a person is asked.
pub(in crate::command) trait Terminal: Send + Sync {
    /// One line, without its end; `None` at the end of input.
    fn line(&self, prompt: String) -> BoxFuture<'_, Option<String>>;

    /// Says that there is a question for which the terminal is not free yet.
    fn busy(&self) {}
}

/// Asks, and gives the JSON text of the `ElicitResult`. `params` is JSON text.
pub(super) async fn ask(
    params: &str,
    redactor: &Redactor,
    quiet: &Quiet,
    terminal: &dyn Terminal,
) -> String {
    quiet.store(true, Ordering::Relaxed);
    let answer = dialogue(params, redactor, terminal).await;
    quiet.store(false, Ordering::Relaxed);
    answer
}

async fn dialogue(text: &str, redactor: &Redactor, terminal: &dyn Terminal) -> String {
    let params: Value = serde_json::from_str(text).unwrap_or_default();
    let prompt = |text: &str| terminal.line(text.to_owned());
    let clean = |text: &Value| redactor.clean(text.as_str().unwrap_or_default(), WHOLE);
    let action = |name: &str| json!({ "action": name }).to_string();
    show(&format!("\r\x1b[KThe server asks: {}\n", clean(&params["message"])));
    if params["mode"] == "url" {
        show(&format!(
            "It wants you to open {}\nOpen it yourself if you trust it. ",
            clean(&params["url"])
        ));
        return match prompt("Done? [y/N] ").await {
            Some(text) if is_yes(&text) => action("accept"),
            Some(_) => action("decline"),
            None => action("cancel"),
        };
    }
    match prompt("Answer? [Y/n] ").await {
        Some(text) if text.trim().is_empty() || is_yes(&text) => {}
        Some(_) => return action("decline"),
        None => return action("cancel"),
    }
    let whole = &params["requestedSchema"];
    let schema = Schema::new(whole);
    let required = schema.required();
    let mut content = Vec::new();
    // In the order of the server.
    let properties = lookup(text.as_bytes(), &["requestedSchema", "properties"]).and_then(members);
    for name in properties.unwrap_or_default().iter().map(|member| &*member.key) {
        let Some(property) = schema.property(name) else { continue };
        let about = &whole["properties"][name];
        let label =
            if about["title"].is_string() { clean(&about["title"]) } else { clean(&json!(name)) };
        let expected = redactor.clean(&property.expected(), WHOLE);
        if about["description"].is_string() {
            show(&format!("  {}\n", clean(&about["description"])));
        }
        let default = about.get("default").filter(|value| !value.is_null());
        let hint = match default {
            Some(value) => format!(" [{}]", redactor.clean(&value.to_string(), WHOLE)),
            None if required.contains(&name) => String::new(),
            None => " (may be left out)".to_owned(),
        };
        let mut tries = 0;
        let value = loop {
            let Some(text) = prompt(&format!("{label}, {expected}{hint}: ")).await else {
                return action("cancel");
            };
            let value = match (text.is_empty(), default) {
                (true, Some(default)) => Some(default.to_string()),
                (true, None) if !required.contains(&name) => break None,
                (true, None) => None,
                (false, _) => property.coerce(yes_or_no(&property, &text)),
            };
            if value.is_some() {
                break value;
            }
            tries += 1;
            if tries == MAX_TRIES {
                return action("cancel");
            }
            show(&format!("That is not what is expected: {expected}\n"));
        };
        content.extend(value.map(|value| format!("{}:{value}", json!(name))));
    }
    format!(r#"{{"action":"accept","content":{{{}}}}}"#, content.join(","))
}

/// `y` where a boolean is wanted.
fn yes_or_no<'t>(schema: &Schema<'_>, text: &'t str) -> &'t str {
    match (schema.types().as_slice(), text.trim().to_lowercase().as_str()) {
        (["boolean"], "y" | "yes") => "true",
        (["boolean"], "n" | "no") => "false",
        _ => text,
    }
}

fn is_yes(text: &str) -> bool {
    matches!(text.trim().to_lowercase().as_str(), "y" | "yes")
}

pub(super) fn show(text: &str) {
    // There is nobody to tell that this cannot be shown.
    let _ = write!(io::stderr(), "{text}");
}

/// The process's own terminal, a line at a time.
struct Stdin;

/// A terminal that nobody else reads from.
pub(super) fn stdin() -> Arc<impl Terminal> {
    Arc::new(Stdin)
}

impl Terminal for Stdin {
    fn line(&self, prompt: String) -> BoxFuture<'_, Option<String>> {
        show(&prompt);
        let (sender, line) = oneshot::channel();
        // Reading from a terminal cannot be interrupted; the thread ends with the process.
        let thread = tasks::thread("terminal", move || {
            let mut line = String::new();
            let said = match io::stdin().read_line(&mut line) {
                Ok(1..) => Some(line.trim_end_matches(['\n', '\r']).to_owned()),
                _ => {
                    // The end of input leaves the cursor behind the prompt.
                    show("\n");
                    None
                }
            };
            let _ = sender.send(said);
        });
        Box::pin(async move { if thread.is_ok() { line.await.ok().flatten() } else { None } })
    }
}
