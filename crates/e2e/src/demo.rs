//! Placeholder.

/// Placeholder.
pub fn run(_say: &mut dyn FnMut(&str) -> bool) -> Result<(), String> {
    Ok(())
}
