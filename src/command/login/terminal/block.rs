//! Letters of five by five blocks (pure).

use std::fmt;

/// Rows of a letter.
const ROWS: usize = 5;

/// Columns of a letter.
const COLUMNS: usize = 5;

/// Spaces before the first one.
const MARGIN: usize = 4;

/// A text in large letters.
#[derive(Debug)]
pub(super) struct Block(Vec<[u8; ROWS]>);

/// The text in large letters; nothing where a character has none.
pub(super) fn letters(text: &str) -> Option<Block> {
    text.chars().map(shape).collect::<Option<_>>().map(Block)
}

impl Block {
    /// The columns of a terminal that it takes.
    pub(super) fn width(&self) -> usize {
        MARGIN + self.0.len() * (COLUMNS + 1)
    }
}

impl fmt::Display for Block {
    /// Two rows in each line, so that letters are as high as they are wide.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in (0..ROWS).step_by(2) {
            let mut line = " ".repeat(MARGIN);
            for letter in &self.0 {
                for column in (0..COLUMNS).rev() {
                    let set =
                        |row| letter.get(row).is_some_and(|bits: &u8| bits >> column & 1 == 1);
                    line.push(match (set(row), set(row + 1)) {
                        (true, true) => '\u{2588}',
                        (true, false) => '\u{2580}',
                        (false, true) => '\u{2584}',
                        (false, false) => ' ',
                    });
                }
                line.push(' ');
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn shape(letter: char) -> Option<[u8; ROWS]> {
    let letter = letter.to_ascii_uppercase();
    let found = SHAPES.binary_search_by_key(&letter, |(known, _)| *known).ok()?;
    SHAPES.get(found).map(|(_, shape)| *shape)
}

/// In order.
const SHAPES: &[(char, [u8; ROWS])] = &[
    (' ', [0b00000, 0b00000, 0b00000, 0b00000, 0b00000]),
    ('-', [0b00000, 0b00000, 0b01110, 0b00000, 0b00000]),
    ('0', [0b01110, 0b10011, 0b10101, 0b11001, 0b01110]),
    ('1', [0b00100, 0b01100, 0b00100, 0b00100, 0b01110]),
    ('2', [0b11110, 0b00001, 0b01110, 0b10000, 0b11111]),
    ('3', [0b11110, 0b00001, 0b00110, 0b00001, 0b11110]),
    ('4', [0b10010, 0b10010, 0b11111, 0b00010, 0b00010]),
    ('5', [0b11111, 0b10000, 0b11110, 0b00001, 0b11110]),
    ('6', [0b01110, 0b10000, 0b11110, 0b10001, 0b01110]),
    ('7', [0b11111, 0b00010, 0b00100, 0b01000, 0b01000]),
    ('8', [0b01110, 0b10001, 0b01110, 0b10001, 0b01110]),
    ('9', [0b01110, 0b10001, 0b01111, 0b00001, 0b01110]),
    ('A', [0b01110, 0b10001, 0b11111, 0b10001, 0b10001]),
    ('B', [0b11110, 0b10001, 0b11110, 0b10001, 0b11110]),
    ('C', [0b01111, 0b10000, 0b10000, 0b10000, 0b01111]),
    ('D', [0b11110, 0b10001, 0b10001, 0b10001, 0b11110]),
    ('E', [0b11111, 0b10000, 0b11110, 0b10000, 0b11111]),
    ('F', [0b11111, 0b10000, 0b11110, 0b10000, 0b10000]),
    ('G', [0b01111, 0b10000, 0b10011, 0b10001, 0b01111]),
    ('H', [0b10001, 0b10001, 0b11111, 0b10001, 0b10001]),
    ('I', [0b01110, 0b00100, 0b00100, 0b00100, 0b01110]),
    ('J', [0b00111, 0b00010, 0b00010, 0b10010, 0b01100]),
    ('K', [0b10010, 0b10100, 0b11000, 0b10100, 0b10010]),
    ('L', [0b10000, 0b10000, 0b10000, 0b10000, 0b11111]),
    ('M', [0b10001, 0b11011, 0b10101, 0b10001, 0b10001]),
    ('N', [0b10001, 0b11001, 0b10101, 0b10011, 0b10001]),
    ('O', [0b01110, 0b10001, 0b10001, 0b10001, 0b01110]),
    ('P', [0b11110, 0b10001, 0b11110, 0b10000, 0b10000]),
    ('Q', [0b01110, 0b10001, 0b10101, 0b10010, 0b01101]),
    ('R', [0b11110, 0b10001, 0b11110, 0b10010, 0b10001]),
    ('S', [0b01111, 0b10000, 0b01110, 0b00001, 0b11110]),
    ('T', [0b11111, 0b00100, 0b00100, 0b00100, 0b00100]),
    ('U', [0b10001, 0b10001, 0b10001, 0b10001, 0b01110]),
    ('V', [0b10001, 0b10001, 0b01010, 0b01010, 0b00100]),
    ('W', [0b10001, 0b10001, 0b10101, 0b11011, 0b10001]),
    ('X', [0b10001, 0b01010, 0b00100, 0b01010, 0b10001]),
    ('Y', [0b10001, 0b01010, 0b00100, 0b00100, 0b00100]),
    ('Z', [0b11111, 0b00010, 0b00100, 0b01000, 0b11111]),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_letter_is_its_own() {
        assert!(SHAPES.is_sorted_by_key(|(letter, _)| *letter));
        let shapes: HashSet<_> = SHAPES.iter().map(|(_, shape)| shape).collect();
        assert_eq!(shapes.len(), SHAPES.len());
        for letter in ('A'..='Z').chain('0'..='9').chain(['-', ' ']) {
            assert!(shape(letter).is_some(), "{letter}");
        }
        assert!(letters("WDJB-\u{e4}").is_none());
    }

    #[test]
    fn they_are_drawn() {
        let block = letters("tL").unwrap();
        assert_eq!(block.width(), 16);
        assert_eq!(
            block.to_string(),
            "    \u{2580}\u{2580}\u{2588}\u{2580}\u{2580} \u{2588}\n      \u{2588}   \u{2588}\n      \u{2580}   \u{2580}\u{2580}\u{2580}\u{2580}\u{2580}\n"
        );
    }
}
