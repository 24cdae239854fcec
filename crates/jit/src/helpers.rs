//! The fixed table of functions that generated code may call.
//!
//! A helper gets the frame of the call and cells, and answers with cells; what it fails with it leaves in the frame. It
//! does not panic on any cell that generated code can make: the functions of `value::scalar` do not, and what stands
//! here indexes nothing that was not checked when the code was made. Should it panic after all, the process ends, since
//! a panic does not leave an `extern "C"` function. Next: [`crate::call`].
#![allow(unsafe_code, reason = "cells hold addresses that only the maker of the code can vouch for")]

use crate::call::Frame;
use cranelift_codegen::ir::{AbiParam, Signature, Type, types};
use cranelift_codegen::isa::CallConv;

/// Declares the table: its struct, the names of its entries, and their signatures for the code generator.
macro_rules! helpers {
    ($($(#[$doc:meta])* $name:ident $field:ident: fn($($param:ident: $ty:ty = $clif:ident),*) -> u32;)*) => {
        /// Holds the addresses of the helpers, as generated code finds them.
        #[repr(C)]
        pub struct HelperTable {
            $($field: unsafe extern "C" fn(*mut Frame<'_>, $($ty),*) -> u32,)*
        }

        /// Names a helper.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Helper {
            $($(#[$doc])* $name,)*
        }

        impl Helper {
            /// Every helper.
            #[cfg(test)]
            pub const ALL: &[Helper] = &[$(Helper::$name),*];

            /// Returns the offset in bytes of its address in the table.
            pub fn offset(self) -> i32 {
                match self {
                    $(Helper::$name => std::mem::offset_of!(HelperTable, $field) as i32,)*
                }
            }

            /// Returns the types of its parameters behind the frame.
            fn params(self) -> &'static [Type] {
                match self {
                    $(Helper::$name => &[$(types::$clif),*],)*
                }
            }
        }

        /// The table.
        pub static HELPERS: HelperTable = HelperTable { $($field),* };
    };
}

helpers! {
    /// Forgets what the call holds, before the next record.
    Release release: fn() -> u32;
}

impl Helper {
    /// Returns its signature: the frame, its parameters, and a status or answer.
    pub fn signature(self, call_conv: CallConv) -> Signature {
        let mut signature = Signature::new(call_conv);
        signature.params.push(AbiParam::new(types::I64));
        signature.params.extend(self.params().iter().map(|ty| AbiParam::new(*ty)));
        signature.returns.push(AbiParam::new(types::I32));
        signature
    }
}

unsafe extern "C" fn release(frame: *mut Frame<'_>) -> u32 {
    // SAFETY: generated code hands on the frame that `call` handed in, which is borrowed by nobody else meanwhile.
    let frame = unsafe { &mut *frame };
    frame.release();
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_one_address_for_each_helper() {
        assert_eq!(size_of::<HelperTable>(), Helper::ALL.len() * 8);
        let mut offsets: Vec<i32> = Helper::ALL.iter().map(|helper| helper.offset()).collect();
        offsets.sort_unstable();
        offsets.dedup();
        assert_eq!(offsets.len(), Helper::ALL.len());
    }
}
