//! IR and rows to values: the definition of the language.
