//! A name of a function or a probe to the places in a file where it is.
//!
//! Nothing is attached here, and no program is run. Next: `process.rs`. Tests: `tests/sites.rs`, `tests/live/trace.rs`.

use crate::trace::cost::{self, CODE_SIZE, Cost};
use crate::trace::error::TraceError;
use crate::trace::image::{Function, Image};
use crate::trace::registers::{Machine, register};
use crate::trace::usdt::{self, Operand, Place, Usdt};
use object::ReadRef;
use object::read::ReadCache;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Names that are listed where one is not found or not unique.
const LISTED_MAX: usize = 8;
/// Places of one probe at most; a probe in a function that is inlined has several.
const PLACES_MAX: usize = 64;

/// Names where a log is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiteSpec {
    /// Where a function begins, or so many bytes behind: `uprobe:NAME`, `uprobe:NAME+0x10`. The name is the linker's, or that
    /// of Rust, or the end of it behind `::`; or an address of the file, `uprobe:0x1234`.
    Entry {
        /// The function.
        function: String,
        /// Bytes behind its beginning.
        offset: u64,
    },
    /// Where a function returns: `uretprobe:NAME`.
    Return {
        /// The function.
        function: String,
    },
    /// A probe that the program was built with: `usdt:PROVIDER:NAME`.
    Usdt {
        /// Who made it.
        provider: String,
        /// Its name.
        name: String,
    },
}

impl FromStr for SiteSpec {
    type Err = TraceError;

    fn from_str(text: &str) -> Result<Self, TraceError> {
        let error = || TraceError::Text {
            text: text.to_owned(),
            reason: "names no site: write `uprobe:FUNCTION`, `uretprobe:FUNCTION` or `usdt:PROVIDER:NAME`".to_owned(),
        };
        let (kind, rest) = text.split_once(':').ok_or_else(error)?;
        match kind {
            "uprobe" if !rest.is_empty() => {
                let (function, offset) = split_offset(rest).unwrap_or((rest, 0));
                Ok(SiteSpec::Entry { function: function.to_owned(), offset })
            }
            "uretprobe" if !rest.is_empty() => Ok(SiteSpec::Return { function: rest.to_owned() }),
            "usdt" => match rest.split_once(':') {
                Some((provider, name)) if !provider.is_empty() && !name.is_empty() => {
                    Ok(SiteSpec::Usdt { provider: provider.to_owned(), name: name.to_owned() })
                }
                _ => Err(error()),
            },
            _ => Err(error()),
        }
    }
}

impl fmt::Display for SiteSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A name that ends as if it had an offset needs one.
            SiteSpec::Entry { function, offset: 0 } if split_offset(function).is_none() => {
                write!(f, "uprobe:{function}")
            }
            SiteSpec::Entry { function, offset } => write!(f, "uprobe:{function}+{offset:#x}"),
            SiteSpec::Return { function } => write!(f, "uretprobe:{function}"),
            SiteSpec::Usdt { provider, name } => write!(f, "usdt:{provider}:{name}"),
        }
    }
}

/// Splits `name+0x10`.
fn split_offset(text: &str) -> Option<(&str, u64)> {
    let (name, offset) = text.rsplit_once('+')?;
    Some((name, parse_number(offset)?)).filter(|(name, _)| !name.is_empty())
}

fn parse_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Holds a place where a log is taken.
#[derive(Clone, Debug)]
pub struct Site {
    /// What it was asked for by, such as `uprobe:main`: the name of the event.
    pub name: String,
    /// The function, demangled, or `provider:name` of a probe.
    pub function: String,
    /// The file, by a path that the kernel finds it at.
    pub path: PathBuf,
    /// Where it is, in the addresses of the file.
    pub address: u64,
    /// Where it is in the file.
    pub offset: u64,
    /// Where in the file it is counted who looks.
    pub semaphore_offset: Option<u64>,
    /// Whether it is where the function returns.
    pub is_return: bool,
    /// Whether it is inside of a function, where only the operator knows that an instruction begins.
    pub is_inside: bool,
    /// What a hit costs.
    pub cost: Cost,
    /// Whether somebody else's breakpoint is in the file there.
    pub is_breakpoint: bool,
    /// Which processor it is for.
    pub machine: Machine,
    /// Where arguments are, or why that is not understood; `None` for those of a function, which are where the ABI has them.
    pub operands: Option<Vec<Result<Operand, String>>>,
}

impl Site {
    /// Returns the places in a file that a name stands for: one, or several of a probe that was inlined.
    ///
    /// # Errors
    /// When the file cannot be read, and when there is no such name or more than one function has it.
    ///
    /// # Cost
    /// Reads the tables of names of the file.
    pub fn find(path: &Path, spec: &SiteSpec) -> Result<Vec<Self>, TraceError> {
        let file = File::open(path).map_err(TraceError::io(format!("open {}", path.display())))?;
        let cache = ReadCache::new(file);
        let image = Image::parse(&cache).map_err(|error| TraceError::Image { path: path.to_owned(), error })?;
        Self::find_in(&image, &cache, path, spec)
    }

    /// Returns the places in an image, of which `data` are the bytes.
    ///
    /// # Errors
    /// When there is no such name or more than one function has it.
    pub fn find_in<'d, R: ReadRef<'d>>(
        image: &Image<'d>,
        data: R,
        path: &Path,
        spec: &SiteSpec,
    ) -> Result<Vec<Self>, TraceError> {
        let places = match spec {
            SiteSpec::Entry { function, offset } => vec![place_of_function(image, function, *offset)?],
            SiteSpec::Return { function } => vec![place_of_function(image, function, 0)?],
            SiteSpec::Usdt { provider, name } => places_of_probe(image, provider, name)?,
        };
        let site = |place: Found| {
            let offset = image.code_offset_of(place.address).ok_or_else(|| {
                TraceError::Site(format!("`{}` is at {:#x}, where the file has no code", place.function, place.address))
            })?;
            let code = data.read_bytes_at(offset, CODE_SIZE as u64).unwrap_or_default();
            Ok(Site {
                name: spec.to_string(),
                function: place.function,
                path: path.to_owned(),
                address: place.address,
                offset,
                semaphore_offset: place.semaphore.map(|address| semaphore_offset(image, address)).transpose()?,
                is_return: matches!(spec, SiteSpec::Return { .. }),
                is_inside: place.is_inside,
                cost: Cost::of_code(image.machine, code),
                is_breakpoint: cost::is_breakpoint(image.machine, code),
                machine: image.machine,
                operands: place.operands,
            })
        };
        places.into_iter().map(site).collect()
    }
}

/// Holds a place before it is known where in the file that is.
struct Found {
    function: String,
    address: u64,
    is_inside: bool,
    semaphore: Option<u64>,
    operands: Option<Vec<Result<Operand, String>>>,
}

fn semaphore_offset(image: &Image<'_>, address: u64) -> Result<u64, TraceError> {
    // The kernel takes 32 bits of it (`PERF_UPROBE_REF_CTR_OFFSET_BITS`).
    let offset = image.offset_of(address).filter(|offset| *offset <= u64::from(u32::MAX));
    offset.ok_or_else(|| {
        TraceError::Site(format!("the probe's semaphore at {address:#x} is not in the file's first 4 GiB"))
    })
}

/// Returns the name of a function as its language writes it.
fn demangled(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    // Without its hash.
    rustc_demangle::try_demangle(&name).map_or_else(|_| name.to_string(), |demangled| format!("{demangled:#}"))
}

fn place_of_function(image: &Image<'_>, wanted: &str, offset: u64) -> Result<Found, TraceError> {
    let function = match wanted.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
        Some(address) => return Ok(place_of_address(image, address.wrapping_add(offset))),
        None => unique(image, wanted)?,
    };
    if function.is_chooser {
        let reason = "is chosen among several when the program starts: name the one that was chosen";
        return Err(TraceError::Site(format!("`{wanted}` {reason}")));
    }
    if offset > 0 && function.size > 0 && offset >= function.size {
        return Err(TraceError::Site(format!("`{wanted}` has {} bytes, so that {offset} is not in it", function.size)));
    }
    Ok(Found {
        function: demangled(function.name),
        address: function.address.wrapping_add(offset),
        is_inside: offset > 0,
        semaphore: None,
        operands: None,
    })
}

/// Returns the place of an address: the beginning of a function, or somewhere inside.
fn place_of_address(image: &Image<'_>, address: u64) -> Found {
    let around = image.functions().filter(|function| function.address <= address);
    let nearest = around.max_by_key(|function| function.address);
    let within = nearest.filter(|function| address == function.address || address - function.address < function.size);
    let (function, is_inside) = match within {
        Some(function) if function.address == address => (demangled(function.name), false),
        Some(function) => (format!("{}+{:#x}", demangled(function.name), address - function.address), true),
        None => (format!("{address:#x}"), true),
    };
    Found { function, address, is_inside, semaphore: None, operands: None }
}

/// Says how a name is compared.
#[derive(Clone, Copy, Debug)]
enum Naming {
    /// It is the linker's.
    Linker,
    /// It is Rust's.
    Whole,
    /// It is the end of Rust's, behind `::`.
    End,
}

impl Naming {
    fn is_of(self, name: &[u8], wanted: &str) -> bool {
        match self {
            Naming::Linker => name == wanted.as_bytes(),
            Naming::Whole => is_rust(name) && demangled(name) == wanted,
            Naming::End => {
                is_rust(name) && demangled(name).strip_suffix(wanted).is_some_and(|before| before.ends_with("::"))
            }
        }
    }
}

/// Returns the one function of a name: the linker's, or Rust's, or the end of Rust's.
fn unique<'d>(image: &Image<'d>, wanted: &str) -> Result<Function<'d>, TraceError> {
    for naming in [Naming::Linker, Naming::Whole, Naming::End] {
        // Several names of one address are one function.
        let mut found: BTreeMap<u64, Function<'d>> = BTreeMap::new();
        for function in image.functions().filter(|function| naming.is_of(function.name, wanted)) {
            found.entry(function.address).or_insert(function);
        }
        match found.len() {
            0 => {}
            1 => return Ok(found.into_values().next().expect("there is one")),
            _ => return Err(ambiguous(wanted, found.values())),
        }
    }
    Err(unknown(image, wanted))
}

/// Says whether a name may be one that the Rust compiler made.
fn is_rust(name: &[u8]) -> bool {
    name.starts_with(b"_ZN") || name.starts_with(b"_R")
}

fn ambiguous<'f, 'd: 'f>(wanted: &str, found: impl ExactSizeIterator<Item = &'f Function<'d>>) -> TraceError {
    let count = found.len();
    let candidates: Vec<String> = found
        .take(LISTED_MAX)
        .map(|function| format!("  uprobe:{:#x}  {}", function.address, demangled(function.name)))
        .collect();
    let more = if count > LISTED_MAX { format!("\n  and {} more", count - LISTED_MAX) } else { String::new() };
    TraceError::Site(format!("`{wanted}` names {count} functions; name one of them:\n{}{more}", candidates.join("\n")))
}

fn unknown(image: &Image<'_>, wanted: &str) -> TraceError {
    if image.functions().next().is_none() {
        let reason = "the file has no names of functions, since it was stripped: name an address, `uprobe:0x1234`";
        return TraceError::Site(format!("there is no function `{wanted}`: {reason}"));
    }
    let lower = wanted.to_ascii_lowercase();
    let names = image.functions().map(|function| demangled(function.name));
    let mut near: Vec<String> = names.filter(|name| name.to_ascii_lowercase().contains(&lower)).collect();
    near.sort_by_key(|name| (name.len(), name.clone()));
    near.dedup();
    near.truncate(LISTED_MAX);
    let near = if near.is_empty() { String::new() } else { format!("; there is {}", near.join(", ")) };
    TraceError::Site(format!("there is no function `{wanted}`{near}"))
}

fn places_of_probe(image: &Image<'_>, provider: &str, name: &str) -> Result<Vec<Found>, TraceError> {
    let probes = image.probes.iter().filter(|probe| probe.provider == provider && probe.name == name);
    let places: Vec<Found> = probes.take(PLACES_MAX + 1).map(|probe| place_of_probe(image, probe)).collect();
    if places.len() > PLACES_MAX {
        return Err(TraceError::Site(format!("`{provider}:{name}` is at more than {PLACES_MAX} places")));
    }
    if !places.is_empty() {
        return Ok(places);
    }
    let mut known: Vec<String> =
        image.probes.iter().map(|probe| format!("{}:{}", probe.provider, probe.name)).collect();
    known.sort();
    known.dedup();
    let said = match known.len() {
        0 => "the file was built without probes".to_owned(),
        count if count > LISTED_MAX => {
            format!("there is {} and {} more", known[..LISTED_MAX].join(", "), count - LISTED_MAX)
        }
        _ => format!("there is {}", known.join(", ")),
    };
    Err(TraceError::Site(format!("there is no probe `{provider}:{name}`: {said}")))
}

fn place_of_probe(image: &Image<'_>, probe: &Usdt<'_>) -> Found {
    let operands = match image.machine {
        Machine::X86_64 => {
            usdt::operands(probe.arguments).into_iter().map(|operand| settled(image, probe, operand?)).collect()
        }
        Machine::Aarch64 => {
            let texts = probe.arguments.split_ascii_whitespace();
            texts.map(|_| Err("arguments of probes are read on x86-64 only".to_owned())).collect()
        }
    };
    Found {
        function: format!("{}:{}", probe.provider, probe.name),
        address: probe.address,
        is_inside: false,
        semaphore: probe.semaphore,
        operands: Some(operands),
    }
}

/// Returns an operand without names: a variable is as far from the probe as it is in the file, wherever that is mapped.
fn settled(image: &Image<'_>, probe: &Usdt<'_>, operand: Operand) -> Result<Operand, String> {
    let Place::Global { symbol, displacement } = &operand.place else { return Ok(operand) };
    let address =
        image.address_of(symbol.as_bytes()).ok_or_else(|| format!("the file does not say where `{symbol}` is"))?;
    let displacement = address.wrapping_sub(probe.address).wrapping_add(*displacement as u64) as i64;
    Ok(Operand { place: Place::Memory { displacement, base: register("rip"), index: None }, ..operand })
}
