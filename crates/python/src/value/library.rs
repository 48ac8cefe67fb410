//! Objects of the standard library that have a `repr` worth knowing.

use py_spy_address_space::{Addr, read_u32};

use super::class::Class;
use super::printer::{Printer, Written};
use crate::object::Unreadable;

/// Flags of a regular expression and what they are called (`Lib/re`, `Modules/_sre`). `UNICODE` is not shown for a text.
const FLAGS: [(u32, &str); 8] = [
    (2, "re.IGNORECASE"),
    (4, "re.LOCALE"),
    (8, "re.MULTILINE"),
    (16, "re.DOTALL"),
    (64, "re.VERBOSE"),
    (128, "re.DEBUG"),
    (256, "re.ASCII"),
    (1, "re.TEMPLATE"),
];

/// Parts of a path that are put together.
const MAX_PARTS: usize = 4096;

impl Printer<'_> {
    /// `partialobject` in `Modules/_functoolsmodule.c`: function, arguments, keywords.
    pub(super) fn partial(&mut self, at: Addr, class: &Class) -> Written {
        let [function, arguments, keywords] = [self.field(at, 0)?, self.field(at, 8)?, self.field(at, 16)?];
        let name = if class.is_heap() && class.module != "functools" {
            class.full_name()
        } else {
            "functools.partial".to_owned()
        };
        self.within(at, "...", |printer| {
            printer.write(format_args!("{name}("));
            printer.value(function);
            for item in printer.tuple_items(arguments)? {
                printer.push(", ");
                printer.value(item);
            }
            for (key, value) in printer.entries(keywords)? {
                if printer.is_full() {
                    break;
                }
                let key = printer.string(key)?;
                printer.write(format_args!(", {key}="));
                printer.named(&key, value);
            }
            printer.push(")");
            Ok(())
        })
    }

    /// `PatternObject` in `Modules/_sre/sre.h`: counts, `pattern`, `flags`.
    pub(super) fn pattern(&mut self, at: Addr) -> Written {
        let pattern = self.field(at, 32)?;
        let mut flags = read_u32(self.memory, self.place(at, 40)?)?;
        let is_text = self.class_of(pattern)?.flags >> 28 & 1 == 1;
        if is_text && flags & (4 | 32 | 256) == 32 {
            flags &= !32;
        }
        self.push("re.compile(");
        let mark = self.out.len();
        self.value(pattern);
        // No more than 200 characters of the pattern (`pattern_repr`).
        if let Some((place, _)) = self.out[mark..].char_indices().nth(200) {
            self.truncate(mark + place);
        }
        let names: Vec<&str> = FLAGS.iter().filter(|(bit, _)| flags & bit != 0).map(|&(_, name)| name).collect();
        if !names.is_empty() {
            self.write(format_args!(", {}", names.join("|")));
        }
        self.push(")");
        Ok(())
    }

    /// `countobject` in `Modules/itertoolsmodule.c`: a C count, or two objects when that is not enough.
    pub(super) fn count(&mut self, at: Addr) -> Written {
        let (count, long, step) = (self.field(at, 0)? as i64, self.field(at, 8)?, self.field(at, 16)?);
        if long == 0 {
            self.write(format_args!("count({count})"));
            return Ok(());
        }
        self.push("count(");
        self.value(long);
        if self.number(step)? != Some(1) {
            self.push(", ");
            self.value(step);
        }
        self.push(")");
        Ok(())
    }

    pub(super) fn fraction(&mut self, at: Addr, class: &Class) -> Written {
        let parts = [self.attribute(at, "_numerator")?, self.attribute(at, "_denominator")?];
        let name = class.name();
        self.write(format_args!("{name}("));
        self.list(parts, Printer::value);
        self.push(")");
        Ok(())
    }

    pub(super) fn uuid(&mut self, at: Addr, class: &Class) -> Written {
        let int = self.attribute(at, "int")?;
        let value = self.integer(int)?;
        let bits = value.digits.iter().rev().fold(0_u128, |all, &digit| all << value.bits | u128::from(digit));
        let hex = format!("{bits:032x}");
        let name = class.name();
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
        self.write(format_args!("{name}('{parts}')"));
        Ok(())
    }

    /// `PosixPath('/a/b')`. The text is kept once it was asked for; before it is put together (`Lib/pathlib`).
    pub(super) fn path(&mut self, at: Addr, class: &Class) -> Written {
        let attributes = self.attributes(at)?;
        let get = |name: &str| attributes.iter().find(|(known, _)| known == name).map(|&(_, value)| value);
        let text = if let Some(text) = get("_str") {
            self.string(text)?
        } else if let Some(parts) = get("_parts") {
            let parts = self.strings(parts)?;
            let root = get("_root").map(|root| self.string(root)).transpose()?.unwrap_or_default();
            let rest = if root.is_empty() { &parts[..] } else { parts.get(1..).unwrap_or_default() };
            root + &rest.join("/")
        } else {
            let raw = get("_raw_paths").map(|raw| self.strings(raw)).transpose()?;
            let raw = match raw {
                Some(raw) => raw,
                None => vec![get("_raw_path").map(|raw| self.string(raw)).transpose()?.unwrap_or_default()],
            };
            // An absolute part begins anew.
            let whole = raw.iter().fold(String::new(), |path, part| match part.starts_with('/') {
                true => part.clone(),
                false if path.is_empty() || path.ends_with('/') => path + part,
                false => path + "/" + part,
            });
            let root = match whole.len() - whole.trim_start_matches('/').len() {
                0 => "",
                2 => "//",
                _ => "/",
            };
            let parts: Vec<&str> = whole.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
            root.to_owned() + &parts.join("/")
        };
        let text = if text.is_empty() { "." } else { &text };
        let name = class.name();
        self.write(format_args!("{name}("));
        let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
        self.out.push(quote);
        for character in text.chars() {
            super::text::escaped(&mut self.out, character.into(), quote, false);
        }
        self.out.push(quote);
        self.push(")");
        Ok(())
    }

    /// The strings of a list.
    fn strings(&mut self, at: Addr) -> Result<Vec<String>, Unreadable> {
        let items = if self.class_of(at)?.flags & super::class::TUPLE_SUBCLASS != 0 {
            self.tuple_items(at)?
        } else {
            self.list_items(at)?
        };
        items.into_iter().take(MAX_PARTS).map(|item| self.string(item)).collect()
    }

    /// `IPv4Address('127.0.0.1')`: a number in `_ip`.
    pub(super) fn address(&mut self, at: Addr, class: &Class) -> Written {
        let ip = self.attribute(at, "_ip")?;
        let value = self.integer(ip)?;
        let bits = value.digits.iter().rev().fold(0_u128, |all, &digit| all << value.bits | u128::from(digit));
        let name = class.name();
        if name.contains('6') {
            let address = std::net::Ipv6Addr::from(bits);
            self.write(format_args!("{name}('{address}')"));
        } else {
            let address = std::net::Ipv4Addr::from(bits as u32);
            self.write(format_args!("{name}('{address}')"));
        }
        Ok(())
    }

    /// `list[int]`: origin, then arguments (`gaobject` in `Objects/genericaliasobject.c`).
    pub(super) fn alias(&mut self, at: Addr) -> Written {
        let (origin, arguments) = (self.field(at, 0)?, self.field(at, 8)?);
        self.alias_part(origin)?;
        self.push("[");
        let items = self.tuple_items(arguments)?;
        let empty = items.is_empty();
        self.list(items, |printer, item| {
            if printer.alias_part(item).is_err() {
                printer.push("?");
            }
        });
        self.push(if empty { "()]" } else { "]" });
        Ok(())
    }

    fn alias_part(&mut self, at: Addr) -> Written {
        if &*self.class_of(at)?.tp_name == "ellipsis" {
            self.push("...");
        } else if self.class_of(at)?.flags & super::class::TYPE_SUBCLASS != 0 {
            let name = self.classes.get(self.memory, self.layout, self.values, at)?.full_name();
            self.push(&name);
        } else {
            self.value(at);
        }
        Ok(())
    }
}
