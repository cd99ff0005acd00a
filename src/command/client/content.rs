//! Contents of results: text, images, audio, resources (server/tools, "Tool Result").

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde_json::Value;

use super::{Client, Stop, WHOLE, images, write};
use crate::command::text::size;
use crate::platform;

/// Files of one name in a folder.
const MAX_FILES: usize = 10_000;

impl Client {
    /// One block of content. Binary data is written to a file in `save`, or described.
    pub(super) fn print_block(&self, block: &Value, save: Option<&Path>) -> Result<(), Stop> {
        let text = |name: &str| block[name].as_str().unwrap_or_default();
        match text("type") {
            "text" => self.print_text(text("text")),
            kind @ ("image" | "audio") => {
                self.print_binary(kind, text("mimeType"), text("data"), save)
            }
            "resource" => self.print_contents(&block["resource"], save),
            "resource_link" => {
                let name = if text("name").is_empty() { text("title") } else { text("name") };
                let line = format!("[resource {}: {}]", text("uri"), name);
                self.print_line(&line)
            }
            // Of a kind that is not known here.
            _ => self.print_json(block.to_string().as_bytes()),
        }
    }

    /// The contents of a resource.
    pub(super) fn print_contents(&self, contents: &Value, save: Option<&Path>) -> Result<(), Stop> {
        if let Some(text) = contents["text"].as_str() {
            return self.print_text(text);
        }
        let text = |name: &str| contents[name].as_str().unwrap_or_default();
        self.print_binary("resource", text("mimeType"), text("blob"), save)
    }

    fn print_binary(
        &self,
        kind: &str,
        mime: &str,
        data: &str,
        save: Option<&Path>,
    ) -> Result<(), Stop> {
        let mime = if mime.is_empty() { "application/octet-stream" } else { mime };
        let Some(bytes) = decode(data) else {
            return self.print_line(&format!("[{kind}, {mime}: not valid base64]"));
        };
        let screen = platform::terminal_pixels();
        if let Some(text) = self.images.and_then(|how| images::sequence(how, &bytes, screen)) {
            write(&[text.as_bytes()])?;
        }
        let about = format!("{kind}, {mime}, {}", size(bytes.len() as u64));
        let Some(folder) = save else {
            return self.print_line(&format!("[{about}; --save FOLDER writes it to a file]"));
        };
        let path = save_in(folder, kind, mime, &bytes)?;
        self.print_line(&format!("[{about}: {}]", path.display()))
    }

    /// A line of ours with foreign text in it.
    fn print_line(&self, text: &str) -> Result<(), Stop> {
        write(&[self.redactor.clean(text, WHOLE).as_bytes(), b"\n"])
    }
}

/// What base64 stands for, with or without padding.
pub(super) fn decode(data: &str) -> Option<Vec<u8>> {
    let engine = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new()
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
    );
    engine.decode(data.trim()).ok()
}

/// Writes a new file. Nothing is overwritten, and the server has no say in its name.
fn save_in(folder: &Path, kind: &str, mime: &str, bytes: &[u8]) -> Result<PathBuf, Stop> {
    let failed =
        |path: &Path, error| Stop::Usage(vec![format!("--save: {}: {error}", path.display())]);
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for number in 1..=MAX_FILES {
        let path = folder.join(format!("{kind}-{number}.{}", extension(mime)));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                if let Err(error) = file.write_all(bytes) {
                    // Half a picture would be taken for one.
                    let _ = std::fs::remove_file(&path);
                    return Err(failed(&path, error));
                }
                return Ok(path);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&path, error)),
        }
    }
    Err(Stop::Usage(vec![format!("--save: {} is full", folder.display())]))
}

fn extension(mime: &str) -> &'static str {
    match mime.split(';').next().unwrap_or_default().trim() {
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "image/svg+xml" => "svg",
        "audio/wav" | "audio/x-wav" => "wav",
        "audio/mpeg" => "mp3",
        "audio/ogg" => "ogg",
        "application/pdf" => "pdf",
        "application/json" => "json",
        "application/gzip" | "application/x-gzip" => "gz",
        "application/zip" => "zip",
        "text/plain" => "txt",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saving_overwrites_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("new");
        let save = |bytes: &[u8]| save_in(&inner, "image", "image/png; q=1", bytes).ok().unwrap();
        let (one, two) = (save(b"1"), save(b"2"));
        assert_eq!(one, inner.join("image-1.png"));
        assert_eq!(two, inner.join("image-2.png"));
        assert_eq!(std::fs::read(one).unwrap(), b"1");
    }

    #[test]
    fn base64_with_and_without_padding() {
        assert_eq!(decode("aGk=").unwrap(), b"hi");
        assert_eq!(decode("aGk\n").unwrap(), b"hi");
        assert_eq!(decode("a*"), None);
    }
}
