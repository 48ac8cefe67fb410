/* Asks CPython's own headers where its fields are, and writes the answer as a Rust value of type `Layout`
   (crates/python/src/layout.rs says what each field means). Built once for each interpreter by `cargo xtask layouts`. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "Python.h"
#if PY_VERSION_HEX < 0x030B0000
#include "frameobject.h"
#include "longintrepr.h"
#endif
#if PY_VERSION_HEX < 0x03070000
#include "code.h"
#elif PY_VERSION_HEX < 0x03080000
#include "code.h"
#include "internal/pystate.h"
#elif PY_VERSION_HEX < 0x03090000
#include "code.h"
#include "pycore_pystate.h"
#else
#include "pycore_interp.h"
#include "pycore_runtime.h"
#endif
#if PY_VERSION_HEX >= 0x030A0000
#include "pycore_moduleobject.h"
#endif
#if PY_VERSION_HEX >= 0x030B0000
#include "pycore_code.h"
#include "pycore_dict.h"
#include "pycore_frame.h"
#endif
#if PY_VERSION_HEX >= 0x030E0000
#include "pycore_interpframe.h"
#include "pycore_stackref.h"
#endif

#if PYLONG_BITS_IN_DIGIT != 30
#error "digits of int have 30 bits in all 64-bit builds of these versions"
#endif

#define AT(type, field) ((size_t)offsetof(type, field))
#define PRINT(name, type, field) printf(name ": %zu, ", AT(type, field))

/* Rounded up to a word: all of these structs are made of words. */
static size_t words(size_t bytes) { return (bytes + 7) / 8 * 8; }

static size_t greatest(const size_t *values, size_t count) {
    size_t most = 0;
    for (size_t i = 0; i < count; i++) {
        if (values[i] > most) {
            most = values[i];
        }
    }
    return most;
}
/* How many bytes hold all words at these offsets. */
#define SPAN(...) words(greatest((size_t[]){__VA_ARGS__}, sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t)) + 1)

static void runtime(void) {
#if PY_VERSION_HEX < 0x03070000
    /* Counted from the variable interp_head. */
    size_t head = 0;
#else
    size_t head = AT(_PyRuntimeState, interpreters.head);
#endif
    printf("runtime: Runtime { interpreters_head: %zu },", head);
}

static void interpreter(void) {
    printf("interpreter: Interpreter {");
#if PY_VERSION_HEX < 0x03070000
    printf("id: None, ");
#else
    printf("id: Some(%zu), ", AT(PyInterpreterState, id));
#endif
    PRINT("next", PyInterpreterState, next);
#if PY_VERSION_HEX < 0x030B0000
    PRINT("threads_head", PyInterpreterState, tstate_head);
#else
    PRINT("threads_head", PyInterpreterState, threads.head);
#endif
#if PY_VERSION_HEX < 0x030C0000
    PRINT("modules", PyInterpreterState, modules);
#else
    PRINT("modules", PyInterpreterState, imports.modules);
#endif
    PRINT("sysdict", PyInterpreterState, sysdict);
#if PY_VERSION_HEX < 0x03070000
    printf("gil: Gil::Current(0), ");
#elif PY_VERSION_HEX < 0x030C0000
    printf("gil: Gil::Runtime(GilFields { last_holder: %zu, locked: %zu }), ",
           AT(_PyRuntimeState, ceval.gil.last_holder), AT(_PyRuntimeState, ceval.gil.locked));
#elif defined(Py_GIL_DISABLED)
    printf("gil: Gil::Optional { pointer: %zu, fields: GilFields { last_holder: %zu, locked: %zu }, enabled: %zu }, ",
           AT(PyInterpreterState, ceval.gil), AT(struct _gil_runtime_state, last_holder),
           AT(struct _gil_runtime_state, locked), AT(struct _gil_runtime_state, enabled));
#else
    printf("gil: Gil::Interpreter { pointer: %zu, fields: GilFields { last_holder: %zu, locked: %zu } }, ",
           AT(PyInterpreterState, ceval.gil), AT(struct _gil_runtime_state, last_holder),
           AT(struct _gil_runtime_state, locked));
#endif
#if PY_VERSION_HEX < 0x030E0000
    printf("code_generation: None, ");
#else
    printf("code_generation: Some(%zu), ", AT(PyInterpreterState, _code_object_generation));
#endif
#if PY_VERSION_HEX < 0x03070000
    printf("collecting: Collecting::Unknown },");
#elif PY_VERSION_HEX < 0x03090000
    printf("collecting: Collecting::Runtime(%zu) },", AT(_PyRuntimeState, gc.collecting));
#else
    printf("collecting: Collecting::Interpreter(%zu) },", AT(PyInterpreterState, gc.collecting));
#endif
}

static void thread(void) {
    printf("thread: Thread { size: %zu, ",
           SPAN(AT(PyThreadState, next), AT(PyThreadState, interp), AT(PyThreadState, thread_id)
#if PY_VERSION_HEX >= 0x030B0000
                , AT(PyThreadState, native_thread_id)
#endif
#if PY_VERSION_HEX < 0x030B0000
                , AT(PyThreadState, frame)
#elif PY_VERSION_HEX < 0x030D0000
                , AT(PyThreadState, cframe)
#else
                , AT(PyThreadState, current_frame)
#endif
#if PY_VERSION_HEX >= 0x030F0000
                , AT(PyThreadState, base_frame)
#endif
                ));
    PRINT("next", PyThreadState, next);
    PRINT("interp", PyThreadState, interp);
    PRINT("id", PyThreadState, thread_id);
#if PY_VERSION_HEX < 0x030B0000
    printf("native_id: None, frame: FrameSlot::Here(%zu), ", AT(PyThreadState, frame));
#elif PY_VERSION_HEX < 0x030D0000
    printf("native_id: Some(%zu), frame: FrameSlot::ThroughCFrame { slot: %zu, frame: %zu }, ",
           AT(PyThreadState, native_thread_id), AT(PyThreadState, cframe), AT(_PyCFrame, current_frame));
#else
    printf("native_id: Some(%zu), frame: FrameSlot::Here(%zu), ", AT(PyThreadState, native_thread_id),
           AT(PyThreadState, current_frame));
#endif
#if PY_VERSION_HEX < 0x030F0000
    printf("base_frame: None, ");
#else
    printf("base_frame: Some(%zu), ", AT(PyThreadState, base_frame));
#endif
    /* PyOS_AfterFork in Modules/posixmodule.c (2.x: Modules/signalmodule.c). */
    printf("after_fork: AfterFork::%s },", PY_VERSION_HEX < 0x03040000 ? "Kept" : "Freed");
}

#if PY_VERSION_HEX < 0x030B0000

#if PY_VERSION_HEX < 0x03040000
#define RUNNING f_stacktop
#elif PY_VERSION_HEX < 0x030A0000
#define RUNNING f_executing
#define RUNNING_VALUES (1 << 1)
#else
/* Unwinding is while an exception looks for its handler: what is dropped then may run code. */
#define RUNNING f_state
#define RUNNING_VALUES (1 << FRAME_EXECUTING | 1 << FRAME_UNWINDING)
#endif

static void frame(void) {
    printf("frame: Frame { size: %zu, ", SPAN(AT(PyFrameObject, f_back), AT(PyFrameObject, f_code),
                                              AT(PyFrameObject, f_lasti),
#if PY_VERSION_HEX >= 0x03040000
                                              AT(PyFrameObject, f_gen),
#endif
                                              AT(PyFrameObject, RUNNING)));
    PRINT("previous", PyFrameObject, f_back);
    PRINT("code", PyFrameObject, f_code);
    printf("code_tag: 0, ");
    PRINT("position_at", PyFrameObject, f_lasti);
#if PY_VERSION_HEX < 0x030A0000
    printf("position: Position::ByteIndex, ");
#else
    printf("position: Position::WordIndex, ");
#endif
    printf("entry: Entry::Always, ");
#if PY_VERSION_HEX < 0x03040000
    printf("root: Root::Any, running: Running::Counted { references: %zu, stack_top: %zu }, ",
           AT(PyFrameObject, ob_refcnt), AT(PyFrameObject, RUNNING));
#else
    printf("root: Root::NoGenerator { generator: %zu }, ", AT(PyFrameObject, f_gen));
    printf("running: Running::Byte { at: %zu, values: %d }, ", AT(PyFrameObject, RUNNING), RUNNING_VALUES);
#endif
    printf("locals: %zu },", AT(PyFrameObject, f_localsplus));
}

#else

#if PY_VERSION_HEX < 0x030D0000
#define FRAME_CODE f_code
#define FRAME_POSITION prev_instr
#else
#define FRAME_CODE f_executable
#define FRAME_POSITION instr_ptr
#endif

static void frame(void) {
    printf("frame: Frame { size: %zu, ",
           SPAN(AT(_PyInterpreterFrame, previous), AT(_PyInterpreterFrame, FRAME_CODE),
                AT(_PyInterpreterFrame, FRAME_POSITION),
#if PY_VERSION_HEX < 0x030C0000
                AT(_PyInterpreterFrame, is_entry),
#endif
                AT(_PyInterpreterFrame, owner)));
    PRINT("previous", _PyInterpreterFrame, previous);
    PRINT("code", _PyInterpreterFrame, FRAME_CODE);
    /* References on the evaluation stack have two tag bits since 3.14 (pycore_stackref.h). */
    printf("code_tag: %d, ", PY_VERSION_HEX < 0x030E0000 ? 0 : 3);
    PRINT("position_at", _PyInterpreterFrame, FRAME_POSITION);
    printf("position: Position::Pointer, ");
#if PY_VERSION_HEX < 0x030C0000
    printf("root: Root::NotOwnedBy { owner: %zu, generator: %d }, entry: Entry::Flag(%zu), ",
           AT(_PyInterpreterFrame, owner), FRAME_OWNED_BY_GENERATOR, AT(_PyInterpreterFrame, is_entry));
#else
#if PY_VERSION_HEX < 0x030E0000
    int least = FRAME_OWNED_BY_CSTACK;
#else
    int least = FRAME_OWNED_BY_INTERPRETER;
#endif
    printf("root: Root::Shim { owner: %zu, least: %d }, ", AT(_PyInterpreterFrame, owner), least);
    printf("entry: Entry::BelowShim { owner: %zu, least: %d }, ", AT(_PyInterpreterFrame, owner), least);
#endif
    printf("running: Running::Unknown, locals: %zu },", AT(_PyInterpreterFrame, localsplus));
}

#endif

#if PY_VERSION_HEX < 0x03060000
#define LINE_TABLE co_lnotab
#define LINES "Unsigned"
#elif PY_VERSION_HEX < 0x030A0000
#define LINE_TABLE co_lnotab
#define LINES "Lnotab"
#elif PY_VERSION_HEX < 0x030B0000
#define LINE_TABLE co_linetable
#define LINES "Ranges"
#else
#define LINE_TABLE co_linetable
#define LINES "Locations"
#endif
#if PY_VERSION_HEX < 0x030B0000
#define LOCAL_NAMES co_varnames
#else
#define LOCAL_NAMES co_localsplusnames
#endif

static void code(void) {
    printf("code: Code { size: %zu, ",
           SPAN(AT(PyCodeObject, co_filename), AT(PyCodeObject, co_name),
#if PY_VERSION_HEX >= 0x030B0000
                AT(PyCodeObject, co_qualname),
#endif
#if PY_VERSION_HEX >= 0x030E0000 && defined(Py_GIL_DISABLED)
                AT(PyCodeObject, co_tlbc),
#endif
                AT(PyCodeObject, co_firstlineno), AT(PyCodeObject, LINE_TABLE), AT(PyCodeObject, co_argcount),
                AT(PyCodeObject, co_nlocals), AT(PyCodeObject, LOCAL_NAMES)));
    PRINT("filename", PyCodeObject, co_filename);
    PRINT("name", PyCodeObject, co_name);
#if PY_VERSION_HEX < 0x030B0000
    printf("qualname: None, ");
#else
    printf("qualname: Some(%zu), ", AT(PyCodeObject, co_qualname));
#endif
    PRINT("first_line", PyCodeObject, co_firstlineno);
    PRINT("line_table", PyCodeObject, LINE_TABLE);
    printf("lines: Lines::" LINES ", ");
    PRINT("argument_count", PyCodeObject, co_argcount);
    PRINT("local_count", PyCodeObject, co_nlocals);
    PRINT("local_names", PyCodeObject, LOCAL_NAMES);
#if PY_VERSION_HEX < 0x030B0000
    printf("bytecode: 0, ");
#else
    PRINT("bytecode", PyCodeObject, co_code_adaptive);
#endif
#if PY_VERSION_HEX >= 0x030E0000 && defined(Py_GIL_DISABLED)
    printf("bytecode_copies: Some(%zu) },", AT(PyCodeObject, co_tlbc));
#else
    printf("bytecode_copies: None },");
#endif
}

#if PY_VERSION_HEX < 0x03000000

static void unicode(void) {
    /* Names are byte strings; the fields of the compact str are of no use. */
    printf("unicode: Unicode { length: %zu, hash: %zu, state: 0, kind_shift: 0, ascii_data: %zu, compact_data: 0 },",
           AT(PyStringObject, ob_size), AT(PyStringObject, ob_shash), AT(PyStringObject, ob_sval));
}

#else

/* Which bit of `state` is the lowest that the field `kind` has. */
static int kind_shift(void) {
    PyASCIIObject text;
    memset(&text, 0, sizeof text);
    text.state.kind = 1;
    unsigned int state;
    memcpy(&state, &text.state, sizeof state);
    int shift = 0;
    while (shift < 32 && !(state >> shift & 1)) {
        shift++;
    }
    return shift;
}

static void unicode(void) {
    printf("unicode: Unicode {");
    PRINT("length", PyASCIIObject, length);
    PRINT("hash", PyASCIIObject, hash);
    PRINT("state", PyASCIIObject, state);
    printf("kind_shift: %d, ascii_data: %zu, compact_data: %zu },", kind_shift(), sizeof(PyASCIIObject),
           sizeof(PyCompactUnicodeObject));
}

#endif

static void dict(void) {
    printf("dict: Dict {");
#if PY_VERSION_HEX < 0x03000000
    printf("keys: 0, values: 0, table: KeyTable::InDict { mask: %zu, entries: %zu }, ", AT(PyDictObject, ma_mask),
           AT(PyDictObject, ma_table));
    printf("entries_used: 0, indices: 0, values_first: 0 },");
#else
    PRINT("keys", PyDictObject, ma_keys);
    PRINT("values", PyDictObject, ma_values);
#if PY_VERSION_HEX < 0x030B0000
    /* Objects/dict-common.h is not installed: dk_refcnt, dk_size, dk_lookup, dk_usable, dk_nentries, dk_indices. */
    printf("table: KeyTable::Size(8), entries_used: 32, indices: 40, values_first: 0 },");
#else
    printf("table: KeyTable::Log2 { index_bytes: %zu, kind: %zu }, ", AT(struct _dictkeysobject, dk_log2_index_bytes),
           AT(struct _dictkeysobject, dk_kind));
    PRINT("entries_used", struct _dictkeysobject, dk_nentries);
    PRINT("indices", struct _dictkeysobject, dk_indices);
    printf("values_first: %zu },", AT(struct _dictvalues, values));
#endif
#endif
}

static void instance(void) {
    /* MANAGED_DICT_OFFSET and the inline functions around it in pycore_object.h. */
#if PY_VERSION_HEX < 0x030B0000
    printf("instance: Instance::DictOffset, ");
#elif PY_VERSION_HEX < 0x030C0000
    printf("instance: Instance::Before { values: 32, dict: 24 }, ");
#elif PY_VERSION_HEX < 0x030D0000
    printf("instance: Instance::Tagged(24), ");
#else
    printf("instance: Instance::Inline(%d), ", (int)-MANAGED_DICT_OFFSET);
#endif
}

static void objects(void) {
    printf("objects: Objects {");
    PRINT("ob_type", PyObject, ob_type);
    printf("sizes: Sizes::Word, names: Names::%s, ", PY_VERSION_HEX < 0x03000000 ? "Bytes" : "Compact");
    /* Lib/threading.py: a private name up to 2.7. */
    printf("thread_name: \"%s\", ", PY_VERSION_HEX < 0x03000000 ? "_Thread__name" : "_name");
    PRINT("tp_name", PyTypeObject, tp_name);
    PRINT("tp_basicsize", PyTypeObject, tp_basicsize);
    PRINT("tp_flags", PyTypeObject, tp_flags);
    PRINT("tp_dictoffset", PyTypeObject, tp_dictoffset);
#if PY_VERSION_HEX < 0x03000000
    printf("cached_keys: 0, ");
#else
    PRINT("cached_keys", PyHeapTypeObject, ht_cached_keys);
#endif
    instance();
    unicode();
#if PY_VERSION_HEX < 0x03000000
    PRINT("bytes_size", PyStringObject, ob_size);
    PRINT("bytes_data", PyStringObject, ob_sval);
#else
    PRINT("bytes_size", PyBytesObject, ob_base.ob_size);
    PRINT("bytes_data", PyBytesObject, ob_sval);
#endif
#if PY_VERSION_HEX < 0x03000000
    printf("long: Long { size: %zu, tagged: false, digits: %zu, ", AT(PyLongObject, ob_size),
           AT(PyLongObject, ob_digit));
    printf("digit_bits: %d, short: Some(%zu) },", PYLONG_BITS_IN_DIGIT, AT(PyIntObject, ob_ival));
#else
#if PY_VERSION_HEX < 0x030C0000
    printf("long: Long { size: %zu, tagged: false, digits: %zu, ", AT(PyLongObject, ob_base.ob_size),
           AT(PyLongObject, ob_digit));
#else
    printf("long: Long { size: %zu, tagged: true, digits: %zu, ", AT(PyLongObject, long_value.lv_tag),
           AT(PyLongObject, long_value.ob_digit));
#endif
    printf("digit_bits: %d, short: None },", PYLONG_BITS_IN_DIGIT);
#endif
    PRINT("float_value", PyFloatObject, ob_fval);
    /* PyVarObject is what all of them begin with. */
    printf("tuple: Sequence { size: %zu, items: %zu },", AT(PyVarObject, ob_size), AT(PyTupleObject, ob_item));
    printf("list: Sequence { size: %zu, items: %zu },", AT(PyVarObject, ob_size), AT(PyListObject, ob_item));
    dict();
#if PY_VERSION_HEX < 0x030A0000
    /* Objects/moduleobject.c: the first field after the object's header. */
    printf("module_dict: %zu },", sizeof(PyObject));
#else
    printf("module_dict: %zu },", AT(PyModuleObject, md_dict));
#endif
}

int main(void) {
    printf("Layout {");
    runtime();
    interpreter();
    thread();
    frame();
    code();
    objects();
    printf("}\n");
    return 0;
}
