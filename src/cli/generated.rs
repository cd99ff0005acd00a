//! What is made of the types of [`super`]: completions for shells, and manual pages.
//!
//! A manual page is the help of a command. Its examples and whatever else stands below the options
//! become sections of their own: of each block the first line is the heading, and the others are kept
//! line by line.

use std::io;
use std::path::PathBuf;

use clap::{Arg, Args, Command, ValueHint};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::order;

/// Arguments of `mcp-tether completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell to complete for
    pub shell: Shell,
}

/// Arguments of `mcp-tether man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for each command into this folder, which is made if it is missing
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "Output")]
    pub dir: Option<PathBuf>,
}

/// A manual page.
#[derive(Debug)]
pub struct Page {
    /// The name of its file.
    pub name: String,
    /// The page, for `man`.
    pub text: Vec<u8>,
}

/// The script that makes a shell complete what can be typed.
pub fn completions(shell: Shell) -> String {
    let typed = super::command();
    // The URL is left out: zsh would take the name of a command for it.
    let flags = typed.get_arguments().filter(|arg| !arg.is_positional()).cloned();
    let program = Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .args(flags)
        .subcommands(typed.get_subcommands().cloned());
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut hinted(program), NAME, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        // The generator spells the name of a program with a hyphen in two ways, and so finds no command
        // behind it: https://github.com/clap-rs/clap/issues/6421
        Shell::Bash => script.replace("mcp__subcmd__tether", "mcp__tether"),
        Shell::Fish => flags_behind_a_url_in_fish(&script),
        Shell::Zsh => flags_behind_a_url_in_zsh(script),
        _ => script,
    }
}

/// The flags of the bridge are offered in front of a command; here behind a URL as well.
fn flags_behind_a_url_in_fish(script: &str) -> String {
    const FLAGS: &str = "
function __fish_mcp_tether_takes_flags
    set -l cmd (__fish_mcp_tether_needs_command)
    test -z \"$cmd\"; or string match -q '*://*' -- $cmd[1]
end
";
    let mut out = script.to_owned();
    for flag in [" -s ", " -l "] {
        let condition = |name: &str| format!("-n \"__fish_mcp_tether_{name}\"{flag}");
        out = out.replace(&condition("needs_command"), &condition("takes_flags"));
    }
    out + FLAGS
}

/// The same for zsh, where what stands behind a word depends on that word.
fn flags_behind_a_url_in_zsh(mut script: String) -> String {
    const BEGIN: &str = "_arguments \"${_arguments_options[@]}\" : \\\n";
    const WORDS: &str = "case $line[1] in\n";
    let flags = script.find(BEGIN).and_then(|begin| {
        let end = script.find("\":: :_mcp-tether_commands\"")?;
        script.get(begin..end).map(str::to_owned)
    });
    if let (Some(flags), Some(words)) = (flags, script.find(WORDS)) {
        script.insert_str(words + WORDS.len(), &format!("(*://*)\n{flags}&& ret=0\n;;\n"));
    }
    script
}

/// The same command without files offered where there is nothing to offer.
fn hinted(command: Command) -> Command {
    let hint = |arg: Arg| match arg.get_value_hint() {
        ValueHint::Unknown if arg.get_action().takes_values() => arg.value_hint(ValueHint::Other),
        _ => arg,
    };
    command.mut_args(hint).mut_subcommands(hinted)
}

/// The manual page of the program, and behind it one for each command.
///
/// # Errors
/// None: nothing is written but memory.
pub fn manual() -> io::Result<Vec<Page>> {
    let mut program = super::command().disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    let mut left = vec![program];
    while let Some(command) = left.pop() {
        left.extend(command.get_subcommands().filter(|command| !command.is_hide_set()).cloned());
        pages.push(page(command)?);
    }
    order::sort_by(&mut pages[1..], |one, other| one.name.cmp(&other.name));
    Ok(pages)
}

const NAME: &str = "mcp-tether";

/// What stands in front of every section that is rendered, where once is enough.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

fn page(mut command: Command) -> io::Result<Page> {
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    let below = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let is_program = command.get_display_name().is_none_or(|name| name == NAME);
    let nested = command.has_subcommands();
    let takes_options = command.get_arguments().next().is_some();
    // Without this their help would be left out.
    let command = command.override_usage(usage).mut_args(|arg| arg.hide_short_help(false));
    let man = Man::new(command);
    let name = man.get_filename();
    let mut text = Vec::new();
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    if takes_options {
        man.render_options_section(&mut text)?;
    }
    if nested {
        man.render_subcommands_section(&mut text)?;
    }
    let text = String::from_utf8_lossy(&text).replace(PREAMBLE, "");
    let title = name.trim_end_matches(".1");
    let version = env!("CARGO_PKG_VERSION");
    // Without a date, so that the same version always gives the same page.
    let head = format!(".TH \"{title}\" 1 \"\" \"{NAME} {version}\" \"{NAME} manual\"\n");
    let also =
        if is_program { String::new() } else { format!(".SH \"SEE ALSO\"\n.BR {NAME} (1)\n") };
    let text = format!("{PREAMBLE}{head}{text}{}{also}", sections(&below));
    Ok(Page { name, text: text.into_bytes() })
}

/// What stands below the options.
fn sections(below: &str) -> String {
    let mut out = String::new();
    for block in below.split("\n\n").filter(|block| !block.is_empty()) {
        let (heading, lines) = block.split_once('\n').unwrap_or((block, ""));
        let heading = heading.trim_end_matches(':').to_uppercase();
        out.push_str(&format!(".SH \"{}\"\n.nf\n", escaped(&heading)));
        for line in lines.lines() {
            out.push_str(&format!("{}\n", escaped(line.strip_prefix("  ").unwrap_or(line))));
        }
        out.push_str(".fi\n");
    }
    out
}

/// A line that means nothing to `man` but itself.
fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    let line = line
        .replace('"', "\\(dq")
        .replace('^', "\\(ha")
        .replace('`', "\\(ga")
        .replace('~', "\\(ti");
    if line.starts_with('.') { format!("\\&{line}") } else { line }
}
