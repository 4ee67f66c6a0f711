//! Times as pyATS's files have them: in the zone of the report, with its offset then.

use jiff::tz::TimeZone;
use oyez_wire::pyats::objects;

use crate::moment::{civil, push_number, push_padded};

/// A zone's clock. A report of a million sections asks for two million offsets, nearly all of them the same.
pub(super) struct Clock {
    zone: TimeZone,
    /// The offset, when it never changes.
    fixed: Option<i64>,
}

const SECOND: i64 = 1_000_000_000;

impl Clock {
    pub(super) fn new(zone: &TimeZone) -> Self {
        let fixed = zone.to_fixed_offset().ok().map(|o| i64::from(o.seconds()));
        Clock { zone: zone.clone(), fixed }
    }

    fn offset(&self, nanos: i64) -> i64 {
        match self.fixed {
            Some(seconds) => seconds,
            None => i64::from(self.zone.to_offset(objects::timestamp(nanos)).seconds()),
        }
    }

    /// The second on the wall's clock, counted as if it were UTC.
    pub(super) fn wall_second(&self, nanos: i64) -> i64 {
        nanos.div_euclid(SECOND) + self.offset(nanos)
    }

    /// As `str(datetime)`: `2026-11-20 16:44:31.787016+00:00`, without a fraction when that is nothing.
    pub(super) fn push_full(&self, out: &mut Vec<u8>, nanos: i64) {
        let offset = self.offset(nanos);
        push_civil(out, nanos.div_euclid(SECOND) + offset, b' ');
        let micros = nanos.rem_euclid(SECOND) / 1000;
        if micros != 0 {
            out.push(b'.');
            push_padded(out, micros.unsigned_abs(), 6);
        }
        let size = offset.unsigned_abs();
        out.push(if offset < 0 { b'-' } else { b'+' });
        push_padded(out, size / 3600, 2);
        out.push(b':');
        push_padded(out, size / 60 % 60, 2);
        if !size.is_multiple_of(60) {
            out.push(b':');
            push_padded(out, size % 60, 2);
        }
    }

    /// To the second and without an offset, as in XML: `2026-11-20T16:44:31`.
    pub(super) fn push_short(&self, out: &mut Vec<u8>, nanos: i64) {
        push_civil(out, self.wall_second(nanos), b'T');
    }

    /// How long it was by the clock's seconds: `00:00:02`; hours have as many digits as they need.
    pub(super) fn push_runtime(&self, out: &mut Vec<u8>, started: Option<i64>, stopped: Option<i64>) {
        let seconds = match (started, stopped) {
            (Some(started), Some(stopped)) => stopped.div_euclid(SECOND) - started.div_euclid(SECOND),
            _ => 0,
        };
        let hours = seconds.div_euclid(3600).max(0).unsigned_abs();
        if hours < 100 {
            push_padded(out, hours, 2);
        } else {
            push_number(out, hours);
        }
        let of_hour = seconds.rem_euclid(3600).unsigned_abs();
        out.push(b':');
        push_padded(out, of_hour / 60, 2);
        out.push(b':');
        push_padded(out, of_hour % 60, 2);
    }
}

fn push_civil(out: &mut Vec<u8>, wall: i64, between: u8) {
    let (days, of_day) = (wall.div_euclid(86_400), wall.rem_euclid(86_400).unsigned_abs());
    let (year, month, day) = civil(days);
    push_padded(out, year.unsigned_abs(), 4);
    out.push(b'-');
    push_padded(out, month, 2);
    out.push(b'-');
    push_padded(out, day, 2);
    out.push(between);
    push_padded(out, of_day / 3600, 2);
    out.push(b':');
    push_padded(out, of_day / 60 % 60, 2);
    out.push(b':');
    push_padded(out, of_day % 60, 2);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_those_of_the_zone() {
        let at = 1_795_193_071_787_016_000;
        let utc = Clock::new(&TimeZone::UTC);
        assert_eq!(text(|o| utc.push_full(o, at)), "2026-11-20 16:44:31.787016+00:00");
        assert_eq!(text(|o| utc.push_full(o, at - 787_016_000)), "2026-11-20 16:44:31+00:00");
        let west = Clock::new(&jiff::tz::offset(-5).to_time_zone());
        assert_eq!(text(|o| west.push_short(o, at)), "2026-11-20T11:44:31");
        assert_eq!(text(|o| west.push_full(o, 0)), "1969-12-31 19:00:00-05:00");
    }

    #[test]
    fn runtimes_count_the_seconds_that_a_clock_shows() {
        let clock = Clock::new(&TimeZone::UTC);
        let took = |from: f64, to: f64| {
            let nanos = |s: f64| Some((s * 1e9) as i64);
            text(|o| clock.push_runtime(o, nanos(from), nanos(to)))
        };
        assert_eq!(took(0.9, 1.1), "00:00:01");
        assert_eq!(took(0.0, 90_061.7), "25:01:01");
        assert_eq!(took(0.0, 1e8), "27777:46:40");
        assert_eq!(took(1.0, 0.0), "00:59:59");
        assert_eq!(text(|o| clock.push_runtime(o, None, Some(5))), "00:00:00");
    }
}
