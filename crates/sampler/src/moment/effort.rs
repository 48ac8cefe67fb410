//! What looking has cost.

/// What it took to get the moments so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// Moments asked for.
    pub moments: u64,
    /// Times that a thread was stopped.
    pub stops: u64,
    /// Times that a look was given up and begun again.
    pub retries: u64,
    /// `process_vm_readv` calls.
    pub reads: u64,
    /// Those of them that were made for the moments; the others find names of threads and code objects.
    pub moment_reads: u64,
    /// Bytes read.
    pub bytes: u64,
}

impl std::ops::Add for Effort {
    type Output = Effort;

    fn add(self, other: Effort) -> Effort {
        let Effort { moments, stops, retries, reads, moment_reads, bytes } = other;
        Effort {
            moments: self.moments + moments,
            stops: self.stops + stops,
            retries: self.retries + retries,
            reads: self.reads + reads,
            moment_reads: self.moment_reads + moment_reads,
            bytes: self.bytes + bytes,
        }
    }
}
