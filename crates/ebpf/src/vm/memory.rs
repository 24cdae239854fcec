//! Addresses: what kind of memory, which piece of it, and where in the piece.
//!
//! An address that is moved out of its piece by arithmetic names other memory only by moving past 16 MiB, which no
//! piece has; every access is checked against the piece. Next: `maps.rs`.

/// Bytes of a stack frame.
pub const FRAME_SIZE: usize = 512;

/// Bits of an address that say where in a piece of memory.
const OFFSET_BITS: u32 = 24;
/// Bits that say which value of a map.
const INDEX_BITS: u32 = 24;

/// Names a piece of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The context.
    Context,
    /// The stack frame of a call, the outermost first.
    Frame(u8),
    /// A value of a map.
    Value {
        /// The map.
        map: u8,
        /// The value.
        index: u32,
    },
    /// A map itself, which only helpers take.
    Map(u8),
    /// A function, which only helpers take.
    Function(u32),
}

impl Piece {
    /// Returns the address of a byte in it.
    pub fn address(self, offset: usize) -> u64 {
        let (kind, which, index) = match self {
            Piece::Context => (1, 0, 0),
            Piece::Frame(depth) => (2, depth, 0),
            Piece::Value { map, index } => (3, map, index),
            Piece::Map(map) => (4, map, 0),
            Piece::Function(position) => (5, 0, position),
        };
        (kind << 56 | u64::from(which) << (OFFSET_BITS + INDEX_BITS) | u64::from(index) << OFFSET_BITS)
            .wrapping_add(offset as u64)
    }

    /// Returns what an address is in, and where; `None` for a number that is no address.
    pub fn of(address: u64) -> Option<(Self, usize)> {
        let which = (address >> (OFFSET_BITS + INDEX_BITS)) as u8;
        let index = (address >> OFFSET_BITS) as u32 & ((1 << INDEX_BITS) - 1);
        let piece = match address >> 56 {
            1 => Piece::Context,
            2 => Piece::Frame(which),
            3 => Piece::Value { map: which, index },
            4 => Piece::Map(which),
            5 => Piece::Function(index),
            _ => return None,
        };
        Some((piece, address as usize & ((1 << OFFSET_BITS) - 1)))
    }
}
