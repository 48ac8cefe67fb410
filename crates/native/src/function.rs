//! What functions of CPython are for, by their names.

/// The interpreter's loop: a call of it runs Python frames. Compilers put parts of it elsewhere and add to its name
/// (`.cold`, `.lto_priv.0`); from 3.14 on it may be many functions that never return to one another (PEP 744's tail calls).
const LOOPS: [&str; 3] = ["_PyEval_EvalFrameDefault", "PyEval_EvalFrameEx", "_TAIL_CALL_"];

/// How a call gets from one place to another, which says nothing about what the program does: beginnings of names.
const PLUMBING: [&str; 34] = [
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
    "method_vectorcall",
    "object_vacall",
    "pymain_",
    "run_eval_code_obj",
    "run_mod",
    "trampoline_",
    "vectorcall_",
];

/// How a process or thread gets to its first function.
const STARTS: [&str; 8] = [
    "_start",
    "__libc_start_main",
    "__libc_start_call_main",
    "main",
    "clone",
    "clone3",
    "start_thread",
    "pythread_wrapper",
];

/// A name without what a compiler has added to it.
fn plain(name: &str) -> &str {
    // "name@@GLIBC_2.34" is a version of a name.
    let name = name.split('@').next().unwrap_or(name);
    match name.split_once('.') {
        Some((plain, _)) if !plain.is_empty() => plain,
        _ => name,
    }
}

/// True for the interpreter's loop, whose frames are those of Python.
pub fn is_loop(name: &str) -> bool {
    let plain = plain(name);
    LOOPS.iter().any(|&known| if known.ends_with('_') { plain.starts_with(known) } else { plain == known })
}

/// True for what is only a way from one function to another.
pub fn is_plumbing(name: &str) -> bool {
    let plain = plain(name);
    STARTS.contains(&plain) || PLUMBING.iter().any(|start| plain.starts_with(start))
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
        assert!(!is_loop("_PyEval_EvalFrame") && !is_loop("list_sort") && !is_loop(""));
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
