//! What an operator writes of arguments to what is read of a thread at a site.
//!
//! Next: `program.rs`.

use crate::trace::error::TraceError;
use crate::trace::site::Site;
use crate::trace::usdt::{Operand, Place};
use std::fmt;

/// Arguments that a log may have. Each may be a text of [`TEXT_SIZE_MAX`] bytes, and all have room in one scratch.
pub const ARGUMENTS_MAX: usize = 10;
/// Bytes of a text that are read; a longer one is cut and marked.
pub const TEXT_SIZE_MAX: usize = 256;
/// Arguments of a probe at most (`sdt-v3.h` has macros for so many).
const POSITIONS_MAX: usize = 12;

/// Says where an argument comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// It is the argument of this position.
    Position(u8),
    /// It is what the function returns.
    Result,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Position(position) => write!(f, "arg{position}"),
            Source::Result => f.write_str("ret"),
        }
    }
}

/// Says what an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArgumentType {
    /// A signed number of 64 bits, or an address: `long`.
    Long,
    /// A signed number of 32 bits: `int`.
    Int,
    /// The address of a text that ends with a zero: `string`.
    Text,
    /// The address of a text of so many bytes, as Rust and C++ have them: `string(arg2)`.
    SizedText(Source),
    /// The address of so many bytes: `bytes(arg2)`.
    Bytes(Source),
}

impl ArgumentType {
    /// Says whether it is read where the argument points to.
    pub fn is_pointer(self) -> bool {
        !matches!(self, ArgumentType::Long | ArgumentType::Int)
    }

    /// Returns the argument that says how long it is.
    pub fn length(self) -> Option<Source> {
        match self {
            ArgumentType::SizedText(length) | ArgumentType::Bytes(length) => Some(length),
            ArgumentType::Long | ArgumentType::Int | ArgumentType::Text => None,
        }
    }
}

impl fmt::Display for ArgumentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArgumentType::Long => f.write_str("long"),
            ArgumentType::Int => f.write_str("int"),
            ArgumentType::Text => f.write_str("string"),
            ArgumentType::SizedText(length) => write!(f, "string({length})"),
            ArgumentType::Bytes(length) => write!(f, "bytes({length})"),
        }
    }
}

/// Holds an argument that goes into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Argument {
    /// Where it comes from, which is its name too.
    pub source: Source,
    /// What it is.
    pub kind: ArgumentType,
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.kind)
    }
}

/// Reads a list of arguments, such as `arg0: long, arg1: string, arg2: bytes(arg3)`.
///
/// # Errors
/// When it is no such list, names one twice, or has more than [`ARGUMENTS_MAX`].
///
/// # Example
/// ```
/// use dtq_kernel::trace::arguments::parse;
///
/// let arguments = parse("arg0: long, arg1: string(arg2)").unwrap();
/// assert_eq!(arguments[1].to_string(), "arg1: string(arg2)");
/// ```
pub fn parse(text: &str) -> Result<Vec<Argument>, TraceError> {
    let wrong = |text: &str, reason: &str| TraceError::Text { text: text.to_owned(), reason: reason.to_owned() };
    let mut arguments: Vec<Argument> = Vec::new();
    if text.trim().is_empty() {
        return Ok(arguments);
    }
    for item in text.split(',').map(str::trim) {
        let parts = item.split_once(':');
        let argument = parts.and_then(|(name, kind)| {
            Some(Argument { source: source(name.trim())?, kind: argument_type(kind.trim())? })
        });
        let hint = "is no argument: write `arg0: long`, `ret: int`, `arg1: string`, `arg1: string(arg2)` or \
                    `arg1: bytes(arg2)`";
        let argument = argument.ok_or_else(|| wrong(item, hint))?;
        if arguments.iter().any(|other| other.source == argument.source) {
            return Err(wrong(item, "is there twice"));
        }
        arguments.push(argument);
    }
    match arguments.len() {
        count if count > ARGUMENTS_MAX => Err(wrong(text, "has more than 10 arguments")),
        _ => Ok(arguments),
    }
}

fn source(text: &str) -> Option<Source> {
    if text == "ret" {
        return Some(Source::Result);
    }
    let digits = text.strip_prefix("arg")?;
    let is_plain = digits == "0" || digits.starts_with(|first: char| ('1'..='9').contains(&first));
    let position: u8 = digits.parse().ok().filter(|_| is_plain)?;
    (usize::from(position) < POSITIONS_MAX).then_some(Source::Position(position))
}

fn argument_type(text: &str) -> Option<ArgumentType> {
    let length =
        |name: &str| source(text.strip_prefix(name)?.trim_start().strip_prefix('(')?.strip_suffix(')')?.trim());
    match text {
        "long" => Some(ArgumentType::Long),
        "int" => Some(ArgumentType::Int),
        "string" => Some(ArgumentType::Text),
        _ => length("string").map(ArgumentType::SizedText).or_else(|| length("bytes").map(ArgumentType::Bytes)),
    }
}

/// Returns where an argument is at a site.
///
/// # Errors
/// When the site has none such, or it is where the kernel does not look.
pub fn operand(site: &Site, source: Source) -> Result<Operand, TraceError> {
    let found = match (source, &site.operands) {
        (Source::Result, _) if site.is_return => Ok(whole(Place::Register(site.machine.result()))),
        (Source::Result, _) => Err("only `uretprobe:` has what a function returns".to_owned()),
        (Source::Position(_), _) if site.is_return => {
            Err("the function has written over it; where it returns there is only `ret`".to_owned())
        }
        (Source::Position(position), Some(operands)) => match operands.get(usize::from(position)) {
            Some(operand) => operand.clone(),
            None => Err(format!("the probe has {} arguments", operands.len())),
        },
        (Source::Position(position), None) => match site.machine.argument(usize::from(position)) {
            Some(register) => Ok(whole(Place::Register(register))),
            None => Err("it is on the stack; only those in registers are read".to_owned()),
        },
    };
    found.map_err(|reason| TraceError::Argument { name: source.to_string(), reason })
}

fn whole(place: Place) -> Operand {
    Operand { size_bytes: 8, is_signed: false, place }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_written_as_it_is_read() {
        for text in ["arg0: long", "arg0: int, arg5: string", "ret: long", "arg1: string(arg2), arg11: bytes(arg3)"] {
            let arguments = parse(text).unwrap();
            let shown: Vec<String> = arguments.iter().map(Argument::to_string).collect();
            assert_eq!(shown.join(", "), text);
        }
        assert_eq!(parse(" ").unwrap(), []);
        assert_eq!(parse("arg1 :string ( arg2 ) ").unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_list_says_what_to_write() {
        for (text, said) in [
            ("arg0", "write `arg0: long`"),
            ("arg0: text", "write `arg0: long`"),
            ("arg12: long", "write `arg0: long`"),
            ("arg01: long", "write `arg0: long`"),
            ("arg+1: long", "write `arg0: long`"),
            ("arg1: bytes", "write `arg0: long`"),
            ("arg1: bytes(x)", "write `arg0: long`"),
            ("arg1: long,", "write `arg0: long`"),
            ("arg1: long, arg1: int", "twice"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        let many: Vec<String> = (0..11).map(|position| format!("arg{position}: long")).collect();
        assert!(parse(&many.join(",")).unwrap_err().to_string().contains("more than 10"));
    }
}
