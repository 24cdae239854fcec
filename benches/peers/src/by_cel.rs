//! cel: its contexts already filled.

use crate::count;
use cel::{Context, Program, Value};
use dtq_workload::measure::{self, Case, Measured};
use dtq_workload::slots::Slots;

const QUESTIONS: [(&str, &str); 4] = [
    ("F1", "severity >= 17"),
    ("F2", "event != 'LogWelcomeBanner'"),
    ("F3", "severity >= 9 && (service == 'checkout' || status >= 500) && body.contains('timeout')"),
    ("F4", "body.matches('(?i)error') || route.startsWith('/api/v1/') || body.matches('user=[0-9]+ failed')"),
];

/// Returns what its programs cost.
pub fn measure(slots: &[Slots], passes: usize) -> Vec<Measured> {
    let root = Context::default();
    let contexts: Vec<Context<'_, '_>> = slots.iter().map(|record| context(&root, record)).collect();
    let cases = QUESTIONS.iter().map(|(question, text)| {
        let program = Program::compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        count(format!("{question}: cel"), &contexts, move |context| {
            matches!(program.execute(context).expect("the names are bound"), Value::Bool(true))
        })
    });
    measure::all(&mut cases.collect::<Vec<Case<'_>>>(), passes)
}

fn context<'r, 'v>(root: &'r Context<'r, 'v>, record: &Slots) -> Context<'r, 'v> {
    let mut context = root.new_inner_scope();
    context.add_variable_from_value("severity", i64::from(record.severity));
    context.add_variable_from_value("status", record.status);
    let texts = [("event", &record.event), ("route", &record.route), ("body", &record.body)];
    for (name, text) in texts {
        context.add_variable_from_value(name, &**text);
    }
    context.add_variable_from_value("service", &*record.service);
    context
}
