//! The helpers of the kernel that programs call, by number and name.
//!
//! # Source
//! `include/uapi/linux/bpf.h`, `__BPF_FUNC_MAPPER`. Next: `map.rs`.

/// Names a helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Helper {
    /// `(map, key)`: the address of the value, or 0.
    MapLookup,
    /// `(map, key, value, flags)`: 0, or an error.
    MapUpdate,
    /// `(map, key)`: 0, or an error.
    MapDelete,
    /// Nanoseconds since start, without sleep.
    KtimeGetNs,
    /// 32 random bits.
    GetPrandomU32,
    /// The number of the processor.
    GetSmpProcessorId,
    /// The process in the upper half, the thread in the lower one.
    GetCurrentPidTgid,
    /// `(to, size)`: the name of the thread, with zeros behind it; 0, or an error.
    GetCurrentComm,
    /// `(context, offset, to, size)`: copies bytes of a packet; 0, or an error.
    SkbLoadBytes,
    /// `(to, size, address)`: copies memory of the process; 0, or an error, and zeros then.
    ProbeReadUser,
    /// `(to, size, address)`: copies a text of the process up to its zero, which is always written; how many bytes it wrote,
    /// or an error.
    ProbeReadUserStr,
    /// Nanoseconds since start, with sleep.
    KtimeGetBootNs,
    /// `(map, data, size, flags)`: copies a record into a ring buffer; 0, or an error.
    RingbufOutput,
    /// `(count, function, argument, 0)`: calls back so many times, or until the function gives 1; how often it was called.
    Loop,
}

impl Helper {
    /// All helpers.
    pub const ALL: [Self; 14] = [
        Self::MapLookup,
        Self::MapUpdate,
        Self::MapDelete,
        Self::KtimeGetNs,
        Self::GetPrandomU32,
        Self::GetSmpProcessorId,
        Self::GetCurrentPidTgid,
        Self::GetCurrentComm,
        Self::SkbLoadBytes,
        Self::ProbeReadUser,
        Self::ProbeReadUserStr,
        Self::KtimeGetBootNs,
        Self::RingbufOutput,
        Self::Loop,
    ];

    /// Returns the helper of a number.
    pub fn of_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|helper| helper.number() == number)
    }

    /// Returns its number.
    pub fn number(self) -> u32 {
        self.parts().0
    }

    /// Returns its name.
    pub fn name(self) -> &'static str {
        self.parts().1
    }

    /// Returns how many arguments it takes.
    pub fn argument_count(self) -> u8 {
        self.parts().2
    }

    fn parts(self) -> (u32, &'static str, u8) {
        match self {
            Helper::MapLookup => (1, "map_lookup_elem", 2),
            Helper::MapUpdate => (2, "map_update_elem", 4),
            Helper::MapDelete => (3, "map_delete_elem", 2),
            Helper::KtimeGetNs => (5, "ktime_get_ns", 0),
            Helper::GetPrandomU32 => (7, "get_prandom_u32", 0),
            Helper::GetSmpProcessorId => (8, "get_smp_processor_id", 0),
            Helper::GetCurrentPidTgid => (14, "get_current_pid_tgid", 0),
            Helper::GetCurrentComm => (16, "get_current_comm", 2),
            Helper::SkbLoadBytes => (26, "skb_load_bytes", 4),
            Helper::ProbeReadUser => (112, "probe_read_user", 3),
            Helper::ProbeReadUserStr => (114, "probe_read_user_str", 3),
            Helper::KtimeGetBootNs => (125, "ktime_get_boot_ns", 0),
            Helper::RingbufOutput => (130, "ringbuf_output", 4),
            Helper::Loop => (181, "loop", 4),
        }
    }
}
