//! Code for the architectures that are built in: it is made, it calls by address only, and no instruction in it is there to trap.

mod common;

use common::{expression, hot_condition};
use dtq_generate::Choices;
use dtq_ir::{Expr, ExprId, ExprKind, ParamKind, Program, Signature};
use dtq_jit::{Compiler, Entry, EntryKind, Input, Listing, Refusal, Target};
use dtq_source::Span;
use dtq_value::{Type, Value};

fn listings(compiler: &Compiler, text: &str, kind: EntryKind) -> Vec<Listing> {
    let inputs: Vec<Input> = (0..Type::ALL.len() as u32).map(Input::Slot).collect();
    let (program, expr) = expression(text).unwrap_or_else(|| panic!("{text}"));
    let entry = Entry { program: &program, expr, inputs: &inputs, kind };
    compiler.listings(&[entry]).unwrap_or_else(|refusal| panic!("{refusal}\n{text}"))
}

#[test]
fn architectures_have_code_without_traps() {
    let traps = [("x86_64", ["ud2", "int3"]), ("aarch64", ["udf", "brk"])];
    for (architecture, traps) in traps.into_iter().filter(|(name, _)| Target::NAMES.contains(name)) {
        let compiler = Compiler::for_target(Target::named(architecture).unwrap());
        for seed in 0..60 {
            let mut choices = Choices::Seed(seed * 31);
            let text = hot_condition(&mut choices, 2);
            // Division is the one instruction that the processor itself may refuse: see `divisors_are_guarded`.
            if text.contains(" / ") || text.contains(" % ") {
                continue;
            }
            for kind in [EntryKind::Filter, EntryKind::Value, EntryKind::Many, EntryKind::Checked] {
                let asm = &listings(&compiler, &text, kind)[0].asm;
                assert!(traps.iter().all(|trap| !asm.contains(trap)), "{architecture}: {text}\n{asm}");
            }
        }
    }
}

#[test]
fn divisors_are_guarded() {
    let compiler = Compiler::for_target(Target::named(Target::NAMES[0]).unwrap());
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
    let compiler = Compiler::for_target(Target::named(Target::NAMES[0]).unwrap());
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

/// Returns `1 + (1 + (... + long_column))`, this deep, and the same with random numbers that are shared.
fn nested(depth: usize) -> (Program, ExprId) {
    let mut program = Program::new();
    let (ty, span) = (Type::Long, Span::default());
    let one = program.add_expr(Expr { kind: ExprKind::Const(Value::Long(1)), ty, span });
    let mut expr = program.add_expr(Expr { kind: ExprKind::Column(2), ty, span });
    let function = dtq_ir::functions::by_name("+").expect("an operator");
    let is_long = |signature: &Signature| signature.params.iter().all(|param| param.kind == ParamKind::Is(Type::Long));
    let signature = function.0.signatures.iter().position(is_long).expect("longs can be added") as u8;
    for _ in 0..depth {
        let kind = ExprKind::Call { function, signature, args: [one, expr].into_iter().collect(), pooled: None };
        expr = program.add_expr(Expr { kind, ty, span });
    }
    (program, expr)
}

#[test]
fn nesting_is_bounded_and_the_stack_suffices() {
    let compiler = Compiler::host().unwrap();
    let inputs: Vec<Input> = (0..Type::ALL.len() as u32).map(Input::Row).collect();
    let compiled = |depth| {
        let (program, expr) = nested(depth);
        compiler.compile(&[Entry { program: &program, expr, inputs: &inputs, kind: EntryKind::Value }]).map(drop)
    };
    assert_eq!(compiled(240), Ok(()));
    assert!(matches!(compiled(5_000), Err(Refusal::Size(_))));
}

#[test]
fn what_is_random_is_not_shared() {
    let (program, expr) = expression("iff(rand() < 0.5, rand(), rand() + rand())").unwrap();
    let compiler = Compiler::host().unwrap();
    let rows = common::rows(&mut Choices::Seed(1), 1);
    assert!(common::compare(&compiler, (&program, expr), &rows, "random").is_some());

    // One node that is used twice is evaluated twice.
    let mut program = Program::new();
    let (ty, span) = (Type::Real, Span::default());
    let call = |name: &str, args: &[ExprId]| {
        let function = dtq_ir::functions::by_name(name).unwrap();
        let signature = function.0.signatures.iter().position(|signature| {
            signature.takes(args.len())
                && signature.params.iter().take(args.len()).all(|param| param.kind.accepts(Type::Real))
        });
        let args = args.iter().copied().collect();
        let kind = ExprKind::Call { function, signature: signature.unwrap() as u8, args, pooled: None };
        Expr { kind, ty, span }
    };
    let random = program.add_expr(call("rand", &[]));
    let twice = program.add_expr(call("+", &[random, random]));
    let difference = program.add_expr(call("-", &[twice, twice]));
    assert!(common::compare(&compiler, (&program, difference), &rows, "random, shared").is_some());
}
