//! AST and schema to IR: names resolved, types decided, conversions explicit.
