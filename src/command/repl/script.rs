//! Commands from a pipe or a file, a line each.

use std::io::{self, BufRead as _, Read as _};

use tokio::sync::mpsc;

use crate::limits::MAX_SCRIPT_LINE;
use crate::tasks;

/// The lines of stdin, one ahead of the one that is worked at.
pub(super) struct Script(mpsc::Receiver<io::Result<String>>);

impl Script {
    /// Starts a thread, which ends with the process.
    pub(super) fn start() -> io::Result<Script> {
        let (sender, lines) = mpsc::channel(1);
        tasks::thread("script", move || {
            let mut stdin = io::stdin().lock();
            while let Some(line) = next(&mut stdin).transpose() {
                let failed = line.is_err();
                if sender.blocking_send(line).is_err() || failed {
                    return;
                }
            }
        })?;
        Ok(Script(lines))
    }

    /// The next line; `None` at the end.
    pub(super) async fn line(&mut self) -> io::Result<Option<String>> {
        self.0.recv().await.transpose()
    }
}

fn next(from: &mut impl io::BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if from.by_ref().take(MAX_SCRIPT_LINE as u64 + 1).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    let wrong = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text.to_owned());
    if line.len() > MAX_SCRIPT_LINE {
        return Err(wrong(&format!("a line has more than {MAX_SCRIPT_LINE} bytes")));
    }
    String::from_utf8(line).map(Some).map_err(|_| wrong("a line is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded() {
        let mut fine = &b"a\nb"[..];
        assert_eq!(next(&mut fine).unwrap().unwrap(), "a\n");
        assert_eq!(next(&mut fine).unwrap().unwrap(), "b");
        assert_eq!(next(&mut fine).unwrap(), None);
        let long = [vec![b'x'; MAX_SCRIPT_LINE + 1], b"\n".to_vec()].concat();
        assert!(next(&mut &long[..]).is_err());
        assert!(next(&mut &long[2..]).is_ok());
        assert!(next(&mut &b"\xff\n"[..]).is_err());
    }
}
