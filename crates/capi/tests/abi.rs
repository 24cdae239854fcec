//! The header stands for the library, and a program in C that is built with it finds what it promises.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn header_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include/dtq.h")
}

#[test]
fn the_header_is_that_of_the_library() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let source = root.join("src/lib.rs");
    let bindings = cbindgen::Builder::new().with_src(source).with_config(config).generate().unwrap();
    let mut made = Vec::new();
    bindings.write(&mut made);
    let made = String::from_utf8(made).unwrap();
    if std::env::var_os("DTQ_BLESS").is_some() {
        std::fs::write(header_path(), &made).unwrap();
    }
    let written = std::fs::read_to_string(header_path()).unwrap_or_default();
    assert!(made == written, "include/dtq.h is not what src/lib.rs says: DTQ_BLESS=1 cargo test -p dtq-capi\n{made}");
}

/// Builds a program in C with the library, runs it, and returns what it prints.
fn run(source: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The library stands beside the folder of the test, where cargo builds it before its tests.
    let exe = std::env::current_exe().unwrap();
    let built = exe.parent().unwrap();
    let library = [built.join("libdtq.so"), built.parent().unwrap().join("libdtq.so")];
    let library = library.iter().find(|path| path.exists()).expect("cargo builds the library before its tests");
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    let built = Command::new("cc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-pthread", "-I"])
        .arg(root.join("include"))
        .arg(source)
        .arg(library)
        .arg(format!("-Wl,-rpath,{}", library.parent().unwrap().display()))
        .arg("-o")
        .arg(&program)
        .output()
        .expect("a C compiler is needed: apt-get install gcc");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let ran = Command::new(&program).output().unwrap();
    assert!(ran.status.success(), "{:?}\n{}", ran.status, String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn a_program_in_c_runs_rules() {
    assert_eq!(run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/abi.c")), "");
}

#[test]
fn the_example_of_the_documentation_runs() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/inprocess.md");
    let page = std::fs::read_to_string(page).unwrap();
    let example =
        page.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the page has an example");
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("example.c");
    std::fs::write(&source, example).unwrap();
    assert_eq!(run(&source), "dropped\n");
}
