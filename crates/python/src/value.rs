//! Values of variables as the program itself would print them: its `repr`, read and not run.
//!
//! One small file for each kind of object. All that is read is hostile: a value is bounded by characters, elements,
//! nesting and objects, whatever the memory says.

mod attributes;
mod bytes;
mod callable;
mod class;
mod decimal;
mod dict;
mod float;
mod instance;
mod int;
mod kinds;
mod library;
mod locals;
mod locks;
mod look;
mod numpy;
mod printer;
mod redaction;
mod sequence;
mod set;
mod text;
mod threads;
mod time;

pub use class::Classes;
pub use locals::{Kind, Local, Place, locals};
pub use look::{Limits, Look, Shown};
pub use redaction::{Redaction, SECRETS};
pub use threads::Wait;
