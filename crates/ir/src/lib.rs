//! The typed program: nodes, function signatures, verifier, printer.
