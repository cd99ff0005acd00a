//! How a command ends: the exit code, and what is said when it failed.

use std::io::{self, Write as _};

use super::peer::Refusal;
use crate::error::{ExitCode, Failure};
use crate::json;
use crate::limits::MAX_LOGGED_TEXT;
use crate::secret::{Redactor, neutralise_lines};

/// Says on stderr why a command failed, with `json` as one line for programs, and gives its exit code.
pub fn fail(refusal: &Refusal, json: bool, redactor: &Redactor) -> ExitCode {
    let code = ExitCode::from(refusal);
    match refusal {
        Refusal::Failed(failure) => tell(failure.kind.name(), failure, code, json),
        Refusal::Server(_) => {
            let (number, message) = refusal.said().unwrap_or_default();
            let message = redactor.clean(&message, MAX_LOGGED_TEXT);
            let text = format!("the server answered with error {number}: {message}");
            let failure = Failure::new(crate::error::FailureKind::Internal, text);
            tell("server_error", &failure, code, json);
        }
    }
    code
}

/// The same for a failure that is not about a request.
pub fn tell(kind: &str, failure: &Failure, code: ExitCode, json: bool) {
    let line = if json {
        json!({ "error": error(kind, failure, code) }).to_string()
    } else {
        neutralise_lines(&format!("mcp-tether: {failure}"))
    };
    line_on_stderr(&line);
}

/// Says a line on stderr.
pub fn line_on_stderr(line: &str) {
    // There is nobody to tell that this cannot be printed.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Says why nothing was even begun, and gives the exit code for that.
pub fn refuse(kind: &str, text: &str, json: bool) -> ExitCode {
    let failure = Failure::new(crate::error::FailureKind::Internal, text.to_owned());
    tell(kind, &failure, ExitCode::Usage, json);
    ExitCode::Usage
}

/// The members of an error for programs.
pub fn error(kind: &str, failure: &Failure, code: ExitCode) -> serde_json::Value {
    let mut error = json!({ "code": code.code(), "kind": kind, "message": failure.message });
    if let Some(status) = failure.status {
        error["status"] = json!(status);
    }
    if let Some(url) = &failure.url {
        error["url"] = json!(url);
    }
    error
}
