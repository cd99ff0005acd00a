//! How far a request is: one line on the terminal's stderr, gone when it is answered
//! (basic/utilities/progress).

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::task::AbortHandle;

use crate::command::peer::Notifications;
use crate::command::text::one_line;
use crate::jsonrpc::Message;
use crate::platform;
use crate::secret::Redactor;
use crate::tasks;

/// Cells of the bar.
const BAR: usize = 20;

/// Set while a person is being asked something.
pub(super) type Quiet = Arc<AtomicBool>;

/// Is told of every notification that is not about progress.
pub(in crate::command) type Told = Arc<dyn Fn(&Message) + Send + Sync>;

/// Reads notifications for as long as it lives, and shows those about progress.
pub(in crate::command) struct Shown {
    task: AbortHandle,
    state: Arc<Mutex<State>>,
    terminal: bool,
}

/// What is on the terminal.
#[derive(Default)]
struct State {
    drawn: bool,
    /// The last token that was given out.
    token: u32,
    /// Whether its request is running.
    running: bool,
}

impl State {
    fn erase(&mut self) {
        if std::mem::take(&mut self.drawn) {
            // There is nobody to tell that this cannot be shown.
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl Shown {
    pub(in crate::command) fn spawn(
        mut from: Notifications,
        quiet: Quiet,
        redactor: Arc<Redactor>,
        told: Option<Told>,
    ) -> Shown {
        let terminal = io::stderr().is_terminal();
        let state = Arc::<Mutex<State>>::default();
        let drawing = state.clone();
        let task = tasks::spawn(async move {
            while let Some(message) = from.next().await {
                let mut state = drawing.lock().unwrap_or_else(PoisonError::into_inner);
                if message.method() != Some("notifications/progress") {
                    if let Some(told) = &told {
                        state.erase();
                        told(&message);
                    }
                    continue;
                }
                if !terminal || !state.running || quiet.load(Ordering::Relaxed) {
                    continue;
                }
                let line = line(&message, state.token, &redactor, platform::terminal_width());
                if let Some(line) = line {
                    let _ = write!(io::stderr(), "\r\x1b[K{line}");
                    state.drawn = true;
                }
            }
        });
        Shown { task: task.abort_handle(), state, terminal }
    }

    /// The progress token to send with the next request, where somebody would see the progress.
    pub(super) fn token(&self) -> Option<u32> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.token += 1;
        state.running = true;
        self.terminal.then_some(state.token)
    }

    /// Shows nothing any more, until the next request.
    pub(in crate::command) fn clear(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running = false;
        state.erase();
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.task.abort();
        self.clear();
    }
}

/// The line for one notification about the progress of a request with this token.
fn line(
    message: &Message,
    token: u32,
    redactor: &Redactor,
    columns: Option<usize>,
) -> Option<String> {
    let value: Value = serde_json::from_slice(message.bytes()).ok()?;
    let params = &value["params"];
    if params["progressToken"] != token {
        return None;
    }
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
    Some(one_line(line, columns))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::command::text::width;
    use crate::jsonrpc::Source;

    fn shown(params: &str, columns: usize) -> Option<String> {
        let text = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":1,{params}}}}}"#
        );
        let message = Message::parse(Bytes::from(text), Source::Server).unwrap();
        line(&message, 1, &Redactor::default(), Some(columns))
    }

    #[test]
    fn bars() {
        assert_eq!(
            shown(r#""progress":1,"total":4,"message":"x\u001b[2J""#, 80).unwrap(),
            "[#####---------------]  25 %  x\\u{1b}[2J"
        );
        assert_eq!(shown(r#""progress":7.5"#, 80).unwrap(), "7.5");
        assert_eq!(shown(r#""progress":9,"total":0"#, 80).unwrap(), "9");
        assert_eq!(shown(r#""total":1"#, 80), None);
        let long = shown(&format!(r#""progress":5,"total":4,"message":"{}""#, "日".repeat(90)), 50);
        assert!(width(&long.unwrap()) < 50);
    }
}
