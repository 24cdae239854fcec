//! Code is freed with its owner, and may be replaced while other threads call it.

mod common;

use common::{context, expression};
use dtq_ir::{ExprId, Program};
use dtq_jit::{BufferTable, Code, Compiler, Entry, EntryKind, Input, NativeContext, NoSubqueries, Verdict};
use dtq_record::slot::{Buffers, Slot};
use dtq_value::Type;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

fn inputs() -> Vec<Input> {
    (0..Type::ALL.len() as u32).map(Input::Slot).collect()
}

fn compiled(compiler: &Compiler, (program, expr): (&Program, ExprId)) -> Code {
    let inputs = inputs();
    let entry = Entry { program, expr, inputs: &inputs, kind: EntryKind::Filter };
    compiler.compile(&[entry]).expect("the condition has native code")
}

/// Returns how many pages of memory the process has in use.
fn resident_pages() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default()
}

#[test]
fn memory_stays_flat_over_many_units() {
    let compiler = Compiler::host().unwrap();
    let (program, expr) = expression("int_column >= 17 and string_column == 'error'").unwrap();
    let mut pages = 0;
    for round in 0..5_000 {
        drop(compiled(&compiler, (&program, expr)));
        if round == 500 {
            pages = resident_pages();
        }
    }
    let grown = resident_pages().saturating_sub(pages);
    // A unit has two pages; had they stayed, it would be nine thousand.
    assert!(grown < 500, "{grown} pages more");
}

#[test]
fn units_are_swapped_while_they_are_called() {
    let compiler = Compiler::host().unwrap();
    // Both say the same of these records, so that a wrong answer shows whichever unit gave it.
    let texts = ["int_column >= 17", "int_column > 16 and not(string_column == 'x')"];
    let programs = texts.map(|text| expression(text).unwrap());
    let shared = Mutex::new(Arc::new(compiled(&compiler, (&programs[0].0, programs[0].1))));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let table = BufferTable::new(&Buffers::default());
                let mut ctx = NativeContext::new(context());
                let mut number = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let code = Arc::clone(&shared.lock().unwrap());
                    number = (number + 1) % 24;
                    let mut slots = vec![Slot::MISSING; Type::ALL.len()];
                    slots[1] = Slot::int(number);
                    slots[5] = Slot::EMPTY_STRING;
                    let verdict = code.condition(0).decide(&mut ctx, &NoSubqueries, &slots, &table);
                    assert_eq!(verdict == Ok(Verdict::True), number >= 17);
                }
            });
        }
        for round in 0..500 {
            let (program, expr) = &programs[round % 2];
            let code = Arc::new(compiled(&compiler, (program, *expr)));
            *shared.lock().unwrap() = code;
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
