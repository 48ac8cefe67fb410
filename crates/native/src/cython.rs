//! Functions that Cython has made of a `.pyx` file: what they were called there, and their lines.
//!
//! Cython's names (`Cython/Compiler/Naming.py`, `Symtab.py`) begin with what kind of function it is, then comes each part of the
//! module's and the scope's name with its length before it, and at last the function's own with a number before it if that was
//! needed: `__pyx_pw_3pkg_3mod_5Class_7method`. In the C source a comment before each statement has the file and the line that it
//! was made of.

/// How the names of functions begin, in the order in which those of one function call one another: the one that Python calls, what
/// it is made of, one for C, and a generator's body.
const KINDS: [&str; 4] = ["__pyx_pw_", "__pyx_pf_", "__pyx_f_", "__pyx_gb_"];

/// Names of Cython's own functions that only call others: beginnings.
const PLUMBING: [&str; 5] =
    ["__Pyx_PyObject_Call", "__Pyx_PyObject_FastCall", "__Pyx_PyFunction_", "__Pyx_PyVectorcall_", "__Pyx_CyFunction_"];

/// No more lines of one C file are known. The longest have some 200,000, one in ten with a comment.
const MAX_LINES: usize = 1 << 18;

/// What a function is called in its `.pyx` file, given the name of its module without packages, and which of the functions of C it
/// is that are made of it: a later one is called by an earlier one. `None` when Cython has not made it.
pub fn cython_name(name: &str, module: &str) -> Option<(String, usize)> {
    let (kind, mut rest) = (0..).zip(KINDS).find_map(|(kind, start)| Some((kind, name.strip_prefix(start)?)))?;
    let mut parts = Vec::new();
    while let Some((part, next)) = scope(rest) {
        parts.push(part);
        rest = next;
    }
    // What is left is the function, which may have a number.
    let function = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    parts.push(if function.is_empty() { rest } else { function });
    let inside = parts[..parts.len() - 1].iter().position(|part| *part == module).map_or(0, |at| at + 1);
    Some((parts[inside..].join("."), kind))
}

/// A part of a scope's name and what comes after it.
fn scope(text: &str) -> Option<(&str, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let length: usize = text[..digits].parse().ok()?;
    let (part, rest) = text[digits..].split_at_checked(length)?;
    Some((part, rest.strip_prefix('_')?))
}

/// True for a function of Cython's own that is only a way to another one.
pub(crate) fn is_cython_plumbing(name: &str) -> bool {
    PLUMBING.iter().any(|start| name.starts_with(start))
}

/// Which lines of a C file were made of which lines of others.
#[derive(Debug, Default)]
pub struct CythonLines {
    files: Vec<String>,
    /// From which line on, counted from 1: the file, and the line in it.
    lines: Vec<(u32, usize, u32)>,
}

impl CythonLines {
    /// From the text of a C file. One that Cython has not written has no lines.
    pub fn parse(text: &str) -> CythonLines {
        let mut found = CythonLines::default();
        for (line, text) in (1..).zip(text.lines()) {
            let Some((file, of)) = comment(text) else { continue };
            let known = found.files.iter().rposition(|known| known == file);
            let file = known.unwrap_or_else(|| {
                found.files.push(file.to_owned());
                found.files.len() - 1
            });
            found.lines.push((line, file, of));
            if found.lines.len() >= MAX_LINES {
                break;
            }
        }
        found
    }

    /// The file and line that a line was made of.
    pub fn at(&self, line: u32) -> Option<(&str, u32)> {
        let before = self.lines.partition_point(|entry| entry.0 <= line);
        let (_, file, of) = *self.lines.get(before.checked_sub(1)?)?;
        Some((self.files.get(file)?, of))
    }
}

/// The file and the line in a comment of the form `/* "pkg/mod.pyx":12`.
fn comment(text: &str) -> Option<(&str, u32)> {
    let (file, line) = text.trim_start().strip_prefix("/* \"")?.split_once("\":")?;
    Some((file, line.trim_end().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_they_were() {
        for (name, expected) in [
            ("__pyx_pw_3cyt_1inner", "inner"),
            ("__pyx_pf_3cyt_2outer", "outer"),
            ("__pyx_f_3cyt_work", "work"),
            ("__pyx_pw_3cyt_3Box_1add", "Box.add"),
            ("__pyx_f_3cyt_3Box_add", "Box.add"),
            ("__pyx_pf_3cyt_6closed_within", "closed.within"),
            ("__pyx_gb_3cyt_5Plain_6method_2generator", "Plain.method.generator"),
            ("__pyx_pw_3pkg_3cyt_7__pyx_unpickle_Box", "__pyx_unpickle_Box"),
            ("__pyx_pw_5other_1f", "other.f"),
            ("__pyx_pw_99999999999999999999_1f", "_1f"),
            ("__pyx_pw_7", "7"),
            ("__pyx_pw_", ""),
            ("__pyx_f_2é_f", "f"),
        ] {
            let module = if name.contains('é') { "é" } else { "cyt" };
            assert_eq!(cython_name(name, module).map(|found| found.0).as_deref(), Some(expected), "{name}");
        }
        let kind = |name| cython_name(name, "cyt").map(|found| found.1);
        assert!(kind("__pyx_pw_3cyt_1f") < kind("__pyx_pf_3cyt_f") && kind("__pyx_pf_3cyt_f") < kind("__pyx_f_3cyt_f"));
        for name in ["PyInit_cyt", "__Pyx_PyObject_Call", "__pyx_pymod_exec_cyt", ""] {
            assert_eq!(cython_name(name, "cyt"), None, "{name}");
        }
    }

    #[test]
    fn lines_as_they_were() {
        let text =
            "/* Generated by Cython */\n/* \"cyt.pyx\":7\n * def f():\n */\nx;\n  /* \"b.pxd\":3\n */\ny;\n/* \"\":x\n";
        let lines = CythonLines::parse(text);
        assert_eq!((lines.at(1), lines.at(2), lines.at(5)), (None, Some(("cyt.pyx", 7)), Some(("cyt.pyx", 7))));
        assert_eq!((lines.at(6), lines.at(u32::MAX)), (Some(("b.pxd", 3)), Some(("b.pxd", 3))));
        assert_eq!(CythonLines::parse("int main() {}").at(1), None);
    }
}
