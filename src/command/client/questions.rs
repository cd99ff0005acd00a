//! What a server asks while we ask it: which folders it may know of, and what only a person knows.
//! Sampling is not offered.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use url::Url;

use super::{Stop, form, progress, someone_is_there};
use crate::command::peer::Handler;
use crate::secret::Redactor;

/// What can be answered.
pub(super) struct Questions {
    roots: Option<String>,
    person: bool,
    redactor: Arc<Redactor>,
    quiet: progress::Quiet,
}

impl Questions {
    pub(super) fn new(
        roots: &[PathBuf],
        stdin_is_taken: bool,
        redactor: Arc<Redactor>,
    ) -> Result<Questions, Stop> {
        let mut listed = Vec::new();
        for root in roots {
            let wrong =
                |text: &str| Stop::Usage(vec![format!("--roots: {}: {text}", root.display())]);
            let path = std::fs::canonicalize(root).map_err(|error| wrong(&error.to_string()))?;
            let uri = Url::from_file_path(&path).map_err(|()| wrong("it has no file URI"))?;
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            listed.push(json!({ "uri": uri.as_str(), "name": name.unwrap_or_default() }));
        }
        Ok(Questions {
            roots: (!listed.is_empty()).then(|| json!({ "roots": listed }).to_string()),
            person: someone_is_there() && !stdin_is_taken,
            redactor,
            quiet: progress::Quiet::default(),
        })
    }

    /// What we declare.
    pub(super) fn capabilities(&self) -> String {
        let mut declared = json!({});
        if self.roots.is_some() {
            declared["roots"] = json!({});
        }
        if self.person {
            declared["elicitation"] = json!({ "form": {}, "url": {} });
        }
        declared.to_string()
    }

    /// Set while a person is being asked.
    pub(super) fn quiet(&self) -> progress::Quiet {
        self.quiet.clone()
    }

    /// Answers.
    pub(super) fn handler(&self) -> Handler {
        let (roots, person) = (self.roots.clone(), self.person);
        let (redactor, quiet) = (self.redactor.clone(), self.quiet.clone());
        // One question after the other.
        let turn = Arc::new(tokio::sync::Mutex::new(()));
        Arc::new(move |question| {
            let (roots, redactor) = (roots.clone(), redactor.clone());
            let (quiet, turn) = (quiet.clone(), turn.clone());
            Box::pin(async move {
                match question.method()? {
                    "roots/list" => roots.map(Ok),
                    "elicitation/create" if person => {
                        let _turn = turn.lock().await;
                        let value: Value = serde_json::from_slice(question.bytes()).ok()?;
                        Some(Ok(form::ask(&value["params"], &redactor, &quiet).await))
                    }
                    "elicitation/create" => Some(Ok(r#"{"action":"decline"}"#.to_owned())),
                    _ => None,
                }
            })
        })
    }
}
