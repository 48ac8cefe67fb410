//! What each series publishes, in order: `struct _Py_DebugOffsets` of `Include/internal/pycore_runtime.h` (3.13) and
//! `Include/internal/pycore_debug_offsets.h` (3.14+). Every field is 64 bits; the first three are not in these lists.

/// A nested struct: its name, and its fields in order.
pub(super) type Group = (&'static str, &'static [&'static str]);

/// Bytes before the first group: the cookie, `version`, `free_threaded`.
pub(super) const HEAD: usize = 24;

/// By minor version, the oldest first.
pub(super) const SERIES: &[(u8, &[Group])] = &[(13, V3_13), (14, V3_14), (15, V3_15)];

const RUNTIME: Group = ("runtime_state", &["size", "finalizing", "interpreters_head"]);
const OBJECT: Group = ("pyobject", &["size", "ob_type"]);
const TUPLE: Group = ("tuple_object", &["size", "ob_item", "ob_size"]);
const LIST: Group = ("list_object", &["size", "ob_item", "ob_size"]);
const SET: Group = ("set_object", &["size", "used", "table", "mask"]);
const DICT: Group = ("dict_object", &["size", "ma_keys", "ma_values"]);
const FLOAT: Group = ("float_object", &["size", "ob_fval"]);
const LONG: Group = ("long_object", &["size", "lv_tag", "ob_digit"]);
const BYTES: Group = ("bytes_object", &["size", "ob_size", "ob_sval"]);
const GENERATOR: Group = ("gen_object", &["size", "gi_name", "gi_iframe", "gi_frame_state"]);
const LINKED_LIST: Group = ("llist_node", &["next", "prev"]);
const DEBUGGER: Group = (
    "debugger_support",
    &[
        "eval_breaker",
        "remote_debugger_support",
        "remote_debugging_enabled",
        "debugger_pending_call",
        "debugger_script_path",
        "debugger_script_path_size",
    ],
);

const V3_13: &[Group] = &[
    RUNTIME,
    (
        "interpreter_state",
        &[
            "size",
            "id",
            "next",
            "threads_head",
            "gc",
            "imports_modules",
            "sysdict",
            "builtins",
            "ceval_gil",
            "gil_runtime_state",
            "gil_runtime_state_enabled",
            "gil_runtime_state_locked",
            "gil_runtime_state_holder",
        ],
    ),
    THREAD_3_13,
    ("interpreter_frame", &["size", "previous", "executable", "instr_ptr", "localsplus", "owner"]),
    (
        "code_object",
        &[
            "size",
            "filename",
            "name",
            "qualname",
            "linetable",
            "firstlineno",
            "argcount",
            "localsplusnames",
            "localspluskinds",
            "co_code_adaptive",
        ],
    ),
    OBJECT,
    TYPE_3_13,
    TUPLE,
    LIST,
    DICT,
    FLOAT,
    LONG,
    BYTES,
    UNICODE_3_13,
    ("gc", &["size", "collecting"]),
];

const V3_14: &[Group] = &[
    RUNTIME,
    INTERPRETER_3_14,
    THREAD_3_13,
    FRAME_3_14,
    CODE_3_14,
    OBJECT,
    TYPE_3_13,
    TUPLE,
    LIST,
    SET,
    DICT,
    FLOAT,
    LONG,
    BYTES,
    UNICODE_3_13,
    ("gc", &["size", "collecting"]),
    GENERATOR,
    LINKED_LIST,
    DEBUGGER,
];

const V3_15: &[Group] = &[
    RUNTIME,
    INTERPRETER_3_14,
    (
        "thread_state",
        &[
            "size",
            "prev",
            "next",
            "interp",
            "current_frame",
            "base_frame",
            "last_profiled_frame",
            "last_profiled_frame_seq",
            "thread_id",
            "native_thread_id",
            "datastack_chunk",
            "status",
            "holds_gil",
            "gil_requested",
            "current_exception",
            "exc_state",
        ],
    ),
    ("err_stackitem", &["exc_value"]),
    FRAME_3_14,
    CODE_3_14,
    OBJECT,
    ("type_object", &["size", "tp_name", "tp_repr", "tp_flags", "tp_basicsize", "tp_dictoffset"]),
    ("heap_type_object", &["size", "ht_cached_keys"]),
    TUPLE,
    LIST,
    SET,
    DICT,
    FLOAT,
    LONG,
    BYTES,
    ("unicode_object", &["size", "state", "length", "asciiobject_size", "compactunicodeobject_size"]),
    ("gc", &["size", "collecting", "frame", "generation_stats_size", "generation_stats"]),
    GENERATOR,
    LINKED_LIST,
    DEBUGGER,
];

const INTERPRETER_3_14: Group = (
    "interpreter_state",
    &[
        "size",
        "id",
        "next",
        "threads_head",
        "threads_main",
        "gc",
        "imports_modules",
        "sysdict",
        "builtins",
        "ceval_gil",
        "gil_runtime_state",
        "gil_runtime_state_enabled",
        "gil_runtime_state_locked",
        "gil_runtime_state_holder",
        "code_object_generation",
        "tlbc_generation",
    ],
);

const THREAD_3_13: Group = (
    "thread_state",
    &["size", "prev", "next", "interp", "current_frame", "thread_id", "native_thread_id", "datastack_chunk", "status"],
);

const FRAME_3_14: Group = (
    "interpreter_frame",
    &["size", "previous", "executable", "instr_ptr", "localsplus", "owner", "stackpointer", "tlbc_index"],
);

const CODE_3_14: Group = (
    "code_object",
    &[
        "size",
        "filename",
        "name",
        "qualname",
        "linetable",
        "firstlineno",
        "argcount",
        "localsplusnames",
        "localspluskinds",
        "co_code_adaptive",
        "co_tlbc",
    ],
);

const TYPE_3_13: Group = ("type_object", &["size", "tp_name", "tp_repr", "tp_flags"]);

const UNICODE_3_13: Group = ("unicode_object", &["size", "state", "length", "asciiobject_size"]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_have_as_many_words_as_the_structs() {
        let words = |groups: &[Group]| HEAD / 8 + groups.iter().map(|(_, fields)| fields.len()).sum::<usize>();
        let counts: Vec<_> = SERIES.iter().map(|&(minor, groups)| (minor, words(groups))).collect();
        assert_eq!(counts, [(13, 73), (14, 95), (15, 111)]);
    }
}
