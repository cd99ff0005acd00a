//! What a server can be called.

use crate::cli::named;
use crate::limits::MAX_SERVER_NAME;

/// Whether a word can be the name of a server, as far as its letters go. No URL, host or path can.
pub fn is_name(word: &str) -> bool {
    word.len() <= MAX_SERVER_NAME
        && word.starts_with(|c: char| c.is_ascii_alphanumeric())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// The same, and it must not be a command.
///
/// # Errors
/// Why it cannot be.
pub fn check(name: &str) -> Result<(), String> {
    if !is_name(name) {
        return Err(format!(
            "servers.{name}: a name has up to {MAX_SERVER_NAME} letters, digits, - and _, and begins with a \
             letter or digit"
        ));
    }
    if named::commands().iter().any(|command| command == name) {
        return Err(format!(
            "servers.{name}: a server cannot be called like a command (mcp-tether {name}); give it another name"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for fine in ["linear", "a", "9", "My_Server-2", &"x".repeat(MAX_SERVER_NAME)] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
        for wrong in
            ["", "-a", "_a", "a.b", "a b", "a/b", "h:1", "ä", &"x".repeat(MAX_SERVER_NAME + 1)]
        {
            assert!(check(wrong).unwrap_err().contains("a name has"), "{wrong}");
        }
    }

    #[test]
    fn no_server_is_called_like_a_command() {
        use crate::cli::command;
        for command in command().get_subcommands() {
            let reason = check(command.get_name()).unwrap_err();
            assert!(reason.contains(&format!("mcp-tether {})", command.get_name())), "{reason}");
        }
        assert!(check("help").is_err() && check("demo").is_err());
    }
}
