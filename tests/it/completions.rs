//! `mcp-tether completions` and `mcp-tether man`, with the real shells and formatters where they are.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::help::commands;

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-tether"));
    command.args(args).stdin(Stdio::null()).output().expect("the binary is built")
}

/// What a command prints that has nothing to complain about.
#[track_caller]
fn printed(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a program that may not be here, and says so if it is not.
fn outside(program: &str, args: &[&str]) -> Option<Output> {
    match Command::new(program).args(args).stdin(Stdio::null()).output() {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("NOT CHECKED with {program}: {error}");
            None
        }
    }
}

/// Asserts that a program, if it is here, is content.
#[track_caller]
fn content(program: &str, args: &[&str]) {
    if let Some(output) = outside(program, args) {
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&said));
    }
}

const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "powershell", "elvish"];

#[test]
fn shells_accept_their_scripts() {
    let folder = tempfile::tempdir().unwrap();
    for shell in SHELLS {
        let script = printed(&["completions", shell]);
        for word in ["mcp-tether", "check", "auth-timeout", "completions", "interactive"] {
            // The last two shells complete no values.
            let known = word != "interactive" || !["powershell", "elvish"].contains(&shell);
            assert!(!known || script.contains(word), "{shell}: {word}");
        }
        let path = folder.path().join(shell);
        fs::write(&path, script).unwrap();
        let path = path.to_str().unwrap();
        match shell {
            "bash" | "zsh" | "fish" => content(shell, &["-n", path]),
            "elvish" => content("elvish", &["-compileonly", path]),
            _ => {
                let parse = "$e = $null; [void][Management.Automation.Language.Parser]::ParseFile(\
                             $args[0], [ref]$null, [ref]$e); exit $e.Count";
                content("pwsh", &["-NoProfile", "-Command", &format!("& {{ {parse} }} '{path}'")]);
            }
        }
    }
    for args in [&["completions"][..], &["completions", "tcsh"]] {
        assert_eq!(run(args).status.code(), Some(1), "{args:?}");
    }
}

/// What bash offers for the last of these words.
#[cfg(unix)]
fn offered_by_bash(script: &Path, words: &[&str]) -> Option<Vec<String>> {
    // What bash does when somebody presses the key, but for `compopt`, which wants a real one.
    let press = r#"
        compopt() { :; }
        source "$1"; shift
        spec=$(complete -p mcp-tether) || exit 9
        [[ $spec =~ -F\ ([^ ]+) ]] || exit 8
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        "${BASH_REMATCH[1]}" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let args = [&["-c", press, "bash", script.to_str().unwrap(), "mcp-tether"], words].concat();
    let output = outside("bash", &args)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.split_whitespace().map(str::to_owned).collect())
}

#[cfg(unix)]
#[test]
fn bash_completes() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("mcp-tether.bash");
    fs::write(&script, printed(&["completions", "bash"])).unwrap();
    fs::write(folder.path().join("roots.pem"), "").unwrap();
    let file = folder.path().join("roo").to_str().unwrap().to_owned();
    let whole = format!("{file}ts.pem");
    let cases: [(&[&str], &[&str]); 10] = [
        (&["che"], &["check"]),
        (
            &["https://mcp.example.com/mcp", "--allow-"],
            &["--allow-http", "--allow-missing-pkce-metadata", "--allow-tool"],
        ),
        (&["check", "--auth", ""], &["interactive", "stored", "none"]),
        (&["call", "https://mcp.example.com/mcp", "search", "--outp"], &["--output"]),
        (&["call", "--output", ""], &["text", "json", "raw"]),
        (&["listen", "--level", "e"], &["error", "emergency"]),
        (&["auth", "sta"], &["status"]),
        (&["completions", "f"], &["fish"]),
        (&["check", "--ca-cert", &file], &[&whole]),
        (&["check", "--timeout", ""], &[]),
    ];
    for (words, expected) in cases {
        let Some(offered) = offered_by_bash(&script, words) else { return };
        assert_eq!(offered, expected, "{words:?}");
    }
    for words in commands().iter().filter(|words| !words.is_empty()) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let offered = offered_by_bash(&script, &[&words[..], &["--hel"]].concat()).unwrap();
        assert_eq!(offered, ["--help"], "{words:?}");
    }
}

#[test]
fn fish_completes() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("mcp-tether.fish");
    fs::write(&script, printed(&["completions", "fish"])).unwrap();
    for (line, expected) in [
        ("mcp-tether chec", "check\t"),
        ("mcp-tether check --auth sto", "stored\t"),
        ("mcp-tether https://mcp.example.com/mcp --prof", "--profile\t"),
    ] {
        let ask = format!("source {}; complete -C '{line}'", script.display());
        let Some(output) = outside("fish", &["--no-config", "-c", &ask]) else { return };
        let offered = String::from_utf8(output.stdout).unwrap();
        assert!(offered.lines().count() == 1 && offered.starts_with(expected), "{line}: {offered}");
    }
}

#[test]
fn zsh_completes() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("_mcp-tether"), printed(&["completions", "zsh"])).unwrap();
    // A shell on a terminal of its own, in which somebody presses the key. What it makes of the line is
    // shown by the command that the line then is.
    let press = r#"
        zmodload zsh/zpty || exit 0
        zpty shell zsh -fi
        zpty -w shell "PS1=; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D
            bindkey '^I' complete-word; mcp-tether() { print -r -- \"<\$*>\" }; print RE''ADY"
        zpty -r -m shell seen '*READY*'
        zpty -n -w shell "$2"$'\t\n'
        zpty -r -m shell seen '*<*>*' && print -r -- "${${seen##*<}%%>*}""#;
    for (line, expected) in [
        ("mcp-tether chec", "check"),
        ("mcp-tether check --auth sto", "check --auth stored"),
        ("mcp-tether auth stat", "auth status"),
        ("mcp-tether --auth sto", "--auth stored"),
        ("mcp-tether https://h.example/ --auth sto", "https://h.example/ --auth stored"),
    ] {
        let path = folder.path().to_str().unwrap();
        let Some(output) = outside("zsh", &["-fc", press, "zsh", path, line]) else { return };
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected, "{line}");
    }
}

#[test]
fn a_manual_page_for_each_command() {
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("share/man1");
    let said = printed(&["man", "--dir", into.to_str().unwrap()]);
    let names: Vec<String> = commands()
        .iter()
        .map(|words| [&["mcp-tether".to_owned()], &words[..]].concat().join("-"))
        .collect();
    assert_eq!(said, format!("{} pages are in {}\n", names.len(), into.display()));
    assert_eq!(fs::read_dir(&into).unwrap().count(), names.len());
    for name in &names {
        let path = into.join(format!("{name}.1"));
        let page = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = page.lines().collect();
        assert!(page.contains(&format!(".TH \"{name}\" 1 ")), "{name}");
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "\"EXIT CODES\""]
        {
            let headings = [format!(".SH {section}"), format!(".SH \"{section}\"")];
            let found = lines.iter().filter(|line| headings.iter().any(|is| is == *line)).count();
            assert_eq!(found, 1, "{name}: {section}");
        }
        let count = |macro_: &str| lines.iter().filter(|line| **line == macro_).count();
        assert_eq!(count(".nf"), count(".fi"), "{name}");
        // A flag that the short help leaves out has its text.
        if page.contains("callback\\-url") {
            assert!(page.contains("exactly as it is registered"), "{name}");
        }
        let path = path.to_str().unwrap();
        if let Some(output) = outside("groff", &["-man", "-ww", "-Tutf8", "-z", path]) {
            assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{name}");
        }
        content("mandoc", &["-T", "lint", "-W", "error", path]);
    }
    if let Some(output) =
        outside("man", &["--warnings", "-l", into.join("mcp-tether-call.1").to_str().unwrap()])
    {
        // Where the pages of packages are left out, so is `man` itself.
        let text = String::from_utf8_lossy(&output.stdout);
        if output.status.success() && !text.contains("has been minimized") {
            assert_eq!(String::from_utf8_lossy(&output.stderr), "");
            assert!(
                text.contains("mcp-tether call https://mcp.example.com/mcp add a=1 b=2"),
                "{text}"
            );
        }
    }
    // The page of the program is what is printed without a folder.
    assert_eq!(printed(&["man"]), fs::read_to_string(into.join("mcp-tether.1")).unwrap());
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    fs::write(&file, "").unwrap();
    let output = run(&["man", "--dir", file.join("man1").to_str().unwrap()]);
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(1), true));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("mcp-tether: --dir: cannot write ") && said.contains("a-file"),
        "{said}"
    );
}
