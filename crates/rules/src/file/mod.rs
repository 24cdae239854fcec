//! Rule files: YAML text to rules with positions, and every mistake at once.
