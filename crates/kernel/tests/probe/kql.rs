//! Conditions in KQL: what the program decides is what the interpreter says, and what it leaves is said.

use crate::{MEMORY, Running, Thread, site};
use dtq_kernel::trace::arguments::parse;
use dtq_kernel::trace::program::Count;
use dtq_kernel::trace::{Hit, KqlCondition};
use proptest::prelude::*;

/// What is in the log: two texts, a number, a number of 32 bits, bytes.
const ARGUMENTS: &str = "arg0: string, arg1: string(arg2), arg3: long, arg4: int, arg5: bytes(arg2)";

/// Conditions that the kernel decides whole, at least where texts are ASCII.
const WHOLE: [&str; 26] = [
    "arg3 == 5",
    "arg3 != 5",
    "arg3 > 5 and arg4 < 0",
    "arg3 in (1, 5, 7)",
    "arg3 between (3 .. 6)",
    "not(arg3 <= 5)",
    "arg4 == -3 or arg0 == 'alpha'",
    "arg0 == 'alpha'",
    "arg0 != 'alpha'",
    "arg0 == ''",
    "isempty(arg0)",
    "isnotempty(arg1) and arg3 >= 4",
    "arg0 startswith_cs 'al'",
    "arg0 startswith 'AL'",
    "arg1 endswith 'ta'",
    "arg1 contains 'et'",
    "arg1 contains_cs 'et'",
    "arg0 has 'beta'",
    "arg0 has_any ('beta', 'gamma')",
    "arg0 in ('alpha', 'beta gamma')",
    "arg0 in~ ('ALPHA', 'beta gamma')",
    "arg0 matches regex '^a.*a$'",
    "Pid == 7 and Tid == 8",
    "Pid == 8",
    "Function == 'app::f' and Command startswith 'work'",
    "Function endswith 'g' or Command == 'worker'",
];

/// Conditions of which a part is left to user space: all but the first at once.
const IN_PART: [&str; 4] = [
    "arg3 > 4 and strlen(arg0) == 5",
    "arg4 == -3 and substring(arg0, 1, 2) == 'lp'",
    "arg0 == arg1 and arg3 > 2",
    "strcat(arg0, '-', arg1) == 'alpha-beta' and arg4 == -3",
];

/// Holds what arguments of a hit are.
#[derive(Clone, Debug)]
struct Given {
    /// `None` is no address.
    first: Option<String>,
    second: String,
    number: i64,
    small: i32,
}

impl Given {
    fn thread(&self) -> Thread {
        let first = self.first.as_deref().unwrap_or_default();
        let memory = [first.as_bytes(), b"\0", self.second.as_bytes()].concat();
        let second_at = MEMORY + first.len() as u64 + 1;
        let thread = Thread::new(&memory);
        let thread = thread.with("rdi", self.first.as_ref().map_or(0, |_| MEMORY)).with("rsi", second_at);
        let thread = thread.with("rdx", self.second.len() as u64).with("rcx", self.number as u64);
        // What stands above the lower half of an int is anything.
        thread.with("r8", 0xABCD_0000_0000_0000 | u64::from(self.small as u32)).with("r9", MEMORY)
    }
}

fn given() -> impl Strategy<Value = Given> {
    let text = || {
        prop_oneof![
            Just("alpha".to_owned()),
            Just("beta".to_owned()),
            Just("beta gamma".to_owned()),
            Just("the beta, alpha".to_owned()),
            Just("alph\u{e4}".to_owned()),
            Just(String::new()),
            "[a-eA-E ]{0,12}",
            "[alphbet]{250,262}",
        ]
    };
    (prop::option::weighted(0.9, text()), text(), -2_i64..9, -4_i32..2)
        .prop_map(|(first, second, number, small)| Given { first, second, number, small })
}

/// Compares the program with the interpreter on a hit; says whether the program has decided.
fn compare(text: &str, given: &Given) -> Result<bool, TestCaseError> {
    let arguments = parse(ARGUMENTS).unwrap();
    let condition = KqlCondition::compile(text, &arguments).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let mut all = Running::new(&site(None), ARGUMENTS, None);
    let records = all.hit(&given.thread());
    let hit = Hit::parse(&records[0], &arguments).unwrap();
    let is_true = condition.decide(&hit, "app::f", &arguments).unwrap();
    let mut some = Running::new(&site(None), ARGUMENTS, Some(condition.condition()));
    let records = some.hit(&given.thread());
    let is_undecided = some.count(Count::Undecided) == 1;
    match records.as_slice() {
        [] => prop_assert!(!is_undecided && is_true != Some(true), "`{text}` is {is_true:?}, left out: {given:?}"),
        [record] => {
            let hit = Hit::parse(record, &arguments).unwrap();
            prop_assert_eq!(hit.undecided.is_some(), is_undecided);
            // A part that the kernel can tell may be enough where user space does not have all of them.
            prop_assert!(is_undecided || is_true != Some(false), "`{text}` is {is_true:?}, delivered: {given:?}");
        }
        _ => prop_assert!(false, "one hit gives one record"),
    }
    Ok(!is_undecided)
}

/// Returns how many cases there are: `DTQ_CASES` makes a longer run.
fn cases() -> u32 {
    std::env::var("DTQ_CASES").ok().and_then(|count| count.parse().ok()).unwrap_or(300)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_program_leaves_out_only_what_the_condition_is_not_true_of(
        index in 0..WHOLE.len() + IN_PART.len(),
        given in given(),
    ) {
        let text = WHOLE.iter().chain(&IN_PART).nth(index).unwrap();
        let is_plain = |text: &str| text.is_ascii() && text.len() <= 256;
        let is_decided = compare(text, &given)?;
        if index < WHOLE.len() && is_plain(given.first.as_deref().unwrap_or_default()) && is_plain(&given.second) {
            prop_assert!(is_decided, "`{text}` was not decided: {given:?}");
        }
    }
}

#[test]
fn what_stays_in_user_space_is_said() {
    let arguments = parse(ARGUMENTS).unwrap();
    for text in WHOLE {
        let condition = KqlCondition::compile(text, &arguments).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(condition.stays(), [], "{text}");
    }
    for text in IN_PART {
        let condition = KqlCondition::compile(text, &arguments).unwrap_or_else(|error| panic!("{text}: {error}"));
        let stays: Vec<String> = condition.stays().iter().map(|(part, reason)| format!("{part}: {reason}")).collect();
        assert_eq!(stays.len(), usize::from(IN_PART[1..].contains(&text)), "{text}: {stays:?}");
    }
}

#[test]
fn what_is_no_condition_for_the_kernel_is_refused() {
    let arguments = parse(ARGUMENTS).unwrap();
    for (text, said) in [
        ("arg3 ==", "E1"),
        ("arg7 == 5", "arg7"),
        ("arg5 == 'a'", "arg5"),
        ("arg3 has 'a'", "E2"),
        ("arg0 == arg1", "arg0 == arg1"),
        ("arg3 > 5 | project arg3", "more than a condition"),
        ("arg3 > 5 | take 5", "more than a condition"),
        ("false", "never true"),
    ] {
        let error = KqlCondition::compile(text, &arguments).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
}
