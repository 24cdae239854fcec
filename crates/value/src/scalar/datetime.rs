//! Functions of datetimes and timespans: parts, starts and ends of periods, differences.
//!
//! Weeks start on Sunday. Whatever falls outside of the years 1 to 9999 is null.
//!
//! # Source
//! Kusto documentation, the page of each function; conformance `emu/datetime-diff-function-00`,
//! `emu/datetime-part-function-00`, `emu/endofweek-function-00`.

use crate::Value;
use crate::scalar::arithmetic::datetime_or_null;
use crate::scalar::calendar::{Civil, TICKS_MAX, TICKS_UNIX_EPOCH, date_of_day, day_of_date, days_in_month, weekday};
use crate::scalar::format::{TICKS_PER_DAY, TICKS_PER_SECOND};
use crate::scalar::{Call, Fault, arithmetic, compare};

const TICKS_PER_MILLISECOND: i64 = TICKS_PER_SECOND / 1_000;

/// A period by which datetimes are counted or cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// A calendar year.
    Year,
    /// Three months from January, April, July or October on.
    Quarter,
    /// A calendar month.
    Month,
    /// Seven days from a Sunday on.
    Week,
    /// The week of ISO 8601; only as a part.
    WeekOfYear,
    /// From midnight to midnight.
    Day,
    /// The day in the year; only as a part.
    DayOfYear,
    /// 60 minutes.
    Hour,
    /// 60 seconds.
    Minute,
    /// 1,000 milliseconds.
    Second,
    /// 10,000 ticks.
    Millisecond,
    /// 10 ticks.
    Microsecond,
    /// A hundredth of a tick.
    Nanosecond,
}

impl Period {
    /// Returns the period with this name, in any case.
    pub fn parse(name: &[u8]) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_slice() {
            b"year" => Period::Year,
            b"quarter" => Period::Quarter,
            b"month" => Period::Month,
            b"week" => Period::Week,
            b"week_of_year" | b"weekofyear" => Period::WeekOfYear,
            b"day" => Period::Day,
            b"dayofyear" => Period::DayOfYear,
            b"hour" => Period::Hour,
            b"minute" => Period::Minute,
            b"second" => Period::Second,
            b"millisecond" => Period::Millisecond,
            b"microsecond" => Period::Microsecond,
            b"nanosecond" => Period::Nanosecond,
            _ => return None,
        })
    }

    /// Returns the ticks of a period of fixed length of at least a tick.
    fn ticks(self) -> Option<i64> {
        Some(match self {
            Period::Week => 7 * TICKS_PER_DAY,
            Period::Day => TICKS_PER_DAY,
            Period::Hour => 3_600 * TICKS_PER_SECOND,
            Period::Minute => 60 * TICKS_PER_SECOND,
            Period::Second => TICKS_PER_SECOND,
            Period::Millisecond => TICKS_PER_MILLISECOND,
            Period::Microsecond => 10,
            _ => return None,
        })
    }

    /// Returns the months of a period of whole months.
    fn months(self) -> Option<i64> {
        Some(match self {
            Period::Year => 12,
            Period::Quarter => 3,
            Period::Month => 1,
            _ => return None,
        })
    }
}

/// Returns the months since January of the year 0.
fn month_count(ticks: i64) -> i64 {
    let civil = Civil::from_ticks(ticks);
    civil.year * 12 + civil.month - 1
}

/// Returns midnight of the first day of a month counted as by [`month_count`], unchecked for range.
fn start_of_month(months: i64) -> Option<i64> {
    let year = months.div_euclid(12);
    // The end of the year 9999 is the start of 10000, less a tick.
    if !(1..=10_000).contains(&year) {
        return None;
    }
    Some(day_of_date(year, months.rem_euclid(12) + 1, 1) * TICKS_PER_DAY)
}

/// Returns the start of the period that holds `ticks`, moved by `offset` periods; it may be the first tick past the
/// range, but no later.
fn start(period: Period, ticks: i64, offset: i64) -> Option<i64> {
    let first = match period {
        Period::Year | Period::Quarter | Period::Month => {
            let months = period.months()?;
            let count = month_count(ticks).div_euclid(months).checked_add(offset)?;
            start_of_month(count.checked_mul(months)?)?
        }
        Period::Week => {
            let day = ticks.div_euclid(TICKS_PER_DAY);
            let sunday = day - weekday(day);
            sunday.checked_add(offset.checked_mul(7)?)?.checked_mul(TICKS_PER_DAY)?
        }
        other => {
            let size = other.ticks()?;
            ticks.div_euclid(size).checked_add(offset)?.checked_mul(size)?
        }
    };
    Some(first)
}

/// Returns a datetime moved by a count of periods; months keep the day where the month has it.
fn add(period: Period, count: i64, ticks: i64) -> Option<i64> {
    if let Some(months) = period.months() {
        let civil = Civil::from_ticks(ticks);
        let total = month_count(ticks).checked_add(count.checked_mul(months)?)?;
        let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
        if !(1..=9_999).contains(&year) {
            return None;
        }
        let day = civil.day.min(days_in_month(year, month));
        return Civil { year, month, day, ..civil }.to_ticks();
    }
    match period {
        Period::Nanosecond => ticks.checked_add(count / 100),
        other => ticks.checked_add(count.checked_mul(other.ticks()?)?),
    }
}

/// Returns how many boundaries of the period lie between two datetimes.
fn difference(period: Period, left: i64, right: i64) -> Option<i64> {
    if let Some(months) = period.months() {
        return Some(month_count(left).div_euclid(months) - month_count(right).div_euclid(months));
    }
    let index = |ticks: i64| match period {
        // Day 0 is a Monday; the Sunday before it starts week 0.
        Period::Week => Some((ticks.div_euclid(TICKS_PER_DAY) + 1).div_euclid(7)),
        other => other.ticks().map(|size| ticks.div_euclid(size)),
    };
    match period {
        Period::Nanosecond => left.checked_sub(right)?.checked_mul(100),
        _ => Some(index(left)? - index(right)?),
    }
}

/// Returns the week of the year in which the week of `day` has its day number `middle`: weeks start `first` days after
/// Sunday.
fn week_of(day: i64, first: i64, middle: i64) -> i64 {
    let start_of_week = day - (weekday(day) - first).rem_euclid(7);
    day_of_year(start_of_week + middle) / 7 + 1
}

/// Returns the day of the year, from 0.
fn day_of_year(day: i64) -> i64 {
    let (year, _, _) = date_of_day(day);
    day - day_of_date(year, 1, 1)
}

/// Returns the week of ISO 8601: from a Monday on, the first being that with the year's first Thursday.
fn iso_week(ticks: i64) -> i64 {
    week_of(ticks.div_euclid(TICKS_PER_DAY), 1, 3)
}

fn part(period: Period, ticks: i64) -> i64 {
    let civil = Civil::from_ticks(ticks);
    match period {
        Period::Year => civil.year,
        Period::Quarter => (civil.month + 2) / 3,
        Period::Month => civil.month,
        Period::Week | Period::WeekOfYear => iso_week(ticks),
        Period::Day => civil.day,
        Period::DayOfYear => day_of_year(ticks.div_euclid(TICKS_PER_DAY)) + 1,
        Period::Hour => civil.hour,
        Period::Minute => civil.minute,
        Period::Second => civil.second,
        Period::Millisecond => civil.fraction_ticks / TICKS_PER_MILLISECOND,
        Period::Microsecond => civil.fraction_ticks / 10,
        Period::Nanosecond => civil.fraction_ticks * 100,
    }
}

fn ticks_of(value: &Value) -> Option<i64> {
    match value {
        Value::DateTime(ticks) => Some(*ticks),
        _ => None,
    }
}

fn int_or_null(number: Option<i64>) -> Value {
    number.and_then(|number| i32::try_from(number).ok()).map_or(Value::Null, Value::Int)
}

/// Declares `startof...` and `endof...` of a period.
macro_rules! edges {
    ($($start:ident, $end:ident, $period:ident;)*) => {
        $(
            #[doc = concat!("`startof", stringify!($period), "(date, offset)`, in lower case.")]
            pub fn $start(call: &mut Call<'_>) -> Result<Value, Fault> {
                Ok(datetime_or_null(edge(call, Period::$period, 0)))
            }

            #[doc = concat!("`endof", stringify!($period), "(date, offset)`, in lower case: the last tick.")]
            pub fn $end(call: &mut Call<'_>) -> Result<Value, Fault> {
                Ok(datetime_or_null(edge(call, Period::$period, 1).map(|next| next - 1)))
            }
        )*
    };
}

fn edge(call: &Call<'_>, period: Period, after: i64) -> Option<i64> {
    let offset = if call.args.len() > 1 { call.long(1)? } else { 0 };
    start(period, ticks_of(call.arg(0))?, offset.checked_add(after)?)
}

edges! {
    eval_startofday, eval_endofday, Day;
    eval_startofweek, eval_endofweek, Week;
    eval_startofmonth, eval_endofmonth, Month;
    eval_startofyear, eval_endofyear, Year;
}

/// Declares functions that give one part of a datetime.
macro_rules! parts {
    ($($(#[doc = $doc:literal])* $name:ident = $part:expr;)*) => {
        $($(#[doc = $doc])*
        pub fn $name(call: &mut Call<'_>) -> Result<Value, Fault> {
            let part: fn(i64) -> i64 = $part;
            Ok(int_or_null(ticks_of(call.arg(0)).map(part)))
        })*
    };
}

parts! {
    /// `getyear(date)`
    eval_getyear = |ticks| part(Period::Year, ticks);
    /// `monthofyear(date)`
    eval_monthofyear = |ticks| part(Period::Month, ticks);
    /// `dayofmonth(date)`
    eval_dayofmonth = |ticks| part(Period::Day, ticks);
    /// `dayofyear(date)`
    eval_dayofyear = |ticks| part(Period::DayOfYear, ticks);
    /// `hourofday(date)`
    eval_hourofday = |ticks| part(Period::Hour, ticks);
    /// `week_of_year(date)`
    eval_week_of_year = iso_week;
    /// `weekofyear(date)`: from a Sunday on, the first being that with the year's first Wednesday.
    eval_weekofyear = |ticks| week_of(ticks.div_euclid(TICKS_PER_DAY), 0, 3);
}

/// `dayofweek(date)`: the days since Sunday, as a timespan.
pub fn eval_dayofweek(call: &mut Call<'_>) -> Result<Value, Fault> {
    let days = ticks_of(call.arg(0)).map(|ticks| weekday(ticks.div_euclid(TICKS_PER_DAY)));
    Ok(days.map_or(Value::Null, |days| Value::TimeSpan(days * TICKS_PER_DAY)))
}

/// `datetime_part(part, date)`: null for a part that does not exist.
pub fn eval_datetime_part(call: &mut Call<'_>) -> Result<Value, Fault> {
    let found = Period::parse(call.bytes(0)).zip(ticks_of(call.arg(1)));
    Ok(int_or_null(found.map(|(period, ticks)| part(period, ticks))))
}

/// `datetime_add(period, count, date)`: null for a period that does not exist.
pub fn eval_datetime_add(call: &mut Call<'_>) -> Result<Value, Fault> {
    let moved = match (Period::parse(call.bytes(0)), call.long(1), ticks_of(call.arg(2))) {
        (Some(period), Some(count), Some(ticks)) => add(period, count, ticks),
        _ => None,
    };
    Ok(datetime_or_null(moved))
}

/// `datetime_diff(period, left, right)`: null for a period that does not exist.
pub fn eval_datetime_diff(call: &mut Call<'_>) -> Result<Value, Fault> {
    let count = match (Period::parse(call.bytes(0)), ticks_of(call.arg(1)), ticks_of(call.arg(2))) {
        (Some(period), Some(left), Some(right)) => difference(period, left, right),
        _ => None,
    };
    Ok(count.map_or(Value::Null, Value::Long))
}

/// `now(offset)`: the time of the run.
pub fn eval_now(call: &mut Call<'_>) -> Result<Value, Fault> {
    let now = Value::DateTime(call.ctx.now_ticks);
    Ok(if call.args.is_empty() { now } else { arithmetic::add(&now, call.arg(0)) })
}

/// `ago(span)`
pub fn eval_ago(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(arithmetic::subtract(&Value::DateTime(call.ctx.now_ticks), call.arg(0)))
}

/// `make_datetime(year, month, day, hour, minute, second)`
pub fn eval_make_datetime(call: &mut Call<'_>) -> Result<Value, Fault> {
    let part = |index: usize| if index < call.args.len() { whole(call.arg(index)) } else { Some(0) };
    let seconds = if call.args.len() > 5 { second_ticks(call.arg(5)) } else { Some(0) };
    let ticks = (|| {
        let date = Civil::midnight(part(0)?, part(1)?, part(2)?);
        Civil { hour: part(3)?, minute: part(4)?, ..date }.to_ticks()?.checked_add(seconds?)
    })();
    Ok(datetime_or_null(ticks))
}

/// Returns a number cut off to a long.
fn whole(value: &Value) -> Option<i64> {
    match crate::scalar::convert::long(value) {
        Value::Long(number) => Some(number),
        _ => None,
    }
}

/// Returns the ticks of 0 to 59.9999999 seconds, rounded.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "the range is checked")]
fn second_ticks(value: &Value) -> Option<i64> {
    let seconds = crate::scalar::args::as_real(value)?;
    let ticks = (seconds * TICKS_PER_SECOND as f64).round();
    (0.0..60.0 * TICKS_PER_SECOND as f64).contains(&ticks).then_some(ticks as i64)
}

/// `make_timespan(days, hours, minutes, seconds)`, `make_timespan(hours, minutes, seconds)` or without seconds.
pub fn eval_make_timespan(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (days, rest) = if call.args.len() == 4 { (whole(call.arg(0)), &call.args[1..]) } else { (Some(0), call.args) };
    let ticks = (|| {
        let (hours, minutes) = (whole(rest.first()?)?, whole(rest.get(1)?)?);
        if !(0..24).contains(&hours) || !(0..60).contains(&minutes) {
            return None;
        }
        let seconds = rest.get(2).map_or(Some(0), second_ticks)?;
        let in_day = (hours * 60 + minutes) * 60 * TICKS_PER_SECOND + seconds;
        days?.checked_mul(TICKS_PER_DAY)?.checked_add(in_day)
    })();
    Ok(ticks.map_or(Value::Null, Value::TimeSpan))
}

/// Declares `unixtime_..._todatetime` for a unit of so many nanoseconds.
macro_rules! unix_times {
    ($($name:ident, $unit:literal, $unit_ns:literal;)*) => {
        $(
            #[doc = concat!("`unixtime_", $unit, "_todatetime(n)`")]
            pub fn $name(call: &mut Call<'_>) -> Result<Value, Fault> {
                Ok(datetime_or_null(unix_ticks(call.arg(0), $unit_ns)))
            }
        )*
    };
}

unix_times! {
    eval_unixtime_seconds, "seconds", 1_000_000_000;
    eval_unixtime_milliseconds, "milliseconds", 1_000_000;
    eval_unixtime_microseconds, "microseconds", 1_000;
    eval_unixtime_nanoseconds, "nanoseconds", 1;
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "the range is checked after")]
fn unix_ticks(count: &Value, unit_ns: i64) -> Option<i64> {
    let since_epoch = match count {
        Value::Int(_) | Value::Long(_) => (i128::from(whole(count)?) * i128::from(unit_ns)).div_euclid(100),
        other => {
            let ticks = crate::scalar::args::as_real(other)? * (unit_ns as f64 / 100.0);
            if !ticks.is_finite() {
                return None;
            }
            ticks.round() as i128
        }
    };
    let ticks = since_epoch.checked_add(i128::from(TICKS_UNIX_EPOCH))?;
    i64::try_from(ticks).ok().filter(|ticks| (0..=TICKS_MAX).contains(ticks))
}

/// `around(value, center, delta)`: whether the value is at most `delta` away.
pub fn eval_around(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (value, center, delta) = (call.arg(0), call.arg(1), call.arg(2));
    let (low, high) = (arithmetic::subtract(center, delta), arithmetic::add(center, delta));
    let is_inside = match (compare::order(value, &low), compare::order(value, &high)) {
        (Some(from), Some(to)) => Some(from.is_ge() && to.is_le()),
        _ => None,
    };
    Ok(is_inside.map_or(Value::Null, Value::Bool))
}

/// `format_datetime(date, format)`
///
/// # Errors
/// `E3003` when the text would be too large.
pub fn eval_format_datetime(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Some(ticks) = ticks_of(call.arg(0)) else { return Ok(Value::string("")) };
    let civil = Civil::from_ticks(ticks);
    formatted(call, |letter, count| {
        Some(match letter {
            b'y' if count <= 2 => padded(civil.year % 100, count),
            b'y' => padded(civil.year, count),
            b'M' => padded(civil.month, count),
            b'd' => padded(civil.day, count),
            b'H' => padded(civil.hour, count),
            b'h' => padded((civil.hour + 11) % 12 + 1, count),
            b'm' => padded(civil.minute, count),
            b's' => padded(civil.second, count),
            b't' => (if civil.hour < 12 { "AM" } else { "PM" })[..count.min(2)].to_owned(),
            _ => return fraction(letter, count, civil.fraction_ticks),
        })
    })
}

/// `format_timespan(span, format)`; a sign is not shown, as in .NET's custom formats.
///
/// # Errors
/// `E3003` when the text would be too large.
pub fn eval_format_timespan(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Value::TimeSpan(ticks) = call.arg(0) else { return Ok(Value::string("")) };
    let magnitude = i64::try_from(ticks.unsigned_abs()).unwrap_or(i64::MAX);
    let seconds = magnitude / TICKS_PER_SECOND;
    formatted(call, |letter, count| {
        Some(match letter {
            b'd' => padded(seconds / 86_400, count),
            b'H' | b'h' => padded(seconds / 3_600 % 24, count),
            b'm' => padded(seconds / 60 % 60, count),
            b's' => padded(seconds % 60, count),
            _ => return fraction(letter, count, magnitude % TICKS_PER_SECOND),
        })
    })
}

fn padded(number: i64, width: usize) -> String {
    // Wider than any number; the rest of a long run of letters would be zeros only.
    format!("{number:0width$}", width = width.min(20))
}

/// Returns the fraction of a second: `f` with all its digits, `F` without zeros at the end.
fn fraction(letter: u8, count: usize, ticks: i64) -> Option<String> {
    let digits = format!("{ticks:07}")[..count.min(7)].to_owned();
    match letter {
        b'f' => Some(digits),
        b'F' => Some(digits.trim_end_matches('0').to_owned()),
        _ => None,
    }
}

/// Replaces each run of a letter by what it means; what means nothing is copied.
fn formatted(call: &Call<'_>, meaning: impl Fn(u8, usize) -> Option<String>) -> Result<Value, Fault> {
    let mut format = call.bytes(1);
    let mut out = crate::scalar::bounded::Text::new(&call.ctx.limits);
    while let Some(letter) = format.first() {
        let count = format.iter().take_while(|byte| *byte == letter).count();
        match meaning(*letter, count) {
            Some(text) => out.push(text.as_bytes())?,
            None => out.push(&format[..count])?,
        }
        format = &format[count..];
    }
    Ok(out.into_value())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::{Context, Eval, format, time};
    use dtq_source::Limits;

    fn eval(function: Eval, args: &[Value]) -> String {
        let mut ctx = Context::new(Limits::default(), TICKS_UNIX_EPOCH, 0);
        let value = function(&mut Call { args, pooled: None, ctx: &mut ctx }).unwrap();
        String::from_utf8(format::text(&value).into_owned()).unwrap()
    }

    fn date(text: &str) -> Value {
        Value::DateTime(time::parse_datetime(text.as_bytes()).unwrap())
    }

    #[test]
    fn documented_differences() {
        // Kusto documentation, datetime_diff(); conformance trap/1183 to trap/1197.
        for (period, left, right, expected) in [
            ("year", "2017-01-01", "2000-12-31", "17"),
            ("quarter", "2017-07-01", "2017-03-30", "2"),
            ("Month", "2017-01-01", "2015-12-30", "13"),
            ("week", "2017-10-29 00:00", "2017-09-30 23:59", "5"),
            ("day", "2017-10-29 00:00", "2017-09-30 23:59", "29"),
            ("hour", "2017-10-31 01:00", "2017-10-30 23:59", "2"),
            ("minute", "2017-10-30 23:05:01", "2017-10-30 23:00:59", "5"),
            ("second", "2017-10-30 23:00:10.100", "2017-10-30 23:00:00.900", "10"),
            ("millisecond", "2017-10-30 23:00:00.200100", "2017-10-30 23:00:00.100900", "100"),
            ("microsecond", "2017-10-30 23:00:00.1009001", "2017-10-30 23:00:00.1008009", "100"),
            ("nanosecond", "2017-10-30 23:00:00.0000000", "2017-10-30 23:00:00.0000007", "-700"),
            ("quarter", "2024-03-05", "2024-01-01", "0"),
            ("week", "2024-03-05", "2024-01-01", "9"),
            ("eon", "2024-03-05", "2024-01-01", ""),
        ] {
            assert_eq!(
                eval(eval_datetime_diff, &[Value::string(period), date(left), date(right)]),
                expected,
                "{period}"
            );
        }
    }

    #[test]
    fn documented_parts() {
        // Kusto documentation, datetime_part(), week_of_year().
        for (part, expected) in [
            ("year", "2017"),
            ("quarter", "4"),
            ("month", "10"),
            ("week_of_year", "44"),
            ("day", "30"),
            ("dayOfYear", "303"),
            ("hour", "1"),
            ("minute", "2"),
            ("second", "3"),
            ("millisecond", "765"),
            ("microsecond", "765432"),
            ("nanosecond", "765432100"),
        ] {
            let args = [Value::string(part), date("2017-10-30 01:02:03.7654321")];
            assert_eq!(eval(eval_datetime_part, &args), expected, "{part}");
        }
        for (day, expected) in [("2020-12-31", "53"), ("2020-06-15", "25"), ("1970-01-01", "1"), ("2000-01-01", "52")] {
            assert_eq!(eval(eval_week_of_year, &[date(day)]), expected, "{day}");
        }
        assert_eq!(eval(eval_dayofweek, &[date("1970-05-12")]), "2.00:00:00");
    }

    #[test]
    fn starts_and_ends() {
        // Conformance emu/endofday-function-00, emu/endofweek-function-00; documentation of startofweek().
        let day = date("2017-01-01 10:10:17");
        for (function, offset, expected) in [
            (eval_endofday as Eval, -1, "2016-12-31T23:59:59.9999999Z"),
            (eval_endofweek, 0, "2017-01-07T23:59:59.9999999Z"),
            (eval_startofweek, -1, "2016-12-25T00:00:00.0000000Z"),
            (eval_startofmonth, 1, "2017-02-01T00:00:00.0000000Z"),
            (eval_endofmonth, 1, "2017-02-28T23:59:59.9999999Z"),
            (eval_startofyear, -1, "2016-01-01T00:00:00.0000000Z"),
            (eval_endofyear, 7_982, "9999-12-31T23:59:59.9999999Z"),
            (eval_endofyear, 7_983, ""),
            (eval_startofweek, i64::MAX, ""),
            (eval_startofmonth, i64::MIN, ""),
        ] {
            assert_eq!(eval(function, &[day.clone(), Value::Long(offset)]), expected, "{offset}");
        }
        // 0001-01-01 is a Monday, so its week starts before the first datetime.
        assert_eq!(eval(eval_startofweek, &[date("0001-01-01")]), "");
    }

    #[test]
    fn adding() {
        // Conformance trap/1182 to trap/1190; .NET's AddMonths for the last day.
        for (period, count, expected) in [
            ("quarter", 1, "2024-04-30T00:00:00.0000000Z"),
            ("month", 1, "2024-02-29T00:00:00.0000000Z"),
            ("year", -1, "2023-01-31T00:00:00.0000000Z"),
            ("week", 1, "2024-02-07T00:00:00.0000000Z"),
            ("nanosecond", 250, "2024-01-31T00:00:00.0000002Z"),
            ("year", i64::MAX, ""),
            ("day", i64::MIN, ""),
        ] {
            let args = [Value::string(period), Value::Long(count), date("2024-01-31")];
            assert_eq!(eval(eval_datetime_add, &args), expected, "{period}");
        }
    }

    #[test]
    fn making() {
        // Conformance emu/make-datetime-function-02; documentation of make_timespan().
        let longs = |numbers: &[i64]| numbers.iter().copied().map(Value::Long).collect::<Vec<_>>();
        let mut args = longs(&[2017, 10, 1, 12, 11]);
        assert_eq!(eval(eval_make_datetime, &args), "2017-10-01T12:11:00.0000000Z");
        args.push(Value::Real(0.123_456_7));
        assert_eq!(eval(eval_make_datetime, &args), "2017-10-01T12:11:00.1234567Z");
        assert_eq!(eval(eval_make_datetime, &longs(&[2017, 13, 1])), "");
        let mut args = longs(&[1, 12, 30]);
        args.push(Value::Real(55.123));
        assert_eq!(eval(eval_make_timespan, &args), "1.12:30:55.1230000");
        assert_eq!(eval(eval_make_timespan, &longs(&[24, 0])), "");
        assert_eq!(eval(eval_make_timespan, &longs(&[i64::MAX, 0, 0, 0])), "");
    }

    #[test]
    fn unix_times() {
        for (function, count) in [
            (eval_unixtime_seconds as Eval, 1_546_300_800),
            (eval_unixtime_milliseconds, 1_546_300_800_000),
            (eval_unixtime_microseconds, 1_546_300_800_000_000),
            (eval_unixtime_nanoseconds, 1_546_300_800_000_000_000),
        ] {
            assert_eq!(eval(function, &[Value::Long(count)]), "2019-01-01T00:00:00.0000000Z");
        }
        assert_eq!(eval(eval_unixtime_seconds, &[Value::Real(0.5)]), "1970-01-01T00:00:00.5000000Z");
        assert_eq!(eval(eval_unixtime_seconds, &[Value::Long(i64::MAX)]), "");
        assert_eq!(eval(eval_unixtime_seconds, &[Value::Real(f64::NAN)]), "");
    }

    #[test]
    fn formats() {
        // Kusto documentation, format_datetime(), format_timespan(); conformance trap/424 to trap/428.
        for (text, format, expected) in [
            ("2017-01-29 09:00:05", "yy-MM-dd [HH:mm:ss]", "17-01-29 [09:00:05]"),
            ("2017-01-29 09:00:05", "yyyy-M-dd [H:mm:ss]", "2017-1-29 [9:00:05]"),
            ("2017-01-29 09:00:05", "yy-MM-dd [hh:mm:ss tt]", "17-01-29 [09:00:05 AM]"),
            ("0900-01-01", "y yy yyyy", "0 00 0900"),
            ("2009-06-05 03:04:05.0617500", "ss.FFF", "05.061"),
            ("2009-06-05 12:00:00", "ss.FFF", "00."),
            ("2009-06-15 13:45:30.0001150", "fffffff FFFFFFF fff h", "0001150 000115 000 1"),
            ("2009-06-05 00:00:00", "hh tt", "12 AM"),
        ] {
            assert_eq!(eval(eval_format_datetime, &[date(text), Value::string(format)]), expected);
        }
        let span = Value::TimeSpan(time::parse_timespan(b"29.09:00:05.12345").unwrap());
        for (format, expected) in
            [("dd.hh:mm:ss:FF", "29.09:00:05:12"), ("ddd.h:mm:ss [fffffff]", "029.9:00:05 [1234500]")]
        {
            assert_eq!(eval(eval_format_timespan, &[span.clone(), Value::string(format)]), expected);
        }
    }
}
