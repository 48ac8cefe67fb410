//! Text from the program under study, made safe to print.
//!
//! Function, file and thread names are whatever that program says they are. A newline in one would break a line format,
//! an escape sequence would act on the terminal, a bidirectional override would show a line in another order than it
//! has. Each such character is written out: `\n`, `\r`, `\t`, `\x1b` below U+0100, `\u{202e}` above. All else stays
//! byte for byte, the backslash too: a Windows path reads as it is, at the price that `\n` may also be a backslash
//! and an `n`.

use std::borrow::Cow;
use std::fmt::Write;

/// Makes a text safe as one field of a line in which `;` separates: as [`for_terminal`], and `;` becomes `\x3b`.
pub fn for_line(text: &str) -> Cow<'_, str> {
    escape(text, |c| c == ';' || acts(c))
}

/// Makes a text safe to show on a terminal and to put in XML: no character of the result ends a line, steers a
/// terminal, changes the direction of writing or is forbidden in XML.
pub fn for_terminal(text: &str) -> Cow<'_, str> {
    escape(text, acts)
}

/// True for characters that do something where they are printed, and for the two that XML forbids besides.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{fffe}' | '\u{ffff}')
}

fn escape(text: &str, written_out: impl Fn(char) -> bool) -> Cow<'_, str> {
    let Some(first) = text.find(&written_out) else {
        return Cow::Borrowed(text);
    };
    let mut safe = String::with_capacity(text.len() + 8);
    safe.push_str(&text[..first]);
    for c in text[first..].chars() {
        // Writing to a `String` can not fail.
        let _ = match c {
            '\n' => safe.write_str("\\n"),
            '\r' => safe.write_str("\\r"),
            '\t' => safe.write_str("\\t"),
            c if !written_out(c) => safe.write_char(c),
            c if u32::from(c) < 0x100 => write!(safe, "\\x{:02x}", u32::from(c)),
            c => write!(safe, "\\u{{{:x}}}", u32::from(c)),
        };
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_borrowed() {
        for text in ["", "f (a.py:1)", r"C:\new\x.py", "ümläut 日本語 🐍", "a\u{200d}b"] {
            assert!(matches!(for_line(text), Cow::Borrowed(same) if same == text));
            assert!(matches!(for_terminal(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn acting_characters_are_written_out() {
        assert_eq!(for_line("a;b\nc\r\td"), r"a\x3bb\nc\r\td");
        assert_eq!(for_terminal("a;b"), "a;b");
        assert_eq!(for_terminal("\x1b[31mred\x07\x7f\u{9b}\0"), r"\x1b[31mred\x07\x7f\x9b\x00");
        assert_eq!(for_terminal("\u{202e}x\u{2069}\u{2028}\u{ffff}"), r"\u{202e}x\u{2069}\u{2028}\u{ffff}");
    }
}
