//! Checking a large message while it arrives.
//!
//! Most of a large message are a few long strings (RFC 8259, section 7). Their characters are checked as they come, in
//! time that passes with waiting for the network, and left out of a copy of the rest, the skeleton. Once the message is
//! complete, the JSON parser judges the skeleton, which is JSON if and only if the message is (docs/decisions/0033).

use std::ops::Range;

use memchr::memchr;

use crate::limits::{MAX_SKELETON, SIEVE_MIN, SKELETON_STRING};

/// A message without the inside of its long strings.
#[derive(Clone, Debug)]
pub struct Skeleton {
    text: Vec<u8>,
    gaps: Vec<Gap>,
}

/// Something that was left out.
#[derive(Clone, Debug)]
struct Gap {
    /// Where in the skeleton.
    at: usize,
    /// How many bytes.
    length: usize,
}

impl Skeleton {
    /// What is left of the message. UTF-8, as the message is.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where a part of the skeleton is in the message; `None` if something was left out of it.
    pub fn original(&self, part: Range<usize>) -> Option<Range<usize>> {
        let is_whole = !self.gaps.iter().any(|gap| part.contains(&gap.at) && part.start < gap.at);
        let before: usize =
            self.gaps.iter().take_while(|gap| gap.at <= part.start).map(|gap| gap.length).sum();
        is_whole.then_some(part.start + before..part.end + before)
    }
}

/// Makes a [`Skeleton`] of one message that comes in pieces, if it is of some size. Linear, and holds [`MAX_SKELETON`]
/// bytes.
#[derive(Debug, Default)]
pub struct Sieve(Option<Box<Sifting>>);

impl Sieve {
    /// Looks at what is new of a message of which `gathered` is there by now. Does nothing before it is [`SIEVE_MIN`]
    /// bytes: small ones are checked in no time.
    pub fn follow(&mut self, gathered: &[u8]) {
        if gathered.len() >= SIEVE_MIN {
            let sifting = self.0.get_or_insert_default();
            sifting.push(&gathered[sifting.seen..]);
        }
    }

    /// The skeleton of the message, which has `length` bytes; `None` where it has to be checked as a whole: it is
    /// small, has no long strings, or is not JSON, and what is wrong with it is the parser's to say.
    pub fn finish(self, length: usize) -> Option<Skeleton> {
        self.0?.finish(length)
    }
}

/// The work of a [`Sieve`], from the first byte on.
#[derive(Debug, Default)]
pub struct Sifting {
    /// Bytes of the message that have been seen.
    seen: usize,
    skeleton: Vec<u8>,
    gaps: Vec<Gap>,
    place: Place,
    /// Where in the skeleton the string began that one is in.
    string: usize,
    /// Whether the rest of this string is being left out.
    in_gap: bool,
    unicode: Unicode,
    /// There will be no skeleton.
    given_up: bool,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Outside,
    String,
    /// Behind a backslash.
    Escape,
    /// So many hexadecimal digits of an escape are missing.
    Digits(u8),
}

impl Sifting {
    /// Takes the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.seen += piece.len();
        if !self.given_up {
            self.given_up = !self.unicode.push(piece);
        }
        let mut at = 0;
        while at < piece.len() && !self.given_up {
            let rest = &piece[at..];
            at += match self.place {
                Place::Outside => self.outside(rest),
                Place::String => self.string(rest),
                Place::Escape => self.escape(rest[0]),
                Place::Digits(missing) => self.digit(rest[0], missing),
            };
        }
    }

    /// As [`Sieve::finish`].
    pub fn finish(self, length: usize) -> Option<Skeleton> {
        let is_whole =
            self.seen == length && self.place == Place::Outside && self.unicode.is_complete();
        (is_whole && !self.given_up && !self.gaps.is_empty())
            .then_some(Skeleton { text: self.skeleton, gaps: self.gaps })
    }

    /// Up to the next string.
    fn outside(&mut self, rest: &[u8]) -> usize {
        let length = memchr(b'"', rest).map_or(rest.len(), |quote| quote + 1);
        self.keep(&rest[..length]);
        if rest[length - 1] == b'"' {
            self.place = Place::String;
            self.string = self.skeleton.len();
            self.in_gap = false;
        }
        length
    }

    /// Up to the end of the string, or an escape at the end of the piece.
    fn string(&mut self, rest: &[u8]) -> usize {
        if !self.in_gap {
            let length = plain(rest);
            self.keep_plain(&rest[..length]);
            if length == rest.len() {
                return length;
            }
            return length + self.special(rest[length]);
        }
        let mut length = 0;
        loop {
            length += plain(&rest[length..]);
            // Text that is not English, of servers that escape all of it, has one behind the other.
            while let [b'\\', b'u', a, b, c, d, ..] = rest[length..]
                && is_hex(a) & is_hex(b) & is_hex(c) & is_hex(d)
            {
                length += 6;
            }
            match rest[length..] {
                [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => length += 2,
                [] => {
                    self.leave_out(length);
                    return length;
                }
                [byte @ (b'"' | b'\\' | 0..0x20), ..] => {
                    self.leave_out(length);
                    return length + self.special(byte);
                }
                // Behind escapes by number.
                _ => {}
            }
        }
    }

    /// What does not stand for itself in a string.
    fn special(&mut self, byte: u8) -> usize {
        match byte {
            b'"' => {
                self.place = Place::Outside;
                self.keep(b"\"");
            }
            b'\\' => {
                self.place = Place::Escape;
                if !self.in_gap && self.room() == 0 {
                    self.open_gap();
                }
                self.keep_or_leave_out(byte);
            }
            // A control character.
            _ => self.given_up = true,
        }
        1
    }

    fn escape(&mut self, byte: u8) -> usize {
        self.place = match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Place::String,
            b'u' => Place::Digits(4),
            _ => {
                self.given_up = true;
                return 1;
            }
        };
        self.keep_or_leave_out(byte);
        1
    }

    fn digit(&mut self, byte: u8, missing: u8) -> usize {
        self.given_up |= !is_hex(byte);
        self.place = if missing == 1 { Place::String } else { Place::Digits(missing - 1) };
        self.keep_or_leave_out(byte);
        1
    }

    /// Characters of a string that stand for themselves, as far as there is room.
    fn keep_plain(&mut self, text: &[u8]) {
        let mut kept = self.room().min(text.len());
        // Not in the middle of a character.
        while text.get(kept).is_some_and(|byte| byte & 0xc0 == 0x80) {
            kept += 1;
        }
        self.keep(&text[..kept]);
        if kept < text.len() {
            self.open_gap();
            self.leave_out(text.len() - kept);
        }
    }

    /// How many bytes more of this string are kept, about.
    fn room(&self) -> usize {
        (self.string + SKELETON_STRING).saturating_sub(self.skeleton.len())
    }

    fn open_gap(&mut self) {
        self.gaps.push(Gap { at: self.skeleton.len(), length: 0 });
        self.in_gap = true;
    }

    fn keep_or_leave_out(&mut self, byte: u8) {
        if self.in_gap {
            self.leave_out(1);
        } else {
            self.keep(&[byte]);
        }
    }

    fn leave_out(&mut self, length: usize) {
        if let Some(gap) = self.gaps.last_mut() {
            gap.length += length;
        }
    }

    fn keep(&mut self, text: &[u8]) {
        if self.skeleton.len() + text.len() > MAX_SKELETON {
            self.given_up = true;
            return;
        }
        self.skeleton.extend_from_slice(text);
    }
}

/// How many bytes at the beginning stand for themselves in a string.
fn plain(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    let mut length = 0;
    for word in words {
        let found = specials(u64::from_le_bytes(*word));
        if found != 0 {
            return length + found.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    length + rest.iter().position(special).unwrap_or(rest.len())
}

/// Whether a byte is a hexadecimal digit: by a table, for there may be as many as bytes in a message.
fn is_hex(byte: u8) -> bool {
    const DIGITS: [bool; 256] = {
        let mut digits = [false; 256];
        let mut byte: u8 = 0;
        while byte < u8::MAX {
            digits[byte as usize] = byte.is_ascii_hexdigit();
            byte += 1;
        }
        digits
    };
    DIGITS[usize::from(byte)]
}

/// The same byte eight times.
const fn eight(byte: u8) -> u64 {
    u64::MAX / 0xff * byte as u64
}

/// Marks, by its highest bit, the first byte (the lowest one) that is a quote, a backslash or a control character.
/// Bytes behind it may be marked that are none.
#[inline]
fn specials(word: u64) -> u64 {
    let below = |word: u64, byte: u8| word.wrapping_sub(eight(byte)) & !word;
    let is = |byte: u8| below(word ^ eight(byte), 1);
    (below(word, 0x20) | is(b'"') | is(b'\\')) & eight(0x80)
}

/// Whether bytes that come in pieces are UTF-8.
#[derive(Debug, Default)]
struct Unicode {
    /// The beginning of a character.
    begun: [u8; 4],
    length: usize,
}

impl Unicode {
    /// Takes the next piece. `false` if there is something that no piece behind it can complete.
    fn push(&mut self, mut piece: &[u8]) -> bool {
        while self.length > 0 {
            let Some((first, rest)) = piece.split_first() else { return true };
            self.begun[self.length] = *first;
            self.length += 1;
            piece = rest;
            match std::str::from_utf8(&self.begun[..self.length]) {
                Ok(_) => self.length = 0,
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return false,
            }
        }
        let Err(error) = std::str::from_utf8(piece) else { return true };
        let begun = &piece[error.valid_up_to()..];
        self.length = begun.len();
        if error.error_len().is_some() {
            return false;
        }
        self.begun[..begun.len()].copy_from_slice(begun);
        true
    }

    fn is_complete(&self) -> bool {
        self.length == 0
    }
}

#[cfg(test)]
mod tests;
