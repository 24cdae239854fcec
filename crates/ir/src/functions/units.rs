//! Conversion of units.

use crate::function::{Function, Group, Param, Returns, Signature};
use dtq_value::Type;
use dtq_value::scalar::units;

const FROM_TO: [Param; 3] =
    [Param::is("value", Type::Real), Param::is("from", Type::String), Param::is("to", Type::String)];

/// One entry of a function that converts one quantity.
macro_rules! unit_conversion {
    ($name:literal, $eval:ident, $what:literal, $example:literal = $result:literal) => {
        Function::new($name, Group::Math, &[Signature::new(&FROM_TO, Returns::Type(Type::Real), units::$eval)])
            .never_fails()
            .doc(
                concat!("Converts ", $what, " from one unit to another, both by name; null for an unknown one."),
                $example,
                $result,
                concat!($name, "()"),
            )
    };
}

pub(crate) static ENTRIES: &[Function] = &[
    unit_conversion!("convert_angle", eval_angle, "an angle", "convert_angle(1.2, 'Degree', 'Arcminute')" = "72.0"),
    unit_conversion!(
        "convert_energy",
        eval_energy,
        "an energy",
        "round(convert_energy(1.2, 'Joule', 'BritishThermalUnit'), 9)" = "0.001137381"
    ),
    unit_conversion!(
        "convert_force",
        eval_force,
        "a force",
        "round(convert_force(1.2, 'Newton', 'Decanewton'), 6)" = "0.12"
    ),
    unit_conversion!(
        "convert_length",
        eval_length,
        "a length",
        "round(convert_length(1.2, 'Meter', 'Foot'), 6)" = "3.937008"
    ),
    unit_conversion!(
        "convert_mass",
        eval_mass,
        "a mass",
        "round(convert_mass(1.2, 'Kilogram', 'Pound'), 6)" = "2.645547"
    ),
    unit_conversion!(
        "convert_speed",
        eval_speed,
        "a speed",
        "round(convert_speed(1.2, 'MeterPerSecond', 'CentimeterPerHour'), 3)" = "432000.0"
    ),
    unit_conversion!(
        "convert_temperature",
        eval_temperature,
        "a temperature",
        "round(convert_temperature(1.2, 'Kelvin', 'DegreeCelsius'), 6)" = "-271.95"
    ),
    unit_conversion!(
        "convert_volume",
        eval_volume,
        "a volume",
        "round(convert_volume(1.2, 'CubicMeter', 'AcreFoot'), 10)" = "0.0009728568"
    ),
];
