//! Query text to what is wrong with it for a place that takes less than the whole language.
//!
//! Next: `sema/src/profile.rs`, which has the lists.

use crate::query::{Options, compile};
use dtq_record::stream::Catalog;
use dtq_sema::profile;
use dtq_source::{Code, Diagnostic};

/// Names a place with a part of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The `transformKql` of an Azure Monitor data collection rule.
    AzureDcr,
}

/// Returns every error and warning about a query that is to run under a profile, in the order of the places.
///
/// # Errors
/// Not as a `Result`: the diagnostics of [`compile`], except that functions which only that place has are no mistakes,
/// and `E41xx` for what it refuses.
///
/// # Panics
/// As [`compile`].
///
/// # Example
/// ```
/// use dtq_engine::{NoTables, Options, Profile, profile};
///
/// let found = profile::check("print x = 1 | sort by x", Profile::AzureDcr, &NoTables, &Options::default());
/// assert!(found.iter().any(|one| one.code.number() / 100 == 41));
/// ```
pub fn check(text: &str, profile: Profile, catalog: &dyn Catalog, options: &Options<'_>) -> Vec<Diagnostic> {
    let (_, mut found) = compile(text, catalog, options);
    let (ast, _) = dtq_syntax::parse(text, &options.limits);
    match profile {
        Profile::AzureDcr => {
            found.retain(|one| !is_elsewhere(text, one));
            found.extend(profile::azure_dcr(&ast, text, &options.limits));
        }
    }
    found.sort_by_key(|one| (one.span, one.code));
    found
}

/// Says whether a diagnostic only says that dtq lacks a function that a transformation has.
fn is_elsewhere(text: &str, diagnostic: &Diagnostic) -> bool {
    matches!(diagnostic.code, Code::E2003 | Code::E2900)
        && text.get(diagnostic.span.range()).is_some_and(|name| profile::FUNCTIONS_ELSEWHERE.contains(&name))
}
