//! A `credential_process` that does not end. The crates of AWS start it and let it be when nobody waits for it any
//! more; here it is ended.

use std::io::Read as _;

use tempfile::NamedTempFile;

use crate::platform::children::kill_child;

/// A `credential_process` that may run, ended when this is dropped before [`Watch::over`].
#[derive(Debug)]
pub struct Watch {
    /// Where it writes its number; none where there is no folder for that.
    file: Option<NamedTempFile>,
}

/// Bytes of a number and its end of line.
const NUMBER: u64 = 16;

impl Watch {
    /// Nothing runs yet.
    pub fn new() -> Watch {
        let file = if cfg!(unix) { NamedTempFile::new().ok() } else { None };
        // It comes to stand in a line of a profile, where spaces and marks have a meaning.
        let plain =
            |path: &str| path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
        Watch { file: file.filter(|file| file.path().to_str().is_some_and(plain)) }
    }

    /// What is to stand in front of its command for a shell.
    pub fn prefix(&self) -> String {
        self.file
            .as_ref()
            .map_or(String::new(), |file| format!("echo $$ >{}; ", file.path().display()))
    }

    /// It has ended.
    pub fn over(mut self) {
        self.file = None;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Some(file) = &self.file else { return };
        let mut text = String::new();
        // By its name: it was opened anew by the shell, and not replaced.
        let read = file.reopen().and_then(|file| file.take(NUMBER).read_to_string(&mut text));
        if let (Ok(_), Ok(number)) = (read, text.trim().parse()) {
            kill_child(number);
        }
    }
}
