//! wirefilter: its contexts already filled.
//!
//! 0.6.1 is what crates.io has, of 2019; its makers went on in their repository.

use crate::count;
use dtq_workload::measure::{self, Case, Measured};
use dtq_workload::slots::Slots;
use wirefilter::{ExecutionContext, Scheme, Type};

const QUESTIONS: [(&str, &str); 4] = [
    ("F1", "severity >= 17"),
    ("F2", r#"event != "LogWelcomeBanner""#),
    ("F3", r#"severity >= 9 and (service == "checkout" or status >= 500) and body contains "timeout""#),
    ("F4", r#"body matches "(?i)error" or route matches "^/api/v1/" or body matches "user=[0-9]+ failed""#),
];

/// Returns what its filters cost.
pub fn measure(slots: &[Slots], passes: usize) -> Vec<Measured> {
    let fields = [
        ("severity", Type::Int),
        ("status", Type::Int),
        ("event", Type::Bytes),
        ("route", Type::Bytes),
        ("service", Type::Bytes),
        ("body", Type::Bytes),
    ];
    let fields = fields.map(|(name, ty)| (name.to_owned(), ty));
    let scheme = Scheme::try_from_iter(fields.into_iter()).expect("the names differ");
    let contexts: Vec<ExecutionContext<'_>> = slots.iter().map(|record| context(&scheme, record)).collect();
    let cases = QUESTIONS.iter().map(|(question, text)| {
        let filter = scheme.parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).compile();
        count(format!("{question}: wirefilter"), &contexts, move |context| {
            filter.execute(context).expect("filter and context are of one scheme")
        })
    });
    measure::all(&mut cases.collect::<Vec<Case<'_>>>(), passes)
}

fn context<'s>(scheme: &'s Scheme, record: &'s Slots) -> ExecutionContext<'s> {
    let mut context = ExecutionContext::new(scheme);
    let numbers = [("severity", record.severity), ("status", record.status as i32)];
    for (name, number) in numbers {
        context.set_field_value(name, number).expect("the field is a number");
    }
    let texts =
        [("event", &*record.event), ("route", &*record.route), ("service", &*record.service), ("body", &*record.body)];
    for (name, text) in texts {
        context.set_field_value(name, text).expect("the field is a text");
    }
    context
}
