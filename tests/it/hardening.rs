//! The process and its files on a machine with others: no core dumps, nothing to be read in `/proc`, and private
//! files whatever the umask.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::bridge::Builder;
use crate::support::browser::files;
use crate::support::*;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-tether");

/// A command that a shell prepares: `$@` in what it does is the program with its arguments.
fn by_shell(script: &str, words: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).args(words).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap());
    command
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::{Child, ExitStatus, Stdio};

    use super::*;

    /// Starts a program that answers a line with a line, and waits until it has.
    fn answering(mut command: Command) -> Child {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "{INITIALIZE}").unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with('{'), "{line}");
        child
    }

    /// How it ends by a signal where core dumps may be as large as they are.
    fn crash(words: &[&str], signal: &str, folder: &Path) -> ExitStatus {
        let mut command = by_shell("ulimit -c unlimited; exec \"$@\"", words);
        command.current_dir(folder).env("HOME", folder);
        let mut child = answering(command);
        let killed =
            Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
        assert!(killed.unwrap().success());
        child.wait().unwrap()
    }

    #[test]
    fn a_crash_leaves_no_core_dump() {
        let folder = tempfile::tempdir().unwrap();
        let cores = || {
            let names =
                fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
            names.filter(|name| name.to_string_lossy().contains("core")).count()
        };
        for (signal, number) in [("ABRT", 6), ("QUIT", 3)] {
            let server = Server::start();
            let status = crash(&[PROGRAM, &server.url()], signal, folder.path());
            assert_eq!((status.signal(), status.core_dumped()), (Some(number), false));
            assert_eq!(cores(), 0);
        }
        // Any other program leaves one, where the system has them.
        let status = crash(&["cat"], "ABRT", folder.path());
        assert_eq!(status.signal(), Some(6));
        if !status.core_dumped() {
            eprintln!("this system makes no core dumps: nothing was shown");
        }
    }

    /// Whether another process of its user can read the environment, the map of the memory, and what supervisors and
    /// benchmarks look at.
    fn is_open(child: &Child, user: Option<u32>) -> [bool; 3] {
        ["environ", "maps", "status"].map(|name| {
            let mut command = Command::new("cat");
            command.arg(format!("/proc/{}/{name}", child.id()));
            if let Some(user) = user {
                command.uid(user).gid(user);
            }
            let output = command.output().unwrap();
            output.status.success() && !output.stdout.is_empty()
        })
    }

    #[test]
    fn no_other_process_of_the_user_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        // Root reads everything, and is therefore somebody else here.
        let root = fs::metadata("/proc/self").is_ok_and(|own| {
            use std::os::unix::fs::MetadataExt as _;
            own.uid() == 0
        });
        let user = root.then_some(54_321);
        let program = folder.path().join("mcp-tether");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        if fs::hard_link(PROGRAM, &program).is_err() {
            fs::copy(PROGRAM, &program).unwrap();
        }
        let start = |words: &[&str]| {
            let mut command = by_shell("exec \"$@\"", words);
            command.current_dir("/").env("HOME", folder.path()).env("FAKE_TOKEN", "fake-token");
            if let Some(user) = user {
                command.uid(user).gid(user);
            }
            answering(command)
        };
        let server = Server::start();
        let mut ours = start(&[program.to_str().unwrap(), &server.url()]);
        let mut other = start(&["cat"]);
        let seen = [is_open(&ours, user), is_open(&other, user)];
        for mut child in [ours.stdin.take(), other.stdin.take()].into_iter().flatten() {
            child.flush().unwrap();
        }
        ours.wait().unwrap();
        other.wait().unwrap();
        assert_eq!(seen, [[false, false, true], [true; 3]], "ours, and any other program");
    }
}

/// Everything that a person who signs in, traces, logs, asks and configures leaves on the disk, under a umask that
/// takes nothing away and under one that takes all away from others.
#[test]
fn files_are_private_whatever_the_umask() {
    for umask in ["000", "077"] {
        let realm = Realm::new();
        realm.many_clients();
        let home = realm.home();
        let url = realm.mcp.url();
        let script = format!("umask {umask}; exec \"$@\"");
        let command = |words: &[&str]| {
            let mut command = by_shell(&script, &[&[PROGRAM], words].concat());
            command.env("HOME", home).env("MCP_TETHER_HOME", home);
            command.env("BROWSER", realm.browser.command());
            command
        };
        let [log, trace] =
            ["log", "trace"].map(|name| home.join(name).to_str().unwrap().to_owned());
        let words = [&*url, "--store=file", "-vv", "--log-file", &log, "--trace", &trace];
        let bridge = Builder::of(command(&words)).start();
        bridge.handshake().result();
        bridge.finish().clean();
        fs::create_dir(home.join(".cursor")).unwrap();
        fs::set_permissions(home.join(".cursor"), fs::Permissions::from_mode(0o700)).unwrap();
        let har = home.join("har").to_str().unwrap().to_owned();
        for words in [
            &["secret", "set", "key", "--store=file"][..],
            &["install", &url, "--client=cursor", "--name=x"],
            &["trace", "har", &trace, "--output", &har],
        ] {
            let mut child = command(words).stdin(std::process::Stdio::piped()).spawn().unwrap();
            // Only the first reads it, and the others may be over by now.
            let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"fake-secret\n");
            assert!(child.wait().unwrap().success(), "{words:?}");
        }
        let mut seen = Vec::new();
        for (path, _) in files(home) {
            let inside = path.strip_prefix(home).unwrap();
            let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&path) & 0o177, 0, "{} under umask {umask}", inside.display());
            for folder in inside.ancestors().skip(1).filter(|folder| folder.parent().is_some()) {
                assert_eq!(
                    mode(&home.join(folder)),
                    0o700,
                    "{} under umask {umask}",
                    folder.display()
                );
            }
            seen.push(inside.components().next().unwrap().as_os_str().to_str().unwrap().to_owned());
        }
        for name in ["log", "trace", "har", ".cursor", "cache", "credentials", "state"] {
            assert!(seen.iter().any(|seen| seen == name), "{name} is not among {seen:?}");
        }
    }
}
