"""Local variables of some hundred kinds. Says of each what its `repr` is, as `value NAME REPR` with the text
escaped, and stands still.

Runs from 2.7 on.
"""
import array, collections, datetime, decimal, fractions, functools, itertools, os, re, sys, threading, time, uuid, weakref

TWO = sys.version_info[0] == 2


class Plain(object):
    def __init__(self):
        self.x = 1
        self.y = "two"


class Slots(object):
    __slots__ = ("a", "b")

    def __init__(self):
        self.a = 1
        self.b = [2]


class Own(object):
    def __init__(self):
        self.z = 3

    def __repr__(self):
        return "<Own>"


class MyInt(int):
    pass


class MyList(list):
    pass


class MyDict(dict):
    pass


class MyStr(str):
    pass


class MyError(ValueError):
    pass


class Old:
    def method(self):
        pass


if sys.version_info >= (3, 7):
    import dataclasses

    # Its annotations are no Python 2.
    exec("""
@dataclasses.dataclass
class Data:
    x: int = 1
    y: list = dataclasses.field(default_factory=list)
    hidden: int = dataclasses.field(default=3, repr=False)

@dataclasses.dataclass
class More(Data):
    z: object = None
""")


class Reentrant(type(threading.RLock())):
    pass


Point = collections.namedtuple("Point", ["x", "y"])


class Sub(Point):
    pass


def function(a, b=2):
    pass


def generator():
    yield 1


def say(name, value):
    text = repr(value)
    if not isinstance(text, str):
        text = text.encode("unicode_escape")
    sys.stdout.write("value %s %s\n" % (name, text.encode("unicode_escape").decode("ascii")))


def newer():
    """What only Python 3 has."""
    import enum, ipaddress, pathlib, types

    class Color(enum.Enum):
        RED = 1
        GREEN = "g"

    class Number(enum.IntEnum):
        ONE = 1

    class Perm(enum.Flag):
        R = 4
        W = 2
        X = 1

    member = Color.RED
    member_text = Color.GREEN
    int_member = Number.ONE
    flag = Perm.R
    flags = Perm.R | Perm.W
    color_class = Color
    path = pathlib.Path("/usr/lib/python")
    relative_path = pathlib.PurePosixPath("a/b.txt")
    joined_path = pathlib.Path("/usr") / "lib" / "../x"
    str(pathlib.Path("/usr/cached"))
    namespace = types.SimpleNamespace(b=1, a="x")
    proxy = types.MappingProxyType({"a": 1})
    address = ipaddress.ip_address("127.0.0.1")
    address6 = ipaddress.ip_address("::1")
    utc = datetime.timezone.utc
    zone = datetime.timezone(datetime.timedelta(hours=2), "CEST")
    aware = datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc)
    folded = datetime.datetime(2020, 1, 2, 3, 4, fold=1)
    chain = collections.ChainMap({"a": 1}, {"b": 2})
    userdict = collections.UserDict({"a": 1})
    userlist = collections.UserList([1, 2])
    ordered_moved = collections.OrderedDict([("a", 1), ("b", 2), ("c", 3)])
    ordered_moved.move_to_end("a")
    pattern = re.compile("a+", re.IGNORECASE)
    pattern_bytes = re.compile(b"x")
    lock = threading.Lock()
    locked = threading.Lock()
    locked.acquire()
    rlock = threading.RLock()
    rlock_held = threading.RLock()
    rlock_held.acquire()
    rlock_twice = Reentrant()
    rlock_twice.acquire()
    rlock_twice.acquire()
    os_error = OSError(2, "No such file")
    keyword = functools.partial(function, 1, b=3)
    match = sys.version_info
    lone = "a\udc80b"
    emoji = u"\U0001f40d snake"
    combining = "e\u0301 \u200b \u00ad \u2028"
    latin = "caf\xe9"
    wide_not_printable = "\U000e0001"
    values = dict(locals())
    values.pop("enum"), values.pop("ipaddress"), values.pop("types"), values.pop("pathlib")
    if sys.version_info >= (3, 7):
        values["data"] = data = Data()
        values["more"] = more = More(z=(1,))
    if sys.version_info >= (3, 9):
        values["alias"] = alias = list[int]
        values["alias_dict"] = alias_dict = dict[str, int]
    names = sorted(values)
    for name in names:
        say(name, values[name])
    del name
    older()


def older():
    zero = 0
    one = 1
    negative = -7
    word = 2 ** 31
    big = 2 ** 64
    huge = -(3 ** 300)
    thirty = 2 ** 30
    true = True
    false = False
    none = None
    dots = Ellipsis
    not_implemented = NotImplemented
    float_zero = 0.0
    float_one = 1.0
    float_tenth = 0.1
    float_big = 1e16
    float_small = 1e-5
    float_nan = float("nan")
    float_inf = float("-inf")
    float_long = 1234567890123456.7
    imaginary = 1j
    complex_both = 1.5 - 2j
    complex_zero = complex(-0.0, 3)
    empty = ""
    text = "hello"
    quoted = "it's"
    both_quotes = "it's \"so\""
    controls = "a\nb\tc\\d\x00\x1b[31m\x7f"
    text_unicode = u"caf\xe9 \u20ac"
    raw = b"bytes\x00\xff'"
    mutable = bytearray(b"abc'\n")
    mutable_empty = bytearray()
    tuple_empty = ()
    tuple_one = (1,)
    tuple_more = (1, "a", None)
    list_empty = []
    list_more = [1, [2, [3]]]
    circle = [1]
    circle.append(circle)
    dict_empty = {}
    dict_one = {"a": 1}
    dict_nested = {1: {2: [3]}, "k": (None,)}
    dict_removed = {"a": 1, "b": 2, "c": 3}
    del dict_removed["b"]
    dict_circle = {}
    dict_circle["me"] = dict_circle
    dict_many = dict((i, i) for i in range(8))
    set_empty = set()
    set_more = set([1, 2, 3])
    set_removed = set(range(10))
    set_removed.discard(5)
    frozen = frozenset(["x"])
    frozen_empty = frozenset()
    range_one = range(3) if TWO else range(3)
    steps = (xrange if TWO else range)(1, 10, 3)
    slice_all = slice(None)
    slice_step = slice(1, None, 2)
    deque = collections.deque([1, 2, 3])
    deque_bound = collections.deque(range(200), 5)
    deque_empty = collections.deque()
    default = collections.defaultdict(int, {"a": 1})
    default_list = collections.defaultdict(list)
    ordered = collections.OrderedDict([("b", 1), ("a", 2)])
    ordered_empty = collections.OrderedDict()
    counter = collections.Counter("abracadabra")
    counter_empty = collections.Counter()
    point = Point(1, "y")
    point_sub = Sub(3, 4)
    date = datetime.date(2020, 2, 29)
    moment = datetime.datetime(2020, 1, 2, 3, 4, 5, 678)
    moment_short = datetime.datetime(2020, 1, 2)
    clock = datetime.time(12, 30)
    clock_micro = datetime.time(1, 2, 3, 4)
    delta = datetime.timedelta(1, 2, 3)
    delta_negative = datetime.timedelta(-1)
    delta_zero = datetime.timedelta(0)
    dec = decimal.Decimal("1.10")
    dec_negative = decimal.Decimal("-0.00000001")
    dec_nan = decimal.Decimal("NaN")
    dec_inf = decimal.Decimal("-Infinity")
    dec_long = decimal.Decimal("123456789012345678901234567890.5")
    dec_exponent = decimal.Decimal("1E+10")
    fraction = fractions.Fraction(1, 3)
    identifier = uuid.UUID(int=2 ** 100 + 5)
    plain = Plain()
    slots = Slots()
    my_int = MyInt(5)
    my_list = MyList([1])
    my_dict = MyDict(a=1)
    my_str = MyStr("s")
    in_list = [plain, slots]
    error = ValueError("wrong")
    error_empty = KeyError()
    error_two = RuntimeError("a", 2)
    error_own = MyError("mine")
    key_error = KeyError("k")
    stop = StopIteration()
    func = function
    lam = lambda: 0
    builtin = len
    builtin_method = list_more.append
    bound = Old().method
    descriptor = list.append
    wrapper = int.__add__
    cls = Plain
    cls_builtin = dict
    cls_module = collections.OrderedDict
    cls_error = MyError
    module = os
    module_builtin = sys
    module_package = collections
    code = function.__code__
    gen = generator()
    ref = weakref.ref(plain)
    ref_class = weakref.ref(Plain)
    partial = functools.partial(function, 1)
    ints = array.array("i", [1, -2, 3])
    doubles = array.array("d", [0.5])
    ints_empty = array.array("b")
    iterator = iter([1])
    enumerated = enumerate([1])
    zipped = itertools.chain([1])
    count = itertools.count(5)
    struct_time = time.gmtime(0)
    plain_object = object()
    property_ = property(lambda self: 1)
    static = staticmethod(function)
    keys = dict_one.keys()
    items = dict_one.items()
    memory = memoryview(b"abc")
    event_class = threading.Thread
    member_descriptor = Slots.a
    values = dict(locals())
    for name in sorted(values):
        say(name, values[name])
    del name
    if TWO:
        old_instance = Old()
        old_class = Old
        long_int = 5 * 10 ** 20
        unbound = Old.method
        say("old_instance", old_instance)
        say("old_class", old_class)
        say("long_int", long_int)
        say("unbound", unbound)
    say("own", "Own")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()


(older if TWO else newer)()
