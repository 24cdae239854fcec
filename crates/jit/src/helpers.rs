//! The fixed table of functions that generated code may call.
//!
//! A helper gets the frame of the call and cells, and answers with cells; what it fails with it leaves in the frame. It
//! does not panic on any cell that generated code can make: the functions of `value::scalar` do not, and what stands
//! here indexes nothing that was not checked when the code was made. Should it panic after all, the process ends, since
//! a panic does not leave an `extern "C"` function. Next: [`crate::call`].
#![allow(unsafe_code, reason = "cells hold addresses that only the maker of the code can vouch for")]

use crate::call::status;
use crate::frame::Frame;
use crate::layout::{BufferTable, Cell, View, tag};
use cranelift_codegen::ir::{AbiParam, Signature, Type, types};
use cranelift_codegen::isa::CallConv;
use dtq_record::slot::{Buffer, Buffers, Slot};
use dtq_source::Code;
use dtq_value::scalar::{Fault, Pooled, format};
use dtq_value::{Value, search};
use std::ptr::with_exposed_provenance;
use std::slice;

/// Declares the table: its struct, the names of its entries, and their signatures for the code generator.
macro_rules! helpers {
    ($($(#[$doc:meta])* $name:ident $field:ident: fn($($param:ident: $ty:ty = $clif:ident),*);)*) => {
        /// Holds the addresses of the helpers, as generated code finds them.
        #[repr(C)]
        pub struct HelperTable {
            $($field: unsafe extern "C" fn(*mut Frame<'_>, $($ty),*) -> u32,)*
        }

        /// Names a helper.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Helper {
            $($(#[$doc])* $name,)*
        }

        impl Helper {
            /// Every helper.
            #[cfg(test)]
            pub const ALL: &[Helper] = &[$(Helper::$name),*];

            /// Returns the offset in bytes of its address in the table.
            pub fn offset(self) -> i32 {
                match self {
                    $(Helper::$name => std::mem::offset_of!(HelperTable, $field) as i32,)*
                }
            }

            /// Returns the types of its parameters behind the frame.
            fn params(self) -> &'static [Type] {
                match self {
                    $(Helper::$name => &[$(types::$clif),*],)*
                }
            }
        }

        /// The table.
        pub static HELPERS: HelperTable = HelperTable { $($field),* };
    };
}

helpers! {
    /// Forgets what the call holds, before the next record.
    Release release: fn();
    /// Gives the text of a slot that is no plain string.
    SlotText slot_text: fn(slot: *const Slot = I64, buffers: *const BufferTable<'_> = I64, out: *mut View = I64);
    /// Gives the value of a slot that is no plain string or number.
    SlotValue slot_value: fn(slot: *const Slot = I64, buffers: *const BufferTable<'_> = I64, out: *mut Cell = I64);
    /// Gives the text that a dynamic stands for.
    TextOf text_of: fn(head: u64 = I64, payload: u64 = I64, out: *mut View = I64);
    /// Says whether the bytes at an address are not those of a text of the module.
    Differs differs: fn(text: u32 = I32, start: usize = I64);
    /// Says whether one text is in another, in one of the ways of [`Search`].
    Find find: fn(search: u32 = I32, left: usize = I64, left_size: usize = I64, right: usize = I64, right_size: usize = I64);
    /// Says whether a literal of the module is in a text.
    FindLiteral find_literal: fn(finder: u32 = I32, start: usize = I64, size: usize = I64);
    /// Says whether a literal of the module is in a text, ASCII case aside.
    FindFolded find_folded: fn(finder: u32 = I32, start: usize = I64, size: usize = I64);
    /// Says whether a set, an automaton or a regular expression of the module finds a text.
    FindPooled find_pooled: fn(pooled: u32 = I32, is_all: u32 = I32, start: usize = I64, size: usize = I64);
    /// Gives the value of a function of the table.
    Call call: fn(site: u32 = I32, args: *const Cell = I64, out: *mut Cell = I64);
    /// Answers with the bool that a function of the table gives.
    CallCondition call_condition: fn(site: u32 = I32, args: *const Cell = I64);
    /// Gives a property of a dynamic.
    Property property: fn(key: u32 = I32, head: u64 = I64, payload: u64 = I64, out: *mut Cell = I64);
    /// Gives an element of a dynamic, in place of the dynamic; the index stands behind it.
    Element element: fn(cells: *mut Cell = I64);
    /// Gives the value of a subquery.
    Scalar scalar: fn(rel: u32 = I32, out: *mut Cell = I64);
    /// Answers whether a value is in a subquery.
    InRel in_rel: fn(rel: u32 = I32, head: u64 = I64, payload: u64 = I64);
}

impl Helper {
    /// Says whether it may keep a value until the end of the call: what gives a text or a value does.
    pub fn may_hold(self) -> bool {
        matches!(
            self,
            Helper::SlotText
                | Helper::SlotValue
                | Helper::TextOf
                | Helper::Call
                | Helper::Property
                | Helper::Element
                | Helper::Scalar
        )
    }

    /// Returns its signature: the frame, its parameters, and a status or answer.
    pub fn signature(self, call_conv: CallConv) -> Signature {
        let mut signature = Signature::new(call_conv);
        signature.params.push(AbiParam::new(types::I64));
        signature.params.extend(self.params().iter().map(|ty| AbiParam::new(*ty)));
        signature.returns.push(AbiParam::new(types::I32));
        signature
    }
}

/// Declares the ways in which one text may be in another, by number, and the operators that ask for each.
macro_rules! searches {
    ($($name:ident = $operator:literal: $holds:expr;)*) => {
        /// Names a way in which one text may be in another.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Search {
            $($name,)*
        }

        impl Search {
            /// Returns the way that an operator asks for, and whether it asks for the opposite.
            pub fn of(operator: &str) -> Option<(Self, bool)> {
                let (positive, is_negated) = match operator {
                    "!~" => ("=~", true),
                    other => other.strip_prefix('!').map_or((other, false), |positive| (positive, true)),
                };
                $(if positive == $operator {
                    return Some((Search::$name, is_negated));
                })*
                None
            }

            fn holds(number: u32, left: &[u8], right: &[u8]) -> bool {
                const FUNCTIONS: &[fn(&[u8], &[u8]) -> bool] = &[$($holds),*];
                FUNCTIONS.get(number as usize).is_some_and(|holds| holds(left, right))
            }
        }
    };
}

// As `value::scalar::string_match` has them.
searches! {
    Equal = "(equal)": |a, b| a == b;
    EqualIgnoreCase = "=~": |a, b| a.eq_ignore_ascii_case(b);
    ContainsIgnoreCase = "contains": search::contains_ignore_case;
    Contains = "contains_cs": search::contains;
    StartsIgnoreCase = "startswith": search::starts_with_ignore_case;
    Starts = "startswith_cs": |a, b| a.starts_with(b);
    EndsIgnoreCase = "endswith": search::ends_with_ignore_case;
    Ends = "endswith_cs": |a, b| a.ends_with(b);
    HasIgnoreCase = "has": |a, b| search::has_ignore_case(a, b, search::TermEdges::Both);
    Has = "has_cs": |a, b| search::has(a, b, search::TermEdges::Both);
    PrefixIgnoreCase = "hasprefix": |a, b| search::has_ignore_case(a, b, search::TermEdges::Start);
    Prefix = "hasprefix_cs": |a, b| search::has(a, b, search::TermEdges::Start);
    SuffixIgnoreCase = "hassuffix": |a, b| search::has_ignore_case(a, b, search::TermEdges::End);
    Suffix = "hassuffix_cs": |a, b| search::has(a, b, search::TermEdges::End);
}

const DONE: u32 = 0;
const FAULT: u32 = status::FAULT as u32;

/// Returns the frame of the call.
///
/// # Safety
/// `frame` is the one that `call` handed to the code, which is borrowed by nobody else meanwhile.
unsafe fn frame_at<'a>(frame: *mut Frame<'a>) -> &'a mut Frame<'a> {
    // SAFETY: the caller's promise; `call.rs` keeps the frame alive through the call.
    unsafe { &mut *frame }
}

/// Returns the bytes of a text.
///
/// # Safety
/// They are there, through the call: a view that was checked, a text of the module, a row, or a held value.
unsafe fn bytes_at<'a>(start: usize, size: usize) -> &'a [u8] {
    if size == 0 {
        // The address of a text without bytes may be none.
        return &[];
    }
    // SAFETY: the caller's promise. Whoever made the address of a reference exposed it.
    unsafe { slice::from_raw_parts(with_exposed_provenance(start), size) }
}

/// Returns the value of a cell.
///
/// # Safety
/// The cell is one that generated code or a helper made in this call.
pub unsafe fn value_of(frame: &Frame<'_>, cell: Cell) -> Value {
    match cell.tag() {
        tag::BOOL => Value::Bool(cell.payload & 1 != 0),
        tag::INT => Value::Int(cell.payload as i32),
        tag::LONG => Value::Long(cell.payload.cast_signed()),
        tag::REAL => Value::Real(f64::from_bits(cell.payload)),
        tag::DATETIME => Value::DateTime(cell.payload.cast_signed()),
        tag::TIMESPAN => Value::TimeSpan(cell.payload.cast_signed()),
        tag::STRING if cell.payload == 0 => Value::Null,
        tag::STRING => {
            // SAFETY: a cell of a string holds address and size of bytes that outlive the call.
            let bytes = unsafe { bytes_at(cell.payload as usize, cell.length()) };
            Value::String(bytes.into())
        }
        tag::HELD => frame.held(cell.payload).cloned().unwrap_or_default(),
        tag::BORROWED => {
            let address = with_exposed_provenance::<Value>(cell.payload as usize);
            // SAFETY: such a cell is made of a reference that outlives the call: of a row, or of the module's values.
            unsafe { &*address }.clone()
        }
        _ => Value::Null,
    }
}

/// Leaves a fault in the frame, and returns the status that says so.
fn fail(frame: &mut Frame<'_>, fault: Fault) -> u32 {
    frame.set_fault(fault);
    FAULT
}

/// Returns the number of a bool as a status.
fn truth(value: &Value) -> u32 {
    match value {
        Value::Bool(flag) => u32::from(*flag),
        _ => status::NULL as u32,
    }
}

/// Stores the result of a helper.
///
/// # Safety
/// `out` is room for it in the frame of the generated code.
unsafe fn give(frame: &mut Frame<'_>, result: Result<Value, Fault>, out: *mut Cell) -> u32 {
    match result.and_then(|value| frame.keep(value)) {
        Ok(cell) => {
            // SAFETY: the caller's promise.
            unsafe { out.write(cell) };
            DONE
        }
        Err(fault) => fail(frame, fault),
    }
}

/// Stores the address and size of the text that a value stands for, which the call holds from now on.
///
/// # Safety
/// As for [`give`].
unsafe fn give_text(frame: &mut Frame<'_>, result: Result<Value, Fault>, out: *mut View) -> u32 {
    let text = result.map(|value| match value {
        Value::String(text) => text,
        other => (&*format::dynamic_text(&other)).into(),
    });
    match text.and_then(|text| frame.keep(Value::String(text))) {
        Ok(cell) => {
            // SAFETY: the caller's promise.
            unsafe { out.write(View { address: cell.payload as usize, size: cell.length() }) };
            DONE
        }
        Err(fault) => fail(frame, fault),
    }
}

/// Returns the buffers that a table was made of.
fn buffers_of<'a>(table: &BufferTable<'a>) -> Buffers<'a> {
    let bytes = |buffer| {
        let View { address, size } = table.view(buffer);
        // SAFETY: the view was made of these bytes, which the lifetime of the table keeps.
        unsafe { bytes_at(address, size) }
    };
    Buffers {
        record: bytes(Buffer::Record),
        resource: bytes(Buffer::Resource),
        scope: bytes(Buffer::Scope),
        metric: bytes(Buffer::Metric),
        arena: bytes(Buffer::Arena),
        pool: bytes(Buffer::Pool),
    }
}

/// Returns the value of a slot.
///
/// # Safety
/// Both point to what was handed to the code, or into it.
unsafe fn read_slot(frame: &Frame<'_>, slot: *const Slot, buffers: *const BufferTable<'_>) -> Result<Value, Fault> {
    // SAFETY: the slots that a function reads are counted before it is called.
    let slot = unsafe { &*slot };
    // SAFETY: the table is handed to the code by reference.
    let buffers = buffers_of(unsafe { &*buffers });
    let nesting_max = frame.limits().value_nesting_max;
    slot.value(&buffers, nesting_max)
        .map_err(|error| Fault::new(Code::E3008, format!("byte {} of the record: {}", error.offset, error.reason)))
}

unsafe extern "C" fn release(frame: *mut Frame<'_>) -> u32 {
    // SAFETY: generated code hands on the frame that it was given.
    unsafe { frame_at(frame) }.release();
    DONE
}

unsafe extern "C" fn slot_text(
    frame: *mut Frame<'_>,
    slot: *const Slot,
    buffers: *const BufferTable<'_>,
    out: *mut View,
) -> u32 {
    // SAFETY: generated code hands on the frame that it was given.
    let frame = unsafe { frame_at(frame) };
    // SAFETY: it hands on a slot that it needs, and the buffers.
    let value = unsafe { read_slot(frame, slot, buffers) };
    // SAFETY: it hands over room of its own frame.
    unsafe { give_text(frame, value, out) }
}

unsafe extern "C" fn slot_value(
    frame: *mut Frame<'_>,
    slot: *const Slot,
    buffers: *const BufferTable<'_>,
    out: *mut Cell,
) -> u32 {
    // SAFETY: generated code hands on the frame that it was given.
    let frame = unsafe { frame_at(frame) };
    // SAFETY: it hands on a slot that it needs, and the buffers.
    let value = unsafe { read_slot(frame, slot, buffers) };
    // SAFETY: it hands over room of its own frame.
    unsafe { give(frame, value, out) }
}

unsafe extern "C" fn text_of(frame: *mut Frame<'_>, head: u64, payload: u64, out: *mut View) -> u32 {
    // SAFETY: generated code hands on the frame that it was given.
    let frame = unsafe { frame_at(frame) };
    // SAFETY: and a cell that it made or was given.
    let value = unsafe { value_of(frame, Cell { head, payload }) };
    // SAFETY: and room of its own frame.
    unsafe { give_text(frame, Ok(value), out) }
}

unsafe extern "C" fn differs(frame: *mut Frame<'_>, text: u32, start: usize) -> u32 {
    // SAFETY: generated code hands on the frame that it was given.
    let frame = unsafe { frame_at(frame) };
    let text = &frame.tables().texts[text as usize];
    // SAFETY: the code has compared the sizes before.
    let found = unsafe { bytes_at(start, text.size()) };
    u32::from(found != text.as_bytes())
}

unsafe extern "C" fn find(
    _frame: *mut Frame<'_>,
    search: u32,
    left: usize,
    left_size: usize,
    right: usize,
    right_size: usize,
) -> u32 {
    // SAFETY: generated code hands over texts.
    let left = unsafe { bytes_at(left, left_size) };
    // SAFETY: as above.
    let right = unsafe { bytes_at(right, right_size) };
    u32::from(Search::holds(search, left, right))
}

unsafe extern "C" fn find_literal(frame: *mut Frame<'_>, finder: u32, start: usize, size: usize) -> u32 {
    // SAFETY: generated code hands on the frame that it was given.
    let frame = unsafe { frame_at(frame) };
    // SAFETY: and a text.
    let text = unsafe { bytes_at(start, size) };
    u32::from(frame.tables().finders[finder as usize].find(text).is_some())
}

unsafe extern "C" fn find_folded(frame: *mut Frame<'_>, finder: u32, start: usize, size: usize) -> u32 {
    // SAFETY: generated code hands on the frame that it was given.
    let frame = unsafe { frame_at(frame) };
    // SAFETY: and a text.
    let text = unsafe { bytes_at(start, size) };
    u32::from(frame.tables().folded[finder as usize].is_in(text))
}

unsafe extern "C" fn find_pooled(frame: *mut Frame<'_>, pooled: u32, is_all: u32, start: usize, size: usize) -> u32 {
    // SAFETY: generated code hands on the frame that it was given.
    let frame = unsafe { frame_at(frame) };
    // SAFETY: and a text.
    let text = unsafe { bytes_at(start, size) };
    u32::from(match &frame.tables().pooled[pooled as usize] {
        Pooled::Regex(regex) => regex.is_match(text),
        Pooled::Words(words) => words.contains(text),
        Pooled::Needles(needles) if is_all != 0 => needles.has_all(text),
        Pooled::Needles(needles) => needles.has_any(text),
        _ => false,
    })
}

/// Returns the value of a call site.
///
/// # Safety
/// `args` points to as many cells as the site has arguments that are not constant.
unsafe fn call_site(frame: &mut Frame<'_>, site: u32, args: *const Cell) -> Result<Value, Fault> {
    // SAFETY: the caller's promise.
    let handed = unsafe { slice::from_raw_parts(args, frame.handed_count(site)) };
    // SAFETY: the cells were made in this call.
    frame.call(site, handed, |frame, cell| unsafe { value_of(frame, cell) })
}

unsafe extern "C" fn call(frame: *mut Frame<'_>, site: u32, args: *const Cell, out: *mut Cell) -> u32 {
    // SAFETY: generated code hands on the frame that it was given.
    let frame = unsafe { frame_at(frame) };
    // SAFETY: and the cells that the site wants.
    let value = unsafe { call_site(frame, site, args) };
    // SAFETY: and room of its own frame.
    unsafe { give(frame, value, out) }
}

unsafe extern "C" fn call_condition(frame: *mut Frame<'_>, site: u32, args: *const Cell) -> u32 {
    // SAFETY: generated code hands on the frame that it was given.
    let frame = unsafe { frame_at(frame) };
    // SAFETY: and the cells that the site wants.
    match unsafe { call_site(frame, site, args) } {
        Ok(value) => truth(&value),
        Err(fault) => fail(frame, fault),
    }
}

unsafe extern "C" fn property(frame: *mut Frame<'_>, key: u32, head: u64, payload: u64, out: *mut Cell) -> u32 {
    // SAFETY: generated code hands on the frame that it was given.
    let frame = unsafe { frame_at(frame) };
    // SAFETY: and a cell that it made or was given.
    let base = unsafe { value_of(frame, Cell { head, payload }) };
    let key = &frame.tables().texts[key as usize];
    let found = key_of(&base, key.as_bytes());
    // SAFETY: and room of its own frame.
    unsafe { give(frame, Ok(found), out) }
}

unsafe extern "C" fn element(frame: *mut Frame<'_>, cells: *mut Cell) -> u32 {
    // SAFETY: generated code hands on the frame that it was given.
    let frame = unsafe { frame_at(frame) };
    // SAFETY: and two cells.
    let [base, index] = unsafe { *cells.cast::<[Cell; 2]>() };
    // SAFETY: which it made or was given.
    let base = unsafe { value_of(frame, base) };
    // SAFETY: as above.
    let index = unsafe { value_of(frame, index) };
    let found = match (&base, &index) {
        (Value::Array(items), Value::Long(index)) => item_at(items, *index),
        (Value::Array(items), Value::Int(index)) => item_at(items, i64::from(*index)),
        (Value::Bag(_), Value::String(key)) => key_of(&base, key.as_bytes()),
        _ => Value::Null,
    };
    // SAFETY: the first of the cells takes the result.
    unsafe { give(frame, Ok(found), cells) }
}

unsafe extern "C" fn scalar(frame: *mut Frame<'_>, rel: u32, out: *mut Cell) -> u32 {
    // SAFETY: generated code hands on the frame that it was given.
    let frame = unsafe { frame_at(frame) };
    let value = frame.scalar(rel);
    // SAFETY: and room of its own frame.
    unsafe { give(frame, value, out) }
}

unsafe extern "C" fn in_rel(frame: *mut Frame<'_>, rel: u32, head: u64, payload: u64) -> u32 {
    // SAFETY: generated code hands on the frame that it was given.
    let frame = unsafe { frame_at(frame) };
    // SAFETY: and a cell that it made or was given.
    let value = unsafe { value_of(frame, Cell { head, payload }) };
    match frame.is_member(rel, &value) {
        Ok(answer) => truth(&answer),
        Err(fault) => fail(frame, fault),
    }
}

/// Returns a property of a dynamic, or null; as the interpreter has it.
fn key_of(base: &Value, key: &[u8]) -> Value {
    match base {
        Value::Bag(bag) => bag.get(key).cloned().unwrap_or_default(),
        _ => Value::Null,
    }
}

/// Returns the item at a position, counted from the end when negative, or null; as the interpreter has it.
fn item_at(items: &[Value], index: i64) -> Value {
    let count = items.len() as i64;
    let position = if index < 0 { index.saturating_add(count) } else { index };
    usize::try_from(position).ok().and_then(|position| items.get(position)).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{NativeContext, NoSubqueries};
    use crate::pools::{Site, Tables};
    use dtq_record::slot::Tag;
    use dtq_source::Limits;
    use dtq_value::scalar::Context;
    use dtq_value::{Bag, Type};
    use memchr::memmem::Finder;

    #[test]
    fn the_table_holds_one_address_for_each_helper() {
        assert_eq!(size_of::<HelperTable>(), Helper::ALL.len() * 8);
        let mut offsets: Vec<i32> = Helper::ALL.iter().map(|helper| helper.offset()).collect();
        offsets.sort_unstable();
        offsets.dedup();
        assert_eq!(offsets.len(), Helper::ALL.len());
    }

    /// Calls helpers as generated code does, said in Rust so that Miri can watch: `fuzz/miri.sh`.
    fn as_code(tables: &Tables, act: impl FnOnce(*mut Frame<'_>, &HelperTable)) -> Option<Fault> {
        let mut context = NativeContext::new(Context::new(Limits::default(), 0, 0));
        let mut frame = Frame::of(tables, &mut context, &NoSubqueries);
        act(&raw mut frame, &HELPERS);
        context.fault.take()
    }

    /// Returns the text of a view that a helper gave.
    fn text_at(view: View) -> String {
        // SAFETY: the call that gave it still holds the text.
        String::from_utf8(unsafe { bytes_at(view.address, view.size) }.to_vec()).unwrap()
    }

    /// Returns the value of a cell that a helper gave.
    fn value_at(frame: *mut Frame<'_>, cell: Cell) -> Value {
        // SAFETY: the frame lives through the closure, and nothing else borrows it now.
        let frame = unsafe { &*frame };
        // SAFETY: a helper has made the cell in this call.
        unsafe { value_of(frame, cell) }
    }

    #[test]
    fn slots_become_texts_and_values() {
        let record = [0x0A, 1, b'x', 0xAB, 0xCD];
        let buffers = BufferTable::new(&Buffers { record: &record, ..Buffers::default() });
        let view = |tag, offset, length| Slot::view(tag, Buffer::Record, 0, offset, length);
        let [any, id, far] = [view(Tag::Any, 0, 3), view(Tag::Id, 3, 2), view(Tag::Any, 4, 9)];
        let fault = as_code(&Tables::default(), |frame, helpers| {
            let (mut text, mut cell) = (View::default(), Cell::NULL);
            // SAFETY: frame, slots, buffers and room live through the calls.
            assert_eq!(unsafe { (helpers.slot_text)(frame, &any, &buffers, &raw mut text) }, DONE);
            assert_eq!(text_at(text), "x");
            // SAFETY: as above.
            assert_eq!(unsafe { (helpers.slot_value)(frame, &any, &buffers, &raw mut cell) }, DONE);
            // What is held later leaves what was held before where it is.
            for _ in 0..100 {
                // SAFETY: as above.
                assert_eq!(unsafe { (helpers.slot_text)(frame, &id, &buffers, &raw mut text) }, DONE);
            }
            assert_eq!((text_at(text), value_at(frame, cell)), ("abcd".to_owned(), Value::string("x")));
            // SAFETY: as above.
            assert_eq!(unsafe { (helpers.slot_value)(frame, &far, &buffers, &raw mut cell) }, FAULT);
            // SAFETY: the frame lives.
            assert_eq!(unsafe { (helpers.release)(frame) }, DONE);
        });
        assert_eq!(fault.map(|fault| fault.code), Some(Code::E3008));
    }

    #[test]
    fn dynamics_are_looked_into() {
        let mut bag = Bag::new();
        bag.set("list".into(), Value::array(vec![Value::Long(7), Value::string("b")]));
        let (bag, index) = (Value::bag(bag), Value::Long(-1));
        let tables = Tables { texts: vec!["list".into()], ..Tables::default() };
        let fault = as_code(&tables, |frame, helpers| {
            let (base, mut cells, mut text) = (Cell::of(&bag), [Cell::NULL, Cell::of(&index)], View::default());
            // SAFETY: the values outlive the closure, and so does the room.
            let status = unsafe { (helpers.property)(frame, 0, base.head, base.payload, cells.as_mut_ptr()) };
            // SAFETY: as above.
            assert_eq!(
                (status, unsafe { (helpers.text_of)(frame, cells[0].head, cells[0].payload, &raw mut text) }),
                (0, 0)
            );
            assert_eq!(text_at(text), r#"[7,"b"]"#);
            // SAFETY: there are two cells.
            assert_eq!(unsafe { (helpers.element)(frame, cells.as_mut_ptr()) }, DONE);
            assert_eq!(value_at(frame, cells[0]), Value::string("b"));
        });
        assert!(fault.is_none(), "{fault:?}");
    }

    #[test]
    fn texts_are_compared_and_functions_called() {
        let strcat = dtq_ir::functions::by_name("strcat").unwrap();
        let constants = vec![None, Some(Value::string("-")), None];
        let site = Site { function: strcat, signature: 0, ty: Type::String, constants, pooled: None };
        let tables = Tables {
            texts: vec!["an error".into()],
            finders: vec![Finder::new("err").into_owned()],
            sites: vec![site],
            ..Tables::default()
        };
        let (text, other, third) = ("an error".to_owned(), "an erro!".to_owned(), Value::string("3"));
        let fault = as_code(&tables, |frame, helpers| {
            let (start, size) = (text.as_ptr() as usize, text.len());
            // SAFETY: text and other have as many bytes as the text of the module.
            let differs = |start| unsafe { (helpers.differs)(frame, 0, start) };
            assert_eq!((differs(start), differs(other.as_ptr() as usize)), (0, 1));
            let suffix = Search::Suffix as u32;
            // SAFETY: both texts are there.
            assert_eq!(unsafe { (helpers.find)(frame, suffix, start, size, start + 3, size - 3) }, 1);
            // SAFETY: as above.
            assert_eq!(unsafe { (helpers.find_literal)(frame, 0, start, size) }, 1);
            // SAFETY: a text without bytes has no address.
            assert_eq!(unsafe { (helpers.find_literal)(frame, 0, 0, 0) }, 0);
            let (args, mut out) = ([Cell::text(text.as_bytes()).unwrap(), Cell::of(&third)], Cell::NULL);
            // SAFETY: the site wants two cells, and there is room.
            assert_eq!(unsafe { (helpers.call)(frame, 0, args.as_ptr(), &raw mut out) }, DONE);
            assert_eq!(value_at(frame, out), Value::string("an error-3"));
            assert_eq!(value_at(frame, Cell::number(tag::HELD, 99)), Value::Null);
        });
        assert!(fault.is_none(), "{fault:?}");
    }

    #[test]
    fn every_operator_finds_its_search() {
        assert_eq!(Search::of("!has_cs"), Some((Search::Has, true)));
        assert_eq!(Search::of("!~"), Some((Search::EqualIgnoreCase, true)));
        assert_eq!(Search::of("+"), None);
        assert!(Search::holds(Search::Suffix as u32, b"an error", b"or") && !Search::holds(99, b"", b""));
    }
}
