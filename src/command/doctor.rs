//! `mcp-tether doctor`: whether this machine has what is needed, and what the clients on it are set to.
//!
//! * [`system`]: keyring, browser, desktop, proxies, certificates, folders, clock.
//! * [`named`]: our own file with servers by name.
//! * [`entries`]: the configurations of clients, and the servers in them.
//! * [`state`]: what earlier processes have left behind.
//! * [`table`]: the findings for people; for programs docs/doctor.schema.json describes them.
//!
//! Changes nothing but an item of its own in the keyring, and starts no program.

mod entries;
mod named;
mod state;
mod system;
mod table;

use serde_json::Value;

use super::check::Shape;
use super::{CommandError, say};
use crate::cli::DoctorArgs;
use crate::config::{self, Env, Places};
use crate::error::ExitCode;
use crate::json;
use crate::secret::harmless;

/// How good a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// As it should be.
    Fine,
    /// Worth knowing.
    Note,
    /// It may cause trouble.
    Warning,
    /// It does.
    Problem,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Verdict::Fine => "ok",
            Verdict::Note => "note",
            Verdict::Warning => "warning",
            Verdict::Problem => "problem",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug)]
struct Finding {
    /// Which kind of thing: `keyring`, `browser` and so on.
    area: &'static str,
    /// Which one, where there are several: a variable, a file, a server.
    subject: Option<String>,
    verdict: Verdict,
    detail: String,
    /// What to do, unless it is fine.
    fix: Option<String>,
}

impl Finding {
    fn new(area: &'static str, verdict: Verdict, detail: impl Into<String>) -> Finding {
        let detail = harmless(&detail.into());
        Finding { area, subject: None, verdict, detail, fix: None }
    }

    fn of(mut self, subject: impl Into<String>) -> Finding {
        self.subject = Some(harmless(&subject.into()));
        self
    }

    fn fix(mut self, fix: impl Into<String>) -> Finding {
        self.fix = Some(harmless(&fix.into()));
        self
    }

    fn json(&self) -> Value {
        let mut out =
            json!({ "area": self.area, "verdict": self.verdict.name(), "detail": self.detail });
        if let Some(subject) = &self.subject {
            out["subject"] = json!(subject);
        }
        if let Some(fix) = &self.fix {
            out["fix"] = json!(fix);
        }
        out
    }
}

/// Looks at everything and says what it found.
pub(super) async fn run(args: &DoctorArgs, env: Env<'_>) -> Result<ExitCode, CommandError> {
    let limit = config::duration("--timeout", &args.timeout)?;
    let url = args.url.as_deref().map(|url| config::server_url(url, false)).transpose()?;
    let places = Places::find(env);
    let mut findings = Vec::new();
    findings.push(system::keyring(places.as_ref(), env).await);
    findings.push(system::browser(env));
    findings.extend(system::desktop(env));
    findings.extend(system::proxies(env));
    findings.extend(system::certificates(env));
    findings.extend(system::folders(places.as_ref(), env));
    findings.extend(named::look(env));
    findings.extend(system::enterprise(env));
    let seen = entries::look(env);
    findings.extend(seen.findings);
    if let Some(places) = places {
        findings.extend(state::look(places, &seen.urls));
    }
    findings.push(system::clock(url.as_ref(), limit, env).await);
    let worst = findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Fine);
    let code = if worst == Verdict::Problem { ExitCode::Usage } else { ExitCode::Success };
    if args.json {
        let findings: Vec<_> = findings.iter().map(Finding::json).collect();
        let report = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "system": std::env::consts::OS,
            "result": worst.name(),
            "exitCode": code.code(),
            "findings": findings,
        });
        say(&report.to_string())?;
    } else {
        let Shape { width, colour } = Shape::of_stdout(env);
        say(&table::text(&findings, width, colour))?;
    }
    Ok(code)
}
