//! Times as telemetry writes them, as ticks of 100 ns since 0001-01-01T00:00Z.
//!
//! Only the forms that can't be mistaken are read here (column types are inferred from them); KQL's own `todatetime` is
//! `value::scalar`'s. Never reads a clock: where a year is missing, `now` comes in as a parameter.

/// Ticks from 0001-01-01 to 1970-01-01.
pub const UNIX_EPOCH_TICKS: i64 = 621_355_968_000_000_000;
/// Ticks in a second.
pub const TICKS_PER_SECOND: i64 = 10_000_000;
/// Ticks in a day.
pub const TICKS_PER_DAY: i64 = 86_400 * TICKS_PER_SECOND;
/// The last tick of 9999-12-31, as in Kusto's `datetime`.
pub const TICKS_MAX: i64 = 3_155_378_975_999_999_999;

/// Returns the ticks of a time in nanoseconds since 1970, or `None` for 0, which OTLP uses for "not set".
pub fn ticks_from_unix_nanos(time_ns: u64) -> Option<i64> {
    // u64::MAX ns is the year 2554, so the sum stays within Kusto's range.
    (time_ns != 0).then(|| UNIX_EPOCH_TICKS + (time_ns / 100) as i64)
}

/// Returns the ticks of a number that counts seconds, milli-, micro- or nanoseconds since 1970, judged by its size.
///
/// Years 1973 to 2286 in each unit are told apart; a smaller number is not taken for a time.
pub fn ticks_from_epoch_number(number: f64) -> Option<i64> {
    let scale = match number.abs() {
        n if (1e8..1e10).contains(&n) => 1e7,
        n if (1e11..1e13).contains(&n) => 1e4,
        n if (1e14..1e16).contains(&n) => 1e1,
        n if (1e17..1e19).contains(&n) => 1e-2,
        _ => return None,
    };
    Some(UNIX_EPOCH_TICKS + (number * scale).round() as i64)
}

/// Does what [`ticks_from_epoch_number`] does, exactly.
pub fn ticks_from_epoch_integer(number: i64) -> Option<i64> {
    let ticks = match number {
        100_000_000..=9_999_999_999 => number * TICKS_PER_SECOND,
        100_000_000_000..=9_999_999_999_999 => number * 10_000,
        100_000_000_000_000..=9_999_999_999_999_999 => number * 10,
        100_000_000_000_000_000.. => number / 100,
        _ => return None,
    };
    Some(UNIX_EPOCH_TICKS + ticks)
}

/// Returns the days from 0001-01-01 to a date of the proleptic Gregorian calendar, or `None` when there is no such date.
pub fn days_from_date(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    // Years begin in March here, so that the leap day is a year's last (Hinnant, "chrono-Compatible Low-Level Date
    // Algorithms").
    let shifted = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + day_of_year - 306)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Returns the year of a time.
pub fn year_of(ticks: i64) -> i64 {
    let days = ticks.div_euclid(TICKS_PER_DAY);
    let mut year = (days * 400 / 146_097 + 1).clamp(1, 9999);
    while year > 1 && days_from_date(year, 1, 1).is_some_and(|first| first > days) {
        year -= 1;
    }
    while days_from_date(year + 1, 1, 1).is_some_and(|first| first <= days) {
        year += 1;
    }
    year
}

/// Reads digits off the front of a text.
pub(crate) struct Scanner<'a> {
    /// What is left.
    pub rest: &'a [u8],
}

impl Scanner<'_> {
    /// Reads exactly `count` digits.
    pub fn digits(&mut self, count: usize) -> Option<i64> {
        let digits = self.rest.get(..count)?;
        let value = decimal(digits)?;
        self.rest = &self.rest[count..];
        Some(value)
    }

    /// Reads the byte.
    pub fn byte(&mut self, byte: u8) -> Option<()> {
        self.any_byte(&[byte])
    }

    /// Reads one of the bytes.
    pub fn any_byte(&mut self, bytes: &[u8]) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        bytes.contains(first).then(|| self.rest = rest)
    }

    /// Reads as many digits as there are, at least one: a fraction of a second in ticks, cut after the seventh.
    fn fraction_ticks(&mut self) -> Option<i64> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        let kept = &digits[..count.min(7)];
        decimal(kept).map(|value| value * 10_i64.pow(7 - kept.len() as u32))
    }

    /// Reads `hh:mm:ss` with an optional fraction, as ticks. A leap second counts as the second before it.
    pub fn clock_ticks(&mut self) -> Option<i64> {
        let hour = self.digits(2)?;
        self.byte(b':')?;
        let minute = self.digits(2)?;
        self.byte(b':')?;
        let second = self.digits(2)?;
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let whole = (hour * 60 + minute) * 60 + second.min(59);
        let fraction = if self.any_byte(b".,").is_some() { self.fraction_ticks()? } else { 0 };
        Some(whole * TICKS_PER_SECOND + fraction)
    }

    /// Reads `Z`, ` UTC`, `+hh:mm`, `+hhmm` or nothing: the offset from UTC in ticks.
    pub fn zone_ticks(&mut self) -> Option<i64> {
        let named: [&[u8]; 4] = [b"Z", b"z", b" UTC", b" GMT"];
        if let Some(rest) = named.iter().find_map(|name| self.rest.strip_prefix(*name)) {
            self.rest = rest;
            return Some(0);
        }
        let sign = match self.rest.first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Some(0),
        };
        self.rest = &self.rest[1..];
        let hour = self.digits(2)?;
        let minute = if self.byte(b':').is_some() || !self.rest.is_empty() { self.digits(2)? } else { 0 };
        (hour <= 14 && minute <= 59).then_some(sign * (hour * 60 + minute) * 60 * TICKS_PER_SECOND)
    }
}

/// Returns the number that decimal digits write; `None` when there are none, too many, or something else.
pub(crate) fn decimal(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
}

/// Returns the time that an ISO 8601 / RFC 3339 date and time writes: `2026-11-24T00:05:06.789Z`.
///
/// A blank may stand for `T`; without a zone it is UTC; a date alone is midnight.
pub fn ticks_from_iso(text: &[u8]) -> Option<i64> {
    let mut scanner = Scanner { rest: text };
    let ticks = read_iso(&mut scanner)?;
    scanner.rest.is_empty().then_some(ticks)
}

/// Reads an ISO 8601 date and time off the front of a text.
pub(crate) fn read_iso(scanner: &mut Scanner<'_>) -> Option<i64> {
    let year = scanner.digits(4)?;
    scanner.byte(b'-')?;
    let month = scanner.digits(2)?;
    scanner.byte(b'-')?;
    let day = scanner.digits(2)?;
    let date = days_from_date(year, month, day)? * TICKS_PER_DAY;
    if scanner.rest.is_empty() {
        return Some(date);
    }
    scanner.any_byte(b"Tt ")?;
    let clock = scanner.clock_ticks()?;
    let zone = scanner.zone_ticks()?;
    let ticks = date + clock - zone;
    (0..=TICKS_MAX).contains(&ticks).then_some(ticks)
}

/// Returns the ticks of a timespan in Kusto's own notation `[-][d.]hh:mm:ss[.fffffff]`.
pub fn ticks_from_timespan(text: &[u8]) -> Option<i64> {
    let (sign, text) = text.strip_prefix(b"-").map_or((1, text), |rest| (-1, rest));
    let (days, clock) = match text.iter().position(|byte| matches!(byte, b'.' | b':')) {
        Some(at) if text[at] == b'.' => (decimal(&text[..at])?, &text[at + 1..]),
        _ => (0, text),
    };
    let mut scanner = Scanner { rest: clock };
    let clock = scanner.clock_ticks()?;
    let ticks = days.checked_mul(TICKS_PER_DAY)?.checked_add(clock)?;
    scanner.rest.is_empty().then_some(sign * ticks)
}

/// Returns a time as KQL prints it: `2026-11-24T00:05:06.7890000Z`.
pub(crate) fn iso_from_ticks(ticks: i64) -> String {
    let days = ticks.div_euclid(TICKS_PER_DAY);
    let year = year_of(ticks);
    let mut day = days - days_from_date(year, 1, 1).unwrap_or(0) + 1;
    let mut month = 1;
    while month < 12 && day > days_in_month(year, month) {
        day -= days_in_month(year, month);
        month += 1;
    }
    format!("{year:04}-{month:02}-{day:02}T{}Z", clock_text(ticks.rem_euclid(TICKS_PER_DAY)))
}

/// Returns a timespan as KQL prints it: `[-][d.]hh:mm:ss[.fffffff]`.
pub(crate) fn text_from_timespan(ticks: i64) -> String {
    let sign = if ticks < 0 { "-" } else { "" };
    let ticks = ticks.unsigned_abs();
    let days = match ticks / TICKS_PER_DAY as u64 {
        0 => String::new(),
        days => format!("{days}."),
    };
    let clock = clock_text((ticks % TICKS_PER_DAY as u64) as i64);
    let clock = clock.strip_suffix(".0000000").unwrap_or(&clock);
    format!("{sign}{days}{clock}")
}

fn clock_text(ticks: i64) -> String {
    let seconds = ticks / TICKS_PER_SECOND;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hour:02}:{minute:02}:{second:02}.{:07}", ticks % TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_count_from_year_one() {
        assert_eq!(days_from_date(1, 1, 1), Some(0));
        assert_eq!(days_from_date(1970, 1, 1).unwrap() * TICKS_PER_DAY, UNIX_EPOCH_TICKS);
        assert_eq!(days_from_date(2000, 3, 1).unwrap() - days_from_date(2000, 2, 28).unwrap(), 2);
        assert_eq!(days_from_date(2023, 2, 29), None);
        assert_eq!(days_from_date(9999, 12, 31).unwrap() * TICKS_PER_DAY + TICKS_PER_DAY - 1, TICKS_MAX);
        for year in [1, 4, 1600, 1970, 1999, 2000, 2026, 9999] {
            let first = days_from_date(year, 1, 1).unwrap() * TICKS_PER_DAY;
            let last = days_from_date(year, 12, 31).unwrap() * TICKS_PER_DAY;
            assert_eq!((year_of(first), year_of(last)), (year, year));
        }
    }

    #[test]
    fn iso_times_are_read_with_and_without_zone_and_fraction() {
        // 2020-01-01T00:00:00Z is 1577836800 in Unix time.
        let base = UNIX_EPOCH_TICKS + 1_577_836_800 * TICKS_PER_SECOND;
        assert_eq!(ticks_from_iso(b"2020-01-01T00:00:00Z"), Some(base));
        assert_eq!(ticks_from_iso(b"2020-01-01"), Some(base));
        assert_eq!(ticks_from_iso(b"2020-01-01 00:00:00.000 UTC"), Some(base));
        assert_eq!(ticks_from_iso(b"2020-01-01 00:00:00.123456789"), Some(base + 1_234_567));
        assert_eq!(ticks_from_iso(b"2020-01-01T01:30:00+01:30"), Some(base));
        assert_eq!(ticks_from_iso(b"2019-12-31T19:00:00-0500"), Some(base));
        for wrong in
            [&b"2020-13-01"[..], b"2020-01-01T24:00:00Z", b"2020-01-01Tx", b"20200101", b"2020-01-01T00:00:00Zx"]
        {
            assert_eq!(ticks_from_iso(wrong), None, "{}", String::from_utf8_lossy(wrong));
        }
    }

    #[test]
    fn times_print_as_they_are_read() {
        for text in ["2026-11-24T00:05:06.7890001Z", "0001-01-01T00:00:00.0000000Z", "2024-12-31T23:59:59.9999999Z"] {
            assert_eq!(iso_from_ticks(ticks_from_iso(text.as_bytes()).unwrap()), text);
        }
        for text in ["00:00:01", "-1.02:03:04.5000000"] {
            assert_eq!(text_from_timespan(ticks_from_timespan(text.as_bytes()).unwrap()), text);
        }
    }

    #[test]
    fn timespans_and_epoch_numbers() {
        assert_eq!(ticks_from_timespan(b"1.02:03:04.5"), Some(TICKS_PER_DAY + 7384 * TICKS_PER_SECOND + 5_000_000));
        assert_eq!(ticks_from_timespan(b"-00:00:01"), Some(-TICKS_PER_SECOND));
        assert_eq!(ticks_from_timespan(b"10:00"), None);
        let base = UNIX_EPOCH_TICKS + 1_577_836_800 * TICKS_PER_SECOND;
        assert_eq!(ticks_from_epoch_integer(1_577_836_800), Some(base));
        assert_eq!(ticks_from_epoch_integer(1_577_836_800_000), Some(base));
        assert_eq!(ticks_from_epoch_number(1_577_836_800.5), Some(base + 5_000_000));
        assert_eq!(ticks_from_epoch_integer(42), None);
    }
}
