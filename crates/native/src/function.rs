//! What functions of CPython are for, by their names.

use crate::cython::is_cython_plumbing;

/// The interpreter's loop: a call of it runs Python frames. Compilers put parts of it elsewhere and add to its name
/// (`.cold`, `.lto_priv.0`); from 3.14 on it may be many functions that never return to one another (PEP 744's tail calls).
const LOOPS: [&str; 3] = ["_PyEval_EvalFrameDefault", "PyEval_EvalFrameEx", "_TAIL_CALL_"];

/// How a call gets from one place to another, which says nothing about what the program does: beginnings of names.
const PLUMBING: [&str; 43] = [
    "PyCFunction_Call",
    "PyEval_EvalCode",
    "PyEval_EvalFrame",
    "PyEval_CallObject",
    "PyFunction_",
    "PyObject_Call",
    "PyObject_Vectorcall",
    "PyRun_",
    "PyVectorcall_",
    "Py_BytesMain",
    "Py_Main",
    "Py_RunMain",
    "_PyCFunction_",
    "_PyEval_EvalCode",
    "_PyEval_EvalFrame",
    "_PyEval_Vector",
    "_PyFunction_",
    "_PyMethodDef_",
    "_PyMethodDescr_",
    "_PyObject_Call",
    "_PyObject_FastCall",
    "_PyObject_MakeTpCall",
    "_PyObject_Vectorcall",
    "_PyRun_",
    "_PyVectorcall_",
    "call_function",
    "cfunction_",
    "do_call",
    "ext_do_call",
    "fast_function",
    "function_call",
    "function_code_fastcall",
    "instancemethod_call",
    "method_call",
    "method_vectorcall",
    "object_vacall",
    "py_trampoline_",
    "pymain_",
    "pyrun_",
    "run_eval_code_obj",
    "run_mod",
    "trampoline_",
    "vectorcall_",
];

/// The functions that the C library calls to begin, and those to which `main` jumps without leaving a frame.
const FIRST: [&str; 5] = ["main", "Py_BytesMain", "Py_Main", "pythread_wrapper", "t_bootstrap"];

/// Where the stack of a greenlet begins, in its library (`TUserGreenlet.cpp` from 2.0 on, `greenlet.c` before).
const GREENLET_STARTS: [&str; 2] = ["inner_bootstrap", "g_initialstub"];

/// How a process or thread gets there.
const STARTS: [&str; 7] = [
    "_start",
    "__libc_start_main",
    "__libc_start_main_impl",
    "__libc_start_call_main",
    "clone",
    "clone3",
    "start_thread",
];

/// What compilers and linkers add to the name of a function when they take it apart or make another of it, and where a
/// version of a library begins.
const ADDED: [&str; 9] =
    [" [clone", ".cold", ".constprop.", ".isra.", ".llvm.", ".localalias", ".lto_priv.", ".part.", "@"];

/// A name without what a compiler has added to it, and without parameters (C++).
pub fn plain(name: &str) -> &str {
    let end = ADDED.iter().filter_map(|added| name.find(added)).filter(|&at| at > 0).min();
    let name = &name[..end.unwrap_or(name.len())];
    let Some(inside) = name.strip_suffix(" const").unwrap_or(name).strip_suffix(')') else { return name };
    // The parenthesis that belongs to the last one: there may be others between (function pointers).
    let mut depth = 1;
    let open = inside.rfind(|c: char| {
        depth += i32::from(c == ')') - i32::from(c == '(');
        depth == 0
    });
    let plain = name[..open.unwrap_or(0)].trim_end();
    if plain.is_empty() { name } else { plain }
}

/// True for the interpreter's loop, whose frames are those of Python.
pub fn is_loop(name: &str) -> bool {
    let plain = plain(name);
    LOOPS.iter().any(|&known| if known.ends_with('_') { plain.starts_with(known) } else { plain == known })
}

/// True for the first function of a program or of a thread: what has called it is the C library's start, whether that can be
/// followed or not.
pub fn is_first(name: &str) -> bool {
    FIRST.contains(&plain(name))
}

/// True for the function of the greenlet library that runs a new greenlet: below its frame the stack is that of whoever has
/// started it, or of any other that runs since.
pub fn is_greenlet_start(name: &str) -> bool {
    let plain = plain(name);
    GREENLET_STARTS.contains(&plain.rsplit("::").next().unwrap_or(plain))
}

/// True for what is only a way from one function to another.
pub fn is_plumbing(name: &str) -> bool {
    let plain = plain(name);
    let starts = STARTS.contains(&plain) || FIRST.contains(&plain) || is_greenlet_start(plain);
    starts || is_cython_plumbing(plain) || PLUMBING.iter().any(|start| plain.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_what_compilers_add() {
        for name in ["_PyEval_EvalFrameDefault", "_PyEval_EvalFrameDefault.cold", "_PyEval_EvalFrameDefault.lto_priv.0"]
        {
            assert!(is_loop(name), "{name}");
        }
        assert!(is_loop("PyEval_EvalFrameEx") && is_loop("_TAIL_CALL_LOAD_FAST.llvm.1"));
        assert!(is_greenlet_start("greenlet::UserGreenlet::inner_bootstrap(_object*, _object*)"));
        assert!(is_greenlet_start("g_initialstub.isra.0") && !is_greenlet_start("g_switch"));
        assert!(!is_loop("_PyEval_EvalFrame") && !is_loop("list_sort") && !is_loop(""));
        assert_eq!(plain("list_sort_impl.isra.0.lto_priv.0"), "list_sort_impl");
        assert_eq!((plain("a.b"), plain(".cold"), plain("@")), ("a.b", ".cold", "@"));
        assert_eq!(plain("void f<g(int)>(double*, void (*)(int)) [clone .isra.0]"), "void f<g(int)>");
        assert_eq!(plain("A::operator()(int) const"), "A::operator()");
        assert_eq!((plain("(x)"), plain(")"), plain("SRE(match)")), ("(x)", ")", "SRE"));
    }

    #[test]
    fn what_c_does_is_no_plumbing() {
        for name in [
            "list_sort",
            "list.sort",
            "_PyDict_GetItem_KnownHash",
            "gc_collect_main",
            "take_gil",
            "SRE(match)",
            ".text",
        ] {
            assert!(!is_plumbing(name), "{name}");
        }
        for name in ["main", "_PyObject_MakeTpCall.cold", "cfunction_vectorcall_O", "__libc_start_main@@GLIBC_2.34"] {
            assert!(is_plumbing(name), "{name}");
        }
    }
}
