//! Whose a watch is.

use std::ops::{Deref, DerefMut};

use crate::moment::Watch;

/// A watch that is the sampler's, or was made while it runs.
pub(super) enum Held<'a> {
    Lent(&'a mut Watch),
    New(Box<Watch>),
}

impl Held<'_> {
    /// The watch, if it was made while the sampler ran.
    pub(super) fn into_new(self) -> Option<Watch> {
        match self {
            Held::Lent(_) => None,
            Held::New(watch) => Some(*watch),
        }
    }
}

impl Deref for Held<'_> {
    type Target = Watch;

    fn deref(&self) -> &Watch {
        match self {
            Held::Lent(watch) => watch,
            Held::New(watch) => watch,
        }
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Watch {
        match self {
            Held::Lent(watch) => watch,
            Held::New(watch) => watch,
        }
    }
}
