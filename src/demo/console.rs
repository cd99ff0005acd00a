//! Where the demo server says what it does: one line per HTTP exchange on standard error.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use http::StatusCode;

/// The longest piece of foreign text that a line repeats, in characters.
const MAX_FOREIGN: usize = 64;

/// How many characters of a session id a line shows: enough to tell sessions apart, too few to
/// use one.
const SESSION_PREFIX: usize = 8;

/// The receiver of the lines.
pub struct Console {
    out: Mutex<Box<dyn Write + Send>>,
}

impl Console {
    /// A console on standard error.
    pub fn stderr() -> Self {
        Self::new(io::stderr())
    }

    /// A console that writes to `out`.
    pub fn new(out: impl Write + Send + 'static) -> Self {
        Self { out: Mutex::new(Box::new(out)) }
    }

    /// Writes one line. One that cannot be written is lost, for there is nobody to tell.
    pub fn line(&self, text: &str) {
        let line = format!("{text}\n");
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }

    /// Writes the line of one HTTP exchange.
    pub fn exchange(&self, exchange: &Exchange, status: StatusCode) {
        self.line(&format!(
            "{} {} {} {}",
            tame(&exchange.http_method),
            exchange.rpc_method.as_deref().map_or("-".into(), tame),
            status.as_u16(),
            exchange.session.as_deref().map_or("-".into(), session_prefix),
        ));
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Console")
    }
}

/// What is known of an HTTP exchange when its status is.
#[derive(Debug, Default)]
pub struct Exchange {
    /// `POST`, `GET`, ...
    pub http_method: String,
    /// The method of the JSON-RPC message, if the exchange carries one that has a method.
    pub rpc_method: Option<String>,
    /// The session id, as given or as assigned.
    pub session: Option<String>,
}

fn session_prefix(id: &str) -> String {
    tame(&id.chars().take(SESSION_PREFIX).collect::<String>())
}

/// Makes foreign text safe to show on a terminal: control characters, line breaks and characters
/// that change the writing direction become visible escapes, spaces too, so that columns stay
/// columns; long text is cut.
pub fn tame(text: &str) -> String {
    let mut tamed = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == MAX_FOREIGN {
            tamed.push('…');
            break;
        }
        let direction = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if character.is_control() || character.is_whitespace() || direction {
            tamed.extend(character.escape_unicode());
        } else {
            tamed.push(character);
        }
    }
    tamed
}

/// Lines kept in memory, for tests.
#[cfg(test)]
#[derive(Clone, Default)]
pub struct Lines(std::sync::Arc<Mutex<Vec<u8>>>);

#[cfg(test)]
impl Lines {
    /// All that was written.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[cfg(test)]
impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_move_the_cursor_or_forge_lines() {
        assert_eq!(tame("tools/list"), "tools/list");
        assert_eq!(tame("a\x1b[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(tame("a\r\nPOST x"), "a\\u{d}\\u{a}POST\\u{20}x");
        assert_eq!(tame("\u{9b}\u{202e}"), "\\u{9b}\\u{202e}");
        assert_eq!(tame(&"x".repeat(1000)).chars().count(), MAX_FOREIGN + 1);
    }

    #[test]
    fn an_exchange_is_one_line_of_four_words() {
        let lines = Lines::default();
        let console = Console::new(lines.clone());
        let mut exchange = Exchange {
            http_method: "POST".into(),
            rpc_method: Some("ping".into()),
            session: Some("0123456789abcdef".into()),
        };
        console.exchange(&exchange, StatusCode::OK);
        exchange.rpc_method = None;
        exchange.session = None;
        console.exchange(&exchange, StatusCode::BAD_REQUEST);
        assert_eq!(lines.text(), "POST ping 200 01234567\nPOST - 400 -\n");
    }
}
