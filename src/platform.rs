//! What differs between operating systems, and only that. `memory`: that of this process. `children`: ending them.
//! `at_once`: stdin and stdout without waiting.

pub mod at_once;
pub mod children;
pub mod memory;

use std::io;
use std::path::{Path, PathBuf};

/// The signals that ask a process to end.
#[derive(Debug)]
pub struct Signals(Source);

#[derive(Debug)]
enum Source {
    System(System),
    #[cfg(feature = "simulation")]
    Simulated(tokio::sync::mpsc::UnboundedReceiver<i32>),
}

impl Signals {
    /// From here on the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn install() -> io::Result<Signals> {
        System::install().map(|system| Signals(Source::System(system)))
    }

    /// Signals of a process that is simulated. None come any more once the sender is gone.
    #[cfg(feature = "simulation")]
    pub fn simulated(signals: tokio::sync::mpsc::UnboundedReceiver<i32>) -> Signals {
        Signals(Source::Simulated(signals))
    }

    /// Waits for a signal and returns its number, or, of a console event, that of the signal it corresponds to.
    pub async fn recv(&mut self) -> i32 {
        match &mut self.0 {
            Source::System(system) => system.recv().await,
            #[cfg(feature = "simulation")]
            Source::Simulated(signals) => match signals.recv().await {
                Some(signal) => signal,
                None => std::future::pending().await,
            },
        }
    }
}

#[derive(Debug)]
struct System {
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
impl System {
    fn install() -> io::Result<System> {
        use tokio::signal::unix::{SignalKind, signal};
        let install = |kind: SignalKind| Ok::<_, io::Error>((kind.as_raw_value(), signal(kind)?));
        Ok(System {
            unix: [
                install(SignalKind::terminate())?,
                install(SignalKind::interrupt())?,
                install(SignalKind::hangup())?,
            ],
        })
    }

    async fn recv(&mut self) -> i32 {
        let [(first, a), (second, b), (third, c)] = &mut self.unix;
        tokio::select! {
            _ = a.recv() => *first,
            _ = b.recv() => *second,
            _ = c.recv() => *third,
        }
    }
}

#[cfg(windows)]
impl System {
    fn install() -> io::Result<System> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close};
        Ok(System { windows: (ctrl_c()?, ctrl_break()?, ctrl_close()?) })
    }

    async fn recv(&mut self) -> i32 {
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

/// The columns of the terminal on stderr, if there is one.
pub fn stderr_width() -> Option<usize> {
    terminal_size::terminal_size_of(io::stderr()).map(|(width, _)| width.0.into())
}

/// What tells one file from another, where the system has that.
pub type FileId = (u64, u64);

/// Which file it is, whatever it is called.
#[cfg(unix)]
pub fn file_id(metadata: &std::fs::Metadata) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt as _;
    Some((metadata.dev(), metadata.ino()))
}

/// Which file it is, whatever it is called: unknown here.
#[cfg(not(unix))]
pub fn file_id(_: &std::fs::Metadata) -> Option<FileId> {
    None
}

/// The width of the terminal on stdout in columns and in pixels, as far as it says.
pub fn terminal_pixels() -> Option<(u16, u16)> {
    #[cfg(unix)]
    {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        Some((size.ws_col, size.ws_xpixel))
    }
    #[cfg(not(unix))]
    {
        None
    }
}

/// How the terminal on stdin was set, to be put back when a line editor is cut short.
pub struct TerminalModes {
    #[cfg(unix)]
    modes: Option<rustix::termios::Termios>,
}

impl TerminalModes {
    /// As it is now.
    pub fn save() -> TerminalModes {
        TerminalModes {
            #[cfg(unix)]
            modes: rustix::termios::tcgetattr(io::stdin()).ok(),
        }
    }

    /// Puts it back.
    pub fn restore(&self) {
        #[cfg(unix)]
        if let Some(modes) = &self.modes {
            use io::Write as _;
            use rustix::termios::{OptionalActions, tcsetattr};
            // If it cannot be put back, the terminal is gone.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, modes);
            // The editor has switched bracketed paste on.
            let _ = writeln!(io::stderr(), "\x1b[?2004l");
        }
    }
}

/// The terminal on stdin shows nothing of what is typed for as long as this lives.
pub struct Hidden {
    #[cfg(unix)]
    modes: Option<rustix::termios::Termios>,
}

impl Hidden {
    /// From now on, so that nothing is seen that is typed before it is read.
    pub fn begin() -> Hidden {
        #[cfg(unix)]
        {
            use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
            let modes = tcgetattr(io::stdin()).ok();
            if let Some(mut modes) = modes.clone() {
                modes.local_modes.remove(LocalModes::ECHO);
                // If this fails, reading fails as well.
                let _ = tcsetattr(io::stdin(), OptionalActions::Now, &modes);
            }
            Hidden { modes }
        }
        #[cfg(not(unix))]
        {
            Hidden {}
        }
    }

    /// A line. Blocks until there is one.
    ///
    /// # Errors
    /// `Interrupted` for Ctrl-C, `UnexpectedEof` for Ctrl-D, and if there is no terminal.
    pub fn read_line() -> io::Result<String> {
        rpassword::read_password()
    }
}

#[cfg(unix)]
impl Drop for Hidden {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        if let Some(modes) = &self.modes {
            // If it cannot be put back, the terminal is gone.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, modes);
        }
    }
}

/// Ends a process that leads a group, with all of the group.
pub fn kill_group(leader: u32) {
    #[cfg(unix)]
    if let Some(leader) = i32::try_from(leader).ok().and_then(rustix::process::Pid::from_raw) {
        // If it is gone already, all is well.
        let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
    }
    #[cfg(not(unix))]
    let _ = leader;
}

/// The file that `command` starts: itself if it is a path, else the first of its name in the folders of
/// `path` (`$PATH`).
pub fn find_program(command: &str, path: Option<&str>) -> Option<PathBuf> {
    let given = Path::new(command);
    if given.components().count() > 1 {
        return variants(given).find(|file| is_executable(file));
    }
    std::env::split_paths(path?)
        .filter(|folder| folder.is_absolute())
        .find_map(|folder| variants(&folder.join(given)).find(|file| is_executable(file)))
}

/// Names under which a program may lie: on Windows endings are left out.
fn variants(path: &Path) -> impl Iterator<Item = PathBuf> {
    let endings: &[&str] = if cfg!(windows) { &["", ".exe", ".cmd", ".bat"] } else { &[""] };
    endings.iter().map(|ending| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    })
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

/// Whether others than the owner may read a file or folder.
#[cfg(unix)]
pub fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
}

/// Whether others than the owner may read a file or folder. Folders of a person are their own here.
#[cfg(not(unix))]
pub fn is_open_to_others(_: &Path) -> bool {
    false
}

/// Folders that are made are for their owner alone.
pub fn private_folder(builder: &mut std::fs::DirBuilder) -> &mut std::fs::DirBuilder {
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(builder, 0o700);
    builder
}

/// Who else may change a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// Its owner, who is neither the person nor `root`.
    Owner {
        /// The owner's number.
        owner: u32,
        /// The person's.
        person: u32,
    },
    /// Those whom its mode allows it.
    Mode,
}

/// Whether others than the person and `root` may change a file or folder. Of the group nobody else is where it is
/// `root`'s or has the number of the person: systems that give everybody a group of their own number them alike, and
/// there files are writable by it from the start.
#[cfg(unix)]
pub fn changed_by(about: &std::fs::Metadata) -> Option<Others> {
    use std::os::unix::fs::MetadataExt as _;
    let (owner, person) = (about.uid(), rustix::process::geteuid().as_raw());
    let in_group = about.mode() & 0o020 != 0 && about.gid() != 0 && about.gid() != person;
    let sticky = about.is_dir() && about.mode() & 0o1000 != 0;
    if owner != 0 && owner != person {
        return Some(Others::Owner { owner, person });
    }
    ((about.mode() & 0o002 != 0 || in_group) && !sticky).then_some(Others::Mode)
}

/// Whether others than the person may change a file or folder. Those of a person are their own here.
#[cfg(not(unix))]
pub fn changed_by(_: &std::fs::Metadata) -> Option<Others> {
    None
}

/// Whether others than `root` may change a file or folder; with `own` others than the person either.
#[cfg(unix)]
pub fn is_writable_by_others(about: &std::fs::Metadata, own: bool) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let person = rustix::process::geteuid().as_raw();
    let trusted = about.uid() == 0 || own && about.uid() == person;
    // In a folder with the sticky bit nobody can replace what is another's.
    let sticky = about.is_dir() && about.mode() & 0o1000 != 0;
    !trusted || about.mode() & 0o022 != 0 && !sticky
}

/// Whether others than administrators may change a file or folder. What the system's lists of rights say
/// is not looked at.
#[cfg(not(unix))]
pub fn is_writable_by_others(_: &std::fs::Metadata, _: bool) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, mode| {
            let path = folder.path().join(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let (tool, _) = (file("tool", 0o755), file("text", 0o644));
        let path = format!("/missing:relative:{}", folder.path().display());
        assert_eq!(find_program("tool", Some(&path)), Some(tool.clone()));
        assert_eq!(find_program(tool.to_str().unwrap(), None), Some(tool));
        for command in ["text", "missing", "", "."] {
            assert_eq!(find_program(command, Some(&path)), None, "{command}");
        }
        assert_eq!(find_program("tool", None), None);
    }
}
