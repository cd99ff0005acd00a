//! How far a check of several servers is: one line on the terminal's stderr, gone at the end.

use std::cell::RefCell;
use std::io::{self, IsTerminal as _, Write as _};

use crate::command::text::one_line;
use crate::platform;

/// Cells of the bar.
const BAR: usize = 20;

/// Who is being checked now.
pub(super) struct Board {
    shown: bool,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    total: usize,
    done: usize,
    /// Numbers and names of those under way.
    running: Vec<(usize, String)>,
}

impl Board {
    /// A board for so many. Nothing is shown where nobody would see it, or nobody `wants` it.
    pub(super) fn new(total: usize, wanted: bool) -> Board {
        let shown = wanted && io::stderr().is_terminal();
        Board { shown, state: RefCell::new(State { total, ..State::default() }) }
    }

    /// One begins.
    pub(super) fn begin(&self, number: usize, name: &str) {
        self.state.borrow_mut().running.push((number, name.to_owned()));
        self.draw();
    }

    /// One has ended.
    pub(super) fn end(&self, number: usize) {
        let mut state = self.state.borrow_mut();
        state.running.retain(|(running, _)| *running != number);
        state.done += 1;
        drop(state);
        self.draw();
    }

    fn draw(&self) {
        if self.shown {
            let line = one_line(self.state.borrow().line(), platform::terminal_width());
            // There is nobody to tell that this cannot be shown.
            let _ = write!(io::stderr(), "\r\x1b[K{line}");
        }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl State {
    fn line(&self) -> String {
        let cells = BAR * self.done / self.total.max(1);
        let bar = format!("{}{}", "#".repeat(cells), "-".repeat(BAR - cells));
        let names: Vec<_> = self.running.iter().map(|(_, name)| &**name).collect();
        format!("[{bar}] {} of {}  {}", self.done, self.total, names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let board = Board::new(4, false);
        board.begin(0, "one");
        board.begin(1, "two");
        board.end(0);
        assert_eq!(board.state.borrow().line(), "[#####---------------] 1 of 4  two");
        assert_eq!(Board::new(0, false).state.borrow().line(), "[--------------------] 0 of 0  ");
    }
}
