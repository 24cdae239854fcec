//! Local times of the IANA time zones, by the database that is compiled in: nothing is read from the host.

use crate::Value;
use crate::scalar::arithmetic::datetime_or_null;
use crate::scalar::calendar::{Civil, TICKS_UNIX_EPOCH};
use crate::scalar::format::TICKS_PER_SECOND;
use crate::scalar::{Call, Fault};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::sync::LazyLock;

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// `datetime_list_timezones()`: the names that the other functions take, in order.
///
/// # Source
/// Conformance `emu/datetime-list-timezones-00`, which lacks only the placeholder `Factory`.
pub fn eval_list(_call: &mut Call<'_>) -> Result<Value, Fault> {
    let mut names: Vec<String> = DATABASE.available().map(|name| name.to_string()).collect();
    names.retain(|name| name != "Factory");
    names.sort_unstable();
    Ok(Value::array(names.into_iter().map(Value::string).collect()))
}

/// `datetime_utc_to_local(date, zone)`: null for a zone that does not exist.
pub fn eval_utc_to_local(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(datetime_or_null(zone(call).zip(ticks(call)).and_then(|(zone, ticks)| utc_to_local(&zone, ticks))))
}

/// `datetime_local_to_utc(date, zone)`: null for a zone that does not exist.
///
/// A local time that occurs twice is the first of both; one that is left out is read with the offset before the gap.
pub fn eval_local_to_utc(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(datetime_or_null(zone(call).zip(ticks(call)).and_then(|(zone, ticks)| local_to_utc(&zone, ticks))))
}

fn zone(call: &Call<'_>) -> Option<TimeZone> {
    DATABASE.get(std::str::from_utf8(call.bytes(1)).ok()?).ok()
}

fn ticks(call: &Call<'_>) -> Option<i64> {
    match call.arg(0) {
        Value::DateTime(ticks) => Some(*ticks),
        _ => None,
    }
}

fn utc_to_local(zone: &TimeZone, ticks: i64) -> Option<i64> {
    let second = (ticks - TICKS_UNIX_EPOCH).div_euclid(TICKS_PER_SECOND);
    let offset = zone.to_offset(Timestamp::from_second(second).ok()?);
    ticks.checked_add(i64::from(offset.seconds()) * TICKS_PER_SECOND)
}

fn local_to_utc(zone: &TimeZone, ticks: i64) -> Option<i64> {
    let civil = Civil::from_ticks(ticks);
    let small = |part: i64| i8::try_from(part).ok();
    let local = DateTime::new(
        i16::try_from(civil.year).ok()?,
        small(civil.month)?,
        small(civil.day)?,
        small(civil.hour)?,
        small(civil.minute)?,
        small(civil.second)?,
        0,
    );
    let second = zone.to_timestamp(local.ok()?).ok()?.as_second();
    second.checked_mul(TICKS_PER_SECOND)?.checked_add(TICKS_UNIX_EPOCH)?.checked_add(civil.fraction_ticks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::time::parse_datetime;

    #[test]
    fn documented_zones() {
        // Conformance emu/datetime-local-to-utc-function-00.
        for (name, utc) in [
            ("US/Pacific", "2020-02-03 04:02:20.5"),
            ("America/Chicago", "2020-02-03 02:02:20.5"),
            ("Europe/Paris", "2020-02-02 19:02:20.5"),
        ] {
            let (zone, utc) = (DATABASE.get(name).unwrap(), parse_datetime(utc.as_bytes()));
            let local = parse_datetime(b"2020-02-02 20:02:20.5");
            assert_eq!(local_to_utc(&zone, local.unwrap()), utc);
            assert_eq!(utc_to_local(&zone, utc.unwrap()), local);
        }
    }

    #[test]
    fn ends_of_time() {
        let zone = DATABASE.get("Pacific/Kiritimati").unwrap();
        for ticks in [0, crate::scalar::calendar::TICKS_MAX] {
            for moved in [utc_to_local(&zone, ticks), local_to_utc(&zone, ticks)] {
                assert!(moved.is_none_or(|moved| (moved - ticks).abs() < 864_000_000_000));
            }
        }
    }
}
