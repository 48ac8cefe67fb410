//! Scalars and arrays of numpy.

use py_spy_address_space::{Addr, read_array, read_u32, read_vec};

use super::class::Class;
use super::printer::{Printer, Written};
use crate::object::{Unreadable, word};

/// `NPY_MAXDIMS` of numpy 2.
const MAX_DIMENSIONS: u32 = 64;

impl Printer<'_> {
    pub(super) fn numpy(&mut self, at: Addr, class: &Class) -> Written {
        let name = class.tp_name.rsplit('.').next().unwrap_or_default().to_owned();
        if name == "ndarray" {
            return self.ndarray(at);
        }
        let code = match &*name {
            "bool" | "bool_" => '?',
            "int8" => 'b',
            "int16" => 'h',
            "int32" => 'i',
            "int64" | "longlong" => 'q',
            "uint8" => 'B',
            "uint16" => 'H',
            "uint32" => 'I',
            "uint64" | "ulonglong" => 'Q',
            "float32" => 'f',
            "float64" => 'd',
            _ => return self.plain(at, class),
        };
        // From 2.0 on a scalar says its type.
        // What 2.0 took away from all of them tells which one it is.
        let named = self.class_attribute(class, "itemset")?.is_none();
        let mark = self.out.len();
        match code {
            'f' => {
                let value = f32::from_bits(read_u32(self.memory, self.place(at, 0)?)?);
                let text = format!("{value}");
                let text = if text.contains(['.', 'n', 'i']) { text } else { text + ".0" };
                self.push(&text.to_lowercase());
            }
            'd' => {
                // It derives from `float`.
                let text = super::float::short(self.float_value(at)?, true);
                self.push(&text);
            }
            _ => {
                self.machine_values(code, self.place(at, 0)?, 1)?;
                let inner = self.out[mark + 1..self.out.len() - 1].to_owned();
                self.truncate(mark);
                self.push(&inner);
            }
        }
        if named && code == '?' {
            let value = self.out[mark..].to_owned();
            self.truncate(mark);
            self.write(format_args!("np.{value}_"));
        } else if named {
            let value = self.out[mark..].to_owned();
            self.truncate(mark);
            self.write(format_args!("np.{name}({value})"));
        }
        Ok(())
    }

    /// `PyArrayObject_fields` (`numpy/ndarraytypes.h`): data, nd, dimensions, strides, base, descr.
    fn ndarray(&mut self, at: Addr) -> Written {
        let data = self.field(at, 0)?;
        let count = read_u32(self.memory, self.place(at, 8)?)?;
        let (dimensions, strides, description) = (self.field(at, 16)?, self.field(at, 24)?, self.field(at, 40)?);
        if count > MAX_DIMENSIONS {
            return Err(Unreadable::Nonsense("an array", at));
        }
        let words = |start: Addr| -> Result<Vec<u64>, Unreadable> {
            Ok(read_vec(self.memory, start, count as usize * 8)?.chunks_exact(8).map(|chunk| word(chunk, 0)).collect())
        };
        let (shape, strides) =
            if count == 0 { (Vec::new(), Vec::new()) } else { (words(dimensions)?, words(strides)?) };
        // `PyArray_Descr`: typeobj, kind, type, byteorder.
        let kind = self.field(description, 0)?;
        let letter = char::from(read_array::<1>(self.memory, self.place(description, 9)?)?[0]);
        let class = self.classes.get(self.memory, self.layout, self.values, kind)?;
        let dtype = class.name().trim_end_matches('_').to_owned();
        let total = shape.iter().try_fold(1_u64, |all, &one| all.checked_mul(one)).unwrap_or(u64::MAX);
        let shape_text: Vec<_> = shape.iter().map(u64::to_string).collect();
        let shape_text = shape_text.join(", ") + if count == 1 { "," } else { "" };
        let width = match letter {
            '?' | 'b' | 'B' => 1,
            'h' | 'H' => 2,
            'i' | 'I' | 'f' => 4,
            'l' | 'q' | 'L' | 'Q' | 'd' => 8,
            _ => 0,
        };
        let mut expected = width;
        let contiguous = shape.iter().zip(&strides).rev().all(|(&size, &stride)| {
            let fits = size == 1 || stride == expected;
            expected = expected.saturating_mul(size);
            fits
        });
        let plain = matches!(letter, 'l' | 'd' | '?');
        if count == 1
            && contiguous
            && width > 0
            && matches!(letter, 'l' | 'i' | 'h' | 'b' | 'q' | 'B' | 'H' | 'I' | 'L' | 'Q')
            && total > 0
            && total <= 1000
        {
            // Whole numbers are right-aligned, and so are as numpy writes them where all are equally long.
            self.push("array(");
            self.machine_values(letter, data, total)?;
            if plain {
                self.push(")");
            } else {
                self.write(format_args!(", dtype={dtype})"));
            }
            return Ok(());
        }
        self.write(format_args!("<numpy.ndarray shape=({shape_text}) dtype={dtype}"));
        if width > 0 && contiguous && total > 0 {
            self.push(" ");
            self.machine_values(letter, data, total)?;
        }
        self.push(">");
        Ok(())
    }
}
