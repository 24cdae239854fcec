//! Builds strings and dynamics that may grow, within the bounds of [`Limits`].
//!
//! Whatever a function builds from its arguments goes through here, so that no query can make a value larger or deeper
//! than `value_bytes_max` and `value_nesting_max`: passing one is `E3003`.

use crate::scalar::Fault;
use crate::{Bag, Value};
use dtq_source::{Code, Limits};

/// Bytes that an element of an array or a property of a bag counts, besides those of its text.
///
/// With the default bounds an array has at most 1,048,576 elements.
///
/// # Source
/// That is Kusto's limit for `range()`: its documentation, and conformance `emu/range-function-04`.
pub const SLOT_BYTES: usize = 16;

/// Collects the bytes of a string.
#[derive(Debug)]
pub struct Text {
    bytes: Vec<u8>,
    size_max: usize,
}

impl Text {
    /// Returns an empty text.
    pub fn new(limits: &Limits) -> Self {
        Self { bytes: Vec::new(), size_max: limits.value_bytes_max }
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`Code::E3003`] when it would be too large.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if bytes.len() > self.size_max - self.bytes.len() {
            return Err(too_large(self.size_max));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Appends a character.
    ///
    /// # Errors
    /// [`Code::E3003`] when it would be too large.
    pub fn push_char(&mut self, character: char) -> Result<(), Fault> {
        self.push(character.encode_utf8(&mut [0; 4]).as_bytes())
    }

    /// Returns the bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Returns the string.
    pub fn into_value(self) -> Value {
        Value::string(self.bytes)
    }
}

/// Returns the fault for a value that would be too large.
pub fn too_large(size_max: usize) -> Fault {
    Fault::new(Code::E3003, format!("a value would have more than {size_max} bytes"))
}

/// Returns how many elements an array may have.
pub fn count_max(limits: &Limits) -> usize {
    limits.value_bytes_max / SLOT_BYTES
}

/// Returns an array, if it is within the bounds.
///
/// # Errors
/// [`Code::E3003`] when it is too large or too deep.
///
/// # Cost
/// Visits every element at every depth.
pub fn array(items: Vec<Value>, limits: &Limits) -> Result<Value, Fault> {
    let array = Value::array(items);
    check(&array, limits)?;
    Ok(array)
}

/// Returns a bag, if it is within the bounds.
///
/// # Errors
/// [`Code::E3003`] when it is too large or too deep.
///
/// # Cost
/// Visits every property at every depth.
pub fn bag(bag: Bag, limits: &Limits) -> Result<Value, Fault> {
    let bag = Value::bag(bag);
    check(&bag, limits)?;
    Ok(bag)
}

/// Checks that a dynamic is within the bounds. Parts that are shared count each time they are reached, since they are
/// written out each time.
///
/// # Errors
/// [`Code::E3003`] when it is too large or too deep.
pub fn check(value: &Value, limits: &Limits) -> Result<(), Fault> {
    let mut budget = limits.value_bytes_max;
    spend(value, &mut budget, limits.value_nesting_max, limits)
}

fn spend(value: &Value, budget: &mut usize, depth_left: usize, limits: &Limits) -> Result<(), Fault> {
    if depth_left == 0 && matches!(value, Value::Array(_) | Value::Bag(_)) {
        return Err(Fault::new(
            Code::E3003,
            format!("a value would be nested more than {} deep", limits.value_nesting_max),
        ));
    }
    match value {
        Value::String(text) => pay(text.size(), budget, limits),
        Value::Array(items) => {
            pay(items.len().saturating_mul(SLOT_BYTES), budget, limits)?;
            items.iter().try_for_each(|item| spend(item, budget, depth_left - 1, limits))
        }
        Value::Bag(bag) => bag.iter().try_for_each(|(key, item)| {
            pay(SLOT_BYTES + key.size(), budget, limits)?;
            spend(item, budget, depth_left - 1, limits)
        }),
        _ => Ok(()),
    }
}

fn pay(count: usize, budget: &mut usize, limits: &Limits) -> Result<(), Fault> {
    *budget = budget.checked_sub(count).ok_or_else(|| too_large(limits.value_bytes_max))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubled(times: usize) -> Value {
        (0..times).fold(Value::Long(1), |inner, _| Value::array(vec![inner.clone(), inner]))
    }

    #[test]
    fn text_stops_at_the_bound() {
        let mut text = Text::new(&Limits { value_bytes_max: 3, ..Limits::default() });
        assert!(text.push(b"ab").is_ok());
        assert_eq!(text.push(b"cd").map_err(|fault| fault.code), Err(Code::E3003));
        assert!(text.push(b"c").is_ok());
        assert_eq!(text.into_value(), Value::string("abc"));
    }

    #[test]
    fn shared_parts_count_each_time() {
        let limits = Limits::default();
        assert!(check(&doubled(10), &limits).is_ok());
        assert_eq!(check(&doubled(60), &limits).map_err(|fault| fault.code), Err(Code::E3003));
    }

    #[test]
    fn depth_is_bounded() {
        let limits = Limits { value_nesting_max: 2, ..Limits::default() };
        assert!(check(&doubled(2), &limits).is_ok());
        assert_eq!(check(&doubled(3), &limits).map_err(|fault| fault.code), Err(Code::E3003));
    }
}
