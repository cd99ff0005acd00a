//! The program that a command line comes to in the end, behind the launchers in front of it.

use super::template::Template;
use crate::limits::MAX_LAUNCHERS;

/// What a command line starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launched {
    /// What the client starts, as it is written: `npx`, `C:\tools\mcp-tether.exe`.
    pub command: String,
    /// The program that serves, by its bare name: `mcp-remote`.
    pub program: String,
    /// The version that is asked for: `latest` in `mcp-remote@latest`.
    pub version: Option<String>,
    /// Whether a launcher stands in front of the program.
    pub indirect: bool,
    /// These launchers, the outermost first.
    pub launchers: Vec<Launcher>,
    /// The program's own arguments.
    pub arguments: Vec<Template>,
    /// What `env` in front of it sets.
    pub assigned: Vec<(String, Template)>,
}

/// A program that starts another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launcher {
    /// Its bare name: `npx`.
    pub name: String,
    /// Its own flags, in front of what it starts: `-y`, `--env-file=.env`. None of a shell's.
    pub flags: Vec<Template>,
}

impl Launcher {
    /// From its words and those behind it.
    fn of(words: &[String], behind: &[String]) -> Launcher {
        let name = words.first().map(|word| stem(word)).unwrap_or_default();
        let own = words.get(1..words.len().saturating_sub(behind.len())).unwrap_or_default();
        let flags = own.iter().filter(|word| word.starts_with('-') && *word != "--");
        Launcher { name, flags: flags.map(|word| Template::new(word.as_str())).collect() }
    }
}

/// Shells, whose script is a command line in itself.
const SHELLS: [&str; 7] = ["sh", "bash", "zsh", "dash", "fish", "powershell", "pwsh"];

/// Programs that run what is behind a lone `--`.
const WRAPPERS: [&str; 8] =
    ["op", "doppler", "mise", "infisical", "dotenvx", "dotenv", "direnv", "fnm"];

/// Runners of packages, by the words that make them one, and their own flags that take a value.
const RUNNERS: [(&[&str], &[&str]); 15] = [
    (&["npx"], &["-p", "--package", "--registry", "--node-options", "--cache"]),
    (&["bunx"], &["-p", "--package"]),
    (&["pnpx"], &["--package"]),
    (&["npm", "exec"], &["-p", "--package", "--registry"]),
    (&["npm", "x"], &["-p", "--package", "--registry"]),
    (&["pnpm", "dlx"], &["--package"]),
    (&["pnpm", "exec"], &[]),
    (&["yarn", "dlx"], &["-p", "--package"]),
    (&["bun", "x"], &["-p", "--package"]),
    (&["deno", "run"], &["--config", "-c"]),
    (&["uvx"], &["--from", "--with", "--python", "-p", "--index-url", "--directory"]),
    (&["uv", "tool", "run"], &["--from", "--with", "--python", "-p", "--index-url"]),
    (&["uv", "run"], &["--with", "--python", "-p", "--directory", "--project"]),
    (&["pipx", "run"], &["--spec", "--python", "--index-url"]),
    (&["volta", "run"], &["--node"]),
];

/// Runners' flags that name the package of which the program is a part.
const PACKAGE_FLAGS: [&str; 4] = ["-p", "--package", "--from", "--spec"];

/// Looks through the launchers of a command line.
pub fn look_through(command: &str, arguments: &[&str]) -> Launched {
    let mut words: Vec<String> = vec![command.to_owned()];
    words.extend(arguments.iter().map(|word| (*word).to_owned()));
    // Some clients take a whole line.
    if arguments.is_empty()
        && let Some(split) = shlex::split(command).filter(|split| split.len() > 1)
        && !matches!(step(&split), Step::Program)
    {
        words = split;
    }
    let mut assigned = Vec::new();
    let mut launchers = Vec::new();
    for _ in 0..MAX_LAUNCHERS {
        let rest = match step(&words) {
            Step::Behind(rest) => rest,
            Step::Assigned(more, rest) => {
                assigned.extend(more);
                rest
            }
            Step::Package { name, version, rest } => {
                launchers.push(Launcher::of(&words, &rest));
                return Launched {
                    command: command.to_owned(),
                    program: name,
                    version,
                    indirect: true,
                    launchers,
                    arguments: rest.into_iter().map(Template::new).collect(),
                    assigned,
                };
            }
            Step::Program => break,
        };
        launchers.push(Launcher::of(&words, &rest));
        words = rest;
    }
    let mut words = words.into_iter();
    let program = words.next().map(|word| stem(&word)).unwrap_or_default();
    Launched {
        command: command.to_owned(),
        program,
        version: None,
        indirect: !launchers.is_empty(),
        launchers,
        arguments: words.map(Template::new).collect(),
        assigned,
    }
}

enum Step {
    /// The first word is no launcher.
    Program,
    /// What the launcher starts.
    Behind(Vec<String>),
    /// The same, with variables.
    Assigned(Vec<(String, Template)>, Vec<String>),
    /// What a runner of packages starts.
    Package { name: String, version: Option<String>, rest: Vec<String> },
}

fn step(words: &[String]) -> Step {
    let Some((first, rest)) = words.split_first() else { return Step::Program };
    let first = stem(first);
    let behind = |found: Option<Vec<String>>| {
        found
            .filter(|words| words.first().is_some_and(|word| !word.is_empty()))
            .map_or(Step::Program, Step::Behind)
    };
    match &*first {
        "cmd" => behind(windows_shell(rest)),
        "wsl" => behind(Some(rest.iter().skip_while(|w| w.starts_with('-')).cloned().collect())),
        "env" => assignments(rest),
        "node" | "nodejs" => script(rest),
        shell if SHELLS.contains(&shell) => behind(shell_script(rest)),
        wrapper if WRAPPERS.contains(&wrapper) => {
            let at = rest.iter().position(|word| word == "--");
            behind(at.map(|at| rest[at + 1..].to_vec()))
        }
        python if python.starts_with("python") || python == "py" => module(rest),
        _ => package(&first, rest),
    }
}

/// `cmd /c npx …`, as separate words or as one.
fn windows_shell(rest: &[String]) -> Option<Vec<String>> {
    let at = rest.iter().position(|w| matches!(&*w.to_ascii_lowercase(), "/c" | "/k"))?;
    let line = &rest[at + 1..];
    match line {
        [one] if one.contains(' ') => Some(one.split_whitespace().map(ToOwned::to_owned).collect()),
        words => Some(words.to_vec()),
    }
}

/// `sh -c 'exec npx …'`: the last command of the script.
fn shell_script(rest: &[String]) -> Option<Vec<String>> {
    let at = rest.iter().position(|word| {
        let flag = word.to_ascii_lowercase();
        flag == "-command"
            || (flag.starts_with('-') && !flag[1..].starts_with('-') && flag.ends_with('c'))
    })?;
    let words = match &rest[at + 1..] {
        [script, ..] if script.contains(char::is_whitespace) => shlex::split(script)?,
        words => words.to_vec(),
    };
    let ends = |word: &String| matches!(&**word, "&&" | "||" | ";" | "|" | "&");
    let begin = words.iter().rposition(ends).map_or(0, |at| at + 1);
    let skip = usize::from(words.get(begin).is_some_and(|word| word == "exec"));
    Some(words[begin + skip..].to_vec())
}

/// `env NAME=VALUE … program …`.
fn assignments(rest: &[String]) -> Step {
    let mut assigned = Vec::new();
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        if matches!(&**word, "-u" | "--unset") {
            words.next();
        } else if let Some((name, value)) = word.split_once('=').filter(|_| !word.starts_with('-'))
        {
            assigned.push((name.to_owned(), Template::new(value)));
        } else if !word.starts_with('-') {
            let rest = std::iter::once(word).chain(words).cloned().collect();
            return Step::Assigned(assigned, rest);
        }
    }
    Step::Program
}

/// `node …/node_modules/mcp-remote/dist/proxy.js …`.
fn script(rest: &[String]) -> Step {
    let Some(at) = rest.iter().position(|word| !word.starts_with('-')) else {
        return Step::Program;
    };
    let parts: Vec<&str> = rest[at].split(['/', '\\']).collect();
    let inside = parts.iter().rposition(|part| *part == "node_modules");
    let package = inside.and_then(|at| match parts.get(at + 1) {
        Some(scope) if scope.starts_with('@') => {
            Some(format!("{scope}/{}", parts.get(at + 2).unwrap_or(&"")))
        }
        // Links to programs, whose name is the package's in most cases.
        Some(&".bin") => parts.get(at + 2).map(|name| stem(name)),
        name => name.map(|name| (*name).to_owned()),
    });
    // A checkout: the folder above what was built.
    let checkout = || {
        let built = parts.iter().rposition(|part| matches!(*part, "dist" | "build" | "lib"))?;
        Some((*parts.get(built.checked_sub(1)?)?).to_owned())
    };
    let name = package.or_else(checkout).unwrap_or_else(|| stem(&rest[at]));
    Step::Package { name, version: None, rest: rest[at + 1..].to_vec() }
}

/// `python -m mcp_stdio …`.
fn module(rest: &[String]) -> Step {
    match rest.iter().position(|word| word == "-m") {
        Some(at) if rest.len() > at + 1 => Step::Package {
            name: rest[at + 1].replace('_', "-"),
            version: None,
            rest: rest[at + 2..].to_vec(),
        },
        _ => script(rest),
    }
}

/// `npx -y mcp-remote@latest …` and its relatives.
fn package(first: &str, rest: &[String]) -> Step {
    let runner = RUNNERS.iter().find(|(names, _)| {
        names[0] == first
            && rest.len() >= names.len() - 1
            && names[1..].iter().eq(&rest[..names.len() - 1])
    });
    let Some((names, with_value)) = runner else { return Step::Program };
    let mut words = rest[names.len() - 1..].iter();
    let mut from = None;
    while let Some(word) = words.next() {
        if word == "--" {
            continue;
        }
        if !word.starts_with('-') {
            let rest: Vec<String> = words.cloned().collect();
            let named = if word == "run" || word == "exec" { None } else { Some(word) };
            let Some(named) = named else { return Step::Program };
            let plain = named.contains(['/', '\\']) && !named.starts_with('@');
            if plain || is_runner(named) {
                // `uv run python -m …`, or the path of a program.
                return Step::Behind(std::iter::once(named.clone()).chain(rest).collect());
            }
            let (name, version) = versioned(named);
            let version =
                version.or_else(|| from.and_then(|package: String| versioned(&package).1));
            return Step::Package { name, version, rest };
        }
        let (flag, value) = word.split_once('=').map_or((&**word, None), |(f, v)| (f, Some(v)));
        if with_value.contains(&flag) {
            let value = value.map(ToOwned::to_owned).or_else(|| words.next().cloned());
            if PACKAGE_FLAGS.contains(&flag) {
                from = value;
            }
        }
    }
    Step::Program
}

fn is_runner(word: &str) -> bool {
    let stem = stem(word);
    stem.starts_with("python") || matches!(&*stem, "node" | "npx" | "uvx")
}

/// `mcp-remote@0.1.2`, `@scope/name@latest`, `npm:mcp-remote`, `mcp-stdio==0.45.2`.
fn versioned(text: &str) -> (String, Option<String>) {
    let text = text.strip_prefix("npm:").unwrap_or(text);
    if let Some((name, version)) = text.split_once("==") {
        return (name.to_owned(), Some(version.to_owned()));
    }
    let at = text.char_indices().skip(1).find(|(_, c)| *c == '@').map(|(at, _)| at);
    match at {
        Some(at) => (text[..at].to_owned(), Some(text[at + 1..].to_owned())),
        None => (text.to_owned(), None),
    }
}

/// The bare name of a program.
pub fn stem(command: &str) -> String {
    let name = command.rsplit(['/', '\\']).next().unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    for ending in [".exe", ".cmd", ".bat", ".ps1"] {
        if let Some(stem) = lower.strip_suffix(ending) {
            return stem.to_owned();
        }
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> (String, Option<String>, Vec<String>) {
        let words = shlex::split(line).unwrap();
        let rest: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let launched = look_through(&words[0], &rest);
        assert_eq!(launched.command, words[0]);
        let arguments = launched.arguments.iter().map(|a| a.expose().to_owned()).collect();
        (launched.program, launched.version, arguments)
    }

    #[test]
    fn bridges_are_found_behind_whatever_starts_them() {
        for line in [
            "mcp-remote U",
            "/usr/local/bin/mcp-remote U",
            "npx mcp-remote U",
            "npx -y mcp-remote U",
            "npx --yes -- mcp-remote U",
            "/opt/node/bin/npx --registry https://r.example -y mcp-remote U",
            "npx -p mcp-remote mcp-remote U",
            "npm exec -- mcp-remote U",
            "bunx --bun mcp-remote U",
            "bun x mcp-remote U",
            "pnpm dlx mcp-remote U",
            "pnpx mcp-remote U",
            "yarn dlx -q mcp-remote U",
            "deno run -A npm:mcp-remote U",
            "cmd /c npx -y mcp-remote U",
            "cmd.exe /d /s /C 'npx -y mcp-remote U'",
            "'C:\\Windows\\System32\\cmd.exe' /c npx.cmd mcp-remote U",
            "sh -c 'npx mcp-remote U'",
            "bash -lc '. ~/.nvm/nvm.sh && exec npx -y mcp-remote U'",
            "powershell -NoProfile -Command 'npx mcp-remote U'",
            "env A=1 B=2 npx mcp-remote U",
            "op run --env-file x -- npx mcp-remote U",
            "wsl -- npx mcp-remote U",
            "wsl npx mcp-remote U",
            "node /usr/lib/node_modules/mcp-remote/dist/proxy.js U",
            "node --no-warnings 'C:\\x\\node_modules\\mcp-remote\\dist\\proxy.js' U",
            "node /home/me/mcp-remote/dist/proxy.js U",
            "node ./node_modules/.bin/mcp-remote U",
            "volta run --node 22 npx mcp-remote U",
        ] {
            let (program, version, arguments) = found(line);
            assert_eq!((&*program, version), ("mcp-remote", None), "{line}");
            assert_eq!(arguments, ["U"], "{line}");
        }
    }

    #[test]
    fn versions() {
        for (line, name, version) in [
            ("npx mcp-remote@latest", "mcp-remote", Some("latest")),
            ("npx -y mcp-remote@0.1.2", "mcp-remote", Some("0.1.2")),
            ("npx -p mcp-remote@0.1.2 mcp-remote", "mcp-remote", Some("0.1.2")),
            ("npx @scope/thing", "@scope/thing", None),
            ("npx @scope/thing@2", "@scope/thing", Some("2")),
            ("node /x/node_modules/@scope/thing/index.js", "@scope/thing", None),
            ("uvx mcp-stdio==0.45.2", "mcp-stdio", Some("0.45.2")),
            ("uvx --from mcp-stdio@0.45 mcp-stdio", "mcp-stdio", Some("0.45")),
            ("uv tool run mcp-stdio", "mcp-stdio", None),
            ("pipx run --spec mcp-stdio==1 mcp-stdio", "mcp-stdio", Some("1")),
            ("python3 -m mcp_stdio", "mcp-stdio", None),
            ("uv run --with mcp-stdio python -m mcp_stdio", "mcp-stdio", None),
            ("uv run /x/server.py", "server.py", None),
            ("python3.12 /x/server.py", "server.py", None),
            ("docker run -i image", "docker", None),
            ("npx", "npx", None),
            ("npx -y", "npx", None),
            ("cmd", "cmd", None),
            ("cmd /c", "cmd", None),
            ("sh -c ''", "sh", None),
            ("env", "env", None),
            ("MCP-Tether.EXE", "mcp-tether", None),
        ] {
            let (program, found, _) = found(line);
            assert_eq!((&*program, found.as_deref()), (name, version), "{line}");
        }
    }

    #[test]
    fn a_whole_line_as_the_command() {
        let launched = look_through("npx -y mcp-remote https://h.example/", &[]);
        assert_eq!(launched.program, "mcp-remote");
        // A folder with a space in it is none.
        let launched = look_through("/opt/my tools/mcp-tether", &[]);
        assert_eq!(launched.program, "mcp-tether");
        assert_eq!(look_through("", &[]).program, "");
    }

    #[test]
    fn every_launcher_is_named() {
        for (line, expected) in [
            ("mcp-remote -y U", &[][..]),
            ("npx.cmd -y mcp-remote U", &["npx -y"]),
            ("cmd /c op run --env-file x -- npx mcp-remote U", &["cmd", "op --env-file", "npx"]),
            (
                "sh -c 'exec node --env-file=.env /x/mcp-remote/dist/proxy.js -v'",
                &["sh", "node --env-file=.env"],
            ),
            ("bun x --env-file=.env mcp-remote -v U", &["bun --env-file=.env"]),
            ("env A=B uv run python -u -m mcp_stdio U", &["env", "uv", "python -u -m"]),
        ] {
            let words = shlex::split(line).unwrap();
            let rest: Vec<&str> = words[1..].iter().map(String::as_str).collect();
            let launchers = look_through(&words[0], &rest).launchers.into_iter().map(|launcher| {
                let flags = launcher.flags.iter().map(Template::expose);
                std::iter::once(&*launcher.name).chain(flags).collect::<Vec<_>>().join(" ")
            });
            assert_eq!(launchers.collect::<Vec<_>>(), expected, "{line}");
        }
        let whole = look_through("npx -y mcp-remote https://h.example/", &[]);
        assert_eq!(whole.launchers[0].name, "npx");
    }

    #[test]
    fn variables_in_front() {
        let launched = look_through("env", &["-u", "X", "A=fake-secret", "mcp-remote", "U"]);
        assert_eq!(launched.assigned, [("A".to_owned(), Template::new("fake-secret"))]);
        assert!(launched.indirect && !format!("{launched:?}").contains("fake"));
    }

    #[test]
    fn launchers_without_end() {
        let words = vec!["env"; 1000];
        assert_eq!(look_through("env", &words).program, "env");
    }
}
