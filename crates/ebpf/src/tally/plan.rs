//! Tallies to what has to be certain of a record, and to places in the tables. Next: `code.rs`.

use crate::Unsupported;
use crate::filter::Effect;
use crate::layout;
use crate::payload::Format;
use crate::predicate::field::Fields;
use crate::predicate::number::Number;
use crate::predicate::{self, Plan, Want, joined};
use crate::tally::{
    AMOUNTS_MAX, Amount, AmountPlace, KEYS_MAX, Key, KeyPlace, Places, TALLIES_MAX, TEXT_MAX, Tables, Tally,
};
use dtq_ir::condition::term::Term;
use dtq_ir::reads::Path;
use dtq_value::{Type, Value};

/// Holds tallies that can be counted.
pub(crate) struct Planned {
    pub(super) tallies: Vec<PlannedTally>,
    /// Bytes of a key, of all tallies the same.
    pub(super) key_size: usize,
    /// Cells of a value that are added to.
    pub(super) sum_count: usize,
    /// Cells behind them, of which the greater counts.
    pub(super) greatest_count: usize,
    /// Whether nothing can keep a payload behind the one question about its only record, so that nothing is held back.
    pub(super) adds_at_once: bool,
}

/// Holds how one is counted.
pub(super) struct PlannedTally {
    /// The record surely counts, where none of these fields is undecided.
    pub(super) counts: Option<(Plan, Vec<i16>)>,
    /// It surely does not.
    pub(super) counts_not: Option<Plan>,
    pub(super) keys: Vec<PlannedKey>,
    pub(super) amounts: Vec<PlannedAmount>,
    pub(super) places: Places,
}

pub(super) enum PlannedKey {
    Field(i16),
    Window(i16, i64),
}

pub(super) enum PlannedAmount {
    Count,
    /// Surely true, surely not true.
    CountIf(Plan, Plan),
    Sum(Integer, bool),
    Least(Integer),
    Greatest(Integer),
}

/// An integer of a record, and what it is where its only field is missing.
pub(super) struct Integer {
    pub(super) number: Number,
    pub(super) missing: Option<(i16, Option<i64>)>,
}

impl Planned {
    /// Returns the bytes of what is held back for one record.
    pub(super) fn slot_size(&self) -> usize {
        self.key_size + self.value_size()
    }

    pub(super) fn value_size(&self) -> usize {
        8 * (self.sum_count + self.greatest_count)
    }

    /// Returns where each tally is in the tables.
    pub(crate) fn places(&self) -> Vec<Places> {
        self.tallies.iter().map(|tally| tally.places.clone()).collect()
    }
}

/// Returns how tallies are counted.
///
/// # Errors
/// Why one of them is not counted in the kernel.
pub(crate) fn plan(tallies: &[Tally], format: Format, fields: &mut Fields<'_>) -> Result<Planned, Unsupported> {
    if tallies.len() > TALLIES_MAX {
        return Err(Unsupported::new(format!("a filter counts for at most {TALLIES_MAX} rules")));
    }
    let adds_at_once = format != Format::Otlp && tallies.len() == 1;
    let mut planned = Planned { tallies: Vec::new(), key_size: 8, sum_count: 1, greatest_count: 0, adds_at_once };
    for tally in tallies {
        let mut cells = Cells { sums: Tables::COUNT_CELL + 1, greatest: 0 };
        let one = plan_one(tally, format, fields, &mut cells)?;
        let key_size = one.keys.iter().map(PlannedKey::size).sum::<usize>() + 8;
        planned.key_size = planned.key_size.max(key_size);
        planned.sum_count = planned.sum_count.max(cells.sums);
        planned.greatest_count = planned.greatest_count.max(cells.greatest);
        planned.tallies.push(one);
    }
    // Cells of which the greater counts come behind all that are added to.
    let sum_count = planned.sum_count;
    for places in planned.tallies.iter_mut().map(|tally| &mut tally.places) {
        places.time.iter_mut().for_each(|cell| *cell += sum_count);
        for amount in &mut places.amounts {
            if let AmountPlace::Least(cell, _) | AmountPlace::Greatest(cell, _) = amount {
                *cell += sum_count;
            }
        }
    }
    if planned.value_size() > layout::TALLY_ZEROS_SIZE || planned.slot_size() > layout::TALLY_SLOT_MAX {
        return Err(Unsupported::new("its keys and amounts take more room than there is"));
    }
    Ok(planned)
}

/// Counts cells that are given out.
struct Cells {
    sums: usize,
    greatest: usize,
}

impl Cells {
    fn sum(&mut self) -> usize {
        self.sums += 1;
        self.sums - 1
    }

    fn greatest(&mut self) -> usize {
        self.greatest += 1;
        self.greatest - 1
    }
}

impl PlannedKey {
    /// Returns the bytes that it takes.
    pub(super) fn size(&self) -> usize {
        match self {
            PlannedKey::Field(_) => 8 + TEXT_MAX,
            PlannedKey::Window(..) => 16,
        }
    }
}

fn plan_one(
    tally: &Tally,
    format: Format,
    fields: &mut Fields<'_>,
    cells: &mut Cells,
) -> Result<PlannedTally, Unsupported> {
    if tally.keys.len() > KEYS_MAX || tally.amounts.len() > AMOUNTS_MAX {
        return Err(Unsupported::new(format!(
            "a rule counts by at most {} keys besides the window, and at most {AMOUNTS_MAX} amounts",
            KEYS_MAX - 1
        )));
    }
    let counts_not = certain(&tally.condition, Want::NotTrue, fields);
    let fragile = if format == Format::Otlp { fragile(tally, fields) } else { Ok(Vec::new()) };
    let counts = counts(tally, fields).and_then(|counts| Ok((counts, fragile?)));
    if let (Err(reason), Err(_) | Ok(Plan::Known(false))) = (&counts, &counts_not) {
        return Err(reason.clone());
    }
    let mut keys = Vec::new();
    let mut places = Places { keys: Vec::new(), amounts: Vec::new(), time: None };
    let mut offset = 8;
    for key in &tally.keys {
        let planned = match key {
            Key::Field(path, _) => PlannedKey::Field(fields.cell(path)?),
            Key::Window(path, width) => {
                places.time.get_or_insert_with(|| cells.greatest());
                PlannedKey::Window(fields.cell(path)?, *width)
            }
        };
        places.keys.push(KeyPlace { offset, is_window: matches!(key, Key::Window(..)) });
        offset += planned.size();
        keys.push(planned);
    }
    let mut amounts = Vec::new();
    for amount in &tally.amounts {
        let (planned, place) = plan_amount(amount, fields, cells)?;
        amounts.push(planned);
        places.amounts.push(place);
    }
    Ok(PlannedTally { counts: counts.ok(), counts_not: counts_not.ok(), keys, amounts, places })
}

/// Returns the fields that conditions read: where one of them has content that is looked into in user space only, that may be
/// malformed, and then the rule fails there and counts nothing.
fn fragile(tally: &Tally, fields: &mut Fields<'_>) -> Result<Vec<i16>, Unsupported> {
    let of_amount = |amount: &'_ Amount| if let Amount::Count(Some(term)) = amount { Some(term.clone()) } else { None };
    let mut open: Vec<Term> = tally.amounts.iter().filter_map(of_amount).collect();
    open.push(tally.condition.clone());
    let mut fragile = Vec::new();
    while let Some(term) = open.pop() {
        open.extend(term.children().into_iter().cloned());
        let Term::Field(path, _) = term else { continue };
        let field = fields.cell(&path)?;
        if !fragile.contains(&field) {
            fragile.push(field);
        }
    }
    Ok(fragile)
}

/// Returns what is certain when a record counts: the condition, and that no rule in front took the record away.
fn counts(tally: &Tally, fields: &mut Fields<'_>) -> Result<Plan, Unsupported> {
    let mut parts = vec![certain(&tally.condition, Want::True, fields)?];
    for (condition, effect) in &tally.before {
        let stays = match effect {
            Effect::Drops => Want::NotTrue,
            Effect::Keeps => Want::True,
        };
        parts.push(certain(condition, stays, fields)?);
    }
    Ok(joined(parts, true))
}

fn certain(term: &Term, want: Want, fields: &mut Fields<'_>) -> Result<Plan, Unsupported> {
    let mut stays = Vec::new();
    predicate::plan(term, want, fields, &mut stays).ok_or_else(|| {
        let reason = stays.pop().map(|stays| stays.reason);
        reason.unwrap_or_else(|| Unsupported::new("which records count cannot be certain in the kernel"))
    })
}

fn plan_amount(
    amount: &Amount,
    fields: &mut Fields<'_>,
    cells: &mut Cells,
) -> Result<(PlannedAmount, AmountPlace), Unsupported> {
    Ok(match amount {
        Amount::Count(None) => (PlannedAmount::Count, AmountPlace::Count(Tables::COUNT_CELL)),
        Amount::Count(Some(condition)) => {
            let (is_true, is_not) =
                (certain(condition, Want::True, fields)?, certain(condition, Want::NotTrue, fields)?);
            (PlannedAmount::CountIf(is_true, is_not), AmountPlace::Count(cells.sum()))
        }
        Amount::Sum { of, is_positive } => {
            let place = AmountPlace::Sum(cells.sum(), cells.sum());
            (PlannedAmount::Sum(integer(of, fields)?, *is_positive), place)
        }
        Amount::Least(of) => {
            (PlannedAmount::Least(integer(of, fields)?), AmountPlace::Least(cells.greatest(), cells.sum()))
        }
        Amount::Greatest(of) => {
            (PlannedAmount::Greatest(integer(of, fields)?), AmountPlace::Greatest(cells.greatest(), cells.sum()))
        }
    })
}

fn integer(term: &Term, fields: &mut Fields<'_>) -> Result<Integer, Unsupported> {
    let number = Number::of_integer(term, fields)
        .ok_or_else(|| Unsupported::new("only integers of a record are added up in the kernel"))?;
    let Some((path, ty)) = only_field(term) else { return Ok(Integer { number, missing: None }) };
    let missing = match term.value_with(&Term::Field(path.clone(), ty), &fields.missing(path, ty)?) {
        Some(Value::Null) => Some(None),
        Some(Value::Long(number)) => Some(Some(number)),
        Some(Value::Int(number)) => Some(Some(i64::from(number))),
        _ => None,
    };
    Ok(Integer { number, missing: missing.map(|missing| Ok((fields.cell(path)?, missing))).transpose()? })
}

/// Returns the field that a value follows from, where that is a single one and the value an integer as it is.
fn only_field(term: &Term) -> Option<(&Path, Type)> {
    match term {
        Term::Field(path, ty) => Some((path, *ty)),
        Term::Call { function, args, .. } if matches!(function.name, "tolong" | "toint") => match args.as_slice() {
            [inner] => only_field(inner),
            _ => None,
        },
        _ => None,
    }
}
