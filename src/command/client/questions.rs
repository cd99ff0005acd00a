//! What a server asks while we ask it: which folders it may know of, what only a person knows, and what
//! a model would say. Sampling is offered only with answers from a file.

use std::sync::Arc;

use serde_json::Value;
use url::Url;

use super::answers::{Answers, none_left};
use super::form::Terminal;
use super::{Stop, form, progress};
use crate::cli::client::ClientArgs;
use crate::command::peer::{Answer, Handler};
use crate::json;
use crate::jsonrpc::member::lookup;
use crate::secret::Redactor;

/// What can be answered.
pub(in crate::command) struct Questions {
    roots: Option<String>,
    answers: Arc<Answers>,
    person: Option<Arc<dyn Terminal>>,
    redactor: Arc<Redactor>,
    quiet: progress::Quiet,
    turn: Turn,
}

/// Held by whoever reads from the terminal.
pub(in crate::command) type Turn = Arc<tokio::sync::Mutex<()>>;

impl Questions {
    /// `person` is where somebody can be asked, if there is somebody.
    pub(in crate::command) fn new(
        args: &ClientArgs,
        person: Option<Arc<dyn Terminal>>,
        redactor: Arc<Redactor>,
    ) -> Result<Questions, Stop> {
        let mut answers = match &args.answers {
            Some(path) => {
                Answers::load(path).map_err(|error| Stop::Usage(vec![error.to_string()]))?
            }
            None => Answers::default(),
        };
        let known = answers.roots.is_some();
        let mut listed = answers.roots.take().unwrap_or_default();
        for root in &args.roots {
            let wrong =
                |text: &str| Stop::Usage(vec![format!("--roots: {}: {text}", root.display())]);
            let path = std::fs::canonicalize(root).map_err(|error| wrong(&error.to_string()))?;
            let uri = Url::from_file_path(&path).map_err(|()| wrong("it has no file URI"))?;
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let root = json!({ "uri": uri.as_str(), "name": name.unwrap_or_default() });
            listed.push(root.to_string());
        }
        Ok(Questions {
            roots: (known || !listed.is_empty())
                .then(|| format!(r#"{{"roots":[{}]}}"#, listed.join(","))),
            answers: Arc::new(answers),
            person,
            redactor,
            quiet: progress::Quiet::default(),
            // One question after the other.
            turn: Turn::default(),
        })
    }

    /// What we declare.
    pub(super) fn capabilities(&self) -> Value {
        let mut declared = json!({});
        if self.roots.is_some() {
            declared["roots"] = json!({});
        }
        if self.person.is_some() || self.answers.elicitation.is_some() {
            declared["elicitation"] = json!({ "form": {}, "url": {} });
        }
        if self.answers.sampling.is_some() {
            declared["sampling"] = json!({});
        }
        declared
    }

    /// Set while a person is being asked.
    pub(in crate::command) fn quiet(&self) -> progress::Quiet {
        self.quiet.clone()
    }

    /// Whose turn it is on the terminal.
    pub(in crate::command) fn turn(&self) -> Turn {
        self.turn.clone()
    }

    /// Answers.
    pub(super) fn handler(&self) -> Handler {
        let (roots, person) = (self.roots.clone(), self.person.clone());
        let (redactor, quiet) = (self.redactor.clone(), self.quiet.clone());
        let (turn, answers) = (self.turn.clone(), self.answers.clone());
        Arc::new(move |question| {
            let (roots, redactor, person) = (roots.clone(), redactor.clone(), person.clone());
            let (quiet, turn, answers) = (quiet.clone(), turn.clone(), answers.clone());
            Box::pin(async move {
                let params = lookup(question.bytes(), &["params"]).unwrap_or("{}");
                match question.method()? {
                    "roots/list" => roots.map(Ok),
                    "sampling/createMessage" => {
                        let answer = answers.sampling.as_ref()?.take(params);
                        Some(
                            answer
                                .unwrap_or_else(|| missing("sampling/createMessage", none_left())),
                        )
                    }
                    "elicitation/create" => {
                        let scripted = answers.elicitation.as_ref();
                        let answer = scripted.and_then(|queue| queue.take(params));
                        if answer.is_some() {
                            return answer;
                        }
                        let Some(person) = person else {
                            if scripted.is_some() {
                                let cancel = Ok(r#"{"action":"cancel"}"#.to_owned());
                                return Some(missing("elicitation/create", cancel));
                            }
                            return Some(Ok(r#"{"action":"decline"}"#.to_owned()));
                        };
                        let _turn = match turn.try_lock() {
                            Ok(turn) => turn,
                            Err(_) => {
                                person.busy();
                                turn.lock().await
                            }
                        };
                        Some(Ok(form::ask(params, &redactor, &quiet, &*person).await))
                    }
                    _ => None,
                }
            })
        })
    }
}

/// Says that the file has no answer, because what fails then is not the server's fault.
fn missing(method: &str, answer: Answer) -> Answer {
    form::show(&format!("mcp-tether: --answers has none for a {method} of the server\n"));
    answer
}
