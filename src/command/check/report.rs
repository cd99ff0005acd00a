//! What a check has found.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::auth::metadata::ResourceProofs;
use crate::auth::survey::Survey;
use crate::command::outcome;
use crate::command::peer::{Introduction, Refusal};
use crate::era::Era;
use crate::error::{ExitCode, Failure, FailureKind};
use crate::json;
use crate::limits::MAX_LOGGED_TEXT;
use crate::order;
use crate::secret::Redactor;

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should.
    Fine,
    /// In a way that will not stop the bridge.
    Warning,
    /// In a way that stops it.
    Failed,
    /// It was not taken.
    Skipped,
}

impl Verdict {
    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Fine => "ok",
            Verdict::Warning => "warning",
            Verdict::Failed => "failed",
            Verdict::Skipped => "skipped",
        }
    }
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name.
    pub name: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// How long it took, where it took time of its own.
    pub took: Option<Duration>,
    /// What was found, in words.
    pub detail: String,
    /// What was found, for programs.
    pub facts: Map<String, Value>,
}

/// All of it.
#[derive(Debug)]
pub struct Report {
    /// The server, as it may be shown.
    pub url: String,
    /// In the order in which they were taken.
    pub steps: Vec<Step>,
    /// What the server said of itself.
    pub server: Option<Introduction>,
    /// What discovery saw, where somebody has to sign in.
    pub survey: Option<Survey>,
    /// How long it took.
    pub took: Duration,
    failure: Option<(Failure, ExitCode)>,
}

/// The names of all steps, in order.
pub const STEPS: [&str; 12] = [
    "dns",
    "tcp",
    "tls",
    "http",
    "authorization",
    "era",
    "handshake",
    "tools",
    "resources",
    "prompts",
    "stream",
    "end",
];

impl Report {
    /// Nothing yet.
    pub fn new(url: String) -> Report {
        let took = Duration::ZERO;
        Report { url, steps: Vec::new(), server: None, survey: None, took, failure: None }
    }

    /// A step was taken.
    pub fn add(
        &mut self,
        name: &'static str,
        verdict: Verdict,
        took: Option<Duration>,
        detail: impl Into<String>,
    ) {
        let detail = detail.into();
        self.steps.push(Step { name, verdict, took, detail, facts: Map::new() });
    }

    /// More about the last step.
    pub fn fact(&mut self, name: &str, value: Value) {
        if let Some(step) = self.steps.last_mut() {
            step.facts.insert(name.to_owned(), value);
        }
    }

    /// A step failed, and with it the check. What comes after it is skipped.
    pub fn fail(&mut self, name: &'static str, took: Option<Duration>, failure: Failure) {
        let code = ExitCode::from(&failure);
        let mut failure = failure;
        if !failure.message.contains("; ") {
            failure.message.push_str(&format!("; {}", next_step(failure.kind)));
        }
        self.add(name, Verdict::Failed, took, failure.message.clone());
        self.fact("kind", json!(failure.kind.name()));
        if self.failure.is_none() {
            self.failure = Some((failure, code));
        }
    }

    /// The same for a request.
    pub fn refuse(
        &mut self,
        name: &'static str,
        took: Option<Duration>,
        refusal: Refusal,
        redactor: &Redactor,
    ) {
        match &refusal {
            Refusal::Failed(failure) => self.fail(name, took, failure.clone()),
            Refusal::Server(_) => {
                let (number, message) = refusal.said().unwrap_or_default();
                let message = redactor.clean(&message, MAX_LOGGED_TEXT);
                let text =
                    format!("the server answered with error {number}: {message}; look at its log");
                let failure = Failure::new(FailureKind::HttpStatus, text).at(&self.url);
                self.fail(name, took, failure);
            }
        }
    }

    /// Turns a step that went well before into the one that failed.
    pub fn fail_earlier(&mut self, name: &'static str, failure: &Failure) {
        let before = self.steps.iter().position(|step| step.name == name);
        match before {
            Some(at) => {
                let mut rest = self.steps.split_off(at);
                let took = rest.first().and_then(|step| step.took);
                let facts = rest.first().map(|step| step.facts.clone()).unwrap_or_default();
                self.fail(name, took, failure.clone());
                if let Some(step) = self.steps.last_mut() {
                    step.facts.extend(facts);
                }
                self.steps.extend(rest.drain(1..));
            }
            None => self.fail(name, None, failure.clone()),
        }
    }

    /// Steps that nobody came to are skipped.
    pub fn complete(&mut self) {
        for name in STEPS {
            if !self.steps.iter().any(|step| step.name == name) {
                self.add(name, Verdict::Skipped, None, "");
            }
        }
        let place = |name: &str| STEPS.iter().position(|step| *step == name);
        order::sort_by_key(&mut self.steps, |step| place(step.name));
    }

    /// The steps that ended in another way than in an earlier report.
    pub fn changes(&self, before: &Report) -> Vec<&Step> {
        let same = |step: &&Step| {
            let earlier = before.steps.iter().find(|earlier| earlier.name == step.name);
            earlier.is_some_and(|earlier| {
                earlier.verdict == step.verdict && earlier.detail == step.detail
            })
        };
        self.steps.iter().filter(|step| !same(step)).collect()
    }

    /// What went wrong.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref().map(|(failure, _)| failure)
    }

    /// What to do about the failure, in place of what was said before.
    pub fn advise(&mut self, next: &str) {
        let Some((failure, _)) = &mut self.failure else { return };
        let advised = format!("{}; {next}", cause_and_next(&failure.message).0);
        let failed = self.steps.iter_mut().find(|step| step.detail == failure.message);
        if let Some(step) = failed {
            step.detail.clone_from(&advised);
        }
        failure.message = advised;
    }

    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        self.failure.as_ref().map_or(ExitCode::Success, |(_, code)| *code)
    }

    /// `ok`, `warning` or `failed`.
    pub fn result(&self) -> &'static str {
        let warned = self.steps.iter().any(|step| step.verdict == Verdict::Warning);
        match (&self.failure, warned) {
            (Some(_), _) => "failed",
            (None, true) => "warning",
            (None, false) => "ok",
        }
    }

    /// For programs: docs/check.schema.json.
    pub fn json(&self) -> Value {
        let mut out = json!({
            "url": self.url,
            "result": self.result(),
            "exitCode": self.exit_code().code(),
            "milliseconds": milliseconds(self.took),
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
        });
        if let Some(server) = &self.server {
            out["server"] = json!({
                "name": server.info("name"),
                "version": server.info("version"),
                "revision": server.revision,
                "era": era(server.era),
                "transport": server.transport(),
            });
        }
        if let Some(survey) = &self.survey {
            let documents = survey.documents.iter().map(|tried| {
                let mut document =
                    json!({ "url": tried.url, "milliseconds": milliseconds(tried.took) });
                match &tried.outcome {
                    Ok(status) => document["status"] = json!(status),
                    Err(reason) => document["failure"] = json!(reason),
                }
                document
            });
            out["authorization"] = json!({
                "issuer": survey.issuer,
                "usable": survey.usable,
                "documents": documents.collect::<Vec<_>>(),
                "deviations": survey.deviations,
            });
            if let Some(proofs) = &survey.proofs {
                out["authorization"]["dpop"] = json!({
                    "algorithms": proofs.algorithms,
                    "usable": proofs.usable,
                    "required": proofs.resource == ResourceProofs::Required,
                    "taken": proofs.resource != ResourceProofs::Unknown,
                    "challenged": proofs.challenged,
                });
            }
        }
        if let Some((failure, code)) = &self.failure {
            out["error"] = outcome::error(failure.kind.name(), failure, *code);
        }
        out
    }
}

fn step(step: &Step) -> Value {
    let mut out = json!({ "name": step.name, "result": step.verdict.name() });
    if let Some(took) = step.took {
        out["milliseconds"] = milliseconds(took);
    }
    if step.verdict == Verdict::Failed {
        let (cause, next) = cause_and_next(&step.detail);
        out["cause"] = json!(cause);
        if !next.is_empty() {
            out["next"] = json!(next);
        }
    } else if !step.detail.is_empty() {
        out["detail"] = json!(step.detail);
    }
    for (name, value) in &step.facts {
        out[name] = value.clone();
    }
    out
}

/// A failure's text says what happened, and behind the last semicolon what to do about it.
pub fn cause_and_next(text: &str) -> (&str, &str) {
    text.rsplit_once("; ").unwrap_or((text, ""))
}

/// What to do where a failure does not say so itself.
fn next_step(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::InvalidResponse | FailureKind::Redirect => {
            "check the URL; if it is right, the server has to be corrected"
        }
        FailureKind::Timeout | FailureKind::StreamLost | FailureKind::RateLimited => {
            "try again, or look at the server's log"
        }
        FailureKind::Unauthorized => "check the credentials",
        _ => "see what happens with -vv",
    }
}

/// The word for an era.
pub fn era(era: Era) -> &'static str {
    match era {
        Era::Legacy => "legacy",
        Era::Modern => "modern",
    }
}

/// To a tenth.
pub fn milliseconds(took: Duration) -> Value {
    json!((took.as_secs_f64() * 10_000.0).round() / 10.0)
}
