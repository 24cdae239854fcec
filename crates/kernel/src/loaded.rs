//! Programs that are in the kernel now, whoever loaded them, with their maps: what another process counts can be read.
//!
//! Nothing is kept: a program goes when its owner does, also while this looks at it. Next: `probe.rs`. Tests:
//! `tests/live/attach.rs`.

use crate::object::{Map, ProgramInfo};
use crate::sys::info;
use std::io;

/// Holds a program that is in the kernel.
#[derive(Debug)]
pub struct Loaded {
    /// What the kernel says of it.
    pub info: ProgramInfo,
    /// Its maps, in the kernel's order, without those of a kind that dtq does not make.
    pub maps: Vec<Map>,
}

impl Loaded {
    /// Returns the map of a name, of at most fifteen bytes.
    pub fn map(&self, name: &str) -> Option<&Map> {
        self.maps.iter().find(|map| map.def().name == name)
    }
}

/// Returns the programs whose names begin with `prefix`, in the order in which they were loaded.
///
/// # Errors
/// What the kernel says: it asks for `CAP_SYS_ADMIN`.
pub fn loaded(prefix: &str) -> io::Result<Vec<Loaded>> {
    let (mut programs, mut id) = (Vec::new(), 0);
    // Numbers only grow along this walk, so that it ends.
    while let Some(next) = info::next_program(id)? {
        id = next;
        // It may have gone meanwhile.
        let Some(descriptor) = info::open_program(id)? else { continue };
        let info = ProgramInfo::of(&descriptor)?;
        if info.name.starts_with(prefix) {
            let mut maps = Vec::new();
            for map in info::program_maps(&descriptor)? {
                let Some(map) = info::open_map(map)? else { continue };
                maps.extend(Map::of_descriptor(map)?);
            }
            programs.push(Loaded { info, maps });
        }
    }
    Ok(programs)
}
