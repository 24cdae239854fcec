//! An object with tables, loaded by somebody else's loader: their bytes are there.
#![allow(clippy::unwrap_used)]

use crate::may_load;
use crate::part::{FALSE, HEADER_SIZE, Part, Subject, TRUE, packet_of_text};
use dtq_ebpf::elf;
use dtq_ebpf::emit::Outcome;
use dtq_ebpf::search::emit_text_in;
use std::path::Path;
use std::process::{Command, Output};

fn bpftool(arguments: &[&str]) -> std::io::Result<Output> {
    Command::new("bpftool").args(arguments).output()
}

/// Returns a program that asks for a text in two tables, one after the other.
fn part() -> Part {
    let texts = |prefix: &str| -> Vec<Vec<u8>> { (0..40).map(|at| format!("{prefix}{at}").into_bytes()).collect() };
    let part = Part::new(Subject::Text, |e, outcome| {
        let other = e.asm.label();
        emit_text_in(e, &texts("a short one "), false, &Outcome { is_false: other, ..*outcome })?;
        e.asm.bind(other);
        e.load_text(dtq_ebpf::insn::Reg::R6, dtq_ebpf::insn::Reg::R7, dtq_ebpf::layout::field(0));
        emit_text_in(e, &texts("b"), true, outcome)
    });
    part.unwrap()
}

/// Returns what a program gives for a packet, as bpftool says it.
fn given(pin: &str, packet: &Path) -> Option<u32> {
    let run = bpftool(&["prog", "run", "pinned", pin, "data_in", &packet.to_string_lossy(), "repeat", "1"]).ok()?;
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    said.split("Return value: ").nth(1)?.split(',').next()?.trim().parse().ok()
}

#[test]
fn bpftool_fills_the_tables_of_an_object() {
    if bpftool(&["version"]).is_err() || !may_load("bpftool_fills_the_tables_of_an_object") {
        eprintln!("SKIPPED: bpftool_fills_the_tables_of_an_object: bpftool is not here");
        return;
    }
    let part = part();
    let bytes = elf::object("in_tables", &part.program, &part.maps).unwrap();
    let folder = std::env::temp_dir();
    let name = format!("dtq-tables-{}", std::process::id());
    let (file, packet_file) = (folder.join(format!("{name}.o")), folder.join(format!("{name}.bin")));
    let pin = format!("/sys/fs/bpf/{name}");
    std::fs::write(&file, bytes).unwrap();
    let loaded = bpftool(&["prog", "load", &file.to_string_lossy(), &pin]).unwrap();
    let mut found = Vec::new();
    let asked =
        [("a short one 7", TRUE), ("a short one 39", TRUE), ("a short one 40", FALSE), ("B12", TRUE), ("b", FALSE)];
    for (text, _) in asked {
        let packet = [&[0; 14][..], &packet_of_text(b"", text.as_bytes(), b"1")].concat();
        assert!(packet.len() > 14 + HEADER_SIZE);
        std::fs::write(&packet_file, packet).unwrap();
        found.push(given(&pin, &packet_file));
    }
    let removed = (std::fs::remove_file(&file), std::fs::remove_file(&packet_file), std::fs::remove_file(&pin));
    let said = String::from_utf8_lossy(&loaded.stderr).into_owned();
    assert!(loaded.status.success(), "{said}");
    assert_eq!(found, asked.map(|(_, expected)| Some(expected)), "{said}");
    assert!(removed.2.is_ok());
}
