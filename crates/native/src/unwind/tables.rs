//! Which file's unwind tables are for which address.

use std::ops::Range;

use gimli::UnwindContext;
use py_spy_address_space::{Addr, Mapping, Module};

use super::Source;
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
    table: State,
}

#[derive(Debug)]
enum State {
    /// Nobody asked yet.
    Unknown,
    There(Box<Table>),
    Missing,
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
                parts.push(Part { range, module: Some(module), table: State::Unknown });
            }
        }
        for mapping in mappings.iter().filter(|mapping| mapping.path == VDSO) {
            parts.push(Part { range: mapping.range.clone(), module: None, table: State::Unknown });
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
        self.table(source, at)?.row(source.memory(), at, context)
    }

    /// Where the function begins that has an address.
    pub(super) fn function(&mut self, source: &dyn Source, at: Addr) -> Option<Addr> {
        self.table(source, at)?.function(source.memory(), at)
    }

    /// The tables of the file that an address is in, if it has some.
    fn table(&mut self, source: &dyn Source, at: Addr) -> Option<&mut Table> {
        let index = self.part(at)?;
        let Part { range, module, table } = &mut self.parts[index];
        let memory = source.memory();
        if matches!(table, State::Unknown) {
            let indexed = Table::indexed(memory, range.start, range.end);
            let found =
                indexed.or_else(|| Table::without_index(memory, range.start, source.eh_frame(module.as_ref()?)?));
            *table = found.map_or(State::Missing, |table| State::There(Box::new(table)));
        }
        match table {
            State::There(table) => Some(table),
            State::Unknown | State::Missing => None,
        }
    }
}
