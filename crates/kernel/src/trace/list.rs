//! A file to the sites that can be named in it, with what a hit at each costs.
//!
//! Nothing is attached here. A name that several functions have is of no use, so that they are listed by address. Next:
//! `process.rs`. Tests: `tests/sites.rs`.

use crate::trace::cost::{CODE_SIZE, Cost};
use crate::trace::error::TraceError;
use crate::trace::image::{Function, Image};
use crate::trace::site::{SiteSpec, demangled, is_rust};
use object::ReadRef;
use object::read::ReadCache;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::Path;

/// Holds a site that can be traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// How it is asked for, such as `uprobe:main`.
    pub name: String,
    /// The function, demangled, or `provider:name` of a probe.
    pub function: String,
    /// What a hit costs; of a probe at several places, at the worst.
    pub cost: Cost,
    /// How many arguments a probe has; `None` of a function, whose names do not say it.
    pub argument_count: Option<usize>,
}

impl Listed {
    /// Returns the probes and functions of a file whose names contain a text, in whatever case.
    ///
    /// # Errors
    /// When the file cannot be read.
    ///
    /// # Cost
    /// Reads the tables of names of the file, and the first bytes of each function.
    pub fn find(path: &Path, wanted: &str) -> Result<Vec<Self>, TraceError> {
        let file = File::open(path).map_err(TraceError::io(format!("open {}", path.display())))?;
        let cache = ReadCache::new(file);
        let image = Image::parse(&cache).map_err(|error| TraceError::Image { path: path.to_owned(), error })?;
        Ok(Self::find_in(&image, &cache, wanted))
    }

    /// Returns those in an image, of which `data` are the bytes: probes first, then functions, each by name.
    pub fn find_in<'d, R: ReadRef<'d>>(image: &Image<'d>, data: R, wanted: &str) -> Vec<Self> {
        let wanted = wanted.to_ascii_lowercase();
        let is_wanted = |name: &str| name.to_ascii_lowercase().contains(&wanted);
        let mut listed = probes(image, data);
        listed.extend(functions(image, data));
        listed.retain(|listed| is_wanted(&listed.name) || is_wanted(&listed.function));
        listed
    }
}

fn cost_at<'d, R: ReadRef<'d>>(image: &Image<'d>, data: R, address: u64) -> Option<Cost> {
    let offset = image.code_offset_of(address)?;
    let code = data.read_bytes_at(offset, CODE_SIZE as u64).unwrap_or_default();
    Some(Cost::of_code(image.machine, code))
}

fn probes<'d, R: ReadRef<'d>>(image: &Image<'d>, data: R) -> Vec<Listed> {
    let mut found: BTreeMap<(&str, &str), Listed> = BTreeMap::new();
    for probe in &image.probes {
        let Some(cost) = cost_at(image, data, probe.address) else { continue };
        let (provider, name) = (probe.provider.to_owned(), probe.name.to_owned());
        let listed = found.entry((probe.provider, probe.name)).or_insert_with(|| Listed {
            function: format!("{provider}:{name}"),
            name: SiteSpec::Usdt { provider, name }.to_string(),
            cost,
            argument_count: Some(probe.arguments.split_ascii_whitespace().count()),
        });
        listed.cost = listed.cost.max(cost);
    }
    found.into_values().collect()
}

fn functions<'d, R: ReadRef<'d>>(image: &Image<'d>, data: R) -> Vec<Listed> {
    // Several names of one address are one function to the kernel, and each is listed, since each may be looked for.
    let mut all: Vec<Function<'d>> = image.functions().filter(|function| !function.is_chooser).collect();
    all.sort();
    all.dedup_by_key(|function| (function.name, function.address));
    let mut linker_counts: HashMap<&[u8], usize> = HashMap::new();
    let mut addresses: HashMap<String, Vec<u64>> = HashMap::new();
    for function in &all {
        *linker_counts.entry(function.name).or_default() += 1;
        if is_rust(function.name) {
            addresses.entry(demangled(function.name)).or_default().push(function.address);
        }
    }
    let is_unique = |name: &str| addresses[name].iter().all(|address| *address == addresses[name][0]);
    let mut listed: Vec<Listed> = Vec::with_capacity(all.len());
    for function in &all {
        let Some(cost) = cost_at(image, data, function.address) else { continue };
        let shown = demangled(function.name);
        let linker = std::str::from_utf8(function.name).ok().filter(|_| linker_counts[function.name] == 1);
        let name = match linker {
            _ if is_rust(function.name) && is_unique(&shown) => shown.clone(),
            Some(linker) => linker.to_owned(),
            None => format!("{:#x}", function.address),
        };
        let name = SiteSpec::Entry { function: name, offset: 0 }.to_string();
        listed.push(Listed { name, function: shown, cost, argument_count: None });
    }
    listed.sort_by(|one, other| (&one.function, &one.name).cmp(&(&other.function, &other.name)));
    listed.dedup();
    listed
}
