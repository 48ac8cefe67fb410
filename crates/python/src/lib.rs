//! CPython seen from outside: find it, lay it out, walk it.

pub mod layout;
