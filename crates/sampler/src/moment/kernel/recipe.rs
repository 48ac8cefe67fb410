//! What the kernel's program is made of.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use py_spy_address_space::Addr;
use py_spy_kernel::{Stacks, Subject, Ticks, Unavailable};
use py_spy_python::Gil;
use py_spy_python::layout::Layout;

use super::NoKernel;
use crate::moment::Watch;
use crate::roster::PTHREAD_TID;

/// What the kernel's program is made of.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    layout: Layout,
    pub(super) interpreter: Addr,
    pub(super) gil: Option<Gil>,
    namespace: (u64, u64),
    period: u64,
    frames: u32,
    stacks: Option<Stacks>,
}

impl Recipe {
    /// Makes the program and loads it: that takes some tens of milliseconds.
    pub(crate) fn load(&self) -> Result<Ticks, Unavailable> {
        let Recipe { layout, interpreter, gil, namespace, period, frames, stacks } = self;
        Ticks::new(&Subject {
            layout,
            interpreter: *interpreter,
            gil: *gil,
            namespace: *namespace,
            tid_at: PTHREAD_TID as u32,
            period: *period,
            frames: *frames,
            stacks: *stacks,
        })
    }
}

impl Watch {
    /// What the kernel's program has to know.
    pub(crate) fn recipe(&mut self, interval: Duration, deep: bool) -> Result<Recipe, NoKernel> {
        self.renew_roster()?;
        let [interpreter] = self.roster.interpreters.as_slice() else { return Err(NoKernel::Interpreters) };
        let (interpreter, gil) = (interpreter.at, interpreter.gil);
        if self.roster.members.iter().all(|member| member.tid.is_none()) {
            return Err(NoKernel::Ids);
        }
        let period = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        let namespace = std::fs::metadata(format!("/proc/{}/ns/pid", self.target.pid));
        let namespace = namespace.map(|file| (file.dev(), file.ino())).map_err(Unavailable::Namespace)?;
        let frames = if deep { Ticks::frames_at(period) } else { Ticks::FRAMES };
        let (user, kernel) = (self.native.is_some(), self.kernel_frames);
        let of_all = self.native.as_ref().is_some_and(|native| native.all);
        let stacks = (user || kernel).then_some(Stacks { user, kernel, of_all });
        Ok(Recipe { layout: self.python.layout.clone(), interpreter, gil, namespace, period, frames, stacks })
    }
}
