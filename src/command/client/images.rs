//! Pictures on the terminal, for terminals that take an encoded file: the kitty graphics protocol and
//! the inline images of iTerm2. Nothing is decoded here (docs/decisions/0013).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cli::client::ImagesArg;
use crate::config::Env;
use crate::limits::MAX_INLINE_IMAGE;

/// Bytes of base64 in one kitty sequence, as its specification limits them.
const CHUNK: usize = 4096;

/// From this release on Konsole knows the kitty graphics protocol.
const KONSOLE: u32 = 22_04_00;

/// How a picture is handed to the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// PNG only.
    Kitty,
    /// Whatever the terminal can decode.
    Iterm,
}

/// What the terminal says that it can. A multiplexer in between passes nothing on.
pub(super) fn protocol(wanted: ImagesArg, env: Env<'_>) -> Option<Protocol> {
    let value = |name: &str| env(name).unwrap_or_default();
    let is_set = |name: &str| !value(name).is_empty();
    match wanted {
        ImagesArg::Never => return None,
        ImagesArg::Kitty => return Some(Protocol::Kitty),
        ImagesArg::Iterm => return Some(Protocol::Iterm),
        ImagesArg::Auto => {}
    }
    let term = value("TERM");
    if is_set("TMUX") || is_set("STY") || term.starts_with("screen") || term.starts_with("tmux") {
        return None;
    }
    let konsole = value("KONSOLE_VERSION").parse().unwrap_or(0);
    if matches!(&*term, "xterm-kitty" | "xterm-ghostty")
        || is_set("KITTY_WINDOW_ID")
        || konsole >= KONSOLE
    {
        return Some(Protocol::Kitty);
    }
    match &*value("TERM_PROGRAM") {
        "ghostty" => Some(Protocol::Kitty),
        "iTerm.app" | "WezTerm" | "mintty" => Some(Protocol::Iterm),
        // Over ssh only this one arrives.
        _ if value("LC_TERMINAL") == "iTerm2" => Some(Protocol::Iterm),
        _ => None,
    }
}

/// The bytes that show a picture; `None` if the terminal cannot. `screen` is its width in columns and
/// in pixels, as far as that is known.
pub(super) fn sequence(
    protocol: Protocol,
    file: &[u8],
    screen: Option<(u16, u16)>,
) -> Option<String> {
    if file.len() > MAX_INLINE_IMAGE {
        return None;
    }
    let png = file.starts_with(b"\x89PNG\r\n\x1a\n");
    let other = file.starts_with(b"\xff\xd8\xff")
        || file.starts_with(b"GIF8")
        || (file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WEBP"));
    match protocol {
        Protocol::Kitty if png => Some(kitty(file, screen)),
        Protocol::Iterm if png || other => {
            let size = file.len();
            let data = STANDARD.encode(file);
            Some(format!("\x1b]1337;File=inline=1;size={size}:{data}\x07\n"))
        }
        _ => None,
    }
}

fn kitty(png: &[u8], screen: Option<(u16, u16)>) -> String {
    let data = STANDARD.encode(png);
    // Its answers would be read as keys: q=2 wants none.
    let mut control = "a=T,f=100,q=2".to_owned();
    // The width is in the first chunk of every PNG, at the same place.
    let width = png.get(16..20).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    if let (Some(width), Some((columns, pixels))) = (width, screen)
        && pixels > 0
        && width > pixels.into()
    {
        control.push_str(&format!(",c={columns}"));
    }
    let mut out = String::with_capacity(data.len() + data.len() / 256 + 64);
    let mut rest = data.as_str();
    loop {
        // It is ASCII.
        let (chunk, left) = rest.split_at(rest.len().min(CHUNK));
        let more = u8::from(!left.is_empty());
        out.push_str(&format!("\x1b_G{control}{}m={more};{chunk}\x1b\\", comma(&control)));
        if left.is_empty() {
            break;
        }
        rest = left;
        control.clear();
    }
    out.push('\n');
    out
}

fn comma(control: &str) -> &'static str {
    if control.is_empty() { "" } else { "," }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, size: usize) -> Vec<u8> {
        let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        file.extend(width.to_be_bytes());
        file.resize(size.max(24), 0);
        file
    }

    fn found(wanted: ImagesArg, environment: &[(&str, &str)]) -> Option<Protocol> {
        let env = |name: &str| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        protocol(wanted, &env)
    }

    #[test]
    fn terminals_are_known_by_what_they_say() {
        let auto = |environment: &[(&str, &str)]| found(ImagesArg::Auto, environment);
        assert_eq!(auto(&[("TERM", "xterm-kitty")]), Some(Protocol::Kitty));
        assert_eq!(auto(&[("KITTY_WINDOW_ID", "1")]), Some(Protocol::Kitty));
        assert_eq!(auto(&[("TERM_PROGRAM", "ghostty")]), Some(Protocol::Kitty));
        assert_eq!(auto(&[("KONSOLE_VERSION", "230802")]), Some(Protocol::Kitty));
        assert_eq!(auto(&[("KONSOLE_VERSION", "211200")]), None);
        assert_eq!(auto(&[("TERM_PROGRAM", "iTerm.app")]), Some(Protocol::Iterm));
        assert_eq!(auto(&[("LC_TERMINAL", "iTerm2")]), Some(Protocol::Iterm));
        assert_eq!(auto(&[("TERM", "xterm-256color")]), None);
        assert_eq!(auto(&[("KITTY_WINDOW_ID", "1"), ("TMUX", "x")]), None);
        assert_eq!(auto(&[("TERM_PROGRAM", "iTerm.app"), ("TERM", "screen-256color")]), None);
        assert_eq!(found(ImagesArg::Never, &[("KITTY_WINDOW_ID", "1")]), None);
        assert_eq!(found(ImagesArg::Iterm, &[("TMUX", "x")]), Some(Protocol::Iterm));
    }

    #[test]
    fn the_file_is_passed_on_whole() {
        for size in [30, CHUNK, 3 * CHUNK / 4, 9000] {
            let file = png(10, size);
            let text = sequence(Protocol::Kitty, &file, None).unwrap();
            let parts: Vec<&str> =
                text.trim_end().split("\x1b\\").filter(|part| !part.is_empty()).collect();
            let mut data = String::new();
            for (number, part) in parts.iter().enumerate() {
                let (control, chunk) =
                    part.strip_prefix("\x1b_G").unwrap().split_once(';').unwrap();
                let more = u8::from(number + 1 < parts.len());
                let first = if number == 0 { "a=T,f=100,q=2," } else { "" };
                assert_eq!(control, format!("{first}m={more}"));
                assert!(chunk.len() <= CHUNK);
                data.push_str(chunk);
            }
            assert_eq!(STANDARD.decode(data).unwrap(), file);
        }
        let gif = b"GIF89a\x1b]";
        let text = sequence(Protocol::Iterm, gif, None).unwrap();
        let data = text.strip_prefix("\x1b]1337;File=inline=1;size=8:").unwrap();
        assert_eq!(STANDARD.decode(data.strip_suffix("\x07\n").unwrap()).unwrap(), gif);
    }

    #[test]
    fn only_what_the_terminal_can_show() {
        assert_eq!(sequence(Protocol::Kitty, b"GIF89a", None), None);
        assert_eq!(sequence(Protocol::Iterm, b"<svg/>", None), None);
        assert_eq!(sequence(Protocol::Iterm, &png(1, MAX_INLINE_IMAGE + 1), None), None);
        let wide = |pixels| sequence(Protocol::Kitty, &png(900, 24), Some((80, pixels))).unwrap();
        assert!(wide(800).starts_with("\x1b_Ga=T,f=100,q=2,c=80,m=0;"));
        assert!(!wide(900).contains("c=80") && !wide(0).contains("c=80"));
    }
}
