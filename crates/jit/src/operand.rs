//! What a value of a program is in the code generator's language: one to three of its values.
//!
//! Next: [`crate::lower`].

use cranelift_codegen::ir::{Type as ClifType, Value as Clif, types};
use dtq_value::Type;
use smallvec::SmallVec;

/// Holds a bool and whether it is null.
#[derive(Clone, Copy, Debug)]
pub struct Truth {
    /// An `i8`, 0 or 1; without meaning when it is null.
    pub value: Clif,
    /// An `i8` that is not 0 when it is null; none when it cannot be.
    pub null: Option<Clif>,
}

/// Holds a number and whether it is null.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    /// An `i64` for int, long, datetime, timespan; an `f64` for real. Without meaning when it is null.
    pub value: Clif,
    /// An `i8` that is not 0 when it is null; none when it cannot be.
    pub null: Option<Clif>,
}

/// Holds a text. One of no bytes at address 0 is null, which only few functions give.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// Where its bytes begin; without meaning when there are none.
    pub address: Clif,
    /// How many there are, as `i64`; less than 2^32.
    pub length: Clif,
}

/// Holds a value of any type: the two halves of a [`crate::layout::Cell`].
#[derive(Clone, Copy, Debug)]
pub struct Any {
    /// The tag in its lowest byte, the length of a string in its upper half, zeros between.
    pub head: Clif,
    /// A number, an address or a position.
    pub payload: Clif,
}

/// Holds a value of a program.
#[derive(Clone, Copy, Debug)]
pub enum Operand {
    /// A bool.
    Truth(Truth),
    /// An int, long, datetime, timespan or real.
    Number(Number),
    /// A string.
    Text(Text),
    /// A dynamic, decimal or guid.
    Any(Any),
}

impl Operand {
    /// Returns the bool.
    ///
    /// # Panics
    /// If it is none: the verifier of IR has seen to that it is.
    pub fn truth(self) -> Truth {
        match self {
            Operand::Truth(truth) => truth,
            other => unreachable!("the verifier lets only a bool stand here, not {other:?}"),
        }
    }

    /// Returns the number.
    ///
    /// # Panics
    /// If it is none: the signature of the function said that it is.
    pub fn number(self) -> Number {
        match self {
            Operand::Number(number) => number,
            other => unreachable!("the signature lets only a number stand here, not {other:?}"),
        }
    }

    /// Returns what crosses from block to block; [`from_values`] puts it together again.
    pub fn values(self, zero: impl FnOnce() -> Clif) -> SmallVec<[Clif; 2]> {
        match self {
            Operand::Truth(truth) => SmallVec::from_slice(&[truth.value, truth.null.unwrap_or_else(zero)]),
            Operand::Number(number) => SmallVec::from_slice(&[number.value, number.null.unwrap_or_else(zero)]),
            Operand::Text(text) => SmallVec::from_slice(&[text.address, text.length]),
            Operand::Any(any) => SmallVec::from_slice(&[any.head, any.payload]),
        }
    }
}

/// Returns the types of what crosses from block to block for a value of a type.
pub fn value_types(ty: Type) -> &'static [ClifType] {
    match ty {
        Type::Bool => &[types::I8, types::I8],
        Type::Int | Type::Long | Type::DateTime | Type::TimeSpan => &[types::I64, types::I8],
        Type::Real => &[types::F64, types::I8],
        Type::String | Type::Dynamic | Type::Decimal | Type::Guid => &[types::I64, types::I64],
    }
}

/// Returns the value of a type that crossed as these.
pub fn from_values(ty: Type, values: &[Clif], is_nullable: bool) -> Operand {
    match ty {
        Type::Bool => Operand::Truth(Truth { value: values[0], null: is_nullable.then_some(values[1]) }),
        Type::Int | Type::Long | Type::DateTime | Type::TimeSpan | Type::Real => {
            Operand::Number(Number { value: values[0], null: is_nullable.then_some(values[1]) })
        }
        Type::String => Operand::Text(Text { address: values[0], length: values[1] }),
        Type::Dynamic | Type::Decimal | Type::Guid => Operand::Any(Any { head: values[0], payload: values[1] }),
    }
}
