//! Line tables: from an instruction to the line that it belongs to.

use crate::layout::Lines;

/// The line of the instruction at a byte offset into the bytecode; before the first instruction it is the function's
/// first line. An instruction that the compiler gave no line has the last one before it: it belongs to that statement.
/// `None` when the table does not reach that far.
pub fn line_of(lines: Lines, table: &[u8], first_line: u32, position: i64) -> Option<u32> {
    let Ok(position) = u64::try_from(position) else { return Some(first_line) };
    match lines {
        Lines::Unsigned => lnotab(table, first_line, position, i64::from),
        Lines::Lnotab => lnotab(table, first_line, position, |step| i64::from(step as i8)),
        Lines::Ranges => ranges(table, first_line, position),
        Lines::Locations => locations(table, first_line, position),
    }
}

/// A line number that a table has led to.
fn checked(line: i64) -> Option<u32> {
    u32::try_from(line).ok().filter(|&line| line > 0)
}

/// `Objects/lnotab_notes.txt`, up to 3.9: pairs of an unsigned address step and a line step, which 3.6 made a signed one. A
/// step's line holds from the address that the step leads to.
fn lnotab(table: &[u8], first_line: u32, position: u64, step: impl Fn(u8) -> i64) -> Option<u32> {
    let mut line = i64::from(first_line);
    let mut address = 0_u64;
    for pair in table.chunks_exact(2) {
        address += u64::from(pair[0]);
        if address > position {
            break;
        }
        line += step(pair[1]);
    }
    checked(line)
}

/// `Objects/lnotab_notes.txt`, 3.10 (PEP 626): pairs of the length of a range and the line step that leads to it;
/// -128 is a range without a line.
fn ranges(table: &[u8], first_line: u32, position: u64) -> Option<u32> {
    const NO_LINE: i8 = -128;
    let mut line = i64::from(first_line);
    let mut end = 0_u64;
    for pair in table.chunks_exact(2) {
        end += u64::from(pair[0]);
        let step = pair[1] as i8;
        if step != NO_LINE {
            line += i64::from(step);
        }
        if position < end {
            return checked(line);
        }
    }
    None
}

/// Where in its lines the expression is that an instruction belongs to. Columns are bytes of the line's UTF-8 from 0 on, as
/// `co_positions()` has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// The line that it ends in, from 1.
    pub end_line: u32,
    /// Where it begins in its first line.
    pub start: u32,
    /// The first byte behind it, in its last line.
    pub end: u32,
}

/// The expression of the instruction at a byte offset into the bytecode; `None` where the table has no columns for it (always up to
/// 3.10, and in programs that run with `-X no_debug_ranges`).
pub fn span_of(lines: Lines, table: &[u8], first_line: u32, position: i64) -> Option<Span> {
    let position = u64::try_from(position).ok().filter(|_| lines == Lines::Locations)?;
    let (line, code, rest) = location(table, first_line, position)?;
    let (end_line, start, end) = match code {
        // The short form: the column's upper bits in the code, its lower three and the length in the byte behind.
        0..=9 => {
            let byte = u32::from(*rest.first()?);
            let start = u32::from(code) << 3 | byte >> 4 & 7;
            (line, start, start + (byte & 0xf))
        }
        10..=12 => (line, u32::from(*rest.first()?), u32::from(*rest.get(1)?)),
        // The step of the line, how many lines on it ends, and both columns from 1 on; 0 is none.
        14 => {
            let mut rest = rest;
            let [_, more, start, end] = [(); 4].map(|()| varint(&mut rest));
            let column = |column: u64| u32::try_from(column.checked_sub(1)?).ok();
            (checked(i64::from(line).checked_add(i64::try_from(more).ok()?)?)?, column(start)?, column(end)?)
        }
        _ => return None,
    };
    Some(Span { end_line, start, end })
}

fn locations(table: &[u8], first_line: u32, position: u64) -> Option<u32> {
    location(table, first_line, position).map(|(line, ..)| line)
}

/// `Objects/locations.md` (in later versions `InternalDocs/code_objects.md`), 3.11+ (PEP 657): entries of a code, a
/// length in 2-byte instructions, and a line step and columns by the code. Gives the line, the code and what follows it.
fn location(table: &[u8], first_line: u32, position: u64) -> Option<(u32, u8, &[u8])> {
    let mut line = i64::from(first_line);
    let mut end = 0_u64;
    let mut at = 0;
    while let Some(&head) = table.get(at) {
        if head & 0x80 == 0 {
            return None;
        }
        at += 1;
        let code = head >> 3 & 0xf;
        end += u64::from(head & 7) * 2 + 2;
        match code {
            // Long form, and the form without columns: the step is a signed number of 6-bit parts.
            13 | 14 => line = line.saturating_add(signed_varint(table.get(at..)?)),
            10..=12 => line = line.saturating_add(i64::from(code - 10)),
            _ => {}
        }
        if position < end {
            return Some((checked(line)?, code, table.get(at..)?));
        }
        // The next entry begins at the next byte with the top bit.
        at += table.get(at..)?.iter().take_while(|&&byte| byte & 0x80 == 0).count();
    }
    None
}

/// 6 bits a byte, the lowest first, bit 6 set in all but the last. Leaves what is behind it.
fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0_u64;
    let mut length = 0;
    for (part, &byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x3f).checked_shl(6 * part as u32).unwrap_or(0);
        length = part + 1;
        if byte & 0x40 == 0 {
            break;
        }
    }
    *bytes = &bytes[length..];
    value
}

/// The lowest bit of the whole is the sign.
fn signed_varint(mut bytes: &[u8]) -> i64 {
    let value = varint(&mut bytes);
    let size = (value >> 1) as i64;
    if value & 1 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lnotab_takes_the_last_step_that_is_not_behind() {
        // Line 10 from 0, 11 from 6, 9 from 12 (a step back), 309 from 20 in three steps.
        let table = [6, 1, 6, 0xfe, 8, 127, 0, 127, 0, 46];
        let lines = [(-1, 10), (0, 10), (5, 10), (6, 11), (12, 9), (19, 9), (20, 309), (9999, 309)];
        for (position, line) in lines {
            assert_eq!(line_of(Lines::Lnotab, &table, 10, position), Some(line), "at {position}");
        }
    }

    #[test]
    fn unsigned_steps_of_more_than_127_lines_lead_on() {
        // Line 10 from 0, 300 from 6 in two steps, 301 from 266 in two steps.
        let table = [6, 255, 0, 35, 255, 0, 5, 1];
        let lines = [(-1, 10), (5, 10), (6, 300), (265, 300), (266, 301), (9999, 301)];
        for (position, line) in lines {
            assert_eq!(line_of(Lines::Unsigned, &table, 10, position), Some(line), "at {position}");
        }
    }

    #[test]
    fn ranges_without_a_line_have_the_one_before() {
        let table = [4, 0, 2, 0x80, 6, 2, 4, 0xff];
        let lines = [(-1, Some(7)), (0, Some(7)), (3, Some(7)), (4, Some(7)), (6, Some(9)), (12, Some(8)), (16, None)];
        for (position, line) in lines {
            assert_eq!(line_of(Lines::Ranges, &table, 7, position), line, "at {position}");
        }
    }

    #[test]
    fn locations_of_all_forms() {
        let entry = |code: u8, units: u8| 0x80 | code << 3 | (units - 1);
        let mut table = vec![entry(0, 1), 0x12]; // short form: same line
        table.extend([entry(11, 2), 4, 9]); // one-line form: one line on
        table.extend([entry(14, 8), 0x40 | 6, 3, 1, 2, 3]); // long form: 3 << 6 | 6 is +99
        table.extend([entry(13, 1), 3]); // without columns: -1
        table.extend([entry(15, 1)]); // no location
        let lines = [
            (0, Some(5)),
            (2, Some(6)),
            (5, Some(6)),
            (6, Some(105)),
            (21, Some(105)),
            (22, Some(104)),
            (24, Some(104)),
            (26, None),
        ];
        for (position, line) in lines {
            assert_eq!(line_of(Lines::Locations, &table, 5, position), line, "at {position}");
        }
        let span = |end_line, start, end| Some(Span { end_line, start, end });
        let spans = [(0, span(5, 1, 3)), (2, span(6, 4, 9)), (6, span(106, 1, 2)), (22, None), (24, None), (26, None)];
        for (position, span) in spans {
            assert_eq!(span_of(Lines::Locations, &table, 5, position), span, "at {position}");
        }
        assert_eq!(span_of(Lines::Ranges, &table, 5, 0), None);
    }

    #[test]
    fn any_table_gives_an_answer() {
        let mut state = 1_u32;
        for round in 0..20_000_u32 {
            let table: Vec<u8> = (0..round % 40)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            for lines in [Lines::Unsigned, Lines::Lnotab, Lines::Ranges, Lines::Locations] {
                assert_ne!(line_of(lines, &table, state >> 16, i64::from(round % 64)), Some(0));
                let _ = span_of(lines, &table, state >> 16, i64::from(round % 64));
            }
        }
    }
}
