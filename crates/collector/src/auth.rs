//! The `authorization` header of a request to whether it may come in.
//!
//! Compares in a time that does not depend on where credentials differ, and never says or logs what was sent.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use subtle::ConstantTimeEq;

/// Holds the credentials that a listener accepts; with none it accepts everyone.
#[derive(Clone, Default)]
pub struct Auth {
    bearer: Vec<Vec<u8>>,
    /// `user:password` in base64, as it stands in the header.
    basic: Vec<Vec<u8>>,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Auth({} bearer, {} basic)", self.bearer.len(), self.basic.len())
    }
}

impl Auth {
    /// Accepts a token.
    pub fn add_bearer(&mut self, token: &str) {
        self.bearer.push(token.as_bytes().to_vec());
    }

    /// Accepts a user with a password.
    pub fn add_basic(&mut self, user: &str, password: &str) {
        self.basic.push(STANDARD.encode(format!("{user}:{password}")).into_bytes());
    }

    /// Says whether a request with this header may come in.
    pub fn admits(&self, header: Option<&[u8]>) -> bool {
        if self.bearer.is_empty() && self.basic.is_empty() {
            return true;
        }
        let Some(header) = header else { return false };
        let space = header.iter().position(|byte| *byte == b' ').unwrap_or(header.len());
        let (scheme, credentials) = header.split_at(space);
        let accepted = match scheme.to_ascii_lowercase().as_slice() {
            b"bearer" => &self.bearer,
            b"basic" => &self.basic,
            _ => return false,
        };
        let credentials = credentials.trim_ascii();
        // Every one is compared, so that the time does not say which is near.
        accepted.iter().fold(false, |found, one| found | bool::from(one.as_slice().ct_eq(credentials)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_accepted_comes_in() {
        assert!(Auth::default().admits(None));
        let mut auth = Auth::default();
        auth.add_bearer("t0ken");
        auth.add_basic("Aladdin", "open sesame");
        // RFC 7617, 2: the example of the Basic scheme.
        for good in ["Bearer t0ken", "bearer  t0ken", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="] {
            assert!(auth.admits(Some(good.as_bytes())), "{good}");
        }
        for bad in ["", "t0ken", "Bearer", "Bearer t0ke", "Bearer t0kenn", "Basic t0ken", "Digest t0ken"] {
            assert!(!auth.admits(Some(bad.as_bytes())), "{bad}");
        }
        assert!(!auth.admits(None));
        assert!(!format!("{auth:?}").contains("t0ken"));
    }
}
