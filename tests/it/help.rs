//! `-h`, `--help` and `help`: what they say, how it is laid out, where it is coloured.
//!
//! What `--help` says of each command is kept in `tests/it/help/`. After a change of it
//! `MCP_TETHER_RENEW=1 cargo test --test it help::` writes the files anew; the difference is for `git diff`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Every command, as words.
pub fn commands() -> Vec<Vec<String>> {
    fn walk(command: &clap::Command, words: &[String], found: &mut Vec<Vec<String>>) {
        found.push(words.to_vec());
        for command in command.get_subcommands() {
            walk(command, &[words, &[command.get_name().to_owned()]].concat(), found);
        }
    }
    let mut found = Vec::new();
    walk(&mcp_tether::cli::command(), &[], &mut found);
    assert!(found.len() > 15, "the commands were not found");
    found
}

fn run(words: &[String], more: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-tether"));
    command.args(words).args(more).stdin(Stdio::null());
    command.env_remove("CLICOLOR_FORCE").envs(environment.iter().copied());
    command.output().expect("the binary is built")
}

#[track_caller]
fn shown(words: &[String], more: &[&str], columns: &str) -> String {
    let output = run(words, more, &[("COLUMNS", columns)]);
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{words:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Without spaces at the end of lines, which nobody sees.
fn trimmed(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn file(words: &[String]) -> PathBuf {
    let name = [&["mcp-tether".to_owned()], words].concat().join("-");
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/help").join(format!("{name}.txt"))
}

#[test]
fn help_at_80_columns_is_as_it_is_kept() {
    // Kept are the commands of a build with all features.
    if !cfg!(feature = "demo") {
        return;
    }
    let renew = std::env::var_os("MCP_TETHER_RENEW").is_some();
    let mut kept: Vec<PathBuf> = Vec::new();
    for words in commands() {
        let path = file(&words);
        let now = trimmed(&shown(&words, &["--help"], "80"));
        if renew {
            std::fs::write(&path, &now).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
        let hint = "MCP_TETHER_RENEW=1 renews it";
        assert!(text == now, "{} is not as it is kept; {hint}:\n{now}", path.display());
        kept.push(path);
    }
    for entry in std::fs::read_dir(file(&[]).parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        assert!(kept.contains(&path), "there is no command for {}", path.display());
    }
}

#[test]
fn help_fits_into_80_and_100_columns() {
    for words in commands() {
        for (columns, most) in [("80", 80), ("100", 100), ("200", 100)] {
            for flag in ["-h", "--help"] {
                for line in shown(&words, &[flag], columns).lines() {
                    assert!(line.chars().count() <= most, "{words:?} {flag} at {columns}: {line}");
                }
            }
        }
    }
}

#[test]
fn short_help_is_the_beginning_of_the_long_one() {
    for words in commands() {
        let (short, long) = (shown(&words, &["-h"], "80"), shown(&words, &["--help"], "80"));
        assert!(short.lines().count() < long.lines().count(), "{words:?}");
        assert!(short.contains("\nExamples:\n  ") && !short.contains("\nExit codes:\n"));
        assert!(long.contains("\nExamples:\n  ") && long.contains("\nExit codes:\n"));
        // Every flag of the short one is in the long one, where there are more of them.
        for flag in short.split_whitespace().filter(|word| word.starts_with("--")) {
            assert!(long.contains(flag), "{words:?}: {flag}");
        }
    }
    let call = ["call".to_owned()];
    assert!(!shown(&call, &["-h"], "80").contains("--token-param"));
    assert!(shown(&call, &["--help"], "80").contains("--token-param"));
}

#[test]
fn help_of_a_command_by_name() {
    for words in commands().into_iter().filter(|words| !words.is_empty()) {
        let asked = [&["help".to_owned()], &words[..]].concat();
        assert_eq!(shown(&asked, &[], "80"), shown(&words, &["--help"], "80"));
    }
    assert_eq!(shown(&["help".to_owned()], &[], "80"), shown(&[], &["--help"], "80"));
    let unknown = run(&["help".to_owned(), "no-such-command".to_owned()], &[], &[]);
    assert_eq!((unknown.status.code(), unknown.stdout.is_empty()), (Some(1), true));
}

/// Colour is for terminals, and not for those who do not want it.
#[cfg(target_os = "linux")]
#[test]
fn colour_on_a_terminal_only() {
    let plain = run(&[], &["--help"], &[("TERM", "xterm")]);
    assert!(!plain.stdout.contains(&0x1b));
    let on_a_terminal = |name: &str, value: &str| {
        // It gives a command a terminal, and shows what it prints there.
        let mut command = Command::new("script");
        command.args(["-qec", concat!(env!("CARGO_BIN_EXE_mcp-tether"), " --help"), "/dev/null"]);
        // Nothing else of the environment: `CI`, for one, turns colour on for a dumb terminal.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let output =
            command.env("TERM", "xterm").env(name, value).stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("Examples:"), "{text}");
        Some(text.contains('\u{1b}'))
    };
    let Some(coloured) = on_a_terminal("COLUMNS", "80") else {
        eprintln!("NOT CHECKED on a terminal: `script` is not here");
        return;
    };
    assert!(coloured);
    assert_eq!(on_a_terminal("NO_COLOR", "1"), Some(false));
    assert_eq!(on_a_terminal("TERM", "dumb"), Some(false));
}
