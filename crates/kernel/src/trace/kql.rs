//! A condition in KQL to what the kernel decides of it, and to what user space decides of the rest.
//!
//! The kernel leaves out a hit only where the condition is surely not true of it. What it cannot tell it hands over, with
//! the reason, and [`KqlCondition::decide`] tells as far as the values are whole. Next: `program.rs`. Tests:
//! `tests/probe/kql.rs`, `tests/live/trace.rs`.

use crate::trace::arguments::{Argument, ArgumentType};
use crate::trace::error::TraceError;
use crate::trace::program::{Column, Condition};
use crate::trace::record::{CapturedValue, Hit};
use dtq_ebpf::Unsupported;
use dtq_ebpf::emit::{Emitter, Outcome};
use dtq_ebpf::insn::{Cond, Reg};
use dtq_ebpf::layout::{REASON, Reason};
use dtq_ebpf::predicate::field::{Fields, Source as FieldSource};
use dtq_ebpf::predicate::{self, Plan, Want};
use dtq_engine::{Engine, Options, Query};
use dtq_ir::RelKind;
use dtq_ir::condition::Condition as IrCondition;
use dtq_ir::reads::Path;
use dtq_record::otlp::fill::FieldPath;
use dtq_record::stream::{Catalog, Column as TableColumn, Projection, Row, RowStream, StreamError, TableSchema};
use dtq_source::Code;
use dtq_value::{Type, Value};

/// What the table of hits is called in the query that a condition is the end of.
const TABLE: &str = "hits";

/// Holds a condition over the columns `Function`, `Pid`, `Tid`, `Command` and the arguments of a log.
#[derive(Clone, Debug)]
pub struct KqlCondition {
    query: Query,
    columns: Vec<(Column, TableColumn)>,
    plan: Plan,
    /// What the code reads, in the order of its cells.
    read: Vec<Column>,
    stays: Vec<(String, String)>,
}

impl KqlCondition {
    /// Returns the condition that a text of KQL is, such as `arg0 > 5 and arg1 startswith "GET"`.
    ///
    /// # Errors
    /// [`TraceError::Condition`] when it is no condition over these columns, and when the kernel can decide nothing of it.
    pub fn compile(text: &str, arguments: &[Argument]) -> Result<Self, TraceError> {
        let columns = columns(arguments);
        let hits = Hits { columns: &columns, row: None };
        let (query, diagnostics) = dtq_engine::compile(&format!("{TABLE} | where {text}"), &hits, &options());
        let Some(query) = query else {
            let errors = diagnostics.iter().filter(|one| one.is_error());
            let errors: Vec<String> =
                errors.map(|one| format!("{}: {} ({})", one.code, one.message, one.label)).collect();
            return Err(TraceError::Condition(errors.join("; ")));
        };
        let term = condition_of(&query)?;
        let source = |path: &Path| {
            let column = columns.iter().position(|(_, column)| column.name == path.column && path.keys.is_empty());
            let column = column.ok_or_else(|| Unsupported::new("it looks into a value"))?;
            Ok(FieldSource::Field(FieldPath { column, key: None }))
        };
        let mut fields = Fields::new(&source, &|_| Ok(()));
        let mut stays = Vec::new();
        let plan = predicate::plan(term.term(), Want::NotTrue, &mut fields, &mut stays);
        let stays: Vec<(String, String)> =
            stays.iter().map(|stays| (predicate::describe(&stays.part), stays.reason.to_string())).collect();
        let read = fields.wanted().iter().map(|wanted| columns[wanted.path.column].0).collect();
        match plan {
            Some(Plan::Known(true)) => Err(TraceError::Condition("it is never true".to_owned())),
            Some(plan) => Ok(Self { query, columns, plan, read, stays }),
            None => {
                let reasons: Vec<String> = stays.iter().map(|(part, reason)| format!("`{part}`: {reason}")).collect();
                Err(TraceError::Condition(reasons.join("; ")))
            }
        }
    }

    /// Returns the parts that the kernel leaves to user space, each with the reason.
    pub fn stays(&self) -> &[(String, String)] {
        &self.stays
    }

    /// Returns what the kernel decides.
    pub fn condition(&self) -> Condition<'static> {
        let (plan, has_rest) = (self.plan.clone(), !self.stays.is_empty());
        let write = move |emitter: &mut Emitter, outcome: Outcome| {
            let may_be = emitter.asm.label();
            predicate::emit(emitter, &plan, outcome.is_false, may_be)?;
            emitter.asm.bind(may_be);
            if has_rest {
                emitter.unknown(Reason::Condition, outcome.unknown);
                return Ok(());
            }
            // Of a part that could not be told the reason is there.
            emitter.load(Reg::R1, REASON);
            emitter.asm.branch(Cond::Ne, Reg::R1, 0, outcome.unknown);
            emitter.asm.jump(outcome.is_true);
            Ok(())
        };
        Condition { columns: self.read.clone(), write: Box::new(write) }
    }

    /// Says whether the condition is true of a hit of a function; `None` where an argument is not here as a whole.
    ///
    /// # Errors
    /// When the condition fails on the hit, such as by a number that is too large.
    ///
    /// # Cost
    /// Runs a query over one row, some microseconds: for hits that the kernel did not decide.
    pub fn decide(&self, hit: &Hit<'_>, function: &str, arguments: &[Argument]) -> Result<Option<bool>, TraceError> {
        let mut row = vec![
            Value::string(function),
            Value::Long(hit.pid.into()),
            Value::Long(hit.tid.into()),
            Value::string(hit.command),
        ];
        for (argument, captured) in arguments.iter().zip(&hit.arguments) {
            let is_whole = !captured.is_cut && !captured.has_failed;
            if matches!(argument.kind, ArgumentType::Bytes(_)) {
                continue;
            }
            if !is_whole && self.reads(Column::Argument(argument.source)) {
                return Ok(None);
            }
            row.push(match captured.value {
                Some(CapturedValue::Long(number)) => Value::Long(number),
                Some(CapturedValue::Text(text) | CapturedValue::Bytes(text)) => Value::string(text),
                None => Value::missing(type_of(argument.kind)),
            });
        }
        let hits = Hits { columns: &self.columns, row: Some(row) };
        let options = options();
        let rows = self.query.run(&hits, &options).and_then(|mut run| run.rest(0));
        rows.map(|rows| Some(!rows.is_empty())).map_err(|fault| TraceError::Condition(fault.message))
    }

    /// Says whether the condition reads a column, in the kernel or behind it.
    fn reads(&self, column: Column) -> bool {
        let name = self.columns.iter().find(|(known, _)| *known == column).map(|(_, column)| column.name.as_str());
        dtq_ir::reads::of(self.query.program()).iter().any(|read| Some(read.path.column.as_str()) == name)
    }
}

/// Returns the columns that a condition may name. Bytes are none: as a value they are base64, which the kernel does not read.
fn columns(arguments: &[Argument]) -> Vec<(Column, TableColumn)> {
    let own = [
        ("Function", Column::Function, Type::String),
        ("Pid", Column::Pid, Type::Long),
        ("Tid", Column::Tid, Type::Long),
        ("Command", Column::Command, Type::String),
    ];
    let own = own.map(|(name, column, ty)| (column, TableColumn::new(name, ty)));
    let arguments = arguments.iter().filter(|argument| !matches!(argument.kind, ArgumentType::Bytes(_)));
    let arguments = arguments.map(|argument| {
        (Column::Argument(argument.source), TableColumn::new(argument.source.to_string(), type_of(argument.kind)))
    });
    own.into_iter().chain(arguments).collect()
}

fn type_of(kind: ArgumentType) -> Type {
    if kind.is_pointer() { Type::String } else { Type::Long }
}

fn options() -> Options<'static> {
    Options { engine: Engine::Interp, ..Options::default() }
}

/// Returns the condition of a query that only filters the table.
fn condition_of(query: &Query) -> Result<IrCondition, TraceError> {
    let program = query.program();
    let other = || TraceError::Condition("it is more than a condition".to_owned());
    let [output] = program.outputs.as_slice() else { return Err(other()) };
    let mut at = output.rel;
    loop {
        match &program.rel(at).kind {
            RelKind::Filter { input, .. } => at = *input,
            RelKind::Scan { .. } => break,
            _ => return Err(other()),
        }
    }
    IrCondition::of_relation(program, output.rel).ok_or_else(other)
}

/// Gives the table of one hit, or of none.
struct Hits<'h> {
    columns: &'h [(Column, TableColumn)],
    row: Option<Row>,
}

impl Catalog for Hits<'_> {
    fn schema(&self, table: &str) -> Option<TableSchema> {
        let columns = self.columns.iter().map(|(_, column)| column.clone()).collect();
        (table == TABLE).then(|| TableSchema { name: TABLE.to_owned(), columns })
    }

    fn table_names(&self) -> Vec<String> {
        vec![TABLE.to_owned()]
    }

    fn scan(&self, table: &str, _projection: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        match table {
            TABLE => Ok(Box::new(OneRow(self.row.clone()))),
            _ => Err(StreamError { code: Code::E3008, message: format!("there is no table `{table}`") }),
        }
    }
}

/// Gives one row.
struct OneRow(Option<Row>);

impl RowStream for OneRow {
    fn read(&mut self, batch: &mut Vec<Row>) -> Result<bool, StreamError> {
        batch.extend(self.0.take());
        Ok(false)
    }
}
