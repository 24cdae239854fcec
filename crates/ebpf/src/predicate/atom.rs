//! One test of one field: what it says for each state that the field can be in.
//!
//! What a test says of a field that is missing, or of a bool, is found by asking the functions themselves while the plan is
//! made; of texts and numbers, by code. A state of which nothing is known here makes it unknown. Next: `number.rs`.

use crate::Unsupported;
use crate::emit::{Emitter, Outcome};
use crate::insn::Cond;
use crate::layout::State;
use crate::predicate::field::Fields;
use crate::search::dfa::Automaton;
use crate::search::many::emit_match;
use crate::search::{TermEdges, TextTest, emit_long_in, emit_test, emit_text_in};
use dtq_ir::condition::term::Term;
use dtq_value::{Str, Type, Value};

/// The integers that doubles count one by one end here: 2^53.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Says what a test says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    True,
    False,
    Null,
    Unknown,
}

impl Answer {
    fn of(value: Option<Value>) -> Self {
        match value {
            Some(Value::Bool(true)) => Answer::True,
            Some(Value::Bool(false)) => Answer::False,
            Some(Value::Null) => Answer::Null,
            _ => Answer::Unknown,
        }
    }

    fn of_bool(value: bool) -> Self {
        if value { Answer::True } else { Answer::False }
    }
}

/// Says what is asked of a text.
#[derive(Clone, Debug)]
pub(super) enum OnText {
    Answer(Answer),
    IsEmpty,
    /// One of these tests holds, or all of them.
    Tests(Vec<TextTest>, bool),
    In(Vec<Vec<u8>>, bool),
    Regex(Box<Automaton>),
    /// One of these bits is among what a pass found, or all of them.
    Found {
        pass: usize,
        bits: u64,
        all: bool,
    },
}

/// Says what is asked of an integer or of a datetime.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum OnLong {
    Answer(Answer),
    Compare(Cond, i64),
    Between(i64, i64),
    In(Vec<i64>),
}

/// Says what is asked of a double.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum OnReal {
    Answer(Answer),
    Compare(Cond, f64),
    Between(f64, f64),
}

/// Holds a test of a field.
#[derive(Clone, Debug)]
pub struct Atom {
    pub(super) field: i16,
    pub(super) missing: Answer,
    pub(super) bools: [Answer; 2],
    pub(super) text: OnText,
    pub(super) long: OnLong,
    /// Only the lower 32 bits of an integer count, with their sign.
    pub(super) is_int: bool,
    /// An integer is known only where a double holds it exactly.
    pub(super) is_real: bool,
    pub(super) real: OnReal,
    /// Whether what tests by code say is turned around.
    pub(super) is_negated: bool,
}

/// Names what stands between a field and its test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cast {
    None,
    Text,
    Long,
    Int,
    Real,
    Other,
}

/// Holds the parts of a test.
struct Parts<'t> {
    term: &'t Term,
    /// The field itself.
    field: &'t Term,
    ty: Type,
    cast: Cast,
    name: &'static str,
    constants: Vec<&'t Value>,
}

impl Atom {
    /// Returns the test that a term is.
    ///
    /// # Errors
    /// Why it is decided in user space.
    pub fn of(term: &Term, fields: &mut Fields<'_>) -> Result<Self, Unsupported> {
        let parts = Parts::of(term)?;
        let Term::Field(path, _) = parts.field else { unreachable!("the subject of a test is a field") };
        let (base_name, is_negated) = negation(parts.name);
        let text = parts.on_text(base_name, is_negated)?;
        let (long, real) = parts.on_number(base_name, is_negated);
        let atom = Atom {
            field: fields.cell(path)?,
            missing: parts.answer(&fields.missing(path, parts.ty)?),
            bools: [false, true].map(|value| parts.answer(&Value::Bool(value))),
            text,
            long,
            is_int: parts.cast == Cast::Int,
            is_real: parts.cast == Cast::Real,
            real,
            is_negated,
        };
        atom.check()?;
        if atom.says_nothing() {
            return Err(Unsupported::new(format!("`{}` over such a value is decided in user space", parts.name)));
        }
        Ok(atom)
    }

    /// Says whether it is unknown whatever the field holds.
    fn says_nothing(&self) -> bool {
        matches!(self.text, OnText::Answer(Answer::Unknown))
            && self.long == OnLong::Answer(Answer::Unknown)
            && self.real == OnReal::Answer(Answer::Unknown)
            && self.bools == [Answer::Unknown; 2]
    }

    /// Tries whether there is code for it.
    fn check(&self) -> Result<(), Unsupported> {
        let mut trial = Emitter::new(1);
        let [is_true, is_false, is_null, unknown] = [(); 4].map(|()| trial.asm.label());
        let outcome = Outcome { is_true, is_false, is_null, unknown };
        match &self.text {
            OnText::Tests(tests, _) => tests.iter().try_for_each(|test| emit_test(&mut trial, test, &outcome))?,
            OnText::In(texts, is_case_ignored) => emit_text_in(&mut trial, texts, *is_case_ignored, &outcome)?,
            OnText::Regex(automaton) => emit_match(&mut trial, automaton, &outcome)?,
            OnText::Answer(_) | OnText::IsEmpty | OnText::Found { .. } => {}
        }
        match &self.long {
            OnLong::In(values) => emit_long_in(&mut trial, values, &outcome),
            _ => Ok(()),
        }
    }

    /// Returns what it costs, roughly, in steps.
    pub(super) fn cost(&self) -> u32 {
        let of_test = |test: &TextTest| match test {
            TextTest::Contains { .. } => 60,
            TextTest::Has { .. } => 80,
            _ => 6,
        };
        match &self.text {
            OnText::Tests(tests, _) => tests.iter().map(of_test).sum::<u32>() + 4,
            OnText::In(..) => 20,
            OnText::Regex(_) => 120,
            OnText::Answer(_) | OnText::IsEmpty | OnText::Found { .. } => 4,
        }
    }
}

/// Returns the name of the operator without `!`, and whether it had one.
fn negation(name: &str) -> (&str, bool) {
    match name {
        "!=" => ("==", true),
        "!~" => ("=~", true),
        "isnotempty" => ("isempty", true),
        _ => name.strip_prefix('!').map_or((name, false), |rest| (rest, true)),
    }
}

/// Returns the operator that says the same of its operands the other way round.
fn mirrored(name: &'static str) -> Option<&'static str> {
    Some(match name {
        "==" => "==",
        "!=" => "!=",
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        _ => return None,
    })
}

impl<'t> Parts<'t> {
    fn of(term: &'t Term) -> Result<Self, Unsupported> {
        let unlike = || Unsupported::new("only a test of one field against constants is decided in the kernel");
        let (function, args) = match term {
            Term::Call { function, args, .. } => (function, args.as_slice()),
            Term::Field(_, Type::Bool) => return Self::over(term, term, "", &[]),
            Term::Unknown(_) => {
                return Err(Unsupported::new("it looks into a table, or depends on more than the record"));
            }
            _ => return Err(unlike()),
        };
        if function.effect != dtq_ir::function::Effect::Pure {
            return Err(Unsupported::new(format!("`{}` depends on more than the record", function.name)));
        }
        match args {
            [Term::Const(constant), subject] if !matches!(subject, Term::Const(_)) => {
                let name = mirrored(function.name).ok_or_else(unlike)?;
                Self::over(term, subject, name, &[constant])
            }
            [subject, rest @ ..] => {
                let constant = |term: &'t Term| if let Term::Const(value) = term { Some(value) } else { None };
                let constants: Option<Vec<&Value>> = rest.iter().map(constant).collect();
                Self::over(term, subject, function.name, &constants.ok_or_else(unlike)?)
            }
            [] => Err(unlike()),
        }
    }

    fn over(
        term: &'t Term,
        subject: &'t Term,
        name: &'static str,
        constants: &[&'t Value],
    ) -> Result<Self, Unsupported> {
        let mut casts = Vec::new();
        let mut field = subject;
        while let Term::Call { function, args, .. } = field
            && let [inner] = args.as_slice()
        {
            casts.push(function.name);
            field = inner;
        }
        let Term::Field(_, ty) = field else {
            return Err(Unsupported::new("only a test of one field against constants is decided in the kernel"));
        };
        let cast = match casts.as_slice() {
            [] => Cast::None,
            ["tostring"] => Cast::Text,
            ["tolong"] => Cast::Long,
            ["toint"] => Cast::Int,
            ["toreal"] => Cast::Real,
            _ => Cast::Other,
        };
        Ok(Self { term, field, ty: *ty, cast, name, constants: constants.to_vec() })
    }

    /// Returns what the test says where the field has this value.
    fn answer(&self, value: &Value) -> Answer {
        Answer::of(self.term.value_with(self.field, value))
    }

    /// Returns what it says of a field in this state, where that is the same for all values.
    fn answer_of_all(&self, values: &[Value]) -> Answer {
        let answers: Vec<Answer> = values.iter().map(|value| self.answer(value)).collect();
        if answers.windows(2).all(|pair| pair[0] == pair[1]) { answers[0] } else { Answer::Unknown }
    }

    fn is_text_itself(&self) -> bool {
        matches!(self.cast, Cast::None | Cast::Text) && matches!(self.ty, Type::String | Type::Dynamic)
    }

    fn on_text(&self, name: &str, is_negated: bool) -> Result<OnText, Unsupported> {
        if !matches!(self.ty, Type::String | Type::Dynamic) {
            return Ok(OnText::Answer(Answer::Unknown));
        }
        if matches!(name, "isnull" | "isnotnull") && self.cast == Cast::None {
            return Ok(OnText::Answer(self.answer_of_all(&[Value::string(""), Value::string("x")])));
        }
        if !self.is_text_itself() {
            return Ok(OnText::Answer(Answer::Unknown));
        }
        if name == "isempty" {
            return Ok(OnText::IsEmpty);
        }
        if name == "in" || name == "in~" {
            return Ok(match texts(&self.constants) {
                Some(texts) => OnText::In(texts, name == "in~"),
                None => OnText::Answer(Answer::Unknown),
            });
        }
        if let ("has_any" | "has_all", Some(texts)) = (name, texts(&self.constants)) {
            let has = |text| TextTest::Has { text, is_case_ignored: true, edges: TermEdges::Both };
            return Ok(OnText::Tests(texts.into_iter().map(has).collect(), name == "has_all"));
        }
        let [constant] = self.constants.as_slice() else { return Ok(OnText::Answer(Answer::Unknown)) };
        let Value::String(text) = constant else {
            // A dynamic that is a text compares with no number.
            let is_order = matches!(name, "==" | "<" | "<=" | ">" | ">=");
            let is_numeric = matches!(constant, Value::Int(_) | Value::Long(_) | Value::Real(_));
            let is_null = self.cast == Cast::None && self.ty == Type::Dynamic && is_order && is_numeric;
            let answer = if is_null { self.answer(&Value::string("x")) } else { Answer::Unknown };
            return Ok(OnText::Answer(answer));
        };
        if name == "matches regex" {
            let pattern =
                std::str::from_utf8(text.as_bytes()).map_err(|_| Unsupported::new("the pattern is no UTF-8"))?;
            return Ok(OnText::Regex(Box::new(Automaton::of_regex(pattern)?)));
        }
        match text_test(name, text) {
            Some(test) => Ok(OnText::Tests(vec![test], true)),
            None if is_negated || name.contains(' ') => {
                Err(Unsupported::new(format!("`{}` is decided in user space", self.name)))
            }
            None => Ok(OnText::Answer(Answer::Unknown)),
        }
    }

    fn on_number(&self, name: &str, is_negated: bool) -> (OnLong, OnReal) {
        let unknown = (OnLong::Answer(Answer::Unknown), OnReal::Answer(Answer::Unknown));
        if matches!(name, "isnull" | "isnotnull" | "isempty") && self.cast == Cast::None {
            let long = self.answer_of_all(&[0, 7].map(Value::Long));
            let real = self.answer_of_all(&[0.0, 7.5].map(Value::Real));
            return (OnLong::Answer(long), OnReal::Answer(real));
        }
        if self.is_text_itself() && self.constants.iter().any(|constant| !is_numeric(constant)) {
            return (self.on_number_as_text(name, is_negated), OnReal::Answer(Answer::Unknown));
        }
        if matches!(self.cast, Cast::Text | Cast::Other) || self.ty == Type::String {
            return unknown;
        }
        let long = self.on_long(name).unwrap_or(OnLong::Answer(Answer::Unknown));
        let real = match self.cast {
            Cast::None | Cast::Real => self.on_real(name).unwrap_or(OnReal::Answer(Answer::Unknown)),
            _ => OnReal::Answer(Answer::Unknown),
        };
        (long, real)
    }

    /// Returns what is asked of an integer whose digits are compared with a text.
    fn on_number_as_text(&self, name: &str, is_negated: bool) -> OnLong {
        let canonical = |value: &&Value| match value {
            Value::String(text) => number_of(text),
            _ => None,
        };
        match (name, self.constants.as_slice(), self.cast) {
            ("==", [constant @ Value::String(_)], _) => match canonical(constant) {
                Some(number) => OnLong::Compare(Cond::Eq, number),
                None => OnLong::Answer(Answer::of_bool(is_negated)),
            },
            ("in", constants, Cast::Text) if texts(constants).is_some() => {
                OnLong::In(constants.iter().filter_map(canonical).collect())
            }
            _ => OnLong::Answer(Answer::Unknown),
        }
    }

    fn on_long(&self, name: &str) -> Option<OnLong> {
        let longs: Option<Vec<i64>> = self.constants.iter().map(|constant| long_of(constant, self.ty)).collect();
        match (name, self.constants.as_slice()) {
            ("between", _) => match longs?.as_slice() {
                [low, high] => Some(OnLong::Between(*low, *high)),
                _ => None,
            },
            ("in", _) => longs.map(OnLong::In),
            (name, [Value::Real(real)]) if self.ty != Type::DateTime => long_against_real(cond(name)?, *real),
            (name, [_]) => Some(OnLong::Compare(cond(name)?, longs?[0])),
            _ => None,
        }
    }

    fn on_real(&self, name: &str) -> Option<OnReal> {
        let real = |value: &&Value| match value {
            Value::Real(real) if !real.is_nan() => Some(*real),
            #[allow(clippy::cast_precision_loss, reason = "the range is checked")]
            other => {
                long_of(other, Type::Long).filter(|long| long.unsigned_abs() < EXACT_MAX as u64).map(|long| long as f64)
            }
        };
        let reals: Option<Vec<f64>> = self.constants.iter().map(real).collect();
        match (name, reals?.as_slice()) {
            ("between", [low, high]) => Some(OnReal::Between(*low, *high)),
            (name, [constant]) => Some(OnReal::Compare(cond(name)?, *constant)),
            _ => None,
        }
    }
}

fn is_numeric(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::Long(_) | Value::Real(_) | Value::Bool(_) | Value::DateTime(_))
}

/// Returns the number whose digits are these, and no other text's.
fn number_of(text: &Str) -> Option<i64> {
    let text = std::str::from_utf8(text.as_bytes()).ok()?;
    text.parse::<i64>().ok().filter(|number| number.to_string() == text)
}

/// Returns a constant as an integer, or the ticks of one beside a datetime.
fn long_of(value: &Value, ty: Type) -> Option<i64> {
    match (value, ty) {
        (Value::DateTime(ticks), Type::DateTime) => Some(*ticks),
        (_, Type::DateTime) => None,
        (Value::Int(number), _) => Some(i64::from(*number)),
        (Value::Long(number), _) => Some(*number),
        _ => None,
    }
}

/// Returns the test of an integer that a comparison with a double is.
#[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
fn long_against_real(cond: Cond, real: f64) -> Option<OnLong> {
    if real.is_nan() || real.abs() >= EXACT_MAX {
        return None;
    }
    Some(match cond {
        Cond::SignedGt | Cond::SignedLe => OnLong::Compare(cond, real.floor() as i64),
        Cond::SignedGe | Cond::SignedLt => OnLong::Compare(cond, real.ceil() as i64),
        _ if real.fract() == 0.0 => OnLong::Compare(cond, real as i64),
        _ => return None,
    })
}

pub(super) fn cond(name: &str) -> Option<Cond> {
    Some(match name {
        "==" => Cond::Eq,
        "<" => Cond::SignedLt,
        "<=" => Cond::SignedLe,
        ">" => Cond::SignedGt,
        ">=" => Cond::SignedGe,
        _ => return None,
    })
}

/// Returns constants as texts, those of arrays among them; `None` when one is something else.
fn texts(constants: &[&Value]) -> Option<Vec<Vec<u8>>> {
    let mut texts = Vec::new();
    for constant in constants {
        match constant {
            Value::String(text) => texts.push(text.as_bytes().to_vec()),
            Value::Array(items) => {
                for item in items.iter() {
                    let Value::String(text) = item else { return None };
                    texts.push(text.as_bytes().to_vec());
                }
            }
            _ => return None,
        }
    }
    Some(texts)
}

/// Returns the test of a text that an operator is.
fn text_test(name: &str, text: &Str) -> Option<TextTest> {
    let text = text.as_bytes().to_vec();
    let (name, is_case_ignored) = match name {
        "==" => ("==", false),
        "=~" => ("==", true),
        _ => name.strip_suffix("_cs").map_or((name, true), |name| (name, false)),
    };
    let has = |text, edges| TextTest::Has { text, is_case_ignored, edges };
    Some(match name {
        "==" => TextTest::Equals { text, is_case_ignored },
        "contains" => TextTest::Contains { text, is_case_ignored },
        "startswith" => TextTest::StartsWith { text, is_case_ignored },
        "endswith" => TextTest::EndsWith { text, is_case_ignored },
        "has" => has(text, TermEdges::Both),
        "hasprefix" => has(text, TermEdges::Start),
        "hassuffix" => has(text, TermEdges::End),
        _ => return None,
    })
}

/// The states that hold an integer.
pub(super) const LONG_STATES: [State; 2] = [State::Long, State::DateTime];
