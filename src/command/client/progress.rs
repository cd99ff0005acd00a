//! How far a request is: one line on the terminal's stderr, gone when it is answered
//! (basic/utilities/progress).

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::task::AbortHandle;

use crate::command::peer::Notifications;
use crate::command::text::width;
use crate::jsonrpc::Message;
use crate::platform;
use crate::secret::{Redactor, truncate};

/// Cells of the bar.
const BAR: usize = 20;

/// Set while a person is being asked something.
pub(super) type Quiet = Arc<AtomicBool>;

/// Reads notifications for as long as it lives, and shows those about progress.
pub(super) struct Shown {
    task: AbortHandle,
    drawn: Arc<Mutex<bool>>,
    terminal: bool,
}

impl Shown {
    pub(super) fn spawn(mut from: Notifications, quiet: Quiet, redactor: Arc<Redactor>) -> Shown {
        let terminal = io::stderr().is_terminal();
        let drawn = Arc::new(Mutex::new(false));
        let drawing = drawn.clone();
        let task = tokio::spawn(async move {
            while let Some(message) = from.next().await {
                if !terminal || quiet.load(Ordering::Relaxed) {
                    continue;
                }
                if let Some(line) = line(&message, &redactor, platform::terminal_width()) {
                    let mut drawn = drawing.lock().unwrap_or_else(PoisonError::into_inner);
                    // There is nobody to tell that this cannot be shown.
                    let _ = write!(io::stderr(), "\r\x1b[K{line}");
                    *drawn = true;
                }
            }
        });
        Shown { task: task.abort_handle(), drawn, terminal }
    }

    /// The progress token to send, where somebody would see the progress.
    pub(super) fn token(&self) -> Option<u32> {
        self.terminal.then_some(1)
    }

    /// Shows nothing any more.
    pub(super) fn clear(&self) {
        self.task.abort();
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut *drawn) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// The line for one notification.
fn line(message: &Message, redactor: &Redactor, columns: Option<usize>) -> Option<String> {
    if message.method() != Some("notifications/progress") {
        return None;
    }
    let value: Value = serde_json::from_slice(message.bytes()).ok()?;
    let params = &value["params"];
    let progress = params["progress"].as_f64()?;
    let mut line = match params["total"].as_f64().filter(|total| *total > 0.0) {
        Some(total) => {
            let part = (progress / total).clamp(0.0, 1.0);
            let cells = (part * BAR as f64) as usize;
            let bar = format!("{}{}", "#".repeat(cells), "-".repeat(BAR - cells));
            format!("[{bar}] {:>3.0} %", part * 100.0)
        }
        None => format!("{progress}"),
    };
    if let Some(text) = params["message"].as_str() {
        line.push_str(&format!("  {}", redactor.clean(text, 200)));
    }
    let columns = columns.unwrap_or(80).saturating_sub(1);
    while width(&line) > columns {
        line = truncate(&line, line.chars().count() - 1);
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::jsonrpc::Source;

    fn shown(params: &str, columns: usize) -> Option<String> {
        let text =
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{params}}}"#);
        let message = Message::parse(Bytes::from(text), Source::Server).unwrap();
        line(&message, &Redactor::default(), Some(columns))
    }

    #[test]
    fn bars() {
        assert_eq!(
            shown(r#"{"progress":1,"total":4,"message":"x\u001b[2J"}"#, 80).unwrap(),
            "[#####---------------]  25 %  x\\u{1b}[2J"
        );
        assert_eq!(shown(r#"{"progress":7.5}"#, 80).unwrap(), "7.5");
        assert_eq!(shown(r#"{"progress":9,"total":0}"#, 80).unwrap(), "9");
        assert_eq!(shown(r#"{"total":1}"#, 80), None);
        let long =
            shown(&format!(r#"{{"progress":5,"total":4,"message":"{}"}}"#, "日".repeat(90)), 50);
        assert!(width(&long.unwrap()) < 50);
    }
}
