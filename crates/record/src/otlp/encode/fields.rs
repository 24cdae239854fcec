//! Numbers, texts and nested messages to protobuf fields at the end of a buffer.
//!
//! Defaults are left out, as proto3 does with fields without presence; the functions for fields with presence say so.
//! Source of the format: protobuf.dev, "Encoding". Reading: `wire.rs`.

use crate::wire::{
    append_bytes_field, append_fixed32_field, append_fixed64_field, append_message_field, append_varint,
    append_varint_field,
};

/// Appends a string, bytes or a message unless it is empty.
pub fn append_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    if !bytes.is_empty() {
        append_bytes_field(out, number, bytes);
    }
}

/// Appends a varint unless it is 0.
pub fn append_number(out: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        append_varint_field(out, number, value);
    }
}

/// Appends a `sint32` unless it is 0.
pub fn append_zigzag32(out: &mut Vec<u8>, number: u32, value: i32) {
    append_number(out, number, u64::from((value << 1 ^ value >> 31) as u32));
}

/// Appends a `fixed32` unless it is 0.
pub fn append_fixed32(out: &mut Vec<u8>, number: u32, value: u32) {
    if value != 0 {
        append_fixed32_field(out, number, value);
    }
}

/// Appends a `fixed64` unless it is 0.
pub fn append_fixed64(out: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        append_fixed64_field(out, number, value);
    }
}

/// Appends a `double` with presence, where there is one.
pub fn append_double(out: &mut Vec<u8>, number: u32, value: Option<f64>) {
    if let Some(value) = value {
        append_fixed64_field(out, number, value.to_bits());
    }
}

/// Appends a packed list of `fixed64` or `double` (by their bits).
pub fn append_packed_fixed64s(out: &mut Vec<u8>, number: u32, values: impl ExactSizeIterator<Item = u64>) {
    if values.len() > 0 {
        append_message_field(out, number, |out| values.for_each(|value| out.extend_from_slice(&value.to_le_bytes())));
    }
}

/// Appends a packed list of varints.
pub fn append_packed_varints(out: &mut Vec<u8>, number: u32, values: &[u64]) {
    let mut packed = Vec::with_capacity(values.len());
    values.iter().for_each(|value| append_varint(&mut packed, *value));
    append_bytes(out, number, &packed);
}

/// Appends a nested message, an empty one too, whose content `write` appends.
pub fn append_message<E>(
    out: &mut Vec<u8>,
    number: u32,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let mut result = Ok(());
    append_message_field(out, number, |out| result = write(out));
    result
}
