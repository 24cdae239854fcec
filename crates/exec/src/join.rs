//! Joins: the right side is held by key, the left side streams past it.

use crate::budget::{Hold, row_bytes, values_bytes};
use crate::env::Env;
use crate::operator::{BoxedOperator, Operator};
use dtq_interp::RowIdentity;
use dtq_ir::ExprId;
use dtq_ir::rel::JoinKind;
use dtq_record::stream::Row;
use dtq_value::Value;
use dtq_value::scalar::Fault;
use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashSet};

/// Joins two inputs on equal keys; a key with a null part has no partner.
///
/// Output: for each left row, in order, its partners in the order of the right side; then what the right side has left
/// over, in order.
pub(crate) struct Join<'a> {
    kind: JoinKind,
    left: BoxedOperator<'a>,
    left_keys: Vec<ExprId>,
    left_missing: Row,
    right: Option<BoxedOperator<'a>>,
    right_keys: Vec<ExprId>,
    right_missing: Row,
    table: RightTable,
    hold: Hold,
    stage: Stage,
    /// Whether every row of the result will be asked for, so that left rows may be read ahead.
    is_all_wanted: bool,
    produced: u64,
    /// For [`JoinKind::InnerUnique`]: the left keys that were seen.
    seen: FxHashSet<RowIdentity>,
}

/// Holds the right side.
#[derive(Default)]
struct RightTable {
    rows: Vec<Row>,
    is_matched: Vec<bool>,
    by_key: IndexMap<RowIdentity, Vec<usize>, FxBuildHasher>,
    /// How many rows the most frequent key has.
    partners_max: usize,
}

/// Says how far a join has come.
enum Stage {
    /// The right side is not read yet.
    Loading,
    /// Left rows are being matched; the first of them against the partners of a key from an index on.
    Matching { batch: std::vec::IntoIter<Row>, current: Option<(Row, usize, usize)> },
    /// Right rows from an index on are being given.
    Leftover(usize),
}

impl<'a> Join<'a> {
    pub(crate) fn new(
        env: &Env<'_>,
        (left, right): (BoxedOperator<'a>, BoxedOperator<'a>),
        (left_missing, right_missing): (Row, Row),
        kind: JoinKind,
        keys: &[(ExprId, ExprId)],
        is_all_wanted: bool,
    ) -> Self {
        Self {
            kind,
            left_missing,
            left,
            left_keys: keys.iter().map(|(left, _)| *left).collect(),
            right_missing,
            right: Some(right),
            right_keys: keys.iter().map(|(_, right)| *right).collect(),
            table: RightTable::default(),
            hold: env.budget.hold("join"),
            stage: Stage::Loading,
            is_all_wanted,
            produced: 0,
            seen: FxHashSet::default(),
        }
    }

    /// Reads the right side.
    fn load(&mut self, env: &mut Env<'a>) -> Result<(), Fault> {
        let Some(mut right) = self.right.take() else {
            return Ok(());
        };
        while let Some(batch) = right.next(env)? {
            for row in batch {
                let key = env.eval_all(&self.right_keys, &row)?;
                self.hold.add_row(&row)?;
                let index = self.table.rows.len();
                self.table.rows.push(row);
                self.table.is_matched.push(false);
                if key.iter().any(Value::is_null) {
                    continue;
                }
                self.hold.add(values_bytes(&key) + 2 * size_of::<usize>())?;
                let partners = self.table.by_key.entry(RowIdentity(key)).or_default();
                partners.push(index);
                self.table.partners_max = self.table.partners_max.max(partners.len());
            }
        }
        Ok(())
    }

    /// Returns the position of the left row's key in the table, when it has partners.
    fn find_partners(&mut self, env: &mut Env<'a>, row: &Row) -> Result<Option<usize>, Fault> {
        let key = env.eval_all(&self.left_keys, row)?;
        if key.iter().any(Value::is_null) {
            return Ok(None);
        }
        let key = RowIdentity(key);
        let found = self.table.by_key.get_index_of(&key);
        if self.kind == JoinKind::InnerUnique && found.is_some() {
            if self.seen.contains(&key) {
                return Ok(None);
            }
            self.hold.add(values_bytes(&key.0))?;
            self.seen.insert(key);
        }
        Ok(found)
    }

    /// Handles a left row: gives what it alone decides, and returns the key whose partners it is still to be paired with.
    fn start_row(&mut self, env: &mut Env<'a>, row: &Row, output: &mut Vec<Row>) -> Result<Option<usize>, Fault> {
        let partners = self.find_partners(env, row)?;
        Ok(match self.kind {
            JoinKind::LeftSemi => {
                if partners.is_some() {
                    output.push(row.clone());
                }
                None
            }
            JoinKind::LeftAnti => {
                if partners.is_none() {
                    output.push(row.clone());
                }
                None
            }
            JoinKind::RightSemi | JoinKind::RightAnti => {
                if let Some(partners) = partners {
                    self.mark(partners);
                }
                None
            }
            JoinKind::LeftOuter | JoinKind::FullOuter => {
                match partners {
                    Some(partners) => self.mark(partners),
                    None => output.push(pair(row, &self.right_missing)),
                }
                partners
            }
            JoinKind::RightOuter => {
                if let Some(partners) = partners {
                    self.mark(partners);
                }
                partners
            }
            JoinKind::Inner | JoinKind::InnerUnique => partners,
        })
    }

    /// Notes that the right rows of a key have a partner.
    fn mark(&mut self, key: usize) {
        for index in &self.table.by_key[key] {
            self.table.is_matched[*index] = true;
        }
    }

    /// Matches left rows until there are enough output rows; says whether the left side has ended.
    fn match_rows(&mut self, env: &mut Env<'a>, output: &mut Vec<Row>) -> Result<bool, Fault> {
        let Stage::Matching { mut batch, mut current } = std::mem::replace(&mut self.stage, Stage::Loading) else {
            unreachable!("called while matching");
        };
        let has_ended = loop {
            if let Some((row, key, from)) = current.take() {
                let partners = &self.table.by_key[key];
                let room = env.batch_rows.saturating_sub(output.len()).max(1);
                let to = partners.len().min(from.saturating_add(room));
                output.extend(partners[from..to].iter().map(|index| pair(&row, &self.table.rows[*index])));
                current = (to < partners.len()).then_some((row, key, to));
            }
            if output.len() >= env.batch_rows {
                break false;
            }
            if current.is_some() {
                continue;
            }
            if let Some(row) = batch.next() {
                current = self.start_row(env, &row, output)?.map(|key| (row, key, 0));
            } else if let Some(next) = self.left.next(env)? {
                batch = self.read_ahead(env, next, output.len())?.into_iter();
            } else {
                // More may be pushed in later; the kinds of join that give rows at the end are not fed.
                break env.fed.is_none();
            }
        };
        self.stage = Stage::Matching { batch, current };
        Ok(has_ended)
    }

    /// Counts the partners of left rows before they are paired, and of more left rows when these have many: a join that
    /// will pass its bound then says so at once, not after it has made all rows up to there.
    fn read_ahead(&mut self, env: &mut Env<'a>, mut rows: Vec<Row>, output_count: usize) -> Result<Vec<Row>, Fault> {
        /// Pairs from which reading ahead is worth it.
        const PAIRS_MIN: u64 = 1_000_000;
        /// Left rows that are held to count.
        const ROWS_MAX: usize = 1 << 16;
        /// Bytes that they may take.
        const BYTES_MAX: usize = 16 << 20;
        let has_pairs =
            matches!(self.kind, JoinKind::Inner | JoinKind::LeftOuter | JoinKind::RightOuter | JoinKind::FullOuter);
        let pairs_max = (self.table.partners_max as u64).saturating_mul(rows.len() as u64);
        if !has_pairs || !self.is_all_wanted || pairs_max < PAIRS_MIN {
            return Ok(rows);
        }
        let (mut pairs, mut bytes, mut counted) = (0, 0, 0);
        loop {
            for row in &rows[counted..] {
                let partners = self.find_partners(env, row)?;
                pairs += partners.map_or(0, |key| self.table.by_key[key].len() as u64);
                bytes += row_bytes(row);
            }
            counted = rows.len();
            env.check_produced("join", self.produced + output_count as u64 + pairs)?;
            if pairs < PAIRS_MIN || counted >= ROWS_MAX || bytes >= BYTES_MAX {
                return Ok(rows);
            }
            match self.left.next(env)? {
                Some(more) => rows.extend(more),
                None => return Ok(rows),
            }
        }
    }

    /// Gives right rows that the kind of join leaves for the end; says whether there are more.
    fn give_leftover(&self, from: usize, batch_rows: usize, output: &mut Vec<Row>) -> usize {
        let mut index = from;
        while index < self.table.rows.len() && output.len() < batch_rows {
            let (row, is_matched) = (&self.table.rows[index], self.table.is_matched[index]);
            match self.kind {
                JoinKind::RightSemi if is_matched => output.push(row.clone()),
                JoinKind::RightAnti if !is_matched => output.push(row.clone()),
                JoinKind::RightOuter | JoinKind::FullOuter if !is_matched => output.push(pair(&self.left_missing, row)),
                _ => {}
            }
            index += 1;
        }
        index
    }
}

/// Returns a left row followed by a right row.
fn pair(left: &Row, right: &Row) -> Row {
    let mut row = Vec::with_capacity(left.len() + right.len());
    row.extend_from_slice(left);
    row.extend_from_slice(right);
    row
}

impl<'a> Operator<'a> for Join<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        env.check_time()?;
        if let Stage::Loading = self.stage {
            self.load(env)?;
            self.stage = Stage::Matching { batch: Vec::new().into_iter(), current: None };
        }
        let mut output = Vec::new();
        if let Stage::Matching { .. } = self.stage
            && self.match_rows(env, &mut output)?
        {
            self.stage = Stage::Leftover(0);
        }
        if let Stage::Leftover(from) = self.stage {
            let to = self.give_leftover(from, env.batch_rows, &mut output);
            self.stage = Stage::Leftover(to);
        }
        self.produced += output.len() as u64;
        env.check_produced("join", self.produced)?;
        Ok((!output.is_empty()).then_some(output))
    }
}
