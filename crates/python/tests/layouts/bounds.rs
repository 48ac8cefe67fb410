//! What the code that walks takes for granted of a layout.

use py_spy_python::layout::{
    Code, Collecting, Entry, Frame, FrameSlot, Gil, GilFields, Instance, KeyTable, Layout, MAX_OFFSET, Names, Objects,
    Offset, Root, Running, Thread,
};

pub(crate) fn assert_bounds(name: &str, layout: &Layout) {
    interpreter(name, layout);
    thread(name, &layout.thread);
    frame(name, &layout.frame);
    code(name, &layout.code);
    objects(name, &layout.objects);
}

/// Of `width` bytes, aligned, and ending within `reach`.
fn inside(name: &str, fields: &[Offset], width: u32, reach: u32) {
    for &offset in fields {
        assert!(offset <= reach && reach - offset >= width, "{name}: {offset} + {width} is beyond {reach}");
        assert_eq!(offset % width, 0, "{name}");
    }
}

fn gil(name: &str, fields: GilFields, reach: u32) {
    inside(name, &[fields.last_holder], 8, reach);
    inside(name, &[fields.locked], 4, reach);
}

fn interpreter(name: &str, layout: &Layout) {
    let interpreter = &layout.interpreter;
    inside(name, &[layout.runtime.interpreters_head], 8, MAX_OFFSET);
    let fields = [interpreter.next, interpreter.threads_head, interpreter.modules, interpreter.sysdict];
    inside(name, &fields, 8, MAX_OFFSET);
    inside(name, interpreter.id.as_slice(), 8, MAX_OFFSET);
    inside(name, interpreter.code_generation.as_slice(), 8, MAX_OFFSET);
    match interpreter.collecting {
        Collecting::Unknown => {}
        Collecting::Runtime(offset) | Collecting::Interpreter(offset) => inside(name, &[offset], 4, MAX_OFFSET),
    }
    match interpreter.gil {
        Gil::Current(at) => assert_eq!(at, 0, "{name}"),
        Gil::Runtime(fields) => gil(name, fields, MAX_OFFSET),
        Gil::Interpreter { pointer, fields } => {
            inside(name, &[pointer], 8, MAX_OFFSET);
            gil(name, fields, 512);
        }
        Gil::Optional { pointer, fields, enabled } => {
            inside(name, &[pointer], 8, MAX_OFFSET);
            inside(name, &[enabled], 4, 512);
            gil(name, fields, 512);
        }
    }
}

fn thread(name: &str, thread: &Thread) {
    assert!(thread.size <= Thread::MAX_SIZE && thread.size.is_multiple_of(8), "{name}");
    inside(name, &[thread.next, thread.interp, thread.id], 8, thread.size);
    inside(name, thread.native_id.as_slice(), 8, thread.size);
    inside(name, thread.base_frame.as_slice(), 8, thread.size);
    match thread.frame {
        FrameSlot::Here(slot) => inside(name, &[slot], 8, thread.size),
        FrameSlot::ThroughCFrame { slot, frame } => {
            inside(name, &[slot], 8, thread.size);
            inside(name, &[frame], 8, 64);
        }
    }
}

fn frame(name: &str, frame: &Frame) {
    assert!(frame.size <= Frame::MAX_SIZE && frame.size.is_multiple_of(8), "{name}");
    inside(name, &[frame.previous, frame.code], 8, frame.size);
    inside(name, &[frame.position_at], 4, frame.size);
    inside(name, &[frame.locals], 8, Frame::MAX_LOCALS);
    match frame.root {
        Root::Any => {}
        Root::NoGenerator { generator } => inside(name, &[generator], 8, frame.size),
        Root::NotOwnedBy { owner, .. } | Root::Shim { owner, .. } => inside(name, &[owner], 1, frame.size),
    }
    match frame.entry {
        Entry::Always => {}
        Entry::Flag(at) | Entry::BelowShim { owner: at, .. } => inside(name, &[at], 1, frame.size),
    }
    match frame.running {
        Running::Unknown => {}
        Running::Counted { references, stack_top } => {
            inside(name, &[references], 4, frame.size);
            inside(name, &[stack_top], 8, frame.size);
        }
        Running::Byte { at, values } => {
            inside(name, &[at], 1, frame.size);
            assert_ne!(values, 0, "{name}");
        }
    }
}

fn code(name: &str, code: &Code) {
    assert!(code.size <= Code::MAX_SIZE && code.size.is_multiple_of(8), "{name}");
    inside(name, &[code.filename, code.name, code.line_table, code.local_names], 8, code.size);
    inside(name, code.qualname.as_slice(), 8, code.size);
    inside(name, code.bytecode_copies.as_slice(), 8, code.size);
    inside(name, &[code.first_line, code.argument_count, code.local_count], 4, code.size);
    inside(name, &[code.bytecode], 2, Code::MAX_SIZE);
}

fn objects(name: &str, objects: &Objects) {
    let reach = Objects::MAX_OFFSET;
    inside(name, &[objects.ob_type, objects.module_dict, objects.float_value], 8, reach);
    inside(name, &[objects.tp_name, objects.tp_basicsize, objects.tp_flags], 8, reach);
    inside(name, &[objects.tp_dictoffset, objects.cached_keys], 8, reach);
    inside(name, &[objects.bytes_size, objects.tuple.size, objects.tuple.items], 8, reach);
    inside(name, &[objects.list.size, objects.list.items], 8, reach);
    inside(name, &[objects.bytes_data], 1, reach);
    let unicode = &objects.unicode;
    inside(name, &[unicode.length, unicode.hash], 8, reach);
    assert!(unicode.length < unicode.hash && unicode.hash - unicode.length < 24, "{name}");
    if let Names::Units { data, width } = objects.names {
        inside(name, &[data], 8, reach);
        assert!(matches!(width, 2 | 4), "{name}");
    }
    inside(name, &[unicode.state, unicode.ascii_data, unicode.compact_data], 4, reach);
    assert!(unicode.kind_shift <= 27, "{name}");
    inside(name, &[objects.long.size], 8, reach);
    inside(name, &[objects.long.digits], 4, reach);
    inside(name, objects.long.short.as_slice(), 8, reach);
    assert!(matches!(objects.long.digit_bits, 15 | 30), "{name}");
    let dict = &objects.dict;
    inside(name, &[dict.keys, dict.values, dict.entries_used, dict.indices, dict.values_first], 8, reach);
    match dict.table {
        KeyTable::InDict { mask, entries } => inside(name, &[mask, entries], 8, reach),
        KeyTable::Slots(at) | KeyTable::Size(at) => inside(name, &[at], 8, reach),
        KeyTable::Log2 { index_bytes, kind } => inside(name, &[index_bytes, kind], 1, reach),
    }
    match objects.instance {
        Instance::DictOffset => {}
        Instance::Before { values, dict } => inside(name, &[values, dict], 8, 64),
        Instance::Tagged(before) | Instance::Inline(before) => inside(name, &[before], 8, 64),
    }
}
