//! What differs between operating systems, and only that.

use std::io;

/// The signals that ask a process to end.
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    unix: [(i32, tokio::signal::unix::Signal); 3],
    #[cfg(windows)]
    windows: (
        tokio::signal::windows::CtrlC,
        tokio::signal::windows::CtrlBreak,
        tokio::signal::windows::CtrlClose,
    ),
}

#[cfg(unix)]
impl Signals {
    /// From here on the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn install() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        let install = |kind: SignalKind| Ok::<_, io::Error>((kind.as_raw_value(), signal(kind)?));
        Ok(Signals {
            unix: [
                install(SignalKind::terminate())?,
                install(SignalKind::interrupt())?,
                install(SignalKind::hangup())?,
            ],
        })
    }

    /// Waits for a signal and returns its number.
    pub async fn recv(&mut self) -> i32 {
        let [(first, a), (second, b), (third, c)] = &mut self.unix;
        tokio::select! {
            _ = a.recv() => *first,
            _ = b.recv() => *second,
            _ = c.recv() => *third,
        }
    }
}

#[cfg(windows)]
impl Signals {
    /// From here on the console events no longer end the process by themselves.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn install() -> io::Result<Signals> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close};
        Ok(Signals { windows: (ctrl_c()?, ctrl_break()?, ctrl_close()?) })
    }

    /// Waits for an event and returns the number of the signal it corresponds to.
    pub async fn recv(&mut self) -> i32 {
        let (c, brk, close) = &mut self.windows;
        tokio::select! {
            _ = c.recv() => 2,
            _ = brk.recv() => 2,
            _ = close.recv() => 15,
        }
    }
}

/// Bytes that the pipe to the client holds: the most that Linux gives without privileges.
#[cfg(target_os = "linux")]
const PIPE_SIZE: usize = 1 << 20;

/// stdout without a buffer or line discipline of its own, because the writer has one.
///
/// # Errors
/// If there is no stdout.
#[cfg(unix)]
pub fn stdout() -> io::Result<impl io::Write + Send + 'static> {
    use std::os::fd::AsFd;
    let stdout = std::fs::File::from(io::stdout().as_fd().try_clone_to_owned()?);
    // A larger pipe takes a large message in fewer turns between us and the client. Where stdout is
    // no pipe, or there is no room for a larger one, nothing changes.
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(&stdout, PIPE_SIZE);
    Ok(stdout)
}

/// stdout. The standard library's is needed here: it translates for consoles.
///
/// # Errors
/// None on this system.
#[cfg(not(unix))]
pub fn stdout() -> io::Result<impl io::Write + Send + 'static> {
    Ok(io::stdout())
}

/// Whether stdout is a terminal.
pub fn stdout_is_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&io::stdout())
}

/// The columns of the terminal, if there is one.
pub fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size().map(|(width, _)| width.0.into())
}
