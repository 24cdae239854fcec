//! What is counted as families of numbers with names, units and labels: one form for Prometheus and for OTLP.
//!
//! Names are those of Prometheus, with base units at their end. Labels are names of the configuration, of rules and of
//! a few fixed words, never telemetry, so that there are as many series as there are such names. Next: `text.rs`.

/// Says how a number moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows while the process lives.
    Counter,
    /// It is what it is at the moment.
    Gauge,
}

/// Holds a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A count.
    Whole(u64),
    /// Seconds, for instance.
    Real(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Value::Whole(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Real(value)
    }
}

/// Holds a number of a family.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Names and values of its labels.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: Value,
}

/// Holds numbers that count the same thing of different things.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Its name, as Prometheus has it: with the unit and, of a counter, `_total` at its end.
    pub name: String,
    /// How its numbers move.
    pub kind: Kind,
    /// What is counted.
    pub help: &'static str,
    /// The numbers.
    pub series: Vec<Series>,
}

/// Units that names end in, and how OpenTelemetry writes them (UCUM).
const UNITS: [(&str, &str); 2] = [("_seconds", "s"), ("_bytes", "By")];

/// Things that are counted, as annotations of UCUM.
const THINGS: [(&str, &str); 3] =
    [("_requests", "{request}"), ("_records", "{record}"), ("_connections", "{connection}")];

impl Family {
    /// Returns a family without numbers.
    pub fn new(name: impl Into<String>, kind: Kind, help: &'static str) -> Self {
        Self { name: name.into(), kind, help, series: Vec::new() }
    }

    /// Returns a family of one number without labels.
    pub fn single(name: impl Into<String>, kind: Kind, help: &'static str, value: impl Into<Value>) -> Self {
        Self::new(name, kind, help).with(Vec::new(), value)
    }

    /// Adds a number.
    #[must_use]
    pub fn with(mut self, labels: Vec<(&'static str, String)>, value: impl Into<Value>) -> Self {
        self.series.push(Series { labels, value: value.into() });
        self
    }

    /// Returns its name in OTLP, from which exporters to Prometheus make the same name again.
    ///
    /// # Source
    /// OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility": dots become underscores, a unit that a
    /// name ends in is not added again, `_total` is added to a monotonic sum.
    pub fn otlp_name(&self) -> String {
        self.stem().replacen('_', ".", 1)
    }

    /// Returns its unit as OTLP writes it.
    pub fn unit(&self) -> &'static str {
        let of = |all: &[(&str, &'static str)]| all.iter().find(|(end, _)| self.stem().ends_with(end)).map(|one| one.1);
        of(&UNITS).or_else(|| of(&THINGS)).unwrap_or("1")
    }

    fn stem(&self) -> &str {
        match self.kind {
            Kind::Counter => self.name.strip_suffix("_total").unwrap_or(&self.name),
            Kind::Gauge => &self.name,
        }
    }
}
