//! `dtq kernel trace`, as far as it needs no rights: what can be traced, and what is said of what is wrong.
//!
//! What runs is tested in `tests/live/trace.rs`.

mod common;

use common::dtq;

/// A process that is there.
fn own_pid() -> String {
    std::process::id().to_string()
}

#[test]
fn the_page_shows_what_commands_print() {
    common::transcript::check(&common::root().join("docs/kernel-trace.md"));
}

#[test]
fn words_that_do_not_go_together_are_64() {
    let pid = own_pid();
    for (words, said) in [
        (&["uprobe:main"][..], "no program is named"),
        (&["uprobe:main", "--file", "x"], "--pid PID is one process, --all all that have the file"),
        (&["--pid", &pid], "required arguments"),
        (&["main", "--pid", &pid], "write `uprobe:FUNCTION`"),
        (&["uprobe:main", "--pid", &pid, "--args", "arg0"], "--args: `arg0` is no argument: write `arg0: long`"),
        (&["uprobe:main", "--pid", &pid, "--rate", "5"], "such as 100/s"),
        (&["uprobe:main", "--pid", &pid, "--rate", "5/d"], "such as 100/s"),
        (&["uprobe:main", "--pid", &pid, "--all", "--file", "x"], "cannot be used with"),
        (&["--list", "--pid", &pid, "one", "two"], "one pattern"),
        (&["--list", "--pid", &pid, "--count", "3"], "cannot be used with"),
        (&["--list", "--pid", &pid, "--output", "otlp"], "hold telemetry"),
    ] {
        let ran = dtq(&[&["kernel", "trace"], words].concat()).code(64);
        assert!(ran.stderr.contains(said), "{words:?}: {}", ran.stderr);
    }
}

#[test]
fn a_wrong_condition_is_marked() {
    let pid = own_pid();
    let arguments = ["kernel", "trace", "uprobe:main", "--pid", &pid, "--args", "arg1: string, arg2: long", "--where"];
    for (condition, said) in [
        ("arg1 = 'x'", " --> --where:1:6\n"),
        ("arg2 > 1 and arg7 == 2", " --> --where:1:14\n"),
        ("arg1 has 5 and", "--where:1:"),
        ("hash(arg1) % 2 == 0", "not decided in the kernel"),
        ("arg2 > 1 | take 5", "more than a condition"),
        ("arg2 > 1 and arg2 < 1 and false", "never true"),
    ] {
        let ran = dtq(&[&arguments[..], &[condition]].concat()).code(78);
        assert!(ran.stderr.contains(said), "{condition}: {}", ran.stderr);
    }
}

#[test]
fn functions_of_a_file_are_listed() {
    let program = std::env::current_exe().unwrap();
    let arguments = ["kernel", "trace", "--list", "--file", program.to_str().unwrap(), "--output", "ndjson"];
    let ran = dtq(&[&arguments[..], &["Functions_OF_a_file"]].concat()).code(0);
    let row: serde_json::Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    assert!(row["Site"].as_str().unwrap().starts_with("uprobe:kernel_trace::functions_of_a_file_are_listed"), "{row}");
    assert!(row["Instruction"].as_str().unwrap().len() > 10, "{row}");
    let none = dtq(&[&arguments[..], &["no such name"]].concat()).code(78);
    assert!(none.stderr.contains("has `no such name` in its name"), "{}", none.stderr);
    let no_program = dtq(&["kernel", "trace", "--list", "--file", "Cargo.toml"]).code(78);
    assert!(no_program.stderr.contains("no 64-bit ELF file"), "{}", no_program.stderr);
    dtq(&["kernel", "trace", "--list", "--file", "no/such"]).code(78);
    let gone = dtq(&["kernel", "trace", "--list", "--pid", "4294967295"]).code(78);
    assert!(gone.stderr.contains("there is no process 4294967295"), "{}", gone.stderr);
}
