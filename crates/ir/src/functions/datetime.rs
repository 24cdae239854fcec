//! Functions of datetimes and timespans.

use crate::function::{Effect, Failure, Function, Group, Naming, Param, ParamKind, Returns, Signature};
use dtq_value::Type;
use dtq_value::scalar::{Eval, convert, datetime, time_zone};

const DATE: [Param; 1] = [Param::is("date", Type::DateTime)];
const DATE_OFFSET: [Param; 2] = [Param::is("date", Type::DateTime), Param::is("offset", Type::Long)];
const PERIOD: Param = Param::is("period", Type::String);
const ANY: [Param; 1] = [Param::of("value", ParamKind::Scalar)];

const fn time_function(name: &'static str, signatures: &'static [Signature]) -> Function {
    Function::new(name, Group::DateTime, signatures).never_fails()
}

const fn date_of(params: &'static [Param], eval: Eval) -> Signature {
    Signature::new(params, Returns::Type(Type::DateTime), eval)
}

/// One entry of a function from a datetime to an int.
macro_rules! part {
    ($name:literal, $eval:ident, $doc:literal, $example:literal = $result:literal) => {
        time_function($name, &[Signature::new(&DATE, Returns::Type(Type::Int), datetime::$eval)]).doc(
            $doc,
            $example,
            $result,
            concat!($name, "()"),
        )
    };
}

/// One entry of a function that gives an edge of a period, moved by an offset.
macro_rules! edge {
    ($name:literal, $eval:ident, $doc:literal, $result:literal) => {
        time_function($name, &[date_of(&DATE_OFFSET, datetime::$eval).at_least(1)]).doc(
            $doc,
            concat!($name, "(datetime(2017-01-01 10:10:17))"),
            $result,
            concat!($name, "()"),
        )
    };
}

/// One entry of a conversion of a Unix time.
macro_rules! unix_time {
    ($name:literal, $eval:ident, $doc:literal, $example:literal) => {
        time_function($name, &[date_of(&[Param::of("number", ParamKind::Number)], datetime::$eval)]).doc(
            $doc,
            $example,
            "2019-01-01T00:00:00.0000000Z",
            concat!($name, "()"),
        )
    };
}

const DATE_ZONE: [Param; 2] = [Param::is("date", Type::DateTime), Param::is("timezone", Type::String)];

const NUMBER: ParamKind = ParamKind::Number;
const WHOLE: ParamKind = ParamKind::Integer;
const DATE_PARTS: [Param; 6] = [
    Param::of("year", NUMBER),
    Param::of("month", NUMBER),
    Param::of("day", NUMBER),
    Param::of("hour", NUMBER),
    Param::of("minute", NUMBER),
    Param::of("second", NUMBER),
];
const DAY_TIME: [Param; 4] =
    [Param::of("days", WHOLE), Param::of("hours", WHOLE), Param::of("minutes", WHOLE), Param::of("seconds", NUMBER)];
const DAY_TIME_PARTS: [Param; 3] =
    [Param::of("hours", WHOLE), Param::of("minutes", WHOLE), Param::of("seconds", NUMBER)];

const fn around(value: Type, delta: Type) -> [Param; 3] {
    [Param::is("value", value), Param::is("center", value), Param::is("delta", delta)]
}

const LONG_AROUND: [Param; 3] = around(Type::Long, Type::Long);
const REAL_AROUND: [Param; 3] = around(Type::Real, Type::Real);
const SPAN_AROUND: [Param; 3] = around(Type::TimeSpan, Type::TimeSpan);
const DATE_AROUND: [Param; 3] = around(Type::DateTime, Type::TimeSpan);

pub(crate) static ENTRIES: &[Function] = &[
    time_function("now", &[date_of(&[Param::is("offset", Type::TimeSpan)], datetime::eval_now).at_least(0)])
        .effect(Effect::Time)
        .doc(
            "Gives the time of the run, the same wherever it stands in a query, moved by an offset.",
            "now(1d) - now()",
            "1.00:00:00",
            "now()",
        ),
    time_function("ago", &[date_of(&[Param::is("span", Type::TimeSpan)], datetime::eval_ago)])
        .effect(Effect::Time)
        .doc("Gives the time of the run less a timespan.", "now() - ago(1h)", "01:00:00", "ago()"),
    edge!("startofday", eval_startofday, "Gives the start of the day.", "2017-01-01T00:00:00.0000000Z")
        .naming(Naming::FirstArgument),
    edge!(
        "startofweek",
        eval_startofweek,
        "Gives the start of the week, which is a Sunday.",
        "2017-01-01T00:00:00.0000000Z"
    ),
    edge!("startofmonth", eval_startofmonth, "Gives the start of the month.", "2017-01-01T00:00:00.0000000Z"),
    edge!("startofyear", eval_startofyear, "Gives the start of the year.", "2017-01-01T00:00:00.0000000Z"),
    edge!("endofday", eval_endofday, "Gives the last tick of the day.", "2017-01-01T23:59:59.9999999Z"),
    edge!(
        "endofweek",
        eval_endofweek,
        "Gives the last tick of the week, a Saturday's.",
        "2017-01-07T23:59:59.9999999Z"
    ),
    edge!("endofmonth", eval_endofmonth, "Gives the last tick of the month.", "2017-01-31T23:59:59.9999999Z"),
    edge!("endofyear", eval_endofyear, "Gives the last tick of the year.", "2017-12-31T23:59:59.9999999Z"),
    part!("getyear", eval_getyear, "Gives the year.", "getyear(datetime(2015-10-12))" = "2015"),
    part!("monthofyear", eval_monthofyear, "Gives the month, from 1.", "monthofyear(datetime(2015-12-14))" = "12")
        .aliases(&["getmonth"]),
    part!(
        "dayofmonth",
        eval_dayofmonth,
        "Gives the day of the month, from 1.",
        "dayofmonth(datetime(2015-12-14))" = "14"
    ),
    part!("dayofyear", eval_dayofyear, "Gives the day of the year, from 1.", "dayofyear(datetime(2015-12-14))" = "348"),
    part!("hourofday", eval_hourofday, "Gives the hour, 0 to 23.", "hourofday(datetime(2015-12-14 18:54))" = "18"),
    part!(
        "week_of_year",
        eval_week_of_year,
        "Gives the week of ISO 8601: the first is that with the year's first Thursday.",
        "week_of_year(datetime(2020-12-31))" = "53"
    ),
    part!(
        "weekofyear",
        eval_weekofyear,
        "Gives the week by an older rule: weeks start on Sunday, the first is that with the year's first Wednesday.",
        "weekofyear(datetime(2015-12-14))" = "50"
    ),
    time_function("dayofweek", &[Signature::new(&DATE, Returns::Type(Type::TimeSpan), datetime::eval_dayofweek)]).doc(
        "Gives the days since Sunday, as a timespan.",
        "dayofweek(datetime(1970-05-12))",
        "2.00:00:00",
        "dayofweek()",
    ),
    time_function(
        "datetime_part",
        &[Signature::new(
            &[PERIOD, Param::is("date", Type::DateTime)],
            Returns::Type(Type::Int),
            datetime::eval_datetime_part,
        )],
    )
    .doc(
        "Gives a part of a datetime: year, quarter, month, week_of_year, day, dayofyear, hour... nanosecond.",
        "datetime_part(\"hour\", datetime(2024-03-05 06:07:08.9))",
        "6",
        "datetime_part()",
    ),
    time_function(
        "datetime_add",
        &[date_of(
            &[PERIOD, Param::of("amount", ParamKind::Integer), Param::is("date", Type::DateTime)],
            datetime::eval_datetime_add,
        )],
    )
    .doc(
        "Moves a datetime by a count of periods (year, quarter, month, week, day... nanosecond).",
        "datetime_add(\"month\", 1, datetime(2024-01-31))",
        "2024-02-29T00:00:00.0000000Z",
        "datetime_add()",
    ),
    time_function(
        "datetime_diff",
        &[Signature::new(
            &[PERIOD, Param::is("datetime1", Type::DateTime), Param::is("datetime2", Type::DateTime)],
            Returns::Type(Type::Long),
            datetime::eval_datetime_diff,
        )],
    )
    .doc(
        "Counts the boundaries of a period (year, quarter, month, week, day... nanosecond) between two datetimes.",
        "datetime_diff(\"day\", datetime(2017-10-29 00:00), datetime(2017-09-30 23:59))",
        "29",
        "datetime_diff()",
    ),
    time_function(
        "make_datetime",
        &[date_of(&ANY, convert::eval_todatetime), date_of(&DATE_PARTS, datetime::eval_make_datetime).at_least(3)],
    )
    .naming(Naming::OnlyArgument)
    .doc(
        "Makes a datetime from year, month, day, hour, minute and second; null when there is no such time.",
        "make_datetime(2017, 10, 01, 12, 10)",
        "2017-10-01T12:10:00.0000000Z",
        "make_datetime()",
    ),
    time_function(
        "make_timespan",
        &[
            Signature::new(&ANY, Returns::Type(Type::TimeSpan), convert::eval_totimespan),
            Signature::new(&DAY_TIME_PARTS, Returns::Type(Type::TimeSpan), datetime::eval_make_timespan).at_least(2),
            Signature::new(&DAY_TIME, Returns::Type(Type::TimeSpan), datetime::eval_make_timespan),
        ],
    )
    .naming(Naming::OnlyArgument)
    .doc(
        "Makes a timespan from days, hours, minutes and seconds, or without days.",
        "make_timespan(1, 12, 30, 55.123)",
        "1.12:30:55.1230000",
        "make_timespan()",
    ),
    time_function(
        "format_datetime",
        &[Signature::new(
            &[Param::is("date", Type::DateTime), Param::is("format", Type::String).constant()],
            Returns::Type(Type::String),
            datetime::eval_format_datetime,
        )],
    )
    .naming(Naming::FirstArgument)
    .failure(Failure::Possible)
    .doc(
        "Writes a datetime by a format of letters: y M d h H m s f F tt.",
        "format_datetime(datetime(2017-01-29 09:00:05), 'yy-MM-dd [HH:mm:ss]')",
        "17-01-29 [09:00:05]",
        "format_datetime()",
    ),
    time_function(
        "format_timespan",
        &[Signature::new(
            &[Param::is("timespan", Type::TimeSpan), Param::is("format", Type::String).constant()],
            Returns::Type(Type::String),
            datetime::eval_format_timespan,
        )],
    )
    .naming(Naming::FirstArgument)
    .failure(Failure::Possible)
    .doc(
        "Writes a timespan by a format of letters: d h H m s f F.",
        "format_timespan(time(29.09:00:05.12345), 'dd.hh:mm:ss:FF')",
        "29.09:00:05:12",
        "format_timespan()",
    ),
    unix_time!(
        "unixtime_seconds_todatetime",
        eval_unixtime_seconds,
        "Converts seconds since 1970 to a datetime.",
        "unixtime_seconds_todatetime(1546300800)"
    ),
    unix_time!(
        "unixtime_milliseconds_todatetime",
        eval_unixtime_milliseconds,
        "Converts milliseconds since 1970 to a datetime.",
        "unixtime_milliseconds_todatetime(1546300800000)"
    ),
    unix_time!(
        "unixtime_microseconds_todatetime",
        eval_unixtime_microseconds,
        "Converts microseconds since 1970 to a datetime.",
        "unixtime_microseconds_todatetime(1546300800000000)"
    ),
    unix_time!(
        "unixtime_nanoseconds_todatetime",
        eval_unixtime_nanoseconds,
        "Converts nanoseconds since 1970 to a datetime.",
        "unixtime_nanoseconds_todatetime(1546300800000000000)"
    ),
    time_function(
        "around",
        &[
            Signature::new(&LONG_AROUND, Returns::Type(Type::Bool), datetime::eval_around),
            Signature::new(&REAL_AROUND, Returns::Type(Type::Bool), datetime::eval_around),
            Signature::new(&DATE_AROUND, Returns::Type(Type::Bool), datetime::eval_around),
            Signature::new(&SPAN_AROUND, Returns::Type(Type::Bool), datetime::eval_around),
        ],
    )
    .doc("Says whether a value is at most a delta away from a center.", "around(9, 10, 1)", "true", "around()"),
    time_function("datetime_utc_to_local", &[date_of(&DATE_ZONE, time_zone::eval_utc_to_local)]).doc(
        "Gives the local time of an IANA time zone at an instant.",
        "datetime_utc_to_local(datetime(2020-02-02 19:02:20), 'Europe/Paris')",
        "2020-02-02T20:02:20.0000000Z",
        "datetime_utc_to_local()",
    ),
    time_function("datetime_local_to_utc", &[date_of(&DATE_ZONE, time_zone::eval_local_to_utc)]).doc(
        "Gives the instant of a local time of an IANA time zone.",
        "datetime_local_to_utc(datetime(2020-02-02 20:02:20), 'Europe/Paris')",
        "2020-02-02T19:02:20.0000000Z",
        "datetime_local_to_utc()",
    ),
    time_function(
        "datetime_list_timezones",
        &[Signature::new(&[], Returns::Type(Type::Dynamic), time_zone::eval_list)],
    )
    .doc(
        "Lists the names of the IANA time zones.",
        "tostring(datetime_list_timezones()[0])",
        "Africa/Abidjan",
        "datetime_list_timezones()",
    ),
];
