//! Query text to positions, diagnostics with stable codes, and the limits that bound everything.
