//! Secrets that are looked up each time they are needed: whoever keeps them may have renewed them.

use crate::auth::authorizer::Authorizer;
use crate::auth::error::AuthError;
use crate::auth::settings::Source;
use crate::limits::MAX_SECRET;
use crate::secret::{Redactor, Secret, file};
use crate::supply::run::{self, RunError};
use crate::supply::words;

/// The secret, without white space around it. `flag` is what the person has named it with.
pub(super) async fn read(
    source: &Source,
    flag: &'static str,
    auth: &Authorizer,
) -> Result<Secret, AuthError> {
    let wrong = |reason: String| AuthError::Unusable(format!("{flag}: {reason}"));
    let found = match source {
        Source::Value(secret) => return Ok(secret.clone()),
        Source::File(path) => file::read_soon(path).await.map_err(wrong)?,
        Source::Keyring(name) => {
            let found = auth.store()?.secret(name).await?;
            let missing = || wrong(format!("the keyring has no {name}"));
            found.ok_or_else(missing)?
        }
        Source::Command(words) => command(words, &auth.redactor).await.map_err(wrong)?,
    };
    let secret = Secret::new(found.expose().trim().to_owned());
    if secret.expose().is_empty() {
        return Err(wrong("there is nothing".into()));
    }
    auth.redactor.learn(secret.clone());
    Ok(secret)
}

/// The same for a token, which is one word.
pub(super) async fn token(
    source: &Source,
    flag: &'static str,
    auth: &Authorizer,
) -> Result<Secret, AuthError> {
    let secret = read(source, flag, auth).await?;
    if secret.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(secret);
    }
    Err(AuthError::Unusable(format!("{flag}: that is no token, which would be one word")))
}

/// What a program prints, if it ends well and soon.
async fn command(words: &[String], redactor: &Redactor) -> Result<Secret, String> {
    let printed = run::printed(words, MAX_SECRET, redactor, |bytes| {
        let text = std::str::from_utf8(bytes).map_err(|_| RunError::NoText)?;
        let secret = Secret::new(text.trim().to_owned());
        redactor.learn(secret.clone());
        Ok(secret)
    });
    printed.await.map_err(|error| format!("{} {error}", words::shown(words)))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    async fn run(script: &str) -> Result<Secret, String> {
        let words = ["sh", "-c", script].map(str::to_owned);
        command(&words, &Redactor::default()).await
    }

    #[tokio::test]
    async fn what_a_program_prints() {
        assert_eq!(run("echo fake-assertion").await.unwrap().expose(), "fake-assertion");
        let error = run("echo fake-out; echo why >&2; exit 3").await.unwrap_err();
        assert!(error.contains("exit status: 3") && !error.contains("fake-out"), "{error}");
        let error = run(&format!("head -c {} /dev/zero", MAX_SECRET + 1)).await.unwrap_err();
        assert!(error.contains("sh printed more than"), "{error}");
        let error = run("printf '\\377'").await.unwrap_err();
        assert!(error.contains("printed no text"), "{error}");
        let error = command(&["/nonexistent/fake".into()], &Redactor::default()).await.unwrap_err();
        assert!(error.contains("fake could not be started"), "{error}");
    }
}
