//! A secret in a file.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use tokio::time::timeout;

use super::Secret;
use super::wiped::Wiped;
use crate::limits::{MAX_SECRET, SECRET_FILE_TIMEOUT};

/// The text in a file, without white space around it. A file that a link leads to is as good, because
/// that is how containers are given theirs; a pipe is not, because it could keep us waiting for ever.
///
/// # Errors
/// Why there is no secret in it, with its path and never with what it holds.
pub fn read(path: &Path) -> Result<Secret, String> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| format!("cannot read {shown}: {error}");
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(format!("{shown} is not a regular file"));
    }
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Wiped::new(Vec::with_capacity(MAX_SECRET + 64));
    file.take(MAX_SECRET as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_SECRET {
        return Err(format!("{shown} has more than {} KiB; that is no secret", MAX_SECRET >> 10));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{shown} is no text"))?;
    match text.trim() {
        "" => Err(format!("{shown} is empty")),
        text => Ok(Secret::new(text.to_owned())),
    }
}

/// The same without blocking anybody, within [`SECRET_FILE_TIMEOUT`].
///
/// # Errors
/// As [`read`], and if it takes too long.
pub async fn read_soon(path: &Path) -> Result<Secret, String> {
    let owned = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || read(&owned));
    match timeout(SECRET_FILE_TIMEOUT, reading).await {
        Ok(Ok(read)) => read,
        Ok(Err(_)) => Err(format!("{} was not read", path.display())),
        Err(_) => {
            let seconds = SECRET_FILE_TIMEOUT.as_secs();
            Err(format!("{} cannot be read within {seconds} s", path.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_regular_files_with_text_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(read(&path).unwrap_err().contains("token"));
        assert!(read(folder.path()).unwrap_err().contains("not a regular file"));
        for (bytes, reason) in [
            (b" \n".to_vec(), "is empty"),
            (b"fake\xff".to_vec(), "is no text"),
            (vec![b'x'; MAX_SECRET + 1], "that is no secret"),
        ] {
            fs::write(&path, bytes).unwrap();
            let error = read(&path).unwrap_err();
            assert!(error.contains(reason) && !error.contains("fake"), "{error}");
        }
        fs::write(&path, "fake-token\r\n").unwrap();
        assert_eq!(read(&path).unwrap().expose(), "fake-token");
        fs::write(&path, vec![b'x'; MAX_SECRET]).unwrap();
        assert_eq!(read(&path).unwrap().expose().len(), MAX_SECRET);
        #[cfg(unix)]
        {
            let link = folder.path().join("link");
            std::os::unix::fs::symlink(&path, &link).unwrap();
            assert!(read(&link).is_ok());
        }
    }
}
