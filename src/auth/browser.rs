//! Opening the browser, where there is one that the person can see.

use std::io;
use std::process::{Command, Stdio};

use url::Url;

use crate::http::client::is_loopback;
use crate::tasks;

/// What this process knows of the person's desktop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `$BROWSER`: commands, of which the first that starts is used.
    pub browser: Option<String>,
    /// An X or Wayland display.
    pub display: bool,
    /// The person sits at another machine.
    pub ssh: bool,
    /// Linux on Windows, whose browser can be opened without a display.
    pub wsl: bool,
    /// `--allow-http`: http URLs are opened too, and not only those on loopback.
    pub allow_http: bool,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// A program has started that will show the page, as far as can be known.
    Yes,
    /// None has, because of this.
    No(&'static str),
}

/// Between the commands in `$BROWSER`.
const SEPARATOR: char = if cfg!(windows) { ';' } else { ':' };

/// Systems whose windows need `$DISPLAY` or `$WAYLAND_DISPLAY`.
const NEEDS_DISPLAY: bool = cfg!(all(unix, not(target_vendor = "apple")));

impl Environment {
    /// Reads the variables through `env`; on Linux also the kernel's name, which tells WSL.
    pub fn detect(env: &dyn Fn(&str) -> Option<String>) -> Environment {
        let value = |name: &str| env(name).filter(|value| !value.is_empty());
        let any = |names: [&str; 2]| names.into_iter().any(|name| value(name).is_some());
        Environment {
            browser: value("BROWSER"),
            display: any(["DISPLAY", "WAYLAND_DISPLAY"]),
            ssh: any(["SSH_CONNECTION", "SSH_TTY"]),
            wsl: any(["WSL_DISTRO_NAME", "WSL_INTEROP"]) || kernel_of_wsl(),
            allow_http: false,
        }
    }

    /// Why there is no browser here that the person could see, `$BROWSER` aside.
    pub fn obstacle_here(&self) -> Option<&'static str> {
        self.obstacle(NEEDS_DISPLAY)
    }

    /// The programs in `$BROWSER`, in order; nothing where one cannot be understood.
    pub fn browsers(&self) -> Vec<String> {
        let commands = self.browser.iter().flat_map(|commands| commands.split(SEPARATOR));
        commands.filter_map(|text| words(text)?.into_iter().next()).collect()
    }

    /// Why there is no browser that the person could see, on a system that `needs_display`.
    fn obstacle(&self, needs_display: bool) -> Option<&'static str> {
        if self.ssh && !self.display {
            return Some("this is an SSH session");
        }
        if needs_display && !self.display && !self.wsl {
            return Some("there is no display");
        }
        None
    }
}

fn kernel_of_wsl() -> bool {
    cfg!(target_os = "linux")
        && std::fs::read_to_string("/proc/sys/kernel/osrelease")
            .is_ok_and(|name| name.to_ascii_lowercase().contains("microsoft"))
}

/// Shows `url` to the person, without a shell. `$BROWSER` decides if it is set.
///
/// May block for a second or two until it is known whether the system's opener works: not for the
/// thread of an async runtime.
pub fn open(url: &Url, environment: &Environment) -> Opened {
    if let Some(reason) = unfit(url, environment) {
        return Opened::No(reason);
    }
    if let Some(commands) = &environment.browser {
        let started = commands.split(SEPARATOR).filter_map(|text| command(text, url)).any(start);
        return if started { Opened::Yes } else { Opened::No("$BROWSER could not be started") };
    }
    if let Some(reason) = environment.obstacle(NEEDS_DISPLAY) {
        return Opened::No(reason);
    }
    match open::that_detached(url.as_str()) {
        Ok(()) => Opened::Yes,
        Err(error) => {
            log::debug!("the system's opener failed: {error}");
            Opened::No("no browser was found")
        }
    }
}

/// Why `url`, whose origin is a foreign document, is not handed to another program.
fn unfit(url: &Url, environment: &Environment) -> Option<&'static str> {
    if !url.username().is_empty() || url.password().is_some() {
        return Some("the URL contains a user name or password");
    }
    match url.scheme() {
        "https" => None,
        "http" if environment.allow_http || is_loopback(url) => None,
        _ => Some("the URL is not https"),
    }
}

/// One command of `$BROWSER`, with the URL in the place of `%s` or at the end; `None` if it is empty,
/// or has a quote without its pair, or would let the URL choose the program.
fn command(text: &str, url: &Url) -> Option<Command> {
    let mut words = words(text)?.into_iter();
    let program = words.next().filter(|program| !program.contains("%s"))?;
    let mut command = Command::new(program);
    let mut placed = false;
    for word in words {
        placed |= word.contains("%s");
        command.arg(word.replace("%s", url.as_str()));
    }
    if !placed {
        command.arg(url.as_str());
    }
    Some(command)
}

/// Splits as a POSIX shell would. On Windows a backslash separates folders, and only a program can
/// be named.
fn words(text: &str) -> Option<Vec<String>> {
    if cfg!(windows) {
        let program = text.trim().trim_matches('"');
        return (!program.is_empty()).then(|| vec![program.to_owned()]);
    }
    shlex::split(text)
}

/// Starts a child that has none of our streams, is not reached by the terminal's signals to us, and
/// leaves no zombie.
fn start(mut command: Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let started = command.spawn().and_then(|mut child| {
        let reap = move || {
            // How it ended says nothing about the page.
            let _ = child.wait();
        };
        tasks::thread("browser", reap).map(drop).or_else(|error| {
            // The browser runs, and that is what counts.
            log::debug!("the browser is not waited for: {error}");
            Ok::<_, io::Error>(())
        })
    });
    if let Err(error) = &started {
        log::debug!("a command of $BROWSER did not start: {error}");
    }
    started.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(variables: &[(&str, &str)]) -> Environment {
        Environment::detect(&|name| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn url() -> Url {
        Url::parse("https://as.example/authorize?a=1&b=%20'x'$(y)").unwrap()
    }

    #[test]
    fn the_environment_is_read() {
        let found = detect(&[("BROWSER", "firefox"), ("DISPLAY", ":0"), ("SSH_TTY", "/dev/pts/1")]);
        assert_eq!(found.browser.as_deref(), Some("firefox"));
        assert!(found.display && found.ssh);
        assert!(detect(&[("WAYLAND_DISPLAY", "wayland-0")]).display);
        assert!(detect(&[("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")]).ssh);
        assert!(detect(&[("WSL_DISTRO_NAME", "Debian")]).wsl);
        assert!(detect(&[("WSL_INTEROP", "/run/WSL/1_interop")]).wsl);
        let empty = detect(&[("BROWSER", ""), ("DISPLAY", ""), ("SSH_TTY", "")]);
        assert_eq!(empty, Environment { wsl: kernel_of_wsl(), ..Environment::default() });
    }

    #[test]
    fn where_nobody_would_see_it_nothing_is_opened() {
        let none = Some("there is no display");
        let ssh = Some("this is an SSH session");
        for (display, over_ssh, wsl, linux, elsewhere) in [
            (false, false, false, none, None),
            (true, false, false, None, None),
            (false, true, false, ssh, ssh),
            (true, true, false, None, None),
            (false, false, true, None, None),
            (false, true, true, ssh, ssh),
        ] {
            let environment = Environment { display, ssh: over_ssh, wsl, ..Default::default() };
            assert_eq!(environment.obstacle(true), linux, "{environment:?}");
            assert_eq!(environment.obstacle(false), elsewhere, "{environment:?}");
        }
        let remote = Environment { ssh: true, ..Default::default() };
        assert_eq!(open(&url(), &remote), Opened::No("this is an SSH session"));
    }

    #[test]
    fn only_urls_of_the_web_are_handed_on() {
        let strict = Environment::default();
        let lenient = Environment { allow_http: true, ..Default::default() };
        for (text, strictly, leniently) in [
            ("https://as.example/", true, true),
            ("http://127.0.0.1:8080/", true, true),
            ("http://localhost/", true, true),
            ("http://as.example/", false, true),
            ("https://me:pw@as.example/", false, false),
            ("file:///etc/passwd", false, false),
            ("javascript:alert(1)", false, false),
            ("mailto:a@b.example", false, false),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(unfit(&url, &strict).is_none(), strictly, "{text}");
            assert_eq!(unfit(&url, &lenient).is_none(), leniently, "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn commands_are_split_without_a_shell() {
        let url = url();
        for (text, expected) in [
            ("firefox", Some(vec!["firefox", url.as_str()])),
            ("'a b/c' --new %s -x", Some(vec!["a b/c", "--new", url.as_str(), "-x"])),
            ("x --app=\"%s\"", Some(vec!["x", &*format!("--app={url}")])),
            ("x $(y) ; z", Some(vec!["x", "$(y)", ";", "z", url.as_str()])),
            ("", None),
            ("  ", None),
            ("%s", None),
            ("x 'y", None),
        ] {
            let command = command(text, &url);
            let words = command.as_ref().map(|command| {
                let program = std::iter::once(command.get_program());
                program.chain(command.get_args()).map(|word| word.to_str().unwrap()).collect()
            });
            assert_eq!(words, expected, "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_first_command_that_starts_gets_the_url() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("browser");
        let seen = folder.path().join("seen");
        // Moved into place, so that it appears whole.
        let text = "printf '%s|' \"$#\" \"$@\" > \"$0.part\"; mv \"$0.part\" \"${0%/*}/seen\"\n";
        std::fs::write(&script, text).unwrap();
        let browser = format!("/does/not/exist:sh {} --tab '%s':false", script.display());
        let environment = Environment { browser: Some(browser), ssh: true, ..Default::default() };
        assert_eq!(open(&url(), &environment), Opened::Yes);
        while !seen.exists() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert_eq!(std::fs::read_to_string(seen).unwrap(), format!("2|--tab|{}|", url()));

        let browser = Some("/does/not/exist:/nor/this %s".to_owned());
        let environment = Environment { browser, ..Default::default() };
        assert_eq!(open(&url(), &environment), Opened::No("$BROWSER could not be started"));
    }
}
