//! Names to places in ELF files, right ones and broken ones. Needs no privileges.

#![allow(clippy::unwrap_used)]

use dtq_kernel::trace::cost::Cost;
use dtq_kernel::trace::image::Image;
use dtq_kernel::trace::process::parse_maps;
use dtq_kernel::trace::record::Hit;
use dtq_kernel::trace::usdt::{Place, operands};
use dtq_kernel::trace::{Listed, Site, SiteSpec, arguments};
use proptest::prelude::*;
use std::path::Path;

/// Where code is in the file and in memory; data is behind it.
const CODE: (u64, u64) = (0x1000, 0x40_1000);
const DATA: (u64, u64) = (0x2000, 0x60_2000);
const PAGE: u64 = 0x1000;
/// Where `.stapsdt.base` is, and where it was when the probe was assembled.
const BASE: (u64, u64) = (0x40_1800, 0x40_1700);

const FUNCTION: u8 = 2;
const OBJECT: u8 = 1;
const CHOOSER: u8 = 10;

/// Names, kinds, addresses and sizes of symbols.
const SYMBOLS: [(&str, u8, u64, u64); 10] = [
    ("main", FUNCTION, CODE.1, 32),
    ("main_alias", FUNCTION, CODE.1, 32),
    ("other", FUNCTION, CODE.1 + 32, 16),
    ("twice", FUNCTION, CODE.1 + 48, 16),
    ("twice", FUNCTION, CODE.1 + 64, 16),
    ("chosen", CHOOSER, CODE.1 + 80, 16),
    ("count", OBJECT, DATA.1 + 64, 4),
    // `alpha::beta::run`, `gamma::run`, `gamma::only` as Rust writes them.
    ("_ZN5alpha4beta3run17h0123456789abcdefE", FUNCTION, CODE.1 + 96, 8),
    ("_ZN5gamma3run17h0123456789abcdefE", FUNCTION, CODE.1 + 104, 8),
    ("_RNvC5gamma4only", FUNCTION, CODE.1 + 112, 8),
];

fn put(bytes: &mut Vec<u8>, numbers: &[(u64, usize)]) {
    numbers.iter().for_each(|(number, size)| bytes.extend_from_slice(&number.to_le_bytes()[..*size]));
}

fn note(provider: &str, name: &str, arguments: &str, address: u64, semaphore: u64) -> Vec<u8> {
    let mut description = Vec::new();
    put(&mut description, &[(address, 8), (BASE.1, 8), (semaphore, 8)]);
    [provider, name, arguments].iter().for_each(|text| description.extend([text.as_bytes(), b"\0"].concat()));
    let mut note = Vec::new();
    put(&mut note, &[(8, 4), (description.len() as u64, 4), (3, 4)]);
    note.extend_from_slice(b"stapsdt\0");
    note.extend_from_slice(&description);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

/// Name, kind, address, content, which section it links to, size of an entry.
type Section = (&'static str, u64, u64, Vec<u8>, u64, u64);

/// Returns the sections, the last of which is to hold their names.
fn sections() -> Vec<Section> {
    let (mut symbols, mut names) = (vec![0; 24], vec![0]);
    for (name, kind, address, size) in SYMBOLS {
        put(
            &mut symbols,
            &[(names.len() as u64, 4), (u64::from(kind) | 0x10, 1), (0, 1), (1, 2), (address, 8), (size, 8)],
        );
        names.extend([name.as_bytes(), b"\0"].concat());
    }
    // The linker has moved everything by 0x100 since the notes were written.
    let moved = BASE.0 - BASE.1;
    let notes = [
        note("app", "start", "-4@%edi 8@-8(%rbp) 8@$5 -4@count(%rip)", CODE.1 + 16 - moved, DATA.1 + 8 - moved),
        note("app", "start", "8@%rax", CODE.1 + 40 - moved, DATA.1 + 8 - moved),
        note("app", "plain", "", CODE.1 + 44 - moved, 0),
    ];
    vec![
        ("", 0, 0, Vec::new(), 0, 0),
        (".symtab", 2, 0, symbols, 2, 24),
        (".strtab", 3, 0, names, 0, 0),
        (".note.stapsdt", 7, 0, notes.concat(), 0, 0),
        (".stapsdt.base", 1, BASE.0, vec![0], 0, 0),
        (".shstrtab", 3, 0, Vec::new(), 0, 0),
    ]
}

/// Returns a program of x86-64.
fn program() -> Vec<u8> {
    let mut sections = sections();
    let mut names = Vec::new();
    let name_offsets: Vec<u64> = sections
        .iter()
        .map(|(name, ..)| {
            names.extend([name.as_bytes(), b"\0"].concat());
            (names.len() - name.len() - 1) as u64
        })
        .collect();
    sections.last_mut().unwrap().3 = names;
    let mut bytes = vec![0; DATA.0 as usize + PAGE as usize];
    // `push`, a nop of five bytes, `sub rsp, 8`, a breakpoint.
    let code = CODE.0 as usize;
    bytes[code] = 0x55;
    bytes[code + 16] = 0x90;
    bytes[code + 32..code + 37].copy_from_slice(&[0x0F, 0x1F, 0x44, 0, 0]);
    bytes[code + 96..code + 100].copy_from_slice(&[0x48, 0x83, 0xEC, 0x08]);
    bytes[code + 112] = 0xCC;
    let mut headers = Vec::new();
    for (at, (_, kind, address, content, link, entry_size)) in sections.iter().enumerate() {
        let offset = bytes.len() as u64;
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        put(&mut headers, &[(name_offsets[at], 4), (*kind, 4), (0, 8), (*address, 8), (offset, 8)]);
        put(&mut headers, &[(content.len() as u64, 8), (*link, 4), (1, 4), (4, 8), (*entry_size, 8)]);
    }
    let section_offset = bytes.len() as u64;
    bytes.extend_from_slice(&headers);
    let mut head = b"\x7FELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    put(
        &mut head,
        &[(2, 2), (62, 2), (1, 4), (CODE.1, 8), (64, 8), (section_offset, 8), (0, 4), (64, 2), (56, 2), (2, 2)],
    );
    put(&mut head, &[(64, 2), (sections.len() as u64, 2), (sections.len() as u64 - 1, 2)]);
    for ((offset, address), flags) in [(CODE, 5), (DATA, 6)] {
        put(&mut head, &[(1, 4), (flags, 4), (offset, 8), (address, 8), (address, 8), (PAGE, 8), (PAGE, 8), (PAGE, 8)]);
    }
    bytes[..head.len()].copy_from_slice(&head);
    bytes
}

fn find(bytes: &[u8], site: &str) -> Result<Vec<Site>, String> {
    let image = Image::parse(bytes).map_err(|error| error.to_string())?;
    let spec: SiteSpec = site.parse().map_err(|error: dtq_kernel::trace::TraceError| error.to_string())?;
    Site::find_in(&image, bytes, Path::new("/a/program"), &spec).map_err(|error| error.to_string())
}

#[test]
fn functions_are_found_by_the_names_that_people_write() {
    let program = program();
    for (site, function, offset, cost) in [
        ("uprobe:main", "main", 0, Cost::Emulated),
        ("uprobe:main_alias", "main_alias", 0, Cost::Emulated),
        ("uprobe:main+16", "main", 16, Cost::Emulated),
        ("uprobe:main+0x10", "main", 16, Cost::Emulated),
        ("uprobe:other", "other", 32, Cost::Call),
        ("uretprobe:other", "other", 32, Cost::Call),
        ("uprobe:alpha::beta::run", "alpha::beta::run", 96, Cost::SingleStep),
        ("uprobe:beta::run", "alpha::beta::run", 96, Cost::SingleStep),
        ("uprobe:gamma::only", "gamma::only", 112, Cost::SingleStep),
        ("uprobe:only", "gamma::only", 112, Cost::SingleStep),
        ("uprobe:0x401020", "other", 32, Cost::Call),
        ("uprobe:0x401024", "other+0x4", 36, Cost::SingleStep),
    ] {
        let found = find(&program, site).unwrap_or_else(|error| panic!("{site}: {error}"));
        assert_eq!(found.len(), 1, "{site}");
        assert_eq!((found[0].function.as_str(), found[0].offset - CODE.0), (function, offset), "{site}");
        assert_eq!((found[0].cost, found[0].address), (cost, CODE.1 + offset), "{site}");
        assert_eq!(found[0].is_breakpoint, function == "gamma::only", "{site}");
        assert_eq!(found[0].is_inside, site.contains('+') || function.contains('+'), "{site}");
    }
}

#[test]
fn a_name_that_is_not_one_function_says_which_there_are() {
    let program = program();
    for (site, said) in [
        (
            "uprobe:twice",
            "`twice` names 2 functions; name one of them:\n  uprobe:0x401030  twice\n  uprobe:0x401040  twice",
        ),
        ("uprobe:run", "names 2 functions; name one of them:\n  uprobe:0x401060  alpha::beta::run"),
        ("uprobe:MAI", "there is no function `MAI`; there is main, main_alias"),
        ("uprobe:nothing", "there is no function `nothing`"),
        ("uprobe:count", "there is no function `count`"),
        ("uprobe:chosen", "chosen among several"),
        ("uprobe:other+16", "`other` has 16 bytes, so that 16 is not in it"),
        ("uprobe:0x602000", "where the file has no code"),
        ("usdt:app:stop", "there is no probe `app:stop`: there is app:plain, app:start"),
        ("main", "names no site"),
        ("uprobe:", "names no site"),
        ("usdt:app", "names no site"),
        ("kprobe:main", "names no site"),
    ] {
        let error = find(&program, site).unwrap_err();
        assert!(error.contains(said), "{site}: {error}");
    }
    assert!(find(b"\x7FELF", "uprobe:main").unwrap_err().contains("no 64-bit ELF file"));
    let mut foreign = program;
    foreign[18] = 40;
    assert!(find(&foreign, "uprobe:main").unwrap_err().contains("processor 40"));
}

#[test]
fn what_is_listed_can_be_asked_for() {
    let program = program();
    let image = Image::parse(program.as_slice()).unwrap();
    let listed = Listed::find_in(&image, program.as_slice(), "");
    assert!(listed.len() > 8, "{listed:?}");
    for one in &listed {
        let sites = find(&program, &one.name).unwrap_or_else(|error| panic!("{one:?}: {error}"));
        assert_eq!(sites.iter().map(|site| site.cost).max(), Some(one.cost), "{one:?}");
        assert!(sites.iter().all(|site| site.name == one.name), "{one:?}");
    }
    let named = |wanted: &str| -> Vec<String> {
        Listed::find_in(&image, program.as_slice(), wanted).into_iter().map(|listed| listed.name).collect()
    };
    assert_eq!(named("MAIN"), ["uprobe:main", "uprobe:main_alias"]);
    // Two functions have the name, and the one that chooses is none.
    assert_eq!(named("twice"), ["uprobe:0x401030", "uprobe:0x401040"]);
    assert_eq!(named("chosen"), [""; 0]);
    assert_eq!(named("run"), ["uprobe:alpha::beta::run", "uprobe:gamma::run"]);
}

#[test]
fn probes_are_where_the_linker_has_moved_them() {
    let program = program();
    let found = find(&program, "usdt:app:start").unwrap();
    let places: Vec<(u64, Option<u64>)> = found.iter().map(|site| (site.offset, site.semaphore_offset)).collect();
    assert_eq!(places, [(CODE.0 + 16, Some(DATA.0 + 8)), (CODE.0 + 40, Some(DATA.0 + 8))]);
    assert_eq!(found[0].function, "app:start");
    let operands = found[0].operands.as_ref().unwrap();
    assert_eq!(operands.len(), 4);
    // A variable is as far from the probe as in the file.
    let expected = (DATA.1 + 64 - CODE.1 - 16) as i64;
    let place = &operands[3].as_ref().unwrap().place;
    assert!(matches!(place, Place::Memory { displacement, .. } if *displacement == expected), "{place:?}");
    let plain = find(&program, "usdt:app:plain").unwrap();
    assert_eq!((plain[0].semaphore_offset, plain[0].operands.as_ref().unwrap().len()), (None, 0));
}

#[test]
fn files_with_code_are_read_from_a_list_of_what_is_mapped() {
    let text = b"00400000-00401000 r--p 00000000 fe:00 1234                       /usr/bin/app\n\
        00401000-00402000 r-xp 00001000 fe:00 1234                       /usr/bin/app\n\
        7f0000000000-7f0000001000 r-xp 00000000 fe:00 99                 /usr/lib/lib with space.so.1 (deleted)\n\
        7f0000002000-7f0000003000 r-xp 00000000 fe:00 98                 /a\\012b\n\
        7ffc00000000-7ffc00001000 r-xp 00000000 00:00 0                  [vdso]\n\
        7ffc00002000-7ffc00003000 rwxp 00000000 00:00 0 \n\
        broken\n\xFF\xFE";
    let files = parse_maps(text);
    let shown: Vec<(&str, u64, bool)> =
        files.iter().map(|file| (file.path.to_str().unwrap(), file.inode, file.is_deleted)).collect();
    assert_eq!(
        shown,
        [("/a\nb", 98, false), ("/usr/bin/app", 1234, false), ("/usr/lib/lib with space.so.1", 99, true)]
    );
}

/// Asks everything of bytes that may be a program.
fn ask_all(bytes: &[u8]) -> bool {
    let sites =
        ["uprobe:main", "uprobe:run", "uprobe:other+3", "uprobe:0x401024", "uretprobe:nothing", "usdt:app:start"];
    let found = sites.iter().filter(|site| find(bytes, site).is_ok()).count();
    found > 0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The page of data is left out, in which nothing is read: most of what is changed matters.
    #[test]
    fn broken_programs_are_errors_and_nothing_worse(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        let mut bytes = program();
        let (head, tail) = (184, bytes.len() - (DATA.0 + PAGE) as usize);
        for (index, byte) in changes {
            let at = index.index(head + tail);
            let at = if at < head { at } else { at - head + (DATA.0 + PAGE) as usize };
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        ask_all(&bytes);
    }

    #[test]
    fn any_text_of_operands_is_read_or_refused(text in "[-0-9a-z@%$(),+ x]{0,40}") {
        for operand in operands(&text).into_iter().flatten() {
            prop_assert!([1, 2, 4, 8].contains(&operand.size_bytes));
        }
    }

    #[test]
    fn any_text_is_a_site_or_is_refused(text in "(uprobe|uretprobe|usdt)?:?[a-z:+x0-9]{0,12}") {
        if let Ok(spec) = text.parse::<SiteSpec>() {
            prop_assert_eq!(spec.to_string().parse::<SiteSpec>().unwrap(), spec);
        }
    }

    #[test]
    fn any_list_of_mapped_files_is_read(text in prop::collection::vec(any::<u8>(), 0..200)) {
        parse_maps(&text);
    }

    #[test]
    fn any_record_is_a_hit_or_none(record in prop::collection::vec(any::<u8>(), 0..200), state in 0_u8..3) {
        let list = arguments::parse("arg0: long, arg1: string, arg2: bytes(arg3)").unwrap();
        let mut record = record;
        for cell in 0..3 {
            if let Some(place) = record.get_mut(48 + 16 * cell..52 + 16 * cell) {
                place.copy_from_slice(&[state, 0, 0, 0]);
            }
        }
        Hit::parse(&record, &list);
    }
}

#[test]
fn a_name_that_ends_like_an_offset_is_written_with_one() {
    let spec: SiteSpec = "uprobe:a+1+0".parse().unwrap();
    assert_eq!(spec.to_string(), "uprobe:a+1+0x0");
    assert_eq!(spec, SiteSpec::Entry { function: "a+1".to_owned(), offset: 0 });
}

#[test]
fn the_program_that_is_broken_above_is_whole_before() {
    assert!(ask_all(&program()));
}
