//! What a program calls its threads.

use py_spy_address_space::{Addr, Memory, read_u64};
use rustc_hash::FxHashMap;

use crate::layout::Layout;
use crate::object::{self, Unreadable, add};

/// The names that `threading` gives to threads, by the interpreter's own thread id. Empty while that module is not
/// imported; threads that were started behind its back are not in it.
///
/// `threading._active` is a dict of the ids to `Thread` objects, each of which has its name as an attribute
/// (`Lib/threading.py`).
pub fn thread_names(
    memory: &dyn Memory,
    layout: &Layout,
    interpreter: Addr,
) -> Result<FxHashMap<u64, String>, Unreadable> {
    let mut names = FxHashMap::default();
    let modules = read_u64(memory, add(interpreter, layout.interpreter.modules)?)?;
    if modules == 0 {
        return Ok(names);
    }
    let Some(threading) = object::dict_get(memory, layout, modules, "threading")? else { return Ok(names) };
    let namespace = read_u64(memory, add(threading, layout.objects.module_dict)?)?;
    let Some(active) = object::dict_get(memory, layout, namespace, "_active")? else { return Ok(names) };
    for (id, thread) in object::dict_entries(memory, layout, active)? {
        let name = object::unsigned(memory, layout, id).and_then(|id| {
            let name = object::attribute(memory, layout, thread, layout.objects.thread_name)?;
            Ok((id, name.map(|name| object::text(memory, layout, name)).transpose()?))
        });
        // One thread that is just being made does not hide the names of the others.
        if let Ok((id, Some(name))) = name {
            names.insert(id, name);
        }
    }
    Ok(names)
}
