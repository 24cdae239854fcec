//! Searches that F4 needs and `memchr` does not have.

use memchr::memmem::Finder;

/// Positions that are looked at together: what vector registers hold, whichever the compiler picks.
const LANES: usize = 32;

/// Says whether a text contains `error` in any case of its letters.
///
/// Three of the five letters are compared at [`LANES`] positions at once, in a form that compiles to vector code; only
/// where all three are there is the word compared.
pub fn contains_error(text: &[u8]) -> bool {
    const WORD: &[u8; 5] = b"error";
    let is_word = |start: usize| text[start..start + WORD.len()].eq_ignore_ascii_case(WORD);
    let Some(position_count) = (text.len() + 1).checked_sub(WORD.len()) else { return false };
    if position_count < LANES {
        return (0..position_count).any(is_word);
    }
    // The last window begins where it just fits, so that it goes over some positions twice and leaves none.
    let starts = (0..position_count - LANES).step_by(LANES).chain([position_count - LANES]);
    for start in starts {
        let window: &[u8; LANES + WORD.len() - 1] =
            text[start..start + LANES + WORD.len() - 1].try_into().expect("the range is as long as the array");
        let mut candidates = 0;
        for lane in 0..LANES {
            let is_candidate = (window[lane] | 0x20 == WORD[0])
                & (window[lane + 1] | 0x20 == WORD[1])
                & (window[lane + 4] | 0x20 == WORD[4]);
            candidates |= u8::from(is_candidate);
        }
        if candidates != 0 && (start..start + LANES).any(is_word) {
            return true;
        }
    }
    false
}

/// Says whether a text contains `user=`, digits, and ` failed`.
pub fn contains_failed_user(text: &[u8], user: &Finder<'_>) -> bool {
    let mut rest = text;
    while let Some(start) = user.find(rest) {
        let after = &rest[start + user.needle().len()..];
        let digit_count = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digit_count > 0 && after[digit_count..].starts_with(b" failed") {
            return true;
        }
        rest = after;
    }
    false
}
