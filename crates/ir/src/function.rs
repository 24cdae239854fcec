//! The shape of the one table of functions and operators: what sema, interpreter and documentation read.
//!
//! Operators are functions whose name is their text (`==`, `has_cs`, `-` with one or two parameters). `and`, `or`,
//! `iff`, `case`, `coalesce` have entries here for their signatures and documentation, but become nodes of their own,
//! since they evaluate only some of their operands. Entries: [`crate::functions`].

use dtq_value::Type;
use dtq_value::scalar::{Eval, Prepare};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Holds what is known of a function or operator.
#[derive(Debug)]
pub struct Function {
    /// Its name or the text of the operator.
    pub name: &'static str,
    /// Other names with the same meaning.
    pub aliases: &'static [&'static str],
    /// The heading it stands under in the documentation.
    pub group: Group,
    /// Its overloads, the most specific first.
    pub signatures: &'static [Signature],
    /// What a null argument does.
    pub nulls: Nulls,
    /// What the result depends on besides the arguments. Only [`Effect::Pure`] is folded, shared or moved.
    pub effect: Effect,
    /// When a call fails. Only what never does is dropped or moved.
    pub failure: Failure,
    /// How the name of a column is generated from a call without a name: see [`Naming`].
    pub naming: Naming,
    /// One sentence, third person.
    pub doc: &'static str,
    /// An expression of KQL.
    pub example: &'static str,
    /// Its value, as `print` shows it.
    pub example_result: &'static str,
    /// Where the meaning comes from.
    pub source: &'static str,
    /// Builds what can be built once from constant arguments.
    pub prepare: Option<Prepare>,
}

/// Names the heading a function stands under in the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each is its own heading")]
pub enum Group {
    Operator,
    Conditional,
    Conversion,
    String,
    Regex,
    Math,
    DateTime,
    Dynamic,
    Network,
    Encoding,
    Hash,
    Series,
    Rules,
    Other,
}

impl Group {
    /// Returns the heading.
    pub fn heading(self) -> &'static str {
        match self {
            Group::Operator => "Operators",
            Group::Conditional => "Conditions",
            Group::Conversion => "Conversions",
            Group::String => "Strings",
            Group::Regex => "Regular expressions",
            Group::Math => "Mathematics",
            Group::DateTime => "Date and time",
            Group::Dynamic => "Dynamic values",
            Group::Network => "Network addresses",
            Group::Encoding => "Encoding",
            Group::Hash => "Hashing",
            Group::Series => "Series",
            Group::Rules => "For rules",
            Group::Other => "Other",
        }
    }
}

/// Says what a null argument does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// Any null argument makes the result null (`""` for a string) without a call.
    Propagate,
    /// The function sees nulls and decides.
    Handled,
}

/// Says what a result depends on besides the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Nothing.
    Pure,
    /// The time of the run.
    Time,
    /// Randomness: two calls differ.
    Random,
    /// State that outlives a record.
    State,
}

/// Says when a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// With no arguments and under no bounds.
    Never,
    /// Only when its part of the constant pool could not be built before: a pattern that is no constant.
    Unprepared,
    /// With some arguments, or when a bound is passed.
    Possible,
}

/// Says how a call without a name names its column.
///
/// # Source
/// Kusto's binder: `tostring(B)` is `B`, `tolower(B)` is `Column1`, `count()` is `count_`, `sum(x)` is `sum_x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// `Column1`, `Column2`...
    Numbered,
    /// The name of the first argument when that is a column.
    FirstArgument,
    /// The name of the first argument when that is the only one.
    OnlyArgument,
    /// `prefix_` and the name of the first argument, or `prefix_` alone.
    Prefixed(&'static str),
    /// `prefix_` and the names of the first two arguments: `covariance_x_y`.
    PrefixedByTwo(&'static str),
    /// Always this name.
    Fixed(&'static str),
}

/// Holds one overload.
#[derive(Debug)]
pub struct Signature {
    /// Its parameters; when `is_variadic`, the last one repeats.
    pub params: &'static [Param],
    /// How many arguments there must be at least.
    pub args_min: usize,
    /// Whether the last parameter repeats, or the last ones in turn.
    pub is_variadic: bool,
    /// How many parameters at the end repeat in turn when it is variadic: 2 for the keys and values of `bag_pack`.
    pub repeated_count: usize,
    /// The type of the result.
    pub returns: Returns,
    /// The meaning.
    pub eval: Eval,
}

/// Holds one parameter.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name in the documentation.
    pub name: &'static str,
    /// What it takes.
    pub kind: ParamKind,
    /// Whether it must be a constant.
    pub is_constant: bool,
}

/// Says what a parameter takes, and to what an argument is converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// This type; int widens to long, int and long to real and decimal; a dynamic is converted to it.
    Is(Type),
    /// This type and no conversion, not even from dynamic.
    Exactly(Type),
    /// Any scalar as it is.
    Scalar,
    /// Any scalar but a dynamic.
    NotDynamic,
    /// `int`, `long`, `real`, `decimal` as it is; a dynamic becomes real.
    Number,
    /// `int`, `long`, `real`, `decimal` as it is; no dynamic.
    Numeric,
    /// `int` or `long` as it is; a dynamic becomes long.
    Integer,
    /// A string as it is; any other scalar becomes the text that `tostring` gives, a null `""`.
    Text,
    /// A number, a datetime or a timespan as it is.
    Summable,
    /// Anything that has an order: a number, datetime, timespan, string, bool, guid.
    Orderable,
    /// A string or a dynamic as it is.
    StringOrDynamic,
    /// `int`, `long` or a dynamic as it is.
    IntegerOrDynamic,
    /// All parameters of this kind are converted to their common type (int < long < real < decimal; otherwise equal
    /// types, or dynamic beside any other).
    Common,
}

/// Says what type a call has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// This type.
    Type(Type),
    /// The type of the argument at this position, after conversion.
    Param(usize),
    /// The common type of the [`ParamKind::Common`] arguments.
    Common,
    /// As [`Returns::Common`] but int becomes long: the type of integer arithmetic.
    Widened,
    /// The type named by the constant `typeof(...)` argument at this position.
    TypeOf(usize),
}

impl ParamKind {
    /// Says whether an argument of this type, conversions done, can stand for a parameter.
    pub fn accepts(self, ty: Type) -> bool {
        match self {
            ParamKind::Is(wanted) | ParamKind::Exactly(wanted) => ty == wanted,
            ParamKind::Scalar | ParamKind::Common => true,
            ParamKind::Text => ty == Type::String,
            ParamKind::NotDynamic => ty != Type::Dynamic,
            ParamKind::Number | ParamKind::Numeric => ty.is_numeric(),
            ParamKind::Integer => ty.is_integer(),
            ParamKind::Summable => ty.is_numeric() || matches!(ty, Type::DateTime | Type::TimeSpan),
            ParamKind::Orderable => ty != Type::Dynamic,
            ParamKind::StringOrDynamic => matches!(ty, Type::String | Type::Dynamic),
            ParamKind::IntegerOrDynamic => ty.is_integer() || ty == Type::Dynamic,
        }
    }
}

impl Signature {
    /// Returns an overload with exactly these parameters.
    pub const fn new(params: &'static [Param], returns: Returns, eval: Eval) -> Self {
        Self { params, args_min: params.len(), is_variadic: false, repeated_count: 1, returns, eval }
    }

    /// Makes all but the first `count` parameters optional.
    #[must_use]
    pub const fn at_least(mut self, count: usize) -> Self {
        self.args_min = count;
        self
    }

    /// Makes the last parameter repeat.
    #[must_use]
    pub const fn variadic(mut self) -> Self {
        self.is_variadic = true;
        self
    }

    /// Makes the last two parameters repeat in turn.
    #[must_use]
    pub const fn variadic_pairs(mut self) -> Self {
        self.is_variadic = true;
        self.repeated_count = 2;
        self
    }

    /// Returns the parameter for the argument at a position, or `None` past the last.
    pub fn param(&self, index: usize) -> Option<&Param> {
        match self.params.get(index) {
            None if self.is_variadic => {
                let past = (index - self.params.len()) % self.repeated_count;
                self.params.get(self.params.len() - self.repeated_count + past)
            }
            found => found,
        }
    }

    /// Says whether it takes this many arguments.
    pub fn takes(&self, count: usize) -> bool {
        let is_round = count <= self.params.len() || (count - self.params.len()).is_multiple_of(self.repeated_count);
        count >= self.args_min && is_round && (self.is_variadic || count <= self.params.len())
    }
}

impl Param {
    /// Returns a parameter that converts to `ty`.
    pub const fn is(name: &'static str, ty: Type) -> Self {
        Self { name, kind: ParamKind::Is(ty), is_constant: false }
    }

    /// Returns a parameter of this kind.
    pub const fn of(name: &'static str, kind: ParamKind) -> Self {
        Self { name, kind, is_constant: false }
    }

    /// Makes it take constants only.
    #[must_use]
    pub const fn constant(mut self) -> Self {
        self.is_constant = true;
        self
    }
}

impl Function {
    /// Says whether it answers true or false whatever its operands, and never null.
    pub fn is_certain(&self) -> bool {
        let stem = self.name.strip_prefix('!').unwrap_or(self.name);
        let stem = stem.strip_suffix("_cs").unwrap_or(stem);
        let searches = matches!(
            stem,
            "=~" | "~"
                | "contains"
                | "startswith"
                | "endswith"
                | "has"
                | "hasprefix"
                | "hassuffix"
                | "has_any"
                | "has_all"
        );
        let asks = matches!(
            self.name,
            "matches regex" | "in~" | "!in~" | "isnull" | "isnotnull" | "isempty" | "isnotempty" | "assert"
        );
        searches || asks
    }

    /// Returns an entry: pure, null-propagating, perhaps failing, numbered; change with the methods below.
    pub const fn new(name: &'static str, group: Group, signatures: &'static [Signature]) -> Self {
        Self {
            name,
            aliases: &[],
            group,
            signatures,
            nulls: Nulls::Propagate,
            effect: Effect::Pure,
            failure: Failure::Possible,
            naming: Naming::Numbered,
            doc: "",
            example: "",
            example_result: "",
            source: "",
            prepare: None,
        }
    }

    /// Sets the documentation: one sentence, an expression with its value, where the meaning comes from.
    #[must_use]
    pub const fn doc(
        mut self,
        doc: &'static str,
        example: &'static str,
        example_result: &'static str,
        source: &'static str,
    ) -> Self {
        self.doc = doc;
        self.example = example;
        self.example_result = example_result;
        self.source = source;
        self
    }

    /// Sets other names.
    #[must_use]
    pub const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Makes the function see nulls.
    #[must_use]
    pub const fn handles_nulls(mut self) -> Self {
        self.nulls = Nulls::Handled;
        self
    }

    /// Sets what the result depends on.
    #[must_use]
    pub const fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// Sets when a call fails.
    #[must_use]
    pub const fn failure(mut self, failure: Failure) -> Self {
        self.failure = failure;
        self
    }

    /// Says that no call fails.
    #[must_use]
    pub const fn never_fails(self) -> Self {
        self.failure(Failure::Never)
    }

    /// Sets how a column is named after a call.
    #[must_use]
    pub const fn naming(mut self, naming: Naming) -> Self {
        self.naming = naming;
        self
    }

    /// Sets what is built once from constant arguments.
    #[must_use]
    pub const fn prepare(mut self, prepare: Prepare) -> Self {
        self.prepare = Some(prepare);
        self
    }
}

/// Refers to an entry of the table; equal when the names are.
#[derive(Clone, Copy)]
pub struct FunctionRef(pub &'static Function);

impl std::ops::Deref for FunctionRef {
    type Target = Function;

    fn deref(&self) -> &Function {
        self.0
    }
}

impl PartialEq for FunctionRef {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for FunctionRef {}

impl fmt::Debug for FunctionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl Serialize for FunctionRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name)
    }
}

impl<'de> Deserialize<'de> for FunctionRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        crate::functions::by_name(&name).ok_or_else(|| D::Error::custom(format!("no function is called `{name}`")))
    }
}
