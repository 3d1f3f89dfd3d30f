//! Times as people type them: `now`, so long from now (`30m`, `2h`, `3d`), or RFC 3339 in UTC.

use cbm_proto::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};

use crate::clock::Clock;

/// Reads one; for `value_parser`.
///
/// # Errors
/// It is none of the three forms.
pub fn when(text: &str) -> Result<Timestamp, String> {
    at(text, Clock::start().now().wall)
}

fn at(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let ahead = || {
        let split = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at(split);
        let unit = match unit {
            "s" => SECOND,
            "m" => MINUTE,
            "h" => HOUR,
            "d" => DAY,
            _ => return None,
        };
        Some(now.plus(number.parse::<u64>().ok()?.saturating_mul(unit)))
    };
    match text {
        "now" => Ok(now),
        _ => Timestamp::parse(text).or_else(ahead).ok_or_else(|| {
            "a time is `now`, so long from now (30m, 2h, 3d), or as 2027-03-01T06:30:00Z".to_owned()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms_are_read_and_nothing_else() {
        let now = Timestamp(1_000);
        assert_eq!(at("now", now), Ok(now));
        assert_eq!(at("30m", now), Ok(now.plus(30 * MINUTE)));
        assert_eq!(at("2d", now), Ok(now.plus(2 * DAY)));
        assert_eq!(at("1970-01-01T00:00:05Z", now), Ok(Timestamp(5_000)));
        for bad in ["", "m", "soon", "30", "30 m", "2027-03-01T06:30:00+01:00"] {
            assert!(at(bad, now).is_err(), "{bad}");
        }
    }
}
