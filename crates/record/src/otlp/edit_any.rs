//! Values written over values: an `AnyValue` or `KeyValue`s and the value they are to have, to bytes.
//!
//! Where a part of the new value is what the old bytes read as, the old bytes stay: bytes stay bytes though they read as
//! base64 text, and fields that dtq does not know survive. Only what differs is encoded anew. Of a repeated key the first
//! is changed and the others go; a key that nobody changes keeps all its occurrences.

use super::any::{KEY_STRINDEX, append_any_within, append_key_value_within, member_value, value_of};
use super::any::{WRITTEN_NESTING_MAX, real_of};
use super::pass::leading_key;
use crate::wire::{Field, Fields, WireError, append_bytes_field, append_message_field};
use dtq_value::{Bag, Str, Value, scalar::format};
use std::collections::HashMap;
use std::ops::Range;

/// How far lists are compared to find out which items were taken out or put in.
const ALIGNED_MAX: usize = 64;
/// Up to so many edits of keys are searched one by one, and new keys stand in the order of their edits.
pub(super) const FEW_EDITS: usize = 8;

/// Builds a message from another: ranges are replaced in order, what lies between is copied.
pub(crate) struct Splice<'a> {
    source: &'a [u8],
    out: Vec<u8>,
    at: usize,
    is_changed: bool,
}

impl<'a> Splice<'a> {
    /// Returns a splice that changes nothing yet.
    pub fn new(source: &'a [u8]) -> Self {
        Self { source, out: Vec::new(), at: 0, is_changed: false }
    }

    /// Gives a range, not before the last one, another content: what `append` appends.
    pub fn replace(&mut self, range: Range<usize>, append: impl FnOnce(&mut Vec<u8>)) {
        self.out.extend_from_slice(&self.source[self.at..range.start]);
        append(&mut self.out);
        self.at = range.end;
        self.is_changed = true;
    }

    /// Takes a range out.
    pub fn remove(&mut self, range: Range<usize>) {
        self.replace(range, |_| {});
    }

    /// Appends at the end of the message; no range can be replaced afterwards.
    pub fn append(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        self.replace(self.source.len()..self.source.len(), append);
    }

    /// Returns the new message; `None` when nothing changed.
    pub fn finish(mut self) -> Option<Vec<u8>> {
        if !self.is_changed {
            return None;
        }
        self.out.extend_from_slice(&self.source[self.at..]);
        Some(self.out)
    }
}

/// Holds how many levels of arrays and bags may follow: in old bytes, and in what is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Depth {
    read: usize,
    written: usize,
}

impl Depth {
    /// Returns the depth at the top of a value.
    pub fn new(nesting_max: usize) -> Self {
        Self { read: nesting_max, written: WRITTEN_NESTING_MAX }
    }

    fn below(self, offset: usize) -> Result<Self, WireError> {
        let deep = WireError { offset, reason: "a value is nested too deep" };
        Ok(Self { read: self.read.checked_sub(1).ok_or(deep)?, written: self.written.saturating_sub(1) })
    }
}

/// Returns the `AnyValue` that holds `new` in the place of an old one; `None` when the old one holds it already.
pub(crate) fn edit_any(old: &[u8], new: &Value, depth: Depth) -> Result<Option<Vec<u8>>, WireError> {
    let member = first_member(old)?;
    let new_member = match (&member, new) {
        (None, Value::Null) => return Ok(None),
        (Some(field), Value::Array(items)) if field.number == 5 => {
            let below = depth.below(field.offset)?;
            let read = |bytes: &[u8]| value_of(Fields::new(bytes), below.read);
            let edit = |bytes: &[u8], value: &Value| edit_any(bytes, value, below);
            edit_items(field.bytes()?, 1, items, read, edit)?.map(|content| (5, content))
        }
        (Some(field), Value::Bag(bag)) if field.number == 6 => {
            let below = depth.below(field.offset)?;
            edit_key_values(field.bytes()?, 1, &KeyEdits::Bag(bag), below)?.map(|content| (6, content))
        }
        (Some(field), _) if is_scalar(field, &plain(new))? => None,
        _ => {
            let mut out = Vec::new();
            append_any_within(&mut out, new, depth.written);
            return replace_member(old, &out).map(Some);
        }
    };
    let Some((number, content)) = new_member else { return Ok(None) };
    let mut out = Vec::new();
    append_bytes_field(&mut out, number, &content);
    replace_member(old, &out).map(Some)
}

/// Returns the `AnyValue` with a bag some of whose keys are edited; `None` when they are so already.
pub(crate) fn edit_any_keys(old: &[u8], edits: &KeyEdits<'_>, depth: Depth) -> Result<Option<Vec<u8>>, WireError> {
    match first_member(old)? {
        Some(field) if field.number == 6 => {
            let content = edit_key_values(field.bytes()?, 1, edits, depth.below(field.offset)?)?;
            let replaced = content.map(|content| {
                let mut out = Vec::new();
                append_bytes_field(&mut out, 6, &content);
                replace_member(old, &out)
            });
            replaced.transpose()
        }
        _ => Err(WireError { offset: 0, reason: "keys of a value that is no bag cannot be edited" }),
    }
}

/// Returns the member of the `oneof` that is read: the first.
fn first_member(any: &[u8]) -> Result<Option<Field<'_>>, WireError> {
    let mut first = None;
    for field in Fields::new(any) {
        let field = field?;
        if first.is_none() && matches!(field.number, 1..=7) {
            first = Some(field);
        }
    }
    Ok(first)
}

/// Says whether a member reads as a scalar.
fn is_scalar(field: &Field<'_>, value: &Value) -> Result<bool, WireError> {
    let is_container = matches!(field.number, 5 | 6) || matches!(value, Value::Array(_) | Value::Bag(_));
    Ok(!is_container && member_value(field, 0)?.is_some_and(|old| old == *value))
}

/// Returns the value as an `AnyValue` reads once it was written.
fn plain(value: &Value) -> Value {
    match value {
        Value::Int(number) => Value::Long(i64::from(*number)),
        Value::Decimal(number) => Value::Real(real_of(number)),
        Value::DateTime(_) | Value::TimeSpan(_) | Value::Guid(_) => Value::string(&*format::dynamic_text(value)),
        other => other.clone(),
    }
}

/// Puts a field in the place of an `AnyValue`'s first member and removes all others; field 8 is one that is not read.
fn replace_member(any: &[u8], member: &[u8]) -> Result<Vec<u8>, WireError> {
    replace_fields(any, |number| matches!(number, 1..=8), member)
}

/// Puts bytes in the place of the first of some fields and removes the others; at the end when there is none.
pub(crate) fn replace_fields(
    message: &[u8],
    is_replaced: impl Fn(u32) -> bool,
    new: &[u8],
) -> Result<Vec<u8>, WireError> {
    let mut splice = Splice::new(message);
    let mut is_first = true;
    for field in Fields::new(message) {
        let field = field?;
        if is_replaced(field.number) {
            let new = if is_first { new } else { &[] };
            splice.replace(field.offset..field.end, |out| out.extend_from_slice(new));
            is_first = false;
        }
    }
    if is_first {
        splice.append(|out| out.extend_from_slice(new));
    }
    Ok(splice.finish().unwrap_or_else(|| message.to_vec()))
}

/// Names what is to become of the `KeyValue`s of a message.
pub(crate) enum KeyEdits<'e> {
    /// They are to be exactly this bag.
    Bag(&'e Bag),
    /// Some keys are set or removed, the others stay.
    Few(&'e [(Str, Option<Value>)]),
    /// The same with many keys.
    Many(HashMap<&'e [u8], Option<&'e Value>>),
}

enum Wanted<'e> {
    Leave,
    Remove,
    Set(&'e Value),
}

impl<'e> KeyEdits<'e> {
    /// Returns the edits of a list, of which for one key the last counts.
    pub fn new(list: &'e [(Str, Option<Value>)]) -> Self {
        if list.len() <= FEW_EDITS {
            return KeyEdits::Few(list);
        }
        KeyEdits::Many(list.iter().map(|(key, value)| (key.as_bytes(), value.as_ref())).collect())
    }

    fn wanted(&self, key: &[u8]) -> Wanted<'e> {
        let edit = match self {
            KeyEdits::Bag(bag) => return bag.get(key).map_or(Wanted::Remove, Wanted::Set),
            KeyEdits::Few(list) => {
                list.iter().rev().find(|(own, _)| own.as_bytes() == key).map(|(_, value)| value.as_ref())
            }
            KeyEdits::Many(map) => map.get(key).copied(),
        };
        match edit {
            None => Wanted::Leave,
            Some(None) => Wanted::Remove,
            Some(Some(value)) => Wanted::Set(value),
        }
    }

    /// Returns the keys that may have to be appended, in order.
    fn keys(&self) -> Vec<&'e [u8]> {
        match self {
            KeyEdits::Bag(bag) => bag.iter().map(|(key, _)| key.as_bytes()).collect(),
            KeyEdits::Few(list) => list.iter().map(|(key, _)| key.as_bytes()).collect(),
            KeyEdits::Many(map) => {
                let mut keys: Vec<&[u8]> = map.keys().copied().collect();
                // The order of a map differs from run to run; results must not.
                keys.sort_unstable();
                keys
            }
        }
    }
}

/// Returns a message whose field `number` holds `KeyValue`s after edits of them; `None` when nothing changes.
pub(crate) fn edit_key_values(
    message: &[u8],
    number: u32,
    edits: &KeyEdits<'_>,
    depth: Depth,
) -> Result<Option<Vec<u8>>, WireError> {
    let mut splice = Splice::new(message);
    // Whether the first occurrence of a key that is to be set was changed.
    let mut seen: HashMap<&[u8], bool> = HashMap::new();
    for field in Fields::new(message) {
        let field = field?;
        if field.number != number {
            continue;
        }
        let key_value = field.bytes()?;
        let Some(key) = key_of(key_value)? else { continue };
        match edits.wanted(key) {
            Wanted::Leave => {}
            Wanted::Remove => splice.remove(field.offset..field.end),
            Wanted::Set(value) => match seen.get(key) {
                Some(true) => splice.remove(field.offset..field.end),
                Some(false) => {}
                None => {
                    let edited = edit_key_value(key_value, value, depth)?;
                    seen.insert(key, edited.is_some());
                    if let Some(edited) = edited {
                        splice.replace(field.offset..field.end, |out| append_bytes_field(out, number, &edited));
                    }
                }
            },
        }
    }
    for key in edits.keys() {
        if let Wanted::Set(value) = edits.wanted(key)
            && !seen.contains_key(key)
        {
            seen.insert(key, true);
            splice.append(|out| append_key_value_within(out, number, &Str::from(key), value, depth.written));
        }
    }
    Ok(splice.finish())
}

/// Returns the key of a `KeyValue`; `None` where it is an index into a string table.
fn key_of(key_value: &[u8]) -> Result<Option<&[u8]>, WireError> {
    if let Some((key, _)) = leading_key(key_value) {
        return Ok(Some(key));
    }
    let (mut key, mut is_indexed) = (None, false);
    for field in Fields::new(key_value) {
        let field = field?;
        match field.number {
            1 => drop(key.get_or_insert(field.bytes()?)),
            KEY_STRINDEX => is_indexed |= field.varint()? != 0,
            _ => {}
        }
    }
    Ok(if key.is_none() && is_indexed { None } else { Some(key.unwrap_or_default()) })
}

fn edit_key_value(key_value: &[u8], value: &Value, depth: Depth) -> Result<Option<Vec<u8>>, WireError> {
    let old = first_field(key_value, |number| number == 2)?;
    let old = old.map(|field| field.bytes()).transpose()?.unwrap_or_default();
    let Some(edited) = edit_any(old, value, depth)? else { return Ok(None) };
    let mut field = Vec::new();
    append_bytes_field(&mut field, 2, &edited);
    replace_fields(key_value, |number| number == 2, &field).map(Some)
}

/// Returns the first of some fields of a message.
pub(crate) fn first_field(message: &[u8], is_wanted: impl Fn(u32) -> bool) -> Result<Option<Field<'_>>, WireError> {
    let mut first = None;
    for field in Fields::new(message) {
        let field = field?;
        if first.is_none() && is_wanted(field.number) {
            first = Some(field);
        }
    }
    Ok(first)
}

/// Returns a message whose field `number` holds a list after the list has become `new`; `None` when it is so already.
///
/// `read` gives the value of an item's bytes, `edit` the bytes of an item that is to have another value. Items that stay
/// are recognised, so that taking one out of a list leaves the others as they came.
pub(crate) fn edit_items(
    message: &[u8],
    number: u32,
    new: &[Value],
    read: impl Fn(&[u8]) -> Result<Value, WireError>,
    edit: impl Fn(&[u8], &Value) -> Result<Option<Vec<u8>>, WireError>,
) -> Result<Option<Vec<u8>>, WireError> {
    let mut places = Vec::new();
    let mut old = Vec::new();
    for field in Fields::new(message) {
        let field = field?;
        if field.number == number {
            old.push(read(field.bytes()?)?);
            places.push(field);
        }
    }
    let mut splice = Splice::new(message);
    let mut at = places.first().map_or(message.len(), |field| field.offset);
    let mut next = 0;
    for (value, fate) in new.iter().zip(align(&old, new)) {
        let Some(position) = fate else {
            let edited = edit(&[], value)?.unwrap_or_default();
            splice.replace(at..at, |out| append_bytes_field(out, number, &edited));
            continue;
        };
        places[next..position].iter().for_each(|removed| splice.remove(removed.offset..removed.end));
        let field = &places[position];
        if let Some(edited) = edit(field.bytes()?, value)? {
            splice.replace(field.offset..field.end, |out| append_bytes_field(out, number, &edited));
        }
        (next, at) = (position + 1, field.end);
    }
    places[next..].iter().for_each(|removed| splice.remove(removed.offset..removed.end));
    Ok(splice.finish())
}

/// Returns for each new item the old item that it replaces or is; `None` for one that was put in.
fn align(old: &[Value], new: &[Value]) -> Vec<Option<usize>> {
    let mut fates = Vec::with_capacity(new.len());
    let mut next = 0;
    for (index, value) in new.iter().enumerate() {
        let (old_left, new_left) = (old.len() - next, new.len() - index);
        let out_max = old_left.saturating_sub(new_left).min(ALIGNED_MAX);
        let in_max = new_left.saturating_sub(old_left).min(ALIGNED_MAX);
        let kept = old[next..].iter().take(out_max + 1).position(|item| item == value);
        let is_put_in = || match old.get(next) {
            Some(item) => new[index + 1..].iter().take(in_max).any(|later| later == item),
            None => true,
        };
        let fate = match kept {
            Some(skipped) => Some(next + skipped),
            None if is_put_in() => None,
            None => Some(next),
        };
        next = fate.map_or(next, |position| position + 1);
        fates.push(fate);
    }
    fates
}

/// Appends a message field unless its content is empty.
pub(crate) fn append_unless_empty(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    if !content.is_empty() {
        append_message_field(out, number, |out| out.extend_from_slice(content));
    }
}
