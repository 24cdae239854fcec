//! Conversion of units: angles, energies, forces, lengths, masses, speeds, temperatures, volumes.
//!
//! Each table says how many base units one unit is; temperatures also where their zero lies.
//!
//! # Source
//! Names: Microsoft's binder lists them for each function. Factors: the unit definitions of UnitsNet 4.133 (June 2022, MIT
//! licence), the release whose names are exactly those; its rounded acre-foot is the one the reference engine shows
//! (conformance `emu/convert-volume-function-00`).

use crate::Value;
use crate::scalar::{Call, Fault};

/// Declares the function of one quantity.
macro_rules! conversions {
    ($($name:ident, $quantity:literal, $convert:expr;)*) => {
        $(
            #[doc = concat!("`convert_", $quantity, "(value, from, to)`: null for a unit that does not exist.")]
            pub fn $name(call: &mut Call<'_>) -> Result<Value, Fault> {
                let convert: fn(f64, &[u8], &[u8]) -> Option<f64> = $convert;
                let answer = call.real(0).and_then(|value| convert(value, call.bytes(1), call.bytes(2)));
                Ok(answer.map_or(Value::Null, Value::Real))
            }
        )*
    };
}

conversions! {
    eval_angle, "angle", angle;
    eval_energy, "energy", |value, from, to| linear(ENERGY, value, from, to);
    eval_force, "force", |value, from, to| linear(FORCE, value, from, to);
    eval_length, "length", |value, from, to| linear(LENGTH, value, from, to);
    eval_mass, "mass", |value, from, to| linear(MASS, value, from, to);
    eval_speed, "speed", |value, from, to| linear(SPEED, value, from, to);
    eval_temperature, "temperature", temperature;
    eval_volume, "volume", |value, from, to| linear(VOLUME, value, from, to);
}

fn linear(units: &[(&str, f64)], value: f64, from: &[u8], to: &[u8]) -> Option<f64> {
    let (from, to) = (factor(units, from)?, factor(units, to)?);
    Some(value * from / to)
}

fn factor(units: &[(&str, f64)], name: &[u8]) -> Option<f64> {
    units.iter().find(|(unit, _)| unit.as_bytes() == name).map(|(_, factor)| *factor)
}

/// Converts an angle; `Tilt` is its sine.
fn angle(value: f64, from: &[u8], to: &[u8]) -> Option<f64> {
    let degrees = if from == b"Tilt" { value.asin().to_degrees() } else { value * factor(ANGLE, from)? };
    Some(if to == b"Tilt" { degrees.to_radians().sin() } else { degrees / factor(ANGLE, to)? })
}

/// Converts a temperature by way of kelvins.
fn temperature(value: f64, from: &[u8], to: &[u8]) -> Option<f64> {
    let scale = |name: &[u8]| TEMPERATURE.iter().find(|(unit, _, _)| unit.as_bytes() == name);
    let (_, from_factor, from_zero) = scale(from)?;
    let (_, to_factor, to_zero) = scale(to)?;
    Some((value * from_factor + from_zero - to_zero) / to_factor)
}

/// Kelvins of one degree, and of the zero of the scale.
const TEMPERATURE: &[(&str, f64, f64)] = &[
    ("DegreeCelsius", 1.0, 273.15),
    ("DegreeDelisle", -2.0 / 3.0, 373.15),
    ("DegreeFahrenheit", 5.0 / 9.0, 459.67 * 5.0 / 9.0),
    ("DegreeNewton", 100.0 / 33.0, 273.15),
    ("DegreeRankine", 5.0 / 9.0, 0.0),
    ("DegreeReaumur", 5.0 / 4.0, 273.15),
    ("DegreeRoemer", 40.0 / 21.0, 273.15 - 7.5 * 40.0 / 21.0),
    ("Kelvin", 1.0, 0.0),
    ("MillidegreeCelsius", 0.001, 273.15),
    ("SolarTemperature", 5778.0, 0.0),
];

/// Degrees of one unit.
const ANGLE: &[(&str, f64)] = &[
    ("Arcminute", 0.016666666666666666),
    ("Arcsecond", 0.0002777777777777778),
    ("Centiradian", 0.5729577951308232),
    ("Deciradian", 5.729577951308233),
    ("Degree", 1.0),
    ("Gradian", 0.9),
    ("Microdegree", 1e-06),
    ("Microradian", 5.729577951308232e-05),
    ("Millidegree", 0.001),
    ("Milliradian", 0.057295779513082325),
    ("Nanodegree", 1e-09),
    ("Nanoradian", 5.7295779513082324e-08),
    ("NatoMil", 0.05625),
    ("Radian", 57.29577951308232),
    ("Revolution", 360.0),
];

/// Joules of one unit.
const ENERGY: &[(&str, f64)] = &[
    ("BritishThermalUnit", 1055.05585262),
    ("Calorie", 4.184),
    ("DecathermEc", 1055055852.6199999),
    ("DecathermImperial", 1055055852.57348),
    ("DecathermUs", 1054804000.0),
    ("ElectronVolt", 1.602176565e-19),
    ("Erg", 1e-07),
    ("FootPound", 1.355817948),
    ("GigabritishThermalUnit", 1055055852620.0),
    ("GigaelectronVolt", 1.602176565e-10),
    ("Gigajoule", 1000000000.0),
    ("GigawattDay", 86400000000000.0),
    ("GigawattHour", 3600000000000.0),
    ("HorsepowerHour", 2684519.5377),
    ("Joule", 1.0),
    ("KilobritishThermalUnit", 1055055.85262),
    ("Kilocalorie", 4184.0),
    ("KiloelectronVolt", 1.602176565e-16),
    ("Kilojoule", 1000.0),
    ("KilowattDay", 86400000.0),
    ("KilowattHour", 3600000.0),
    ("MegabritishThermalUnit", 1055055852.62),
    ("Megacalorie", 4184000.0),
    ("MegaelectronVolt", 1.602176565e-13),
    ("Megajoule", 1000000.0),
    ("MegawattDay", 86400000000.0),
    ("MegawattHour", 3600000000.0),
    ("Millijoule", 0.001),
    ("TeraelectronVolt", 1.602176565e-07),
    ("TerawattDay", 8.64e+16),
    ("TerawattHour", 3600000000000000.0),
    ("ThermEc", 105505585.262),
    ("ThermImperial", 105505585.257348),
    ("ThermUs", 105480400.0),
    ("WattDay", 86400.0),
    ("WattHour", 3600.0),
];

/// Newtons of one unit.
const FORCE: &[(&str, f64)] = &[
    ("Decanewton", 10.0),
    ("Dyn", 1e-05),
    ("KiloPond", 9.80665002864),
    ("KilogramForce", 9.80665002864),
    ("Kilonewton", 1000.0),
    ("KilopoundForce", 4448.22161526051),
    ("Meganewton", 1000000.0),
    ("Micronewton", 1e-06),
    ("Millinewton", 0.001),
    ("Newton", 1.0),
    ("OunceForce", 0.2780138509537812),
    ("PoundForce", 4.448221615260509),
    ("Poundal", 0.1382550279897304),
    ("ShortTonForce", 8896.443230521),
    ("TonneForce", 9806.65002864),
];

/// Metres of one unit.
const LENGTH: &[(&str, f64)] = &[
    ("Angstrom", 1e-10),
    ("AstronomicalUnit", 149597870700.0),
    ("Centimeter", 0.01),
    ("Chain", 20.1168),
    ("DataMile", 1828.8),
    ("Decameter", 10.0),
    ("Decimeter", 0.1),
    ("DtpPica", 0.004233333333332346),
    ("DtpPoint", 0.00035277777777777776),
    ("Fathom", 1.8288),
    ("Foot", 0.3048),
    ("Hand", 0.1016),
    ("Hectometer", 100.0),
    ("Inch", 0.0254),
    ("KilolightYear", 9.46073047258e+18),
    ("Kilometer", 1000.0),
    ("Kiloparsec", 3.08567758128e+19),
    ("LightYear", 9460730472580000.0),
    ("MegalightYear", 9.46073047258e+21),
    ("Megaparsec", 3.08567758128e+22),
    ("Meter", 1.0),
    ("Microinch", 2.54e-08),
    ("Micrometer", 1e-06),
    ("Mil", 2.54e-05),
    ("Mile", 1609.34),
    ("Millimeter", 0.001),
    ("Nanometer", 1e-09),
    ("NauticalMile", 1852.0),
    ("Parsec", 3.08567758128e+16),
    ("PrinterPica", 0.004217517599993978),
    ("PrinterPoint", 0.00035145980351459805),
    ("Shackle", 27.432),
    ("SolarRadius", 695510000.0),
    ("Twip", 1.7638888888889126e-05),
    ("UsSurveyFoot", 0.3048006096012192),
    ("Yard", 0.9144),
];

/// Kilograms of one unit.
const MASS: &[(&str, f64)] = &[
    ("Centigram", 1e-05),
    ("Decagram", 0.01),
    ("Decigram", 0.0001),
    ("EarthMass", 5.9722e+24),
    ("Grain", 6.479891e-05),
    ("Gram", 0.001),
    ("Hectogram", 0.1),
    ("Kilogram", 1.0),
    ("Kilopound", 453.59237),
    ("Kilotonne", 1000000.0),
    ("LongHundredweight", 50.80234544),
    ("LongTon", 1016.0469088),
    ("Megapound", 453592.37),
    ("Megatonne", 1000000000.0),
    ("Microgram", 1e-09),
    ("Milligram", 1e-06),
    ("Nanogram", 1.0000000000000002e-12),
    ("Ounce", 0.02834952316484755),
    ("Pound", 0.45359237),
    ("ShortHundredweight", 45.359237),
    ("ShortTon", 907.18474),
    ("Slug", 14.593903000000001),
    ("SolarMass", 1.98947e+30),
    ("Stone", 6.350288000000001),
    ("Tonne", 1000.0),
];

/// Metres per second of one unit.
const SPEED: &[(&str, f64)] = &[
    ("CentimeterPerHour", 2.777777777777778e-06),
    ("CentimeterPerMinute", 0.00016666666666666666),
    ("CentimeterPerSecond", 0.01),
    ("DecimeterPerMinute", 0.0016666666666666668),
    ("DecimeterPerSecond", 0.1),
    ("FootPerHour", 8.466666666666667e-05),
    ("FootPerMinute", 0.00508),
    ("FootPerSecond", 0.3048),
    ("InchPerHour", 7.055555555555555e-06),
    ("InchPerMinute", 0.0004233333333333333),
    ("InchPerSecond", 0.0254),
    ("KilometerPerHour", 0.2777777777777778),
    ("KilometerPerMinute", 16.666666666666668),
    ("KilometerPerSecond", 1000.0),
    ("Knot", 0.514444),
    ("MeterPerHour", 0.0002777777777777778),
    ("MeterPerMinute", 0.016666666666666666),
    ("MeterPerSecond", 1.0),
    ("MicrometerPerMinute", 1.6666666666666667e-08),
    ("MicrometerPerSecond", 1e-06),
    ("MilePerHour", 0.44704),
    ("MillimeterPerHour", 2.7777777777777776e-07),
    ("MillimeterPerMinute", 1.6666666666666667e-05),
    ("MillimeterPerSecond", 0.001),
    ("NanometerPerMinute", 1.6666666666666667e-11),
    ("NanometerPerSecond", 1e-09),
    ("UsSurveyFootPerHour", 8.466683600033866e-05),
    ("UsSurveyFootPerMinute", 0.00508001016002032),
    ("UsSurveyFootPerSecond", 0.3048006096012192),
    ("YardPerHour", 0.000254),
    ("YardPerMinute", 0.01524),
    ("YardPerSecond", 0.9144),
];

/// Cubic metres of one unit.
const VOLUME: &[(&str, f64)] = &[
    ("AcreFoot", 1233.4806109182769),
    ("AuTablespoon", 2e-05),
    ("BoardFoot", 0.0023597372158),
    ("Centiliter", 1e-05),
    ("CubicCentimeter", 1e-06),
    ("CubicDecimeter", 0.001),
    ("CubicFoot", 0.028316846592),
    ("CubicHectometer", 1000000.0),
    ("CubicInch", 1.6387e-05),
    ("CubicKilometer", 1000000000.0),
    ("CubicMeter", 1.0),
    ("CubicMicrometer", 1e-18),
    ("CubicMile", 4168181825.44058),
    ("CubicMillimeter", 1e-09),
    ("CubicYard", 0.764554858),
    ("Decaliter", 0.01),
    ("DecausGallon", 0.0378541),
    ("Deciliter", 0.0001),
    ("DeciusGallon", 0.00037854100000000003),
    ("HectocubicFoot", 2.8316846592),
    ("HectocubicMeter", 100.0),
    ("Hectoliter", 0.1),
    ("HectousGallon", 0.378541),
    ("ImperialBeerBarrel", 0.16365924),
    ("ImperialGallon", 0.0045460900000018145),
    ("ImperialOunce", 2.84130624999629e-05),
    ("ImperialPint", 0.00056826125),
    ("KilocubicFoot", 28.316846592),
    ("KilocubicMeter", 1000.0),
    ("KiloimperialGallon", 4.546090000001815),
    ("Kiloliter", 1.0),
    ("KilousGallon", 3.7854099999999997),
    ("Liter", 0.001),
    ("MegacubicFoot", 28316.846592),
    ("MegaimperialGallon", 4546.090000001815),
    ("Megaliter", 1000.0),
    ("MegausGallon", 3785.41),
    ("MetricCup", 0.00025),
    ("MetricTeaspoon", 5e-06),
    ("Microliter", 1e-09),
    ("Milliliter", 1e-06),
    ("OilBarrel", 0.158987294928),
    ("UkTablespoon", 1.5e-05),
    ("UsBeerBarrel", 0.1173477658),
    ("UsCustomaryCup", 0.0002365882365),
    ("UsGallon", 0.00378541),
    ("UsLegalCup", 0.00024),
    ("UsOunce", 2.9573529562537606e-05),
    ("UsPint", 0.000473176473),
    ("UsQuart", 0.000946352946),
    ("UsTablespoon", 1.478676478125e-05),
    ("UsTeaspoon", 4.92892159375e-06),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_examples() {
        // Kusto documentation, the example of each function; conformance emu/convert-energy-function-00 and others.
        for (found, expected) in [
            (angle(1.2, b"Degree", b"Arcminute"), 72.0),
            (linear(ENERGY, 1.2, b"Joule", b"BritishThermalUnit"), 0.001_137_380_544_375_980_6),
            (linear(FORCE, 1.2, b"Newton", b"Decanewton"), 0.12),
            (linear(LENGTH, 1.2, b"Meter", b"Foot"), 3.937_007_874_015_75),
            (linear(MASS, 1.2, b"Kilogram", b"Pound"), 2.645_547_146_218_53),
            (linear(SPEED, 1.2, b"MeterPerSecond", b"CentimeterPerHour"), 432_000.0),
            (temperature(1.2, b"Kelvin", b"DegreeCelsius"), -271.95),
            (linear(VOLUME, 1.2, b"CubicMeter", b"AcreFoot"), 0.000_972_856_8),
        ] {
            let found = found.unwrap();
            assert!(((found - expected) / expected).abs() < 1e-12, "{found} {expected}");
        }
        assert_eq!(linear(MASS, 1.0, b"Kilogram", b"Bushel"), None);
        assert!((angle(0.5, b"Tilt", b"Degree").unwrap() - 30.0).abs() < 1e-9);
        // Water freezes at 32 F, which is 150 Delisle.
        assert!((temperature(32.0, b"DegreeFahrenheit", b"DegreeDelisle").unwrap() - 150.0).abs() < 1e-9);
    }
}
