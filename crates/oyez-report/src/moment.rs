//! Times and durations as text. A report of a million sections prints millions of them, so this is plain arithmetic.

use oyez_model::Time;

const SECOND: i64 = 1_000_000_000;

/// RFC 3339 in UTC with as many digits as there are, the same text as [`Time`]'s own `Display`.
pub(crate) fn push_rfc3339(out: &mut Vec<u8>, time: Time) {
    push_to_second(out, time);
    push_fraction(out, time.0.rem_euclid(SECOND).unsigned_abs());
    out.push(b'Z');
}

/// RFC 3339 in UTC, whole seconds: `2026-11-20T16:53:21Z`.
pub(crate) fn rfc3339_seconds(time: Time) -> String {
    let mut out = Vec::with_capacity(20);
    push_to_second(&mut out, time);
    out.push(b'Z');
    String::from_utf8(out).unwrap_or_default()
}

/// `2026-11-20 16:53:21 UTC`, for people.
pub(crate) fn for_people(time: Time) -> String {
    rfc3339_seconds(time).replace('T', " ").replace('Z', " UTC")
}

fn push_to_second(out: &mut Vec<u8>, time: Time) {
    let seconds = time.0.div_euclid(SECOND);
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    push_padded(out, year.unsigned_abs(), 4);
    out.push(b'-');
    push_padded(out, month, 2);
    out.push(b'-');
    push_padded(out, day, 2);
    out.push(b'T');
    let of_day = of_day.unsigned_abs();
    push_padded(out, of_day / 3600, 2);
    out.push(b':');
    push_padded(out, of_day / 60 % 60, 2);
    out.push(b':');
    push_padded(out, of_day % 60, 2);
}

// The proleptic Gregorian date of a day since 1970-01-01. Years are counted from March, so that the leap day is the
// last of its year; 146,097 days make 400 years.
pub(crate) fn civil(days: i64) -> (i64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month.unsigned_abs(), day.unsigned_abs())
}

/// A number of nanoseconds as seconds, exactly: `1.5`, `0.000000001`, `12`.
pub(crate) fn push_seconds(out: &mut Vec<u8>, nanos: u64) {
    push_number(out, nanos / 1_000_000_000);
    push_fraction(out, nanos % 1_000_000_000);
}

/// Seconds with three digits after the point, as JUnit's schema wants them.
pub(crate) fn seconds_3(nanos: u64) -> String {
    let millis = nanos.saturating_add(500_000) / 1_000_000;
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// A duration for people: `3 µs`, `45 ms`, `1.23 s`, `2 min 03 s`, `1 h 02 min`.
pub(crate) fn human(nanos: u64) -> String {
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{} µs", nanos / 1_000),
        1_000_000..1_000_000_000 => format!("{} ms", nanos / 1_000_000),
        1_000_000_000..60_000_000_000 => {
            let hundredths = nanos / 10_000_000;
            format!("{}.{:02} s", hundredths / 100, hundredths % 100)
        }
        60_000_000_000..3_600_000_000_000 => {
            let seconds = nanos / 1_000_000_000;
            format!("{} min {:02} s", seconds / 60, seconds % 60)
        }
        _ => {
            let minutes = nanos / 60_000_000_000;
            format!("{} h {:02} min", minutes / 60, minutes % 60)
        }
    }
}

/// Whole milliseconds since the Unix epoch.
pub(crate) fn epoch_millis(time: Time) -> i64 {
    time.0.div_euclid(1_000_000)
}

pub(crate) fn push_number(out: &mut Vec<u8>, n: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut n = n;
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

pub(crate) fn push_padded(out: &mut Vec<u8>, n: u64, width: u32) {
    for place in (0..width).rev() {
        out.push(b'0' + (n / 10u64.pow(place) % 10) as u8);
    }
}

// `.` and the digits of a number of nanoseconds below a second, without zeros at the end; nothing for zero.
fn push_fraction(out: &mut Vec<u8>, nanos: u64) {
    if nanos == 0 {
        return;
    }
    out.push(b'.');
    push_padded(out, nanos, 9);
    while out.last() == Some(&b'0') {
        out.pop();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_time_is_printed_as_the_model_prints_it(nanos in any::<i64>()) {
            let mut out = Vec::new();
            push_rfc3339(&mut out, Time(nanos));
            prop_assert_eq!(String::from_utf8(out).unwrap(), Time(nanos).to_string());
        }
    }

    #[test]
    fn seconds_are_exact_and_short() {
        let text = |nanos| {
            let mut out = Vec::new();
            push_seconds(&mut out, nanos);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(0), "0");
        assert_eq!(text(1), "0.000000001");
        assert_eq!(text(12_500_000_000), "12.5");
        assert_eq!(seconds_3(1_234_567_890), "1.235");
    }

    #[test]
    fn durations_read_well() {
        let cases = [(999, "999 ns"), (45_600, "45 µs"), (45_600_000, "45 ms"), (1_239_000_000, "1.23 s")];
        for (nanos, want) in cases {
            assert_eq!(human(nanos), want);
        }
        assert_eq!(human(123_000_000_000), "2 min 03 s");
        assert_eq!(human(3_720_000_000_000), "1 h 02 min");
    }
}
