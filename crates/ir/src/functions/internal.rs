//! Functions that only the compiler calls; their names cannot be written in a query.

use crate::function::{Function, Group, Param, ParamKind, Returns, Signature};
use dtq_value::scalar::{Call, Fault, convert};
use dtq_value::{Type, Value};

/// The name of the function that gives any value as a dynamic, without parsing text.
pub const AS_DYNAMIC: &str = "(dynamic)";

pub(crate) static ENTRIES: &[Function] = &[Function::new(
    AS_DYNAMIC,
    Group::Operator,
    &[Signature::new(&[Param::of("value", ParamKind::Scalar)], Returns::Type(Type::Dynamic), as_dynamic)],
)
.handles_nulls()
.never_fails()
.doc(
    "Gives a value as a dynamic; stands where types are mixed, and cannot be written in a query.",
    "iff(true, 1, 'a')",
    "1",
    "Scalar data types: the dynamic data type",
)];

fn as_dynamic(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(convert::dynamic(&call.args[0], Type::Dynamic, 0))
}
