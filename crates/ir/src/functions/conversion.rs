//! Conversions between types, which never fail: what can't be converted is null.

use crate::function::{Function, Group, Naming, Param, ParamKind, Returns, Signature};
use dtq_value::Type;
use dtq_value::scalar::{Eval, convert};

const ANY: [Param; 1] = [Param::of("value", ParamKind::Scalar)];
const DYNAMIC: [Param; 1] = [Param::of("value", ParamKind::Exactly(Type::Dynamic))];
const STRING_OR_DYNAMIC: [Param; 1] = [Param::of("value", ParamKind::StringOrDynamic)];
const STRING: [Param; 1] = [Param::of("value", ParamKind::Exactly(Type::String))];

/// Returns an entry of a conversion with one overload.
const fn conversion(name: &'static str, signatures: &'static [Signature]) -> Function {
    Function::new(name, Group::Conversion, signatures).never_fails().naming(Naming::FirstArgument)
}

const fn to(ty: Type, eval: Eval) -> Signature {
    Signature::new(&ANY, Returns::Type(ty), eval)
}

/// Returns the overload of `gettype` for one static type.
macro_rules! type_of {
    ($ty:ident, $eval:ident) => {
        Signature::new(
            &[Param::of("value", ParamKind::Exactly(Type::$ty))],
            Returns::Type(Type::String),
            convert::$eval,
        )
    };
}

pub(crate) static ENTRIES: &[Function] = &[
    conversion("tobool", &[to(Type::Bool, convert::eval_tobool)]).aliases(&["toboolean"]).doc(
        "Converts to a bool: the words true and false in any case, numbers unless 0.",
        "tobool(\"true\")",
        "true",
        "tobool()",
    ),
    conversion("toint", &[to(Type::Int, convert::eval_toint)]).doc(
        "Converts to an int; a long keeps its low 32 bits, a real is cut off.",
        "toint(\"123\")",
        "123",
        "toint()",
    ),
    conversion("tolong", &[to(Type::Long, convert::eval_tolong)]).doc(
        "Converts to a long; a datetime or timespan becomes its 100 ns ticks, a real is cut off.",
        "tolong(\"123\")",
        "123",
        "tolong()",
    ),
    conversion("toreal", &[to(Type::Real, convert::eval_toreal)]).aliases(&["todouble"]).doc(
        "Converts to a real.",
        "toreal(\"123.4\")",
        "123.4",
        "toreal()",
    ),
    conversion("todecimal", &[to(Type::Decimal, convert::eval_todecimal)]).doc(
        "Converts to a decimal.",
        "todecimal(\"123.45678\")",
        "123.45678",
        "todecimal()",
    ),
    conversion(
        "tostring",
        &[
            Signature::new(&DYNAMIC, Returns::Type(Type::String), convert::eval_tostring_dynamic),
            to(Type::String, convert::eval_tostring),
        ],
    )
    .handles_nulls()
    .doc("Converts to text; null becomes an empty string.", "tostring(123)", "123", "tostring()"),
    conversion("todatetime", &[to(Type::DateTime, convert::eval_todatetime)]).doc(
        "Converts to a datetime: text in a documented form (month first where ambiguous), or ticks.",
        "todatetime(\"2015-12-31 23:59:59.9\")",
        "2015-12-31T23:59:59.9000000Z",
        "todatetime()",
    ),
    conversion("totimespan", &[to(Type::TimeSpan, convert::eval_totimespan)]).aliases(&["totime"]).doc(
        "Converts to a timespan: text such as `1.02:03:04.5`, or ticks.",
        "totimespan(\"0.00:03:00\")",
        "00:03:00",
        "totimespan()",
    ),
    conversion("toguid", &[Signature::new(&STRING_OR_DYNAMIC, Returns::Type(Type::Guid), convert::eval_toguid)]).doc(
        "Converts to a guid.",
        "toguid(\"70fc66f7-8279-44fc-9092-d364d70fce44\")",
        "70fc66f7-8279-44fc-9092-d364d70fce44",
        "toguid()",
    ),
    conversion(
        "parse_json",
        &[
            Signature::new(&STRING, Returns::Type(Type::Dynamic), convert::eval_parse_json),
            Signature::new(&DYNAMIC, Returns::Type(Type::Dynamic), convert::eval_todynamic),
        ],
    )
    .aliases(&["todynamic", "parsejson", "toobject"])
    .doc(
        "Reads JSON text as a dynamic; text that is not JSON stays a string.",
        "parse_json('{\"a\":123}').a",
        "123",
        "parse_json()",
    ),
    Function::new(
        "gettype",
        Group::Conversion,
        &[
            Signature::new(&DYNAMIC, Returns::Type(Type::String), convert::eval_gettype_dynamic),
            type_of!(Bool, eval_gettype_bool),
            type_of!(Int, eval_gettype_int),
            type_of!(Long, eval_gettype_long),
            type_of!(Real, eval_gettype_real),
            type_of!(Decimal, eval_gettype_decimal),
            type_of!(String, eval_gettype_string),
            type_of!(DateTime, eval_gettype_datetime),
            type_of!(TimeSpan, eval_gettype_timespan),
            type_of!(Guid, eval_gettype_guid),
        ],
    )
    .naming(Naming::Prefixed("type"))
    .handles_nulls()
    .doc(
        "Gives the name of the type; of a dynamic, that of what it holds (`array`, `dictionary`, `double`...).",
        "gettype(111)",
        "long",
        "gettype()",
    ),
];
