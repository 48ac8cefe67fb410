//! A layout from the published words, and from the table's row for the rest.

use super::table::{Fields, Table, Width};
use super::{Offset, Unusable};
use crate::layout::{
    Code, Collecting, Dict, Entry, Frame, FrameSlot, Gil, GilFields, Interpreter, Layout, Long, MAX_OFFSET, Objects,
    Root, Runtime, Sequence, Thread, Unicode,
};
use Width::{Byte, Instruction, Int, Word};

/// `struct _gil_runtime_state`'s fields are within its first bytes, before the condition variable.
const GIL_REACH: Offset = 256;

/// An object's header has 16 bytes, 32 in free-threaded builds, 16 more in those that trace references.
const HEADER_REACH: Offset = 64;

pub(super) fn layout(table: &Table, row: &Layout, free_threaded: bool) -> Result<Layout, Unusable> {
    let header = table.group("pyobject", HEADER_REACH)?;
    let ob_type = header.at("ob_type", Word)?;
    // A header longer than the row's moves every field of every object.
    let shift = i64::from(ob_type) - i64::from(row.objects.ob_type);
    Ok(Layout {
        runtime: Runtime {
            interpreters_head: table.group("runtime_state", MAX_OFFSET)?.at("interpreters_head", Word)?,
        },
        interpreter: interpreter(table, &table.group("interpreter_state", MAX_OFFSET)?, free_threaded)?,
        thread: thread(&table.group("thread_state", Thread::MAX_SIZE)?, &row.thread)?,
        frame: frame(table, &row.frame)?,
        code: code(&table.group("code_object", Code::MAX_SIZE)?, &row.code, shift, free_threaded)?,
        objects: objects(table, &row.objects, ob_type, shift)?,
    })
}

fn interpreter(table: &Table, fields: &Fields, free_threaded: bool) -> Result<Interpreter, Unusable> {
    let pointer = fields.at("ceval_gil", Word)?;
    // Published is the struct inside the interpreter; the one in force is elsewhere when interpreters share it.
    let inside = |field, width| fields.inside(field, "gil_runtime_state", GIL_REACH, width);
    let gil = GilFields {
        last_holder: inside("gil_runtime_state_holder", Word)?,
        locked: inside("gil_runtime_state_locked", Int)?,
    };
    let enabled = fields.at("gil_runtime_state_enabled", Int)?;
    if enabled > GIL_REACH {
        let value = u64::from(enabled);
        return Err(Unusable::OutOfBounds { group: "interpreter_state", field: "gil_runtime_state_enabled", value });
    }
    Ok(Interpreter {
        id: Some(fields.at("id", Word)?),
        next: fields.at("next", Word)?,
        threads_head: fields.at("threads_head", Word)?,
        modules: fields.at("imports_modules", Word)?,
        sysdict: fields.at("sysdict", Word)?,
        gil: if free_threaded {
            Gil::Optional { pointer, fields: gil, enabled }
        } else {
            Gil::Interpreter { pointer, fields: gil }
        },
        code_generation: fields.newer("code_object_generation", Word)?,
        collecting: collecting(table, fields).unwrap_or(Collecting::Unknown),
    })
}

/// What is in the collector's struct is counted from its start. No stack needs it, so what can not be is not known.
fn collecting(table: &Table, fields: &Fields) -> Option<Collecting> {
    let inner = table.group("gc", MAX_OFFSET).ok()?.at("collecting", Int).ok()?;
    let offset = inner.checked_add(fields.at("gc", Word).ok()?)?;
    (offset <= MAX_OFFSET).then_some(Collecting::Interpreter(offset))
}

fn thread(fields: &Fields, row: &Thread) -> Result<Thread, Unusable> {
    let next = fields.at("next", Word)?;
    let interp = fields.at("interp", Word)?;
    let id = fields.at("thread_id", Word)?;
    let native_id = fields.at("native_thread_id", Word)?;
    let frame = fields.at("current_frame", Word)?;
    let base_frame = fields.newer("base_frame", Word)?;
    Ok(Thread {
        size: span(&[next, interp, id, native_id, frame, base_frame.unwrap_or(0)]),
        next,
        interp,
        id,
        native_id: Some(native_id),
        frame: FrameSlot::Here(frame),
        base_frame,
        after_fork: row.after_fork,
    })
}

fn frame(table: &Table, row: &Frame) -> Result<Frame, Unusable> {
    let fields = table.group("interpreter_frame", Frame::MAX_SIZE)?;
    let previous = fields.at("previous", Word)?;
    let code = fields.at("executable", Word)?;
    let position_at = fields.at("instr_ptr", Word)?;
    let owner = fields.at("owner", Byte)?;
    Ok(Frame {
        size: span(&[previous, code, position_at, owner]),
        previous,
        code,
        code_tag: row.code_tag,
        position_at,
        position: row.position,
        root: match row.root {
            Root::Shim { least, .. } => Root::Shim { owner, least },
            Root::NotOwnedBy { generator, .. } => Root::NotOwnedBy { owner, generator },
            Root::NoGenerator { .. } | Root::Any => row.root,
        },
        entry: match row.entry {
            Entry::BelowShim { least, .. } => Entry::BelowShim { owner, least },
            Entry::Flag(_) | Entry::Always => row.entry,
        },
        running: row.running,
        locals: fields.at("localsplus", Word)?,
    })
}

fn code(fields: &Fields, row: &Code, shift: i64, free_threaded: bool) -> Result<Code, Unusable> {
    let filename = fields.at("filename", Word)?;
    let name = fields.at("name", Word)?;
    let qualname = fields.at("qualname", Word)?;
    let first_line = fields.at("firstlineno", Int)?;
    let line_table = fields.at("linetable", Word)?;
    let argument_count = fields.at("argcount", Int)?;
    let local_count = fields.as_in_row("co_nlocals", row.local_count, shift, Int)?;
    let local_names = fields.at("localsplusnames", Word)?;
    let bytecode_copies = if free_threaded { fields.newer("co_tlbc", Word)? } else { None };
    Ok(Code {
        size: span(&[
            filename,
            name,
            qualname,
            first_line,
            line_table,
            argument_count,
            local_count,
            local_names,
            bytecode_copies.unwrap_or(0),
        ]),
        filename,
        name,
        qualname: Some(qualname),
        first_line,
        line_table,
        lines: row.lines,
        argument_count,
        local_count,
        local_names,
        bytecode: fields.at("co_code_adaptive", Instruction)?,
        bytecode_copies,
    })
}

fn objects(table: &Table, row: &Objects, ob_type: Offset, shift: i64) -> Result<Objects, Unusable> {
    let group = |name| table.group(name, Objects::MAX_OFFSET);
    let types = group("type_object")?;
    // The unpublished ones of a type and a module, in series that do not publish them.
    let or_row = |published: Option<Offset>, name, row| match published {
        Some(offset) => Ok(offset),
        None => types.as_in_row(name, row, shift, Word),
    };
    let cached_keys = match table.word("heap_type_object", "size") {
        Some(_) => group("heap_type_object")?.at("ht_cached_keys", Word)?,
        None => moved("heap_type_object", "ht_cached_keys", row.cached_keys, shift)?,
    };
    let (bytes, long, float) = (group("bytes_object")?, group("long_object")?, group("float_object")?);
    let dict = group("dict_object")?;
    Ok(Objects {
        ob_type,
        sizes: row.sizes,
        names: row.names,
        thread_name: row.thread_name,
        tp_name: types.at("tp_name", Word)?,
        tp_basicsize: or_row(types.newer("tp_basicsize", Word)?, "tp_basicsize", row.tp_basicsize)?,
        tp_flags: types.at("tp_flags", Word)?,
        tp_dictoffset: or_row(types.newer("tp_dictoffset", Word)?, "tp_dictoffset", row.tp_dictoffset)?,
        cached_keys,
        instance: row.instance,
        unicode: unicode(&group("unicode_object")?, &row.unicode)?,
        bytes_size: bytes.at("ob_size", Word)?,
        bytes_data: bytes.at("ob_sval", Byte)?,
        long: Long { size: long.at("lv_tag", Word)?, digits: long.at("ob_digit", Int)?, ..row.long },
        float_value: float.at("ob_fval", Word)?,
        tuple: sequence(&group("tuple_object")?)?,
        list: sequence(&group("list_object")?)?,
        dict: Dict { keys: dict.at("ma_keys", Word)?, values: dict.at("ma_values", Word)?, ..row.dict },
        module_dict: moved("module_object", "md_dict", row.module_dict, shift)?,
    })
}

fn sequence(fields: &Fields) -> Result<Sequence, Unusable> {
    Ok(Sequence { size: fields.at("ob_size", Word)?, items: fields.at("ob_item", Word)? })
}

fn unicode(fields: &Fields, row: &Unicode) -> Result<Unicode, Unusable> {
    let ascii_data = fields.at("asciiobject_size", Int)?;
    let beyond = i64::from(ascii_data) - i64::from(row.ascii_data);
    let compact_data = match fields.newer("compactunicodeobject_size", Int)? {
        Some(offset) => offset,
        None => fields.as_in_row("compactunicodeobject_size", row.compact_data, beyond, Int)?,
    };
    let length = fields.at("length", Word)?;
    // `hash` is not published; it follows `length` in the row of every series that publishes anything.
    let behind = i64::from(length) - i64::from(row.length);
    Ok(Unicode {
        length,
        hash: fields.as_in_row("hash", row.hash, behind, Word)?,
        state: fields.at("state", Int)?,
        kind_shift: row.kind_shift,
        ascii_data,
        compact_data,
    })
}

/// A field of a struct of which nothing is published.
fn moved(group: &'static str, field: &'static str, row: Offset, shift: i64) -> Result<Offset, Unusable> {
    let value = i64::from(row) + shift;
    let offset = Offset::try_from(value).ok().filter(|offset| *offset <= Objects::MAX_OFFSET - 8);
    offset.ok_or(Unusable::OutOfBounds { group, field, value: value as u64 })
}

/// How many bytes hold the words that these offsets point into.
fn span(offsets: &[Offset]) -> u32 {
    offsets.iter().max().map_or(0, |most| most / 8 * 8 + 8)
}
