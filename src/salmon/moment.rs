//! Moments as Atom writes them (RFC 3339), to the second.

use crate::clock::Timestamp;

const DAY: i64 = 24 * 60 * 60;

/// Reads a moment; one before 1970 is the epoch. `None` if it is none.
pub fn parse(text: &str) -> Option<Timestamp> {
    let (date, time) = text.trim().split_once(['T', 't'])?;
    let [year, month, day] = numbers(date, '-')?;
    let zone_at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at_checked(zone_at)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hours, minutes, seconds] = numbers(clock, ':')?;
    let is_date = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day) && date.len() == 10;
    // A leap second is the one after it.
    let is_clock = hours < 24 && minutes < 60 && seconds <= 60 && clock.len() == 8;
    if !is_date || !is_clock || !fraction.bytes().all(|b| b.is_ascii_digit()) || fraction.is_empty() {
        return None;
    }
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let (sign, rest) = zone
                .strip_prefix('+')
                .map(|rest| (1, rest))
                .or_else(|| Some((-1, zone.strip_prefix('-')?)))?;
            let [hours, minutes] = numbers(rest, ':')?;
            if rest.len() != 5 || hours > 23 || minutes > 59 {
                return None;
            }
            sign * (hours * 60 + minutes) * 60
        }
    };
    let seconds = days_to(year, month, day) * DAY + hours * 3600 + minutes * 60 + seconds - offset;
    Some(Timestamp::from_millis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000)))
}

/// Writes a moment, in UTC.
pub fn write(moment: Timestamp) -> String {
    // As many seconds as no calendar reaches are the end of the last year with four digits.
    let seconds = i64::try_from(moment.as_millis() / 1000).unwrap_or(i64::MAX).min(253_402_300_799);
    let (days, clock) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    // Years are counted up from where they must be at least.
    let mut year = 1970 + days / 366;
    while days_to(year + 1, 1, 1) <= days {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days_to(year, month + 1, 1) <= days {
        month += 1;
    }
    let day = days - days_to(year, month, 1) + 1;
    let (hours, minutes, seconds) = (clock / 3600, clock / 60 % 60, clock % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}Z")
}

/// Whole numbers of digits alone.
fn numbers<const N: usize>(text: &str, between: char) -> Option<[i64; N]> {
    let mut parts = text.split(between);
    let mut numbers = [0; N];
    for number in &mut numbers {
        let part =
            parts.next().filter(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))?;
        *number = part.parse().ok().filter(|number| *number <= 9999)?;
    }
    parts.next().is_none().then_some(numbers)
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970 to that date, in the calendar of today.
fn days_to(year: i64, month: i64, day: i64) -> i64 {
    let past = year - 1;
    let leaps = past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400);
    let months: i64 = (1..month).map(|month| days_in(year, month)).sum();
    // 719162 days lie between the first of the year 1 and that of 1970.
    past * 365 + leaps - 719_162 + months + day - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moments_are_read_and_written() {
        for (text, seconds, written) in [
            ("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"),
            (" 2026-03-01t12:00:00.5z\n", 1_772_366_400, "2026-03-01T12:00:00Z"),
            ("2026-03-01T13:30:00+01:30", 1_772_366_400, "2026-03-01T12:00:00Z"),
            ("2026-02-28T23:00:00-13:00", 1_772_366_400, "2026-03-01T12:00:00Z"),
            ("2024-02-29T23:59:60Z", 1_709_251_200, "2024-03-01T00:00:00Z"),
            ("9999-12-31T23:59:59Z", 253_402_300_799, "9999-12-31T23:59:59Z"),
            ("1969-12-31T23:59:59Z", 0, "1970-01-01T00:00:00Z"),
        ] {
            let moment = parse(text).unwrap();
            assert_eq!((moment.as_millis() / 1000, write(moment).as_str()), (seconds, written), "{text}");
        }
        assert_eq!(write(Timestamp::MAX), "9999-12-31T23:59:59Z");
        for text in [
            "",
            "2026-03-01",
            "2026-03-01T12:00:00",
            "2026-13-01T12:00:00Z",
            "2026-02-29T12:00:00Z",
            "2026-03-00T12:00:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T12:00Z",
            "2026-03-01T12:00:00.Z",
            "2026-03-01T12:00:00+1:00",
            "2026-03-01T12:00:00+01:60",
            "+2026-3-01T12:00:00Z",
            "2026-03-01T12:00:00ZZ",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in 0_u64..253_402_300_800) {
            let moment = Timestamp::from_millis(seconds * 1000);
            prop_assert_eq!(parse(&write(moment)), Some(moment));
        }

        #[test]
        fn nothing_makes_it_panic(text in "[0-9TZtz:.+ -]{0,40}") {
            let _ = parse(&text);
        }
    }
}
