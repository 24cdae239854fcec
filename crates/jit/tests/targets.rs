//! Code for both architectures: it is made, it calls by address only, and no instruction in it is there to trap.

mod common;

use common::{expression, hot_condition};
use dtq_generate::Choices;
use dtq_jit::{Compiler, Entry, EntryKind, Input, Listing, Refusal, Target};
use dtq_value::Type;

fn listings(compiler: &Compiler, text: &str, kind: EntryKind) -> Vec<Listing> {
    let inputs: Vec<Input> = (0..Type::ALL.len() as u32).map(Input::Slot).collect();
    let (program, expr) = expression(text).unwrap_or_else(|| panic!("{text}"));
    let entry = Entry { program: &program, expr, inputs: &inputs, kind };
    compiler.listings(&[entry]).unwrap_or_else(|refusal| panic!("{refusal}\n{text}"))
}

#[test]
fn both_architectures_have_code_without_traps() {
    for (architecture, traps) in [("x86_64", ["ud2", "int3"]), ("aarch64", ["udf", "brk"])] {
        let compiler = Compiler::for_target(Target::named(architecture).unwrap());
        for seed in 0..60 {
            let mut choices = Choices::Seed(seed * 31);
            let text = hot_condition(&mut choices, 2);
            // Division is the one instruction that the processor itself may refuse: see `divisors_are_guarded`.
            if text.contains(" / ") || text.contains(" % ") {
                continue;
            }
            for kind in [EntryKind::Filter, EntryKind::Value, EntryKind::Many] {
                let asm = &listings(&compiler, &text, kind)[0].asm;
                assert!(traps.iter().all(|trap| !asm.contains(trap)), "{architecture}: {text}\n{asm}");
            }
        }
    }
}

#[test]
fn divisors_are_guarded() {
    let compiler = Compiler::for_target(Target::named("x86_64").unwrap());
    for text in ["(long_column / int_column) == 1", "(long_column % int_column) == 1"] {
        let clif = &listings(&compiler, text, EntryKind::Filter)[0].clif;
        let divisor = clif.lines().find(|line| line.contains("sdiv") || line.contains("srem")).expect("it divides");
        let name = divisor.rsplit(", ").next().and_then(|rest| rest.split_whitespace().next()).expect("its operand");
        let guard = clif.lines().find(|line| line.trim().starts_with(&format!("{name} = "))).expect("it is made");
        assert!(guard.contains("select"), "{guard}");
    }
}

#[test]
fn code_for_another_machine_is_refused_when_it_is_to_run() {
    let compiler = Compiler::for_target(Target::named("aarch64").unwrap());
    let (program, expr) = expression("bool_column").unwrap();
    let inputs = [Input::Slot(0)];
    let entry = Entry { program: &program, expr, inputs: &inputs, kind: EntryKind::Filter };
    assert!(matches!(compiler.compile(&[entry]), Err(Refusal::Target(_))));
}

#[test]
fn what_is_too_large_is_refused() {
    let compiler = Compiler::host().unwrap();
    let chain: Vec<String> = (0..9_000).map(|number| format!("long_column == {number}")).collect();
    let (program, expr) = expression(&chain.join(" or ")).expect("an interpreter has it");
    let inputs: Vec<Input> = (0..Type::ALL.len() as u32).map(Input::Slot).collect();
    let entry = Entry { program: &program, expr, inputs: &inputs, kind: EntryKind::Filter };
    let refused = compiler.compile(&[entry]);
    assert!(matches!(refused, Err(Refusal::Size(_))), "{refused:?}");
}
