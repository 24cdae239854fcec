//! Operators that choose or order rows and must see all of them first: `sort`, `top`, `sample`.

use crate::budget::{Hold, values_bytes};
use crate::env::Env;
use crate::operator::{BoxedOperator, Operator};
use crate::order::{Direction, compare_keys};
use dtq_ir::ExprId;
use dtq_ir::rel::SortKey;
use dtq_record::stream::Row;
use dtq_value::Value;
use dtq_value::scalar::Fault;
use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::rc::Rc;

/// Gives out rows that an operator holds, batch by batch, giving back their bytes.
pub(crate) struct Held {
    rows: std::vec::IntoIter<Row>,
    hold: Hold,
}

impl Held {
    /// Returns the rows of `hold`.
    pub(crate) fn new(rows: Vec<Row>, hold: Hold) -> Self {
        Self { rows: rows.into_iter(), hold }
    }

    /// Returns the next rows, or `None` after the last.
    pub(crate) fn next(&mut self, batch_rows: usize) -> Option<Vec<Row>> {
        let batch: Vec<Row> = self.rows.by_ref().take(batch_rows).collect();
        batch.iter().for_each(|row| self.hold.remove_row(row));
        (!batch.is_empty()).then_some(batch)
    }
}

/// A row with what it is ordered by.
type Keyed = (Vec<Value>, Row);

/// Orders all rows; rows with equal keys keep their order.
pub(crate) struct Sort<'a> {
    input: BoxedOperator<'a>,
    keys: Vec<ExprId>,
    directions: Vec<Direction>,
    hold: Option<Hold>,
    output: Option<Held>,
}

impl<'a> Sort<'a> {
    pub(crate) fn new(env: &Env<'_>, input: BoxedOperator<'a>, keys: &[SortKey]) -> Self {
        Self {
            input,
            keys: keys.iter().map(|key| key.expr).collect(),
            directions: Direction::of(keys),
            hold: Some(env.budget.hold("sort")),
            output: None,
        }
    }

    fn sort(&mut self, env: &mut Env<'a>, mut hold: Hold) -> Result<Held, Fault> {
        let mut rows: Vec<Keyed> = Vec::new();
        while let Some(batch) = self.input.next(env)? {
            for row in batch {
                let key = env.eval_all(&self.keys, &row)?;
                hold.add_row(&row)?;
                hold.add(values_bytes(&key))?;
                rows.push((key, row));
            }
        }
        let rows = self.merge_sort(env, rows)?;
        Ok(Held::new(rows.into_iter().map(|(_, row)| row).collect(), hold))
    }

    /// Sorts runs of some rows and merges them two by two, asking between whether the run should end: sorting all at once
    /// could take longer than it has.
    fn merge_sort(&self, env: &Env<'_>, mut rows: Vec<Keyed>) -> Result<Vec<Keyed>, Fault> {
        const RUN_ROWS: usize = 1 << 16;
        let mut runs = VecDeque::new();
        while !rows.is_empty() {
            let mut run = rows.split_off(rows.len().saturating_sub(1) / RUN_ROWS * RUN_ROWS);
            env.check_time()?;
            run.sort_by(|left, right| compare_keys(&self.directions, &left.0, &right.0));
            runs.push_front(run);
        }
        // Neighbours are merged, level by level, so that equal keys keep their order.
        while runs.len() > 1 {
            for _ in 0..runs.len().div_ceil(2) {
                let (first, second) = (runs.pop_front().unwrap_or_default(), runs.pop_front());
                runs.push_back(match second {
                    Some(second) => self.merge(env, first, second)?,
                    None => first,
                });
            }
        }
        Ok(runs.pop_front().unwrap_or_default())
    }

    /// Returns the rows of two runs in order; of equal ones those of the first come first.
    fn merge(&self, env: &Env<'_>, first: Vec<Keyed>, second: Vec<Keyed>) -> Result<Vec<Keyed>, Fault> {
        const ROWS_BETWEEN_POLLS: usize = 1 << 14;
        let mut merged = Vec::with_capacity(first.len() + second.len());
        let (mut first, mut second) = (first.into_iter().peekable(), second.into_iter().peekable());
        while let (Some(left), Some(right)) = (first.peek(), second.peek()) {
            if merged.len() % ROWS_BETWEEN_POLLS == 0 {
                env.check_time()?;
            }
            let is_right_less = compare_keys(&self.directions, &right.0, &left.0).is_lt();
            merged.extend(if is_right_less { second.next() } else { first.next() });
        }
        merged.extend(first);
        merged.extend(second);
        Ok(merged)
    }
}

impl<'a> Operator<'a> for Sort<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        if let Some(hold) = self.hold.take() {
            self.output = Some(self.sort(env, hold)?);
        }
        Ok(self.output.as_mut().and_then(|output| output.next(env.batch_rows)))
    }
}

/// Gives the first rows in an order, holding no more than it gives.
pub(crate) struct Top<'a> {
    input: BoxedOperator<'a>,
    count: u64,
    keys: Vec<ExprId>,
    directions: Rc<[Direction]>,
    hold: Option<Hold>,
    output: Option<Held>,
}

/// Holds a row that is among the first so far; the greatest is the one that goes first.
struct Candidate {
    key: Vec<Value>,
    /// The position in the input, by which equal keys are ordered.
    index: u64,
    row: Row,
    directions: Rc<[Direction]>,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_keys(&self.directions, &self.key, &other.key).then(self.index.cmp(&other.index))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

impl<'a> Top<'a> {
    pub(crate) fn new(
        env: &mut Env<'_>,
        input: BoxedOperator<'a>,
        count: ExprId,
        keys: &[SortKey],
    ) -> Result<Self, Fault> {
        Ok(Self {
            input,
            count: env.eval_count(count)?,
            keys: keys.iter().map(|key| key.expr).collect(),
            directions: Direction::of(keys).into(),
            hold: Some(env.budget.hold("top")),
            output: None,
        })
    }

    fn choose(&mut self, env: &mut Env<'a>, mut hold: Hold) -> Result<Held, Fault> {
        let mut chosen: BinaryHeap<Candidate> = BinaryHeap::new();
        let mut index = 0;
        while let Some(batch) = self.input.next(env)? {
            for row in batch {
                let key = env.eval_all(&self.keys, &row)?;
                let candidate = Candidate { key, index, row, directions: Rc::clone(&self.directions) };
                index += 1;
                if (chosen.len() as u64) < self.count {
                    hold.add_row(&candidate.key)?;
                    hold.add_row(&candidate.row)?;
                    chosen.push(candidate);
                } else if let Some(mut last) = chosen.peek_mut()
                    && candidate < *last
                {
                    hold.remove_row(&last.key);
                    hold.remove_row(&last.row);
                    hold.add_row(&candidate.key)?;
                    hold.add_row(&candidate.row)?;
                    *last = candidate;
                }
            }
        }
        let rows = chosen.into_sorted_vec().into_iter().map(|candidate| candidate.row).collect();
        Ok(Held::new(rows, hold))
    }
}

impl<'a> Operator<'a> for Top<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        if let Some(hold) = self.hold.take()
            && self.count > 0
        {
            self.output = Some(self.choose(env, hold)?);
        }
        Ok(self.output.as_mut().and_then(|output| output.next(env.batch_rows)))
    }
}

/// Gives some rows chosen at random, in the order of the input.
pub(crate) struct Sample<'a> {
    input: BoxedOperator<'a>,
    count: u64,
    hold: Option<Hold>,
    output: Option<Held>,
}

impl<'a> Sample<'a> {
    pub(crate) fn new(env: &mut Env<'_>, input: BoxedOperator<'a>, count: ExprId) -> Result<Self, Fault> {
        let count = env.eval_count(count)?;
        Ok(Self { input, count, hold: Some(env.budget.hold("sample")), output: None })
    }

    /// Chooses by reservoir sampling (Vitter, "Random sampling with a reservoir", 1985, algorithm R).
    fn choose(&mut self, env: &mut Env<'a>, mut hold: Hold) -> Result<Held, Fault> {
        let mut chosen: Vec<(u64, Row)> = Vec::new();
        let mut seen = 0_u64;
        while let Some(batch) = self.input.next(env)? {
            for row in batch {
                seen += 1;
                if (chosen.len() as u64) < self.count {
                    hold.add_row(&row)?;
                    chosen.push((seen, row));
                    continue;
                }
                let place = env.ctx.scalar.next_random() % seen;
                if place < self.count {
                    let place = usize::try_from(place).expect("below count, of which all are in memory");
                    hold.remove_row(&chosen[place].1);
                    hold.add_row(&row)?;
                    chosen[place] = (seen, row);
                }
            }
        }
        chosen.sort_by_key(|(index, _)| *index);
        Ok(Held::new(chosen.into_iter().map(|(_, row)| row).collect(), hold))
    }
}

impl<'a> Operator<'a> for Sample<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        if let Some(hold) = self.hold.take()
            && self.count > 0
        {
            self.output = Some(self.choose(env, hold)?);
        }
        Ok(self.output.as_mut().and_then(|output| output.next(env.batch_rows)))
    }
}
