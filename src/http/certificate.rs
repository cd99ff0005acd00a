//! What a certificate says about its own life time (RFC 5280, section 4.1), and nothing else: the
//! judgement over it is the TLS library's (pure).

/// When a certificate in DER expires, in seconds since 1970; none if that cannot be read.
pub fn expires(certificate: &[u8]) -> Option<i64> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut fields, _) = element(certificate)?;
    // version, if it is there; serialNumber, signature, issuer; validity.
    if fields.first() == Some(&EXPLICIT_0) {
        fields = element(fields)?.2;
    }
    for _ in 0..3 {
        fields = element(fields)?.2;
    }
    let (_, validity, _) = element(fields)?;
    let (_, _, rest) = element(validity)?;
    let (kind, time, _) = element(rest)?;
    seconds(kind, time)
}

/// A date in the form of RFC 3339, section 5.6: year, month and day.
pub fn date(seconds: i64) -> String {
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

/// Seconds of a day.
const DAY: i64 = 86_400;
/// The tag of the version.
const EXPLICIT_0: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The first element of DER: its tag, its contents, and what is behind it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

fn seconds(kind: u8, time: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(time).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match (kind, text.len()) {
        // Section 4.1.2.5.1: two digits from 1950 on.
        (UTC_TIME, 12) => {
            let year: i64 = text[..2].parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, &text[2..])
        }
        (GENERALIZED_TIME, 14) => (text[..4].parse().ok()?, &text[4..]),
        _ => return None,
    };
    let two = |at: usize| rest[at..at + 2].parse::<i64>().ok();
    let (month, day, hour, minute, second) = (two(0)?, two(2)?, two(4)?, two(6)?, two(8)?);
    let fine = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
    (fine && second < 61).then(|| days(year, month, day) * DAY + hour * 3600 + minute * 60 + second)
}

/// Days since 1970 of a date in the Gregorian calendar. Years begin in March, so that the leap day is
/// the last one of a year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, in_era) = (year.div_euclid(400), year.rem_euclid(400));
    let in_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719_468
}

/// The other way round.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, in_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * in_year + 2) / 153;
    let day = in_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_of_real_certificates() {
        for (year, month, day) in [(2049, 12, 31), (2050, 1, 1), (1999, 2, 28), (2024, 2, 29)] {
            let mut params = rcgen::CertificateParams::new(vec!["h.example".to_owned()]).unwrap();
            params.not_before = rcgen::date_time_ymd(1990, 1, 1);
            params.not_after = rcgen::date_time_ymd(year, month, day);
            let key = rcgen::KeyPair::generate().unwrap();
            let der = params.self_signed(&key).unwrap().der().to_vec();
            let found = expires(&der).unwrap();
            assert_eq!(date(found), format!("{year:04}-{month:02}-{day:02}"));
            assert_eq!(found, params.not_after.unix_timestamp());
            for end in 0..der.len().min(300) {
                let _ = expires(&der[..end]);
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_a_certificate_that_is_none(bytes: Vec<u8>) {
            let _ = expires(&bytes);
        }

        #[test]
        fn dates_go_there_and_back(day in -700_000_i64..3_000_000) {
            let (y, m, d) = civil(day);
            assert_eq!(days(y, m, d), day);
        }
    }
}
