#!/usr/bin/env python3
"""Makes the mistakes of fuzz/mutations/*.txt in a copy of the tree, one at a time, and says which test notices each.

fuzz/mutate.py [FILE.txt...] [--copy DIR] [--only TEXT]

All mistakes are written into the copy at once, each behind a switch that the environment turns (DTQ_MUTATION), so that
the tests are built once. A mistake is four lines: what it is; the file below crates/ and the tests that have to notice;
the code with what changes between @@ and @@, where \\n is a line break and what is indented behind it; the change. It ends
with 1 when a mistake was not noticed, or does not fit the code any more.
"""

import argparse
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Of processor time: on a loaded machine a test that ends is not to look like one that does not.
CPU_S_MAX = 600
SWITCH = """
/// Says whether a deliberate mistake is made.
pub(crate) fn is_mutated(number: u32) -> bool {
    static NUMBER: std::sync::LazyLock<u32> =
        std::sync::LazyLock::new(|| std::env::var("DTQ_MUTATION").map_or(0, |text| text.parse().unwrap_or(0)));
    *NUMBER == number
}
"""


def read(path):
    """Returns the mistakes of a file."""
    mistakes = []
    for block in path.read_text().strip().split("\n\n"):
        what, where, old, new = block.split("\n")
        file, tests = where.split(" ")
        package, _, names = tests.partition(":")
        mistakes.append(
            {"what": what[2:], "file": file, "package": package, "tests": names.split(","), "old": old[2:], "new": new[2:]}
        )
    return mistakes


def pattern(old):
    """Returns the expression that finds the code, with what changes as its second group."""
    before, changes, after = old.split("@@")
    return re.compile("".join(f"({re.escape(part)})" for part in (before, changes, after)).replace(r"\\n", r"\n\s*"))


def insert(tree, mistakes):
    """Writes the switches into a tree; returns the mistakes that do not fit, or not in one place alone."""
    misfits = []
    for file in sorted({one["file"] for one in mistakes}):
        path = tree / "crates" / file
        text = path.read_text()
        spans = []
        for one in (one for one in mistakes if one["file"] == file):
            found = list(pattern(one["old"]).finditer(text))
            if len(found) != 1:
                misfits.append(one)
                continue
            spans.append((found[0].span(2), one))
        for (start, end), one in sorted(spans, key=lambda span: span[0], reverse=True):
            old, new = text[start:end], one["new"]
            switched = f"if crate::is_mutated({one['number']}) {{ {new} }} else {{ {old} }}"
            switched = switched if old.endswith(";") else f"({switched})"
            text = text[:start] + switched + text[end:]
        path.write_text(text)
    for crate in {one["file"].split("/")[0] for one in mistakes}:
        library = tree / "crates" / crate / "src/lib.rs"
        library.write_text(library.read_text() + SWITCH)
    return misfits


def build(tree, package, tests):
    """Builds tests of a package; returns the program of each."""
    command = ["cargo", "test", "-p", package, "--no-run", "--message-format=json-render-diagnostics"]
    for test in tests:
        command += ["--lib"] if test == "lib" else ["--test", test]
    built = subprocess.run(command, cwd=tree, stdout=subprocess.PIPE, text=True, check=True)
    found = re.findall(r'"target":\{"kind":\["(test|lib)"\][^}]*?"name":"(\w+)".*?"executable":"([^"]+)"', built.stdout)
    return {("lib" if kind == "lib" else name): program for kind, name, program in found}


def notices(tree, program, number):
    """Runs tests with a mistake, or with none for 0, until one fails; returns how it was noticed, or None."""
    environment = {**os.environ, "DTQ_MUTATION": str(number)}
    pipe = subprocess.PIPE
    bounded = lambda: resource.setrlimit(resource.RLIMIT_CPU, (CPU_S_MAX, CPU_S_MAX + 1))
    run = subprocess.Popen(
        [program], cwd=tree / "crates", env=environment, stdout=pipe, stderr=subprocess.DEVNULL, text=True, preexec_fn=bounded
    )
    try:
        for line in run.stdout:
            if line.rstrip().endswith("FAILED") and line.startswith("test "):
                run.kill()
                return line.split()[1]
        status = run.wait()
    finally:
        run.wait()
    if status == 0:
        return None
    return "does not end" if status == -signal.SIGXCPU else f"ends with {status}"


def main():
    parser = argparse.ArgumentParser(description="Makes deliberate mistakes and says which test notices each.")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    parser.add_argument("--copy", type=pathlib.Path, help="where the copy of the tree is made")
    parser.add_argument("--only", default="", help="mistakes that have this in their text")
    args = parser.parse_args()
    files = args.files or sorted((ROOT / "fuzz/mutations").glob("*.txt"))
    mistakes = [one for file in files for one in read(file)]
    for number, one in enumerate(mistakes, 1):
        one["number"] = number
    tree = args.copy or ROOT / "target/mutated"
    if tree != ROOT:
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns("target", ".git", "corpus", "node_modules"))
    misfits = insert(tree, mistakes)
    for one in misfits:
        print(f"DOES NOT FIT  {one['file']}: {one['what']}")
    wanted = [one for one in mistakes if args.only in one["what"] + one["file"] and one not in misfits]
    programs = {}
    for package in sorted({one["package"] for one in wanted}):
        tests = sorted({test for one in wanted if one["package"] == package for test in one["tests"]})
        programs[package] = build(tree, package, tests)
        for name, program in programs[package].items():
            assert notices(tree, program, 0) is None, f"{package} {name} fails without a mistake"
    survivors = 0
    for one in wanted:
        found = None
        for test in one["tests"]:
            found = notices(tree, programs[one["package"]][test], one["number"])
            if found:
                print(f"{test}: {found}  {one['file']}: {one['what']}", flush=True)
                break
        if not found:
            survivors += 1
            print(f"NOT NOTICED  {one['file']}: {one['what']}", flush=True)
    print(f"{len(wanted)} mistakes, {survivors} not noticed, {len(misfits)} do not fit")
    sys.exit(bool(survivors or misfits))


if __name__ == "__main__":
    main()
