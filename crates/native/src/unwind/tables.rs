//! Which file's unwind tables are for which address.

use std::ops::Range;

use gimli::UnwindContext;
use py_spy_address_space::{Addr, Mapping, Module};

use super::Source;
use super::debug_frame::DebugTable;
use super::row::Row;
use super::table::Table;

/// What the kernel calls the library that it maps into each process itself.
const VDSO: &str = "[vdso]";

/// Code of one file, as it is mapped.
#[derive(Debug)]
struct Part {
    range: Range<Addr>,
    /// The file; `None` for what the kernel maps itself.
    module: Option<Module>,
    table: State<Table>,
    /// For what has no entry in the table.
    debug_table: State<DebugTable>,
}

#[derive(Debug)]
enum State<T> {
    /// Nobody asked yet.
    Unknown,
    There(Box<T>),
    Missing,
}

impl<T> State<T> {
    /// What is there, once it was looked for.
    fn get(&mut self, find: impl FnOnce() -> Option<T>) -> Option<&mut T> {
        if let State::Unknown = self {
            *self = find().map_or(State::Missing, |found| State::There(Box::new(found)));
        }
        match self {
            State::There(found) => Some(found),
            State::Unknown | State::Missing => None,
        }
    }
}

/// The unwind tables of all that is mapped, each read when it is asked for.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// By address. All mappings of a file that is mapped once are one part.
    parts: Vec<Part>,
}

impl Tables {
    /// Of a process with these mappings, in address order.
    pub(super) fn of(mappings: &[Mapping]) -> Tables {
        let mut parts: Vec<Part> = Vec::new();
        for module in py_spy_address_space::modules(mappings) {
            let of_file = || module.mappings.iter().filter(|mapping| mapping.file.1 != 0);
            let (Some(first), Some(last)) = (of_file().next(), of_file().next_back()) else { continue };
            // Whoever maps only the code of a file has no tables there.
            if first.offset == 0 {
                let range = first.range.start..last.range.end;
                parts.push(Part::new(range, Some(module)));
            }
        }
        for mapping in mappings.iter().filter(|mapping| mapping.path == VDSO) {
            parts.push(Part::new(mapping.range.clone(), None));
        }
        parts.sort_by_key(|part| part.range.start);
        Tables { parts }
    }

    fn part(&self, at: Addr) -> Option<usize> {
        let index = self.parts.partition_point(|part| part.range.end <= at);
        self.parts.get(index).is_some_and(|part| part.range.contains(&at)).then_some(index)
    }

    /// True when the address is in some file that is mapped.
    pub(super) fn has(&self, at: Addr) -> bool {
        self.part(at).is_some()
    }

    /// How the frame at an address restores its caller.
    pub(super) fn row(&mut self, source: &dyn Source, at: Addr, context: &mut UnwindContext<usize>) -> Option<Row> {
        let index = self.part(at)?;
        let part = &mut self.parts[index];
        let row = part.table(source).and_then(|table| table.row(source.memory(), at, context));
        row.or_else(|| part.debug_table(source)?.row(at, context))
    }

    /// Where the function begins that has an address.
    pub(super) fn function(&mut self, source: &dyn Source, at: Addr) -> Option<Addr> {
        let index = self.part(at)?;
        self.parts[index].table(source)?.function(source.memory(), at)
    }
}

impl Part {
    fn new(range: Range<Addr>, module: Option<Module>) -> Part {
        Part { range, module, table: State::Unknown, debug_table: State::Unknown }
    }

    /// The tables that are mapped, if there are some.
    fn table(&mut self, source: &dyn Source) -> Option<&mut Table> {
        let Part { range, module, table, .. } = self;
        table.get(|| {
            let indexed = Table::indexed(source.memory(), range.start, range.end);
            indexed.or_else(|| Table::without_index(source.memory(), range.start, source.eh_frame(module.as_ref()?)?))
        })
    }

    /// Those that are in the file only.
    fn debug_table(&mut self, source: &dyn Source) -> Option<&mut DebugTable> {
        let Part { module, debug_table, .. } = self;
        debug_table.get(|| {
            let (frames, bias) = source.debug_frames(module.as_ref()?)?;
            Some(DebugTable::of(frames, bias))
        })
    }
}
