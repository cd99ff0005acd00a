//! Moments of the calendar (RFC 3339, UTC), to the millisecond.

use time::{Date, Month, OffsetDateTime};

/// Milliseconds since 1970, or `None` if the text is no moment in UTC.
pub fn parse(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = bytes.get(from..to)?;
        digits.iter().try_fold(0, |sum, digit| {
            digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'))
        })
    };
    let is = |at: usize, wanted: &[u8]| bytes.get(at).is_some_and(|byte| wanted.contains(byte));
    let shape = is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":");
    if !shape {
        return None;
    }
    let month = Month::try_from(u8::try_from(number(5, 7)?).ok()?).ok()?;
    let (year, day) = (i32::try_from(number(0, 4)?).ok()?, u8::try_from(number(8, 10)?).ok()?);
    let date = Date::from_calendar_date(year, month, day).ok()?;
    let [hour, minute, second] = [number(11, 13)?, number(14, 16)?, number(17, 19)?];
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let rest = text.get(19..)?;
    let zone = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
    let (fraction, zone) = rest.split_at(zone);
    if !matches!(zone, "Z" | "z" | "+00:00") {
        return None;
    }
    let mut digits = fraction.strip_prefix('.').unwrap_or_default().bytes();
    let milliseconds =
        (0..3).fold(0, |sum, _| sum * 10 + digits.next().map_or(0, |digit| i64::from(digit & 15)));
    let seconds =
        date.midnight().assume_utc().unix_timestamp() + (hour * 60 + minute) * 60 + second;
    Some(seconds * 1000 + milliseconds)
}

/// The moment so many milliseconds after 1970; empty where the calendar has ended.
pub fn format(milliseconds: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000);
    let Ok(at) = at else {
        return String::new();
    };
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second, milli) = (at.hour(), at.minute(), at.second(), at.millisecond());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_there_and_back() {
        for (text, milliseconds) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T23:59:59.999Z", 951_868_799_999),
            ("2026-11-25T17:55:04.123Z", 1_795_629_304_123),
            ("1969-12-31T23:59:59.500Z", -500),
        ] {
            assert_eq!(parse(text), Some(milliseconds), "{text}");
            assert_eq!(format(milliseconds), text);
        }
        assert_eq!(parse("1970-01-01T00:00:01Z"), Some(1000));
        assert_eq!(parse("1970-01-01T00:00:01.25+00:00"), Some(1250));
        for day in (-200_000..200_000).step_by(17) {
            assert_eq!(parse(&format(day * 86_400_000)), Some(day * 86_400_000));
        }
    }

    #[test]
    fn other_texts_are_no_moments() {
        for text in [
            "",
            "now",
            "1970-13-01T00:00:00Z",
            "1970-02-30T00:00:00Z",
            "1970-01-01T00:00:00",
            "1970-01-01T25:00:00Z",
            "1970-01-01T00:00:00+02:00",
            "١٩٧٠-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
