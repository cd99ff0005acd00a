//! `mcp-tether secret`: secrets by name.

use std::io::{self, IsTerminal as _, Read as _, Write as _};

use tokio::sync::oneshot;

use super::{CommandError, say, stores};
use crate::cli::SecretCommand;
use crate::cli::secret::SecretStoreArgs;
use crate::config::{Env, Places, sign_in};
use crate::error::ExitCode;
use crate::json;
use crate::limits::{KEYRING_PATIENCE, MAX_SECRET};
use crate::platform::{Hidden, Signals};
use crate::secret::{Secret, harmless};
use crate::store::{Choice, Kept, SecretName, Store, Vault};
use crate::tasks;

/// What is wrong with a secret or its name. Never shows the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// No name.
    #[error("{name:?} cannot be the name of a secret: {reason}")]
    Name {
        /// What was typed.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// Nothing on stdin.
    #[error(
        "stdin is empty; write the secret to it, or call this on a terminal to be asked for it"
    )]
    Empty,
    /// More than a secret has.
    #[error("stdin has more than {} KiB; that is no secret", MAX_SECRET >> 10)]
    TooLarge,
    /// Not UTF-8.
    #[error("stdin is no text")]
    NoText,
    /// There is none.
    #[error("there is no secret {0:?}; mcp-tether secret list names those that there are")]
    Missing(String),
}

/// Does what was typed.
pub(super) async fn run(command: &SecretCommand, env: Env<'_>) -> Result<ExitCode, CommandError> {
    match command {
        SecretCommand::Set(args) => {
            let name = name(&args.name)?;
            let store = store(&args.store, env)?;
            let value = if io::stdin().is_terminal() {
                match typed(&name).await? {
                    Ok(value) => value,
                    Err(signal) => return Ok(ExitCode::Signal(signal)),
                }
            } else {
                piped()?
            };
            let place = match store.write_secret(&name, value).await? {
                Kept::Keyring => Vault::Keyring.to_string(),
                Kept::File => store.vault_in_use().await.to_string(),
            };
            say(&format!("{} is kept in {place}", harmless(&args.name)))?;
        }
        SecretCommand::List(args) => {
            let places = Places::find(env);
            let found = stores(places, Choice::Auto, KEYRING_PATIENCE)?.secrets()?;
            if args.json {
                let all: Vec<_> = found
                    .iter()
                    .map(|(name, kept)| json!({ "name": name, "store": json::of(kept) }))
                    .collect();
                say(&json!({ "secrets": all }).to_string())?;
            } else if !found.is_empty() {
                let names: Vec<_> = found.iter().map(|(name, _)| harmless(name)).collect();
                say(&names.join("\n"))?;
            }
        }
        SecretCommand::Rm(args) => {
            let store = store(&args.store, env)?;
            if !store.remove_secret(&name(&args.name)?).await? {
                return Err(SecretError::Missing(harmless(&args.name)).into());
            }
            say(&format!("{} is forgotten", harmless(&args.name)))?;
        }
    }
    Ok(ExitCode::Success)
}

fn store(args: &SecretStoreArgs, env: Env<'_>) -> Result<Store, CommandError> {
    stores(Places::find(env), sign_in::store_choice(args.store), KEYRING_PATIENCE)
}

fn name(typed: &str) -> Result<SecretName, SecretError> {
    SecretName::new(typed).map_err(|reason| SecretError::Name { name: harmless(typed), reason })
}

/// From a pipe or file, without the end of its last line.
fn piped() -> Result<Secret, CommandError> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(MAX_SECRET as u64 + 1).read_to_end(&mut bytes)?;
    checked(bytes)
}

fn checked(bytes: Vec<u8>) -> Result<Secret, CommandError> {
    if bytes.len() > MAX_SECRET {
        return Err(SecretError::TooLarge.into());
    }
    let text = String::from_utf8(bytes).map_err(|_| SecretError::NoText)?;
    let text =
        text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.trim().is_empty() {
        return Err(SecretError::Empty.into());
    }
    Ok(Secret::new(text.to_owned()))
}

/// From a person, without showing it; or the signal that ended that.
async fn typed(name: &SecretName) -> Result<Result<Secret, i32>, CommandError> {
    let mut signals = Signals::install()?;
    let _hidden = Hidden::begin();
    write!(io::stderr(), "Secret {} (it is not shown): ", harmless(&name.to_string()))?;
    let (send, receive) = oneshot::channel();
    tasks::thread("prompt", move || {
        // Who has gone has been told by a signal.
        let _ = send.send(Hidden::read_line());
    })?;
    tokio::select! {
        biased;
        signal = signals.recv() => {
            // The shell's prompt belongs on a line of its own.
            let _ = writeln!(io::stderr());
            Ok(Err(signal))
        }
        read = receive => match read {
            Ok(Ok(text)) => Ok(Ok(checked(text.into_bytes())?)),
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => Ok(Err(2)),
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(SecretError::Empty.into())
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(SecretError::Empty.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_last_line_is_no_part_of_it() {
        for (text, value) in [
            ("fake", "fake"),
            ("fake\n", "fake"),
            ("fake\r\n", "fake"),
            (" fake \n\n", " fake \n"),
            ("-----BEGIN\nx\n-----END\n", "-----BEGIN\nx\n-----END"),
        ] {
            assert_eq!(checked(text.into()).unwrap().expose(), value, "{text:?}");
        }
        for bad in [b"".to_vec(), b"\n".to_vec(), b" \r\n".to_vec(), b"\xff".to_vec()] {
            assert!(checked(bad).is_err());
        }
        assert!(checked(vec![b'x'; MAX_SECRET]).is_ok());
        assert!(checked(vec![b'x'; MAX_SECRET + 1]).is_err());
    }
}
