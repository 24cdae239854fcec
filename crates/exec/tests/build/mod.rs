//! Programs built by hand for the tests of this crate, and a table that counts what is read from it.

#![allow(dead_code, reason = "each test uses its part")]

use dtq_exec::{Options, Run};
use dtq_ir::aggregate::{Aggregate, AggregateKind, AggregateReturns};
use dtq_ir::function::{Group, Naming, Returns};
use dtq_ir::rel::AggregateCall;
use dtq_ir::{Expr, ExprId, ExprKind, Function, FunctionRef, Output, Param, Program, Rel, RelId, RelKind, Signature};
use dtq_record::stream::{Catalog, Column, Projection, Row, RowStream, StreamError, TableSchema};
use dtq_source::{Limits, Span};
use dtq_value::scalar::{Call, Fault};
use dtq_value::{Type, Value};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Returns whether the first long is greater than the second.
pub fn greater(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (Value::Long(left), Value::Long(right)) = (&call.args[0], &call.args[1]) else {
        return Ok(Value::Null);
    };
    Ok(Value::Bool(left > right))
}

/// Returns the sum of two longs.
pub fn add(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (Value::Long(left), Value::Long(right)) = (&call.args[0], &call.args[1]) else {
        return Ok(Value::Null);
    };
    Ok(Value::Long(left.wrapping_add(*right)))
}

pub static PAIR: [Param; 2] = [Param::is("left", Type::Long), Param::is("right", Type::Long)];
pub static GREATER: Function =
    Function::new("test_greater", Group::Other, &[Signature::new(&PAIR, Returns::Type(Type::Bool), greater)]);
pub static ADD: Function =
    Function::new("test_add", Group::Other, &[Signature::new(&PAIR, Returns::Type(Type::Long), add)]);

pub static COUNT: Aggregate = aggregate("test_count", AggregateKind::Count, Type::Long);
pub static SUM: Aggregate = aggregate("test_sum", AggregateKind::Sum, Type::Long);
pub static LIST: Aggregate = aggregate("test_list", AggregateKind::MakeList, Type::Dynamic);
pub static ARG_MAX: Aggregate = aggregate("test_arg_max", AggregateKind::ArgMax, Type::Long);

pub const fn aggregate(name: &'static str, kind: AggregateKind, ty: Type) -> Aggregate {
    Aggregate {
        name,
        aliases: &[],
        kind,
        params: &[],
        args_min: 0,
        is_variadic: true,
        condition: None,
        constants_from: None,
        returns: AggregateReturns::Type(ty),
        naming: Naming::Numbered,
        doc: "",
        source: "",
    }
}

/// Builds a program.
#[derive(Default)]
pub struct Builder(pub Program);

impl Builder {
    pub fn expr(&mut self, kind: ExprKind, ty: Type) -> ExprId {
        self.0.add_expr(Expr { kind, ty, span: Span::default() })
    }

    pub fn long(&mut self, value: i64) -> ExprId {
        self.expr(ExprKind::Const(Value::Long(value)), Type::Long)
    }

    pub fn column(&mut self, index: u32, ty: Type) -> ExprId {
        self.expr(ExprKind::Column(index), ty)
    }

    pub fn call(&mut self, function: &'static Function, args: &[ExprId], ty: Type) -> ExprId {
        self.expr(ExprKind::Call { function: FunctionRef(function), signature: 0, args: args.into(), pooled: None }, ty)
    }

    pub fn rel(&mut self, kind: RelKind, columns: &[(&str, Type)]) -> RelId {
        let columns = columns.iter().map(|(name, ty)| Column::new(*name, *ty)).collect();
        self.0.add_rel(Rel { kind, columns, is_ordered: false, span: Span::default() })
    }

    pub fn range(&mut self, from: i64, to: i64) -> RelId {
        let (from, to, step) = (self.long(from), self.long(to), self.long(1));
        self.rel(RelKind::Range { from, to, step }, &[("x", Type::Long)])
    }

    pub fn values(&mut self, columns: &[(&str, Type)], rows: Vec<Vec<Value>>) -> RelId {
        self.rel(RelKind::Values { rows }, columns)
    }

    pub fn call_aggregate(&self, aggregate: &'static Aggregate, args: &[ExprId], outputs: &[Type]) -> AggregateCall {
        AggregateCall { aggregate, args: args.to_vec(), condition: None, outputs: outputs.to_vec() }
    }

    pub fn output(mut self, rel: RelId) -> Program {
        self.0.outputs.push(Output { name: "PrimaryResult".into(), rel });
        self.0
    }
}

/// A table of the numbers from 0, the same in each of three columns, that notes what is read of it.
pub struct Numbers {
    pub count: i64,
    pub read: Rc<Cell<i64>>,
    /// The projection of the last scan.
    pub projection: RefCell<Vec<bool>>,
}

impl Numbers {
    pub const COLUMNS: [(&str, Type); 3] = [("x", Type::Long), ("y", Type::Long), ("z", Type::Long)];

    pub fn new(count: i64) -> Self {
        Self { count, read: Rc::default(), projection: RefCell::default() }
    }
}

pub struct NumberStream {
    pub count: i64,
    pub read: Rc<Cell<i64>>,
}

impl RowStream for NumberStream {
    fn read(&mut self, batch: &mut Vec<Row>) -> Result<bool, StreamError> {
        for _ in 0..10 {
            if self.read.get() == self.count {
                return Ok(false);
            }
            batch.push(vec![Value::Long(self.read.get()); 3]);
            self.read.set(self.read.get() + 1);
        }
        Ok(true)
    }
}

impl Catalog for Numbers {
    fn schema(&self, table: &str) -> Option<TableSchema> {
        let columns = Self::COLUMNS.iter().map(|(name, ty)| Column::new(*name, *ty)).collect();
        Some(TableSchema { name: table.into(), columns })
    }

    fn table_names(&self) -> Vec<String> {
        vec!["numbers".into()]
    }

    fn scan(&self, _table: &str, projection: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        self.projection.replace(projection.is_read.clone());
        Ok(Box::new(NumberStream { count: self.count, read: Rc::clone(&self.read) }))
    }
}

pub fn run_with(program: &Program, batch_rows: usize, limits: Limits) -> Result<Vec<Row>, Fault> {
    let catalog = Numbers::new(0);
    Run::new(program, &catalog, Options { batch_rows, limits, ..Options::default() })?.rest(0)
}

/// Runs a program with several batch sizes and returns the one result.
pub fn run(program: &Program) -> Vec<Row> {
    let expected = run_with(program, 1024, Limits::default()).expect("the program is valid");
    for batch_rows in [1, 2, 3, 7] {
        assert_eq!(
            run_with(program, batch_rows, Limits::default()).expect("valid"),
            expected,
            "batches of {batch_rows}"
        );
    }
    expected
}

pub fn longs(values: &[i64]) -> Vec<Row> {
    values.iter().map(|value| vec![Value::Long(*value)]).collect()
}
