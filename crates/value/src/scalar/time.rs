//! Text to datetimes and timespans.
//!
//! # Source
//! Kusto documentation, "The datetime data type" and "The timespan data type": the tables of formats. With slashes or
//! dashes and the year last, the month comes first (conformance `trap/222`).

use crate::scalar::calendar::{Civil, TICKS_MAX};
use crate::scalar::format::{TICKS_PER_DAY, TICKS_PER_SECOND};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// Returns the ticks of a datetime, or `None` when the text is not one.
pub fn parse_datetime(text: &[u8]) -> Option<i64> {
    let mut scan = Scan { text: text.trim_ascii(), offset: 0 };
    scan.weekday();
    let mut civil = scan.date()?;
    let mut shift_minutes = 0;
    if scan.starts_time() {
        scan.time(&mut civil)?;
        shift_minutes = scan.zone()?;
    }
    scan.space();
    if scan.offset != scan.text.len() {
        return None;
    }
    let ticks = civil.to_ticks()?.checked_sub(shift_minutes * 60 * TICKS_PER_SECOND)?;
    (0..=TICKS_MAX).contains(&ticks).then_some(ticks)
}

/// Returns the ticks of a timespan: `1.02:03:04.5`, `10:00`, `2` (days), `1.5h`, `15 seconds`; or `None`.
pub fn parse_timespan(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii();
    let (is_negative, text) = match text.split_first()? {
        (b'-', rest) => (true, rest.trim_ascii_start()),
        (b'+', rest) => (false, rest.trim_ascii_start()),
        _ => (false, text),
    };
    let ticks = if text.contains(&b':') { clock(text)? } else { quantity(text)? };
    i64::try_from(if is_negative { -ticks } else { ticks }).ok()
}

/// Returns the nanoseconds of a unit of time.
///
/// # Source
/// Kusto documentation, "The timespan data type", and the units that Microsoft's parser takes.
fn unit_ns(unit: &[u8]) -> Option<i128> {
    const SECOND: i128 = 1_000_000_000;
    Some(match unit {
        b"" | b"d" | b"day" | b"days" => 86_400 * SECOND,
        b"h" | b"hr" | b"hrs" | b"hour" | b"hours" => 3_600 * SECOND,
        b"m" | b"min" | b"minute" | b"minutes" => 60 * SECOND,
        b"s" | b"sec" | b"second" | b"seconds" => SECOND,
        b"ms" | b"milli" | b"millis" | b"millisec" | b"millisecond" | b"milliseconds" => 1_000_000,
        b"micro" | b"micros" | b"microsec" | b"microsecond" | b"microseconds" => 1_000,
        b"tick" | b"ticks" => 100,
        b"nano" | b"nanos" | b"nanosec" | b"nanosecond" | b"nanoseconds" => 1,
        _ => return None,
    })
}

/// Reads a number and a unit; what is less than a tick is cut off (conformance `trap/336`).
fn quantity(text: &[u8]) -> Option<i128> {
    let mut scan = Scan { text, offset: 0 };
    let mut mantissa: i128 = 0;
    let mut divisor: i128 = 1;
    let mut is_fraction = false;
    let mut digits = 0;
    while let Some(byte) = scan.peek() {
        match byte {
            b'0'..=b'9' => {
                digits += 1;
                // More digits than this say nothing about 100 ns.
                if digits <= 24 {
                    mantissa = mantissa * 10 + i128::from(byte - b'0');
                    divisor *= if is_fraction { 10 } else { 1 };
                } else if !is_fraction {
                    return None;
                }
            }
            b'.' if !is_fraction => is_fraction = true,
            _ => break,
        }
        scan.offset += 1;
    }
    if digits == 0 {
        return None;
    }
    let ns = mantissa.checked_mul(unit_ns(scan.text[scan.offset..].trim_ascii())?)?;
    Some(ns / divisor / 100)
}

/// Reads `[d.]hh:mm[:ss[.fffffff]]` or `d:hh:mm:ss[.fffffff]`.
fn clock(text: &[u8]) -> Option<i128> {
    let mut scan = Scan { text, offset: 0 };
    let first = scan.number(8)?;
    let is_day_first = scan.take(b'.');
    let (mut days, hours) = if is_day_first { (first, scan.number(2)?) } else { (0, first) };
    if !scan.take(b':') {
        return None;
    }
    let mut parts = [hours, scan.number(2)?, 0];
    if scan.take(b':') {
        parts[2] = scan.number(2)?;
        if !is_day_first && scan.take(b':') {
            days = hours;
            parts = [parts[1], parts[2], scan.number(2)?];
        }
    }
    let fraction = if scan.take(b'.') { scan.fraction()? } else { 0 };
    if scan.offset != text.len() || parts[0] > 23 || parts[1] > 59 || parts[2] > 59 {
        return None;
    }
    let seconds = parts[0] * 3_600 + parts[1] * 60 + parts[2];
    Some(i128::from(days) * i128::from(TICKS_PER_DAY) + i128::from(seconds * TICKS_PER_SECOND + fraction))
}

struct Scan<'a> {
    text: &'a [u8],
    offset: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.offset).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.offset += usize::from(is_there);
        is_there
    }

    fn space(&mut self) -> bool {
        let start = self.offset;
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.offset += 1;
        }
        self.offset > start
    }

    /// Reads an unsigned number of at most `digits_max` digits.
    fn number(&mut self, digits_max: usize) -> Option<i64> {
        self.counted_number(digits_max).map(|(number, _)| number)
    }

    fn counted_number(&mut self, digits_max: usize) -> Option<(i64, usize)> {
        let mut number = 0;
        let mut count = 0;
        while let Some(byte @ b'0'..=b'9') = self.peek() {
            if count == digits_max {
                return None;
            }
            number = number * 10 + i64::from(byte - b'0');
            count += 1;
            self.offset += 1;
        }
        (count > 0).then_some((number, count))
    }

    /// Reads the digits after a decimal point of seconds as ticks; more than seven are cut off.
    fn fraction(&mut self) -> Option<i64> {
        let mut ticks = 0;
        let mut count = 0;
        while let Some(byte @ b'0'..=b'9') = self.peek() {
            if count < 7 {
                ticks = ticks * 10 + i64::from(byte - b'0');
            }
            count += 1;
            self.offset += 1;
        }
        (count > 0).then(|| ticks * 10_i64.pow(7_u32.saturating_sub(count)))
    }

    fn letters(&mut self) -> &[u8] {
        let start = self.offset;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
            self.offset += 1;
        }
        &self.text[start..self.offset]
    }

    /// Reads a name of the list, whole or by its first three letters; returns its position.
    fn name(&mut self, names: &[&str]) -> Option<usize> {
        let start = self.offset;
        let word = self.letters().to_ascii_lowercase();
        let found = names.iter().position(|name| name.as_bytes() == word || &name.as_bytes()[..3] == word.as_slice());
        if found.is_none() {
            self.offset = start;
        }
        found
    }

    /// Skips a day of the week in front of a date.
    fn weekday(&mut self) {
        if self.name(&WEEKDAYS).is_some() {
            self.take(b',');
            self.space();
        }
    }

    /// Reads a separator of date parts, with spaces around it, or only spaces.
    fn separator(&mut self) -> Option<u8> {
        let has_space = self.space();
        match self.peek() {
            Some(byte @ (b'-' | b'/' | b'.' | b',')) => {
                self.offset += 1;
                self.space();
                Some(byte)
            }
            _ => has_space.then_some(b' '),
        }
    }

    fn date(&mut self) -> Option<Civil> {
        if self.peek()?.is_ascii_alphabetic() {
            let month = self.month_name()?;
            self.separator()?;
            let day = self.number(2)?;
            self.separator()?;
            return Some(Civil::midnight(self.year()?, month, day));
        }
        let (first, digits) = self.counted_number(4)?;
        let separator = self.separator()?;
        if self.peek()?.is_ascii_alphabetic() {
            let month = self.month_name()?;
            self.separator()?;
            return Some(Civil::midnight(self.year()?, month, first));
        }
        if separator == b' ' {
            return None;
        }
        let second = self.number(2)?;
        let before = self.offset;
        if self.separator() != Some(separator) {
            // A year and a month stand for the first day.
            self.offset = before;
            return (digits == 4).then(|| Civil::midnight(first, second, 1));
        }
        if digits == 4 {
            return Some(Civil::midnight(first, second, self.number(2)?));
        }
        Some(Civil::midnight(self.year()?, first, second))
    }

    fn month_name(&mut self) -> Option<i64> {
        let index = self.name(&MONTHS)?;
        i64::try_from(index + 1).ok()
    }

    /// Reads a year; two digits mean 1950 to 2049, as in .NET's invariant calendar.
    fn year(&mut self) -> Option<i64> {
        match self.counted_number(4)? {
            (year, 4) => Some(year),
            (year, 2) => Some(if year < 50 { 2000 + year } else { 1900 + year }),
            _ => None,
        }
    }

    /// Moves to a time of day behind a date, if one follows.
    fn starts_time(&mut self) -> bool {
        let before = self.offset;
        let is_marked = self.take(b'T') || self.take(b't');
        let is_apart = self.space() || is_marked;
        let is_time = is_apart && self.peek().is_some_and(|byte| byte.is_ascii_digit());
        if !is_time {
            self.offset = before;
        }
        is_time
    }

    fn time(&mut self, civil: &mut Civil) -> Option<()> {
        civil.hour = self.number(2)?;
        if !self.take(b':') {
            return None;
        }
        civil.minute = self.number(2)?;
        if self.take(b':') {
            civil.second = self.number(2)?;
            if self.take(b'.') {
                civil.fraction_ticks = self.fraction()?;
            }
        }
        let before = self.offset;
        self.space();
        let word = self.letters().to_ascii_lowercase();
        match word.as_slice() {
            b"am" | b"pm" if !(1..=12).contains(&civil.hour) => return None,
            b"am" => civil.hour %= 12,
            b"pm" => civil.hour = civil.hour % 12 + 12,
            _ => self.offset = before,
        }
        Some(())
    }

    /// Reads a time zone and returns its minutes east of UTC; none means UTC.
    fn zone(&mut self) -> Option<i64> {
        self.space();
        let word = self.letters().to_ascii_lowercase();
        if !matches!(word.as_slice(), b"" | b"z" | b"gmt" | b"utc" | b"ut") {
            return None;
        }
        let sign = match self.peek() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Some(0),
        };
        self.offset += 1;
        let (first, digits) = self.counted_number(4)?;
        let (hours, minutes) = match digits {
            4 => (first / 100, first % 100),
            1 | 2 if self.take(b':') => (first, self.number(2)?),
            1 | 2 => (first, 0),
            _ => return None,
        };
        (hours <= 14 && minutes < 60).then_some(sign * (hours * 60 + minutes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::format;

    fn shown(text: &str) -> Option<String> {
        parse_datetime(text.as_bytes()).map(format::datetime)
    }

    #[test]
    fn documented_datetime_formats() {
        // Kusto documentation, "The datetime data type", the tables of supported formats.
        for (text, expected) in [
            ("2014-05-25T08:20:03.123456Z", "2014-05-25T08:20:03.1234560Z"),
            ("2014-05-25T08:20:03.123456", "2014-05-25T08:20:03.1234560Z"),
            ("2014-05-25T08:20", "2014-05-25T08:20:00.0000000Z"),
            ("2014-11-08 15:55:55.123456Z", "2014-11-08T15:55:55.1234560Z"),
            ("2014-11-08 15:55", "2014-11-08T15:55:00.0000000Z"),
            ("2014-11-08", "2014-11-08T00:00:00.0000000Z"),
            ("Sat, 8 Nov 14 15:05:02 GMT", "2014-11-08T15:05:02.0000000Z"),
            ("Sat, 8 Nov 14 15:05", "2014-11-08T15:05:00.0000000Z"),
            ("8 Nov 14 15:05:02", "2014-11-08T15:05:02.0000000Z"),
            ("8 Nov 14 15:05 GMT", "2014-11-08T15:05:00.0000000Z"),
            ("Saturday, 08-Nov-14 15:05:02 GMT", "2014-11-08T15:05:02.0000000Z"),
            ("08-Nov-14 15:05", "2014-11-08T15:05:00.0000000Z"),
            ("2014-11-08 15:05:25 GMT", "2014-11-08T15:05:25.0000000Z"),
            ("2014-11-08T15:05 GMT", "2014-11-08T15:05:00.0000000Z"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_datetimes() {
        for (text, expected) in [
            // Conformance trap/222, trap/229, trap/424; the documentation writes the two with spaces and commas.
            ("12-02-2022", "2022-12-02T00:00:00.0000000Z"),
            ("12-02-2022 13:45:56", "2022-12-02T13:45:56.0000000Z"),
            ("0900-01-01", "0900-01-01T00:00:00.0000000Z"),
            ("1970-5-12", "1970-05-12T00:00:00.0000000Z"),
            ("2017 - 08 - 01", "2017-08-01T00:00:00.0000000Z"),
            ("2025, 6, 14", "2025-06-14T00:00:00.0000000Z"),
            // RFC 3339 and RFC 1123.
            ("2024-01-01T00:30:00+02:00", "2023-12-31T22:30:00.0000000Z"),
            ("2024-01-01T00:30:00.5-0130", "2024-01-01T02:00:00.5000000Z"),
            ("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37.0000000Z"),
            ("12/31/2015 11:59 PM", "2015-12-31T23:59:00.0000000Z"),
            ("2024-01-01T00:00:00.123456789Z", "2024-01-01T00:00:00.1234567Z"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "not a date",
            "x12-02-2022",
            "13-02-2022",
            "2022-02-30",
            "2022-02-02x",
            "2022-02-02 25:00",
            "0000-01-01",
            "0001-01-01T00:00:00+01:00",
            "2022-02-02T",
            "12",
            "2022-02-02 10:00 XYZ",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    #[test]
    fn timespans() {
        for (text, expected) in [
            // Conformance trap/335, trap/336, trap/1115, trap/1119, trap/1177, trap/562; documentation of the type.
            ("1.02:03:04.1234567", Some(937_841_234_567)),
            ("-1.00:00:00", Some(-864_000_000_000)),
            ("10:00", Some(360_000_000_000)),
            ("2", Some(1_728_000_000_000)),
            ("250nanoseconds", Some(2)),
            ("199nanoseconds", Some(1)),
            ("00:00:01.1234560", Some(11_234_560)),
            ("00:00:00.00000009", Some(0)),
            ("1milli", Some(10_000)),
            ("10ticks", Some(10)),
            ("1.5h", Some(54_000_000_000)),
            ("15 seconds", Some(150_000_000)),
            ("25min", Some(15_000_000_000)),
            ("0.12:34:56.7", Some(452_967_000_000)),
            ("abc", None),
            ("", None),
            ("-", None),
            ("1x", None),
            ("25:00", None),
            ("00:60:00", None),
            ("99999999d", None),
            ("99999999999999999999999999999d", None),
        ] {
            assert_eq!(parse_timespan(text.as_bytes()), expected, "{text}");
        }
    }
}
