//! Hashes of values.
//!
//! The cryptographic ones are of the text of a value, `""` of `""`; `hash` is of its bytes.

use crate::Value;
use crate::scalar::bounded;
use crate::scalar::{Call, Fault, format};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use xxhash_rust::xxh64::xxh64;

/// `hash(value, modulus)`: xxHash64 of the bytes: a text's own, a number's or time's eight in little-endian order.
///
/// # Source
/// Kusto documentation, `hash()`: its examples (a string, one with a modulus, a datetime as its ticks). A modulus is
/// taken of the unsigned hash, so that the result is never negative; one below 1 gives null: our choices.
pub fn hash(call: &mut Call<'_>) -> Result<Value, Fault> {
    let hashed = match call.arg(0) {
        Value::Null => return Ok(Value::Null),
        Value::Bool(is_true) => xxh64(&[u8::from(*is_true)], 0),
        Value::Int(number) => xxh64(&i64::from(*number).to_le_bytes(), 0),
        Value::Long(number) | Value::DateTime(number) | Value::TimeSpan(number) => xxh64(&number.to_le_bytes(), 0),
        Value::Real(number) => xxh64(&number.to_le_bytes(), 0),
        Value::Guid(id) => xxh64(id, 0),
        other => xxh64(&format::dynamic_text(other), 0),
    };
    if call.args.len() < 2 {
        return Ok(Value::Long(hashed.cast_signed()));
    }
    let modulus = call.long(1).and_then(|modulus| u64::try_from(modulus).ok());
    Ok(modulus.and_then(|modulus| hashed.checked_rem(modulus)).map_or(Value::Null, |rest| Value::Long(rest as i64)))
}

/// `hash_md5(value)`: 32 hexadecimal digits.
pub fn hash_md5(call: &mut Call<'_>) -> Result<Value, Fault> {
    digest::<Md5>(call)
}

/// `hash_sha1(value)`: 40 hexadecimal digits.
pub fn hash_sha1(call: &mut Call<'_>) -> Result<Value, Fault> {
    digest::<Sha1>(call)
}

/// `hash_sha256(value)`: 64 hexadecimal digits.
pub fn hash_sha256(call: &mut Call<'_>) -> Result<Value, Fault> {
    digest::<Sha256>(call)
}

/// # Source
/// `""` of `""`: conformance `trap/1075`, `trap/1078`.
fn digest<D: Digest>(call: &Call<'_>) -> Result<Value, Fault> {
    let text = format::text(call.arg(0));
    let mut out = bounded::Text::new(&call.ctx.limits);
    if !text.is_empty() {
        let mut hex = String::new();
        for byte in D::digest(&*text) {
            write!(hex, "{byte:02x}").expect("writing to a string does not fail");
        }
        out.push(hex.as_bytes())?;
    }
    Ok(out.into_value())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::{Context, Eval};
    use dtq_source::Limits;

    fn eval(function: Eval, args: &[Value]) -> Value {
        let mut ctx = Context::new(Limits::default(), 0, 0);
        function(&mut Call { args, pooled: None, ctx: &mut ctx }).unwrap()
    }

    // Kusto documentation, `hash()`; ticks of 2015-01-01 and 2020-01-01.
    #[test]
    fn hash_is_xxhash64() {
        let world = Value::string("World");
        assert_eq!(eval(hash, std::slice::from_ref(&world)), Value::Long(1_846_988_464_401_551_951));
        assert_eq!(eval(hash, &[world, Value::Long(100)]), Value::Long(51));
        assert_eq!(eval(hash, &[Value::DateTime(635_556_672_000_000_000)]), Value::Long(1_380_966_698_541_616_202));
        assert_eq!(eval(hash, &[Value::string("a"), Value::Long(0)]), Value::Null);
    }

    // Conformance `trap/321` to `trap/325`, `trap/1068`, `trap/1075`; documentation of `hash_md5()` and `hash_sha256()`.
    #[test]
    fn digests_are_of_the_text() {
        let cases: &[(Eval, Value, &str)] = &[
            (hash_md5, Value::string("World"), "f5a7924e621e84c9280a9a27e1bcb7f6"),
            (hash_md5, Value::Long(123), "202cb962ac59075b964b07152d234b70"),
            (hash_md5, Value::Bool(true), "f827cf462f62848df37c5e1e94a4da74"),
            (hash_md5, Value::DateTime(637_134_336_000_000_000), "786c530672d1f8db31fee25ea8a9390b"),
            (hash_sha1, Value::string("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (hash_sha1, Value::string(""), ""),
            (hash_sha256, Value::string("World"), "78ae647dc5544d227130a0682a51e30bc7777fbb6d8a8f17007463a3ecd1d524"),
        ];
        for (function, value, expected) in cases {
            assert_eq!(eval(*function, std::slice::from_ref(value)), Value::string(*expected), "{value:?}");
        }
    }
}
