//! The person at the terminal of `mcp-tether login`: what they see, on stderr, and what they type.
//!
//! * [`block`]: a code in large letters. [`qr`]: a URL for the camera of a telephone.

mod block;
mod qr;

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::{Mutex as Turn, mpsc};

use crate::auth::person::{Invitation, Person};
use crate::command::text::fold;
use crate::config::Env;
use crate::limits::MAX_PASTE;
use crate::platform;
use crate::secret::wiped::Wiped;
use crate::tasks;

/// Columns where the terminal does not say how many it has.
const COLUMNS: usize = 80;

/// Somebody at a terminal.
#[derive(Debug)]
struct AtTerminal {
    columns: usize,
    /// Whether the terminal is one that can be drawn on.
    drawn: bool,
    coloured: bool,
    /// Lines from stdin, where that is the terminal as well.
    lines: Option<Lines>,
}

#[derive(Debug)]
struct Lines {
    /// Where a thread has to put them that has not been started.
    sender: Mutex<Option<mpsc::Sender<String>>>,
    receiver: Turn<mpsc::Receiver<String>>,
}

/// Whoever is at the terminal on stderr, if it is one.
pub(super) fn person(env: Env<'_>) -> Option<Arc<dyn Person>> {
    if !io::stderr().is_terminal() {
        return None;
    }
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    let drawn = set("TERM").is_none_or(|term| term != "dumb");
    let lines = io::stdin().is_terminal().then(|| {
        let (sender, receiver) = mpsc::channel(1);
        Lines { sender: Mutex::new(Some(sender)), receiver: Turn::new(receiver) }
    });
    Some(Arc::new(AtTerminal {
        columns: platform::stderr_width().unwrap_or(COLUMNS),
        drawn,
        coloured: drawn && set("NO_COLOR").is_none(),
        lines,
    }))
}

impl Person for AtTerminal {
    fn invite(&self, to: &Invitation<'_>) {
        let Invitation { host, url, complete, code } = to;
        let mut out = String::from("\n");
        let Some(code) = code else {
            out += &self.text(&format!("To sign in to {host}, open this address in any browser:"));
            out += &format!("\n{url}\n\n");
            if self.lines.is_some() {
                out += &self.text(
                    "If that browser is on another machine, the last page will not load there. Copy \
                     its address and paste it here; a part of it will do, or the code in it.",
                );
            }
            out += "\n";
            return self.show(&out);
        };
        if self.drawn
            && let Some(picture) =
                qr::picture(complete.as_deref().unwrap_or(url), self.columns, self.coloured)
        {
            out += &picture;
            out += "\n";
        }
        out += &self.text(&format!("To sign in to {host}, open {url} on any device"));
        out += &self.text("and enter this code:");
        match block::letters(code).filter(|block| self.drawn && block.width() < self.columns) {
            Some(block) => out += &format!("\n{block}\n"),
            None => out += "\n",
        }
        let (on, off) = if self.coloured { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        out += &format!("    {on}{code}{off}\n\n");
        if let Some(complete) = complete {
            out += "This address has the code in it already; compare the two:\n";
            out += &format!("{complete}\n\n");
        }
        self.show(&out);
    }

    fn say(&self, text: &str) {
        self.show(&self.text(text));
    }

    fn line(&self) -> BoxFuture<'_, Option<String>> {
        Box::pin(async move {
            let lines = self.lines.as_ref()?;
            lines.start();
            lines.receiver.lock().await.recv().await
        })
    }
}

impl AtTerminal {
    /// Whole sentences, in lines that fit.
    fn text(&self, text: &str) -> String {
        fold(text, self.columns.saturating_sub(1)).join("\n") + "\n"
    }

    fn show(&self, text: &str) {
        // There is nobody to tell that this cannot be shown.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

impl Lines {
    /// Begins to read, once. Reading from a terminal cannot be interrupted; the thread ends with the
    /// process.
    fn start(&self) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(sender) = sender else { return };
        // Without it the listener is left.
        let _ = tasks::thread("terminal", move || {
            while let Some(line) = next_line() {
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        });
    }
}

/// One line, of which no more than [`MAX_PASTE`] bytes are kept; none at the end of input.
fn next_line() -> Option<String> {
    use std::io::{BufRead as _, Read as _};
    let mut line = Wiped::new(Vec::with_capacity(MAX_PASTE));
    let mut stdin = io::stdin().lock();
    let count = stdin.by_ref().take(MAX_PASTE as u64).read_until(b'\n', &mut line).ok()?;
    if count == 0 {
        return None;
    }
    if line.last() != Some(&b'\n') && count == MAX_PASTE {
        stdin.skip_until(b'\n').ok()?;
    }
    Some(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned())
}
