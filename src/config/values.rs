//! Sizes and durations as people write them.

use std::time::Duration;

/// Why a text is no size or duration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// No number in front.
    #[error("{0:?} does not begin with a number")]
    NoNumber(String),
    /// A unit that does not exist.
    #[error("{unit:?} is no unit; use {known}")]
    Unit {
        /// What was written.
        unit: String,
        /// What could have been.
        known: &'static str,
    },
    /// Zero or beyond what can be counted.
    #[error("{0:?} is out of range")]
    Range(String),
    /// Below the least that works.
    #[error("it has to be at least {0}")]
    TooSmall(&'static str),
}

/// A number of bytes: `4096`, `500KiB`, `64MiB`, `1GiB` (`K`, `KB` and so on mean the same).
///
/// # Errors
/// See [`ValueError`].
pub fn size(text: &str) -> Result<usize, ValueError> {
    let (number, unit) = split(text)?;
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => {
            return Err(ValueError::Unit { unit: unit.into(), known: "KiB, MiB or GiB" });
        }
    };
    let bytes = number * f64::from(1_u32 << shift);
    // 2^53: beyond it f64 skips numbers, and memory ends long before.
    if !(1.0..=9_007_199_254_740_992.0).contains(&bytes) {
        return Err(ValueError::Range(text.into()));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // the range was just checked
    usize::try_from(bytes as u64).map_err(|_| ValueError::Range(text.into()))
}

/// A duration: `5`, `5s`, `500ms`, `2m`, `1h`.
///
/// # Errors
/// See [`ValueError`].
pub fn duration(text: &str) -> Result<Duration, ValueError> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => {
            return Err(ValueError::Unit { unit: unit.into(), known: "ms, s, m or h" });
        }
    };
    // A year: beyond it there is no point in a limit, and instants must not overflow.
    let limit = Duration::from_secs(365 * 24 * 3600);
    Duration::try_from_secs_f64(number * seconds)
        .ok()
        .filter(|duration| *duration <= limit)
        .ok_or_else(|| ValueError::Range(text.into()))
}

fn split(text: &str) -> Result<(f64, &str), ValueError> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number = text[..end].parse().map_err(|_| ValueError::NoNumber(text.into()))?;
    Ok((number, text[end..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(size("1.5 KiB"), Ok(1536));
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!(size("1g"), Ok(1 << 30));
        for text in ["", "MiB", "0", "-1", "1TiB", "1..2", "99999999999999999999"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("5"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        for text in ["", "s", "-1s", "1d", "99999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
