//! Every format is written and read back by a reader that knows nothing of the writer.

#![allow(clippy::unwrap_used)]

mod any;
mod chrometrace;
mod flamegraph;
mod made;
mod raw;
mod speedscope;
