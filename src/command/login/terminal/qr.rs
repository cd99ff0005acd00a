//! A URL as a QR code, in half blocks: two modules in each character (pure).

use qrcodegen::{QrCode, QrCodeEcc};

/// Modules without anything around it. The standard says four; cameras are content with two.
const MARGIN: i32 = 2;

/// The picture, if it fits into these columns. Without colours it is drawn in what is light, for a dark
/// terminal; with them it is black on white in any.
pub(super) fn picture(text: &str, columns: usize, coloured: bool) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
    let end = code.size() + MARGIN;
    let width = usize::try_from(end + MARGIN).ok()?;
    if width >= columns {
        return None;
    }
    let (before, after) = if coloured { ("\x1b[30;107m", "\x1b[0m") } else { ("", "") };
    // Whether ink is wanted there.
    let ink = |x: i32, y: i32| y < end && code.get_module(x, y) == coloured;
    let mut out = String::new();
    for y in (-MARGIN..end).step_by(2) {
        out.push_str(before);
        out.extend((-MARGIN..end).map(|x| match (ink(x, y), ink(x, y + 1)) {
            (true, true) => '\u{2588}',
            (true, false) => '\u{2580}',
            (false, true) => '\u{2584}',
            (false, false) => ' ',
        }));
        out.push_str(after);
        out.push('\n');
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://as.example/device?user_code=WDJB-MJHT";

    /// The modules of a picture, as somebody sees them: true is dark.
    fn seen(picture: &str, coloured: bool) -> Vec<Vec<bool>> {
        let mut rows = Vec::new();
        for line in picture.lines() {
            let line = line.trim_start_matches("\x1b[30;107m").trim_end_matches("\x1b[0m");
            for upper in [true, false] {
                let ink = |c: char| match c {
                    '\u{2588}' => true,
                    '\u{2580}' => upper,
                    '\u{2584}' => !upper,
                    _ => false,
                };
                rows.push(line.chars().map(|c| ink(c) == coloured).collect());
            }
        }
        rows
    }

    #[test]
    fn what_is_seen_is_the_code() {
        let code = QrCode::encode_text(URL, QrCodeEcc::Low).unwrap();
        for coloured in [true, false] {
            let seen = seen(&picture(URL, 80, coloured).unwrap(), coloured);
            let side = code.size() + 2 * MARGIN;
            for y in 0..side {
                for x in 0..side {
                    let dark = seen[usize::try_from(y).unwrap()][usize::try_from(x).unwrap()];
                    assert_eq!(dark, code.get_module(x - MARGIN, y - MARGIN), "{x} {y}");
                }
            }
        }
    }

    #[test]
    fn it_is_left_out_where_it_does_not_fit() {
        let width = seen(&picture(URL, 80, false).unwrap(), false)[0].len();
        assert!(picture(URL, width + 1, true).is_some());
        assert!(picture(URL, width, true).is_none());
        assert!(picture(&"x".repeat(5000), 1000, true).is_none());
    }
}
