//! Days and ticks to civil dates and back, in the proleptic Gregorian calendar.
//!
//! # Source
//! The day-count formulas are those of Howard Hinnant, "chrono-compatible low-level date algorithms".

use crate::scalar::format::{TICKS_PER_DAY, TICKS_PER_SECOND};

/// Ticks of 9999-12-31T23:59:59.9999999, the last datetime.
pub const TICKS_MAX: i64 = 3_155_378_975_999_999_999;

/// Ticks of 1970-01-01T00:00.
pub const TICKS_UNIX_EPOCH: i64 = 621_355_968_000_000_000;

/// Holds a date and a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// 1 to 9999.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    /// 0 to 23.
    pub hour: i64,
    /// 0 to 59.
    pub minute: i64,
    /// 0 to 59.
    pub second: i64,
    /// Ticks past the second: 0 to 9,999,999.
    pub fraction_ticks: i64,
}

impl Civil {
    /// Returns the date and time of a datetime.
    pub fn from_ticks(ticks: i64) -> Self {
        let (year, month, day) = date_of_day(ticks.div_euclid(TICKS_PER_DAY));
        let in_day = ticks.rem_euclid(TICKS_PER_DAY);
        let seconds = in_day / TICKS_PER_SECOND;
        Self {
            year,
            month,
            day,
            hour: seconds / 3_600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            fraction_ticks: in_day % TICKS_PER_SECOND,
        }
    }

    /// Returns the ticks, or `None` when a part is out of range or the datetime is.
    pub fn to_ticks(self) -> Option<i64> {
        let is_date = (1..=9999).contains(&self.year)
            && (1..=12).contains(&self.month)
            && (1..=days_in_month(self.year, self.month)).contains(&self.day);
        let is_time = (0..24).contains(&self.hour) && (0..60).contains(&self.minute) && (0..60).contains(&self.second);
        if !is_date || !is_time || !(0..TICKS_PER_SECOND).contains(&self.fraction_ticks) {
            return None;
        }
        let seconds = self.hour * 3_600 + self.minute * 60 + self.second;
        Some(
            day_of_date(self.year, self.month, self.day) * TICKS_PER_DAY
                + seconds * TICKS_PER_SECOND
                + self.fraction_ticks,
        )
    }

    /// Returns midnight of a date.
    pub fn midnight(year: i64, month: i64, day: i64) -> Self {
        Self { year, month, day, hour: 0, minute: 0, second: 0, fraction_ticks: 0 }
    }
}

/// Returns how many days 0001-01-01 is before the date.
pub fn day_of_date(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is the last of a year.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    // 0001-01-01 is day 306 of the era that begins on 0000-03-01.
    era * 146_097 + day_of_era - 306
}

/// Returns year, month and day of a count of days since 0001-01-01.
pub fn date_of_day(day: i64) -> (i64, i64, i64) {
    let shifted = day + 306;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let date_day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, date_day)
}

/// Returns how many days a month has.
pub fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Says whether a year has a 29 February.
pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Returns the day of the week of a day since 0001-01-01 (a Monday): 0 is Sunday.
pub fn weekday(day: i64) -> i64 {
    (day + 1).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_goes_there_and_back() {
        let mut expected = (1, 1, 1);
        for day in 0..=3_652_058 {
            assert_eq!(date_of_day(day), expected);
            assert_eq!(day_of_date(expected.0, expected.1, expected.2), day);
            expected.2 += 1;
            if expected.2 > days_in_month(expected.0, expected.1) {
                expected = (expected.0, expected.1 + 1, 1);
            }
            if expected.1 > 12 {
                expected = (expected.0 + 1, 1, 1);
            }
        }
        assert_eq!(expected, (10_000, 1, 1));
    }

    #[test]
    fn known_ticks() {
        // Kusto documentation, "The datetime data type": the first; .NET's DateTime.UnixEpoch.Ticks: the second.
        assert_eq!(Civil::midnight(100, 1, 1).to_ticks(), Some(31_241_376_000_000_000));
        assert_eq!(Civil::midnight(1970, 1, 1).to_ticks(), Some(TICKS_UNIX_EPOCH));
        assert_eq!(weekday(day_of_date(1970, 1, 1)), 4);
    }
}
