//! Which kind of object a value is, by the class whose `__repr__` prints it.

use py_spy_address_space::Addr;

use super::printer::{Printer, Written};

impl Printer<'_> {
    pub(super) fn try_value(&mut self, at: Addr) -> Written {
        let class = self.class_of(at)?;
        let owner = class.repr.as_str();
        match owner {
            "NoneType" => self.push("None"),
            "ellipsis" => self.push("Ellipsis"),
            "NotImplementedType" => self.push("NotImplemented"),
            "int" => self.int(at)?,
            "long" => self.long(at)?,
            "bool" => self.bool(at)?,
            "float" => self.float(at)?,
            "complex" => self.complex(at)?,
            "str" if self.values.style.two => self.bytes(at, "")?,
            "str" | "unicode" => self.text(at)?,
            "bytes" => self.bytes(at, "b")?,
            "bytearray" => self.bytearray(at, &class)?,
            "tuple" => self.tuple(at)?,
            "list" => self.sequence(at)?,
            "dict" => self.dict(at)?,
            "set" | "frozenset" => self.set(at, &class)?,
            "range" => self.range(at)?,
            "xrange" => self.xrange(at)?,
            "slice" => self.slice(at)?,
            "collections.deque" => self.deque(at, &class)?,
            "collections.defaultdict" => self.defaultdict(at, &class)?,
            "collections.OrderedDict" => self.ordered(at, &class)?,
            "collections.Counter" => self.counter(at, &class)?,
            "collections.UserDict" | "collections.UserList" | "collections.UserString" => {
                let data = self.attribute(at, "data")?;
                self.value(data);
            }
            "collections.ChainMap" => self.chain_map(at, &class)?,
            "mappingproxy" | "dictproxy" | "dict_proxy" => self.proxy(at)?,
            "dict_keys" | "dict_values" | "dict_items" | "odict_keys" | "odict_values" | "odict_items" => {
                self.view(at, owner)?;
            }
            "type" => self.class(at)?,
            "enum.EnumMeta" | "enum.EnumType" => self.enum_class(at)?,
            "memoryview" => self.write(format_args!("<memory at {at:#x}>")),
            "function" => self.function(at)?,
            "builtin_function_or_method" => self.builtin(at)?,
            "method" | "instancemethod" => self.method(at, &class)?,
            "method_descriptor" | "classmethod_descriptor" => self.descriptor(at, "method")?,
            "wrapper_descriptor" => self.descriptor(at, "slot wrapper")?,
            "member_descriptor" => self.descriptor(at, "member")?,
            "getset_descriptor" => self.descriptor(at, "attribute")?,
            "method-wrapper" => self.method_wrapper(at)?,
            "staticmethod" | "classmethod" if self.values.style.wrapped_shown => self.wrapped(at, &class)?,
            "module" | "importlib._bootstrap.module" => self.module(at)?,
            "code" => self.code(at)?,
            "generator" | "coroutine" | "async_generator" => self.generator(at, &class)?,
            "weakref" | "weakref.ReferenceType" | "ReferenceType" => self.weakref(at)?,
            "BaseException" | "BaseExceptionGroup" => self.exception(at, &class)?,
            "datetime.datetime" => self.datetime(at, &class)?,
            "datetime.date" => self.date(at, &class)?,
            "datetime.time" => self.time(at, &class)?,
            "datetime.timedelta" => self.timedelta(at, &class)?,
            "datetime.timezone" => self.timezone(at, &class)?,
            "decimal.Decimal" => self.decimal(at)?,
            "types.SimpleNamespace" => self.namespace(at, &class)?,
            "functools.partial" => self.partial(at, &class)?,
            "re.Pattern" | "_sre.SRE_Pattern" => self.pattern(at)?,
            "array.array" => self.array(at, &class)?,
            "itertools.count" => self.count(at)?,
            "enum.Enum" | "enum.Flag" | "enum.IntFlag" => self.member(at, &class)?,
            "fractions.Fraction" => self.fraction(at, &class)?,
            "uuid.UUID" => self.uuid(at, &class)?,
            "pathlib.PurePath" | "pathlib._local.PurePath" => self.path(at, &class)?,
            "ipaddress._BaseAddress" => self.address(at, &class)?,
            "_thread.lock" | "_thread.RLock" => self.lock(at, &class)?,
            "types.GenericAlias" => self.alias(at)?,
            "instance" => self.old_instance(at)?,
            "classobj" => self.old_class(at)?,
            _ if class.is_struct_sequence => self.struct_sequence(at, &class)?,
            _ if class.is_named_tuple => self.named_tuple(at, &class)?,
            _ if class.is_enum => self.member(at, &class)?,
            _ if class.is_dataclass => self.dataclass(at, &class)?,
            _ if owner.starts_with("numpy.") => self.numpy(at, &class)?,
            _ => self.plain(at, &class)?,
        }
        Ok(())
    }
}
