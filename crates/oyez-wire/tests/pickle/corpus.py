"""Objects of all kinds, as Python itself pickles them.

`corpus.py dump` writes pickles to standard output; `corpus.py check` reads pickles that somebody else wrote of the same
objects from standard input, and prints a line for each that is not the same object. Both are a row of records, each a
name and a pickle, with the length of each in four bytes before it. `corpus.py graph` reads one pickle of objects that refer
to each other, and fails when they do not."""
import collections
import copyreg
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import io
import operator
import pathlib
import pickle
import random
import re
import signal
import struct
import sys
import types
import uuid

# Nobody waits for this program for ever.
signal.alarm(120)
HERE = "corpus_classes"
sys.modules[HERE] = sys.modules[__name__]
__name__ = HERE
CYCLIC = "cyclic"
LOSSY = "lossy"


class Plain:
    def __init__(self, **members):
        self.__dict__.update(members)

    class Inner:
        class Most:
            pass

    def method(self):
        return self

    @classmethod
    def maker(cls):
        return cls


class Slots:
    __slots__ = ("a", "b")

    def __init__(self, a=None):
        self.a = a


class SlotsAndDict(Slots):
    pass


class Reduced:
    def __init__(self, *args):
        self.args = args

    def __reduce__(self):
        return Reduced, self.args


class SetState:
    def __init__(self, n):
        self.n = n

    def __getstate__(self):
        return (self.n, "state")

    def __setstate__(self, state):
        self.n = state[0]


class NewArgs(str):
    def __new__(cls, text, more=None):
        self = str.__new__(cls, text)
        self.more = more
        return self

    def __getnewargs__(self):
        return str(self), self.more


class NewArgsEx(tuple):
    def __new__(cls, *args, kind="k"):
        self = tuple.__new__(cls, args)
        self.kind = kind
        return self

    def __getnewargs_ex__(self):
        return tuple(self), {"kind": self.kind}


class ListChild(list):
    pass


class DictChild(dict):
    pass


class SetChild(set):
    pass


class IntChild(int):
    pass


class BytesChild(bytes):
    pass


class Adder:
    """Filled by items and entries."""

    def __init__(self):
        self.items, self.entries = [], {}

    def append(self, item):
        self.items.append(item)

    def __setitem__(self, key, value):
        self.entries[key] = value

    def __reduce__(self):
        return Adder, (), None, iter(self.items), iter(self.entries.items())


class Colour(enum.Enum):
    RED = 1
    BLUE = "blue"


class Bits(enum.Flag):
    A = 1
    B = 2


@dataclasses.dataclass
class Point:
    x: int
    y: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Frozen:
    x: int


Named = collections.namedtuple("Named", "a b")


class Trouble(Exception):
    def __init__(self, message, code):
        super().__init__(message, code)
        self.code = code


class Registered:
    pass


class Made:
    """What another object makes when it is called."""

    def __init__(self, of):
        self.of = of

    def __call__(self, *args):
        return Calls(self, *args)

    def __reduce__(self):
        return Made, (self.of,)


class Calls:
    def __init__(self, maker, *args):
        self.maker, self.args = maker, args

    def __reduce__(self):
        return self.maker, self.args


for cls in list(globals().values()):
    if isinstance(cls, type) and cls.__module__ in ("__main__", HERE):
        cls.__module__ = HERE


def nested(depth):
    value = []
    for _ in range(depth - 1):
        value = [value]
    return value


def laughs(levels):
    value = ["ha"] * 10
    for _ in range(levels):
        value = [value] * 10
    return value


def cycles():
    a = [1]
    a.append(a)
    d = {}
    d["self"] = d
    t = ([],)
    t[0].append(t)
    o = Plain()
    o.me = o
    o.list = [o]
    s = SetChild()
    s.owner = s
    r = Plain(name="parent")
    r.children = [Plain(parent=r, n=n) for n in range(3)]
    q = collections.deque()
    q.append(q)
    return [a, d, t, o, s, r, q]


def objects():
    """(name, object, what to expect), always the same."""
    zone = datetime.timezone
    delta = datetime.timedelta
    shared = ["shared"]
    big = [n * sign + add for n in (2**31, 2**32, 2**63, 2**64, 2**2040, 10**300) for sign in (1, -1) for add in (-1, 0, 1)]
    deque = collections.deque([1, 2, [3]], maxlen=5)
    ordered = collections.OrderedDict([("b", 1), ("a", [2])])
    ordered.note = "state"
    default = collections.defaultdict(list, {"k": [1]})
    noted = ValueError("bad", 3)
    noted.extra = {"more": 1}
    child = ListChild([1, 2])
    child.name = "x"
    children = DictChild(a=1, b=2)
    children.name = "y"
    sets = SetChild([1])
    sets.name = "z"
    adder = Adder()
    adder.append(1)
    adder.append(2)
    adder["k"] = "v"
    request = {"name": "start_section", "data": {"type": "Testcase", "id": "a", "name": "b", "description": None}}
    cases = [
        ("none", None), ("true", True), ("false", False),
        ("ints", list(range(-3, 4)) + [255, 256, 65535, 65536, -129, 2**31 - 1, -2**31]),
        ("big", big),
        ("floats", [0.0, -0.0, 1.5, -1e300, 5e-324, float("inf"), float("-inf"), float("nan"), 0.1]),
        ("texts", ["", "a", "it's \"quoted\"\\", "caf\xe9", "\u20ac\U0001f600", "\0\x01\x7f\r\n\t", "x" * 255, "x" * 256]),
        ("long text", "\xe9" * 65536),
        ("surrogates", ["\ud800", "a\udfffb", "\ud83d\ude00", "\\u0041"]),
        ("bytes", [b"", b"a", bytes(range(256)), b"x" * 70000]),
        ("bytearrays", [bytearray(), bytearray(b"abc"), bytearray(range(256))]),
        ("tuples", [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((), ((),))]),
        ("lists", [[], [1], [[], [[]]], list(range(2500))]),
        ("dicts", [{}, {1: 2}, {"a": {}, None: [], (1, 2): 3, 1.5: "x", b"b": 0}, {n: str(n) for n in range(2500)}]),
        ("sets", [set(), {1}, {"a", (1, 2), None}, set(range(1500))]),
        ("frozensets", [frozenset(), frozenset([1, "a"]), {frozenset([2]): frozenset([frozenset()])}]),
        ("shared", [shared, shared, {"a": shared, "b": (shared, shared)}]),
        ("request", request),
        ("naive", [datetime.datetime(2024, 1, 2, 3, 4, 5, 6), datetime.datetime.min, datetime.datetime.max]),
        ("zones", [datetime.datetime(2024, 12, 31, 23, 59, 59, 999999, tzinfo=z) for z in (
            zone.utc, zone(delta(0), "UTC"), zone(delta(hours=-5, minutes=-30)), zone(delta(hours=14), "\u20ac"),
            zone(delta(seconds=1)), zone(-delta(hours=23, minutes=59)), zone(delta(microseconds=5), "odd"))]),
        ("fold", datetime.datetime(2024, 10, 27, 2, 30, fold=1)),
        ("dates", [datetime.date(2024, 2, 29), datetime.time(1, 2, 3), datetime.time(1, tzinfo=zone.utc), delta(-1, 5, 7),
                   zone.utc, zone(delta(hours=1), "CET")]),
        ("standard", [decimal.Decimal("1.50"), fractions.Fraction(1, 3), uuid.UUID(int=7), pathlib.PurePosixPath("/a/b"),
                      1 + 2j, range(1, 10, 2), slice(1, None, 2), re.compile("a+", re.I), Ellipsis, NotImplemented]),
        ("containers", [ordered, collections.OrderedDict(), default, deque, collections.Counter("abca"),
                        collections.ChainMap({1: 2}), types.SimpleNamespace(a=1, b=[2])]),
        ("named tuple", [Named(1, [2]), Named(None, Named(3, 4))]),
        ("enum", [Colour.RED, Colour.BLUE, Bits.A | Bits.B]),
        ("dataclass", [Point(1), Point(2, [3]), Frozen(4)]),
        ("exceptions", [ValueError("x"), noted, KeyError("k"), OSError(2, "No such file", "/f"), Trouble("m", 7),
                        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"), StopIteration(), SystemExit(3)]),
        ("plain", [Plain(), Plain(a=1, b=Plain(c=[2]))]),
        ("reduce", [Reduced(), Reduced(1, "two", [3])]),
        ("set state", [SetState(0), SetState([1])]),
        ("children", [child, children, sets, IntChild(5), BytesChild(b"x"), NewArgs("text", [1])]),
        ("adder", adder),
        ("registered", Registered()),
        ("calls", [Calls(Made(1), 2, 3), Calls(Made(Made("m")))]),
        ("globals", [int, Plain, len, dict, ValueError, operator.itemgetter(1, 2), functools.partial(int, "11", base=2)]),
        ("nested classes", [Plain.Inner, Plain.Inner.Most, Plain.Inner(), Plain.Inner.Most(), Plain.maker]),
        ("bound method", Plain(a=1).method),
        ("deep", nested(128)),
    ]
    out = [(name, value, "") for name, value in cases]
    # These need protocol 2.
    out += [(name, value, "from 2") for name, value in [
        ("slots", [Slots(1), Slots([Slots()]), SlotsAndDict(2)]),
        ("new args ex", [NewArgsEx(1, 2, kind="other")]),
    ]]
    try:
        import zoneinfo
        berlin = zoneinfo.ZoneInfo("Europe/Berlin")
        out.append(("zone info", [berlin, datetime.datetime(2024, 7, 1, 12, tzinfo=berlin)], ""))
    except Exception:
        pass
    out += [("cycle %d" % n, value, CYCLIC) for n, value in enumerate(cycles())]
    out += [("too deep", nested(129), LOSSY), ("far too deep", nested(300), LOSSY)]
    return out


copyreg.pickle(Registered, lambda _: (Registered, ()))


def pickles():
    """(name, pickle, object, what to expect)."""
    for name, value, expect in objects():
        for protocol in range(6):
            if expect == "from 2" and protocol < 2:
                continue
            out = io.BytesIO()
            pickle._Pickler(out, protocol).dump(value)
            for kind, data in (("c", pickle.dumps(value, protocol)), ("py", out.getvalue())):
                # Old protocols lose some things: what counts is what Python itself reads.
                yield "%s, protocol %d, %s" % (name, protocol, kind), data, pickle.loads(data), expect
    for n, (data, value) in enumerate(programs(3000)):
        yield "program %d" % n, data, value, ""


# -- programs for the stack machine that no pickler would write ------------------------------------------------------------
LEAVES = [b"N", b"\x88", b"\x89", b"I7\n", b"I01\n", b"L-12345678901234567890L\n", b"F1.5\n", b"K\x05", b"M\x00\x01", b"J\xff\xff\xff\xff",
          b"\x8a\x02\x00\x80", b"\x8b\x09\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01", b"G?\xf0\x00\x00\x00\x00\x00\x00",
          b"S'it\\'s'\n", b"U\x02ab", b"T\x01\x00\x00\x00c", b"Vcaf\\u00e9\n", b"X\x01\x00\x00\x00d", b"\x8c\x01e", b"C\x01f",
          b"B\x02\x00\x00\x00gh", b"\x8e\x01\x00\x00\x00\x00\x00\x00\x00i", b")", b"]", b"}", b"\x8f", b"(t", b"(l", b"(d",
          b"cbuiltins\nint\n", b"ccorpus_classes\nPlain\n)\x81", b"(icorpus_classes\nAdder\n", b"ccorpus_classes\nAdder\n)R",
          b"(ccorpus_classes\nPlain\no", b"\x8c\x0fcorpus_classes\x8c\x0bPlain.Inner\x93"]


def program(rng):
    """A row of opcodes that hangs together more often than not."""
    out, depth, marks, memo = [b"\x80\x04"], 0, [], 0
    for _ in range(rng.randrange(2, 30)):
        above = depth - (marks[-1] if marks else 0)
        choice = rng.randrange(12)
        if choice < 4 or above == 0:
            out.append(rng.choice(LEAVES))
            depth += 1
        elif choice == 4 and above >= 2:
            out.append(rng.choice([b"a", b"\x86", b"0", b"b"]))
            depth -= 1
        elif choice == 5 and above >= 3:
            out.append(rng.choice([b"s", b"\x87"]))
            depth -= 2
        elif choice == 6:
            out.append(b"(")
            marks.append(depth)
        elif choice == 7 and marks:
            start = marks.pop()
            kinds = [b"t", b"l", b"d", b"\x91"]
            if start > (marks[-1] if marks else 0):
                kinds += [b"e", b"u", b"\x90", b"1"]
            kind = rng.choice(kinds)
            out.append(kind)
            depth = start + (kind not in (b"e", b"u", b"\x90", b"1"))
        elif choice == 8:
            out.append(rng.choice([b"\x94", b"q%c" % memo, b"p%d\n" % memo]))
            memo += 1
        elif choice == 9 and memo:
            n = rng.randrange(memo)
            out.append(rng.choice([b"h%c" % n, b"g%d\n" % n, b"j" + struct.pack("<I", n)]))
            depth += 1
        elif choice == 10:
            out.append(rng.choice([b"2", b"\x85"]))
            depth += out[-1] == b"2"
    while marks:
        start = marks.pop()
        out.append(b"t")
        depth = start + 1
    out.append(b"\x85.")
    return b"".join(out)


class Strict(pickle._Unpickler):
    """Python sets `list[0]` through SETITEM too. No pickler says that."""

    def strict(load):
        def checked(self):
            target = self.metastack[-1] if load.__name__ == "load_setitems" else self.stack
            if isinstance(target[-1 if target is not self.stack else -3], list):
                raise pickle.UnpicklingError("an item of a list")
            load(self)
        return checked

    dispatch = dict(pickle._Unpickler.dispatch)
    for code in (b"s", b"u"):
        dispatch[code[0]] = strict(dispatch[code[0]])


def programs(count):
    rng = random.Random(20240229)
    while count:
        data = program(rng)
        try:
            Strict(io.BytesIO(data)).load()
            value = pickle.loads(data)
            text = repr(canonical(value, 0))
        except Exception:
            continue
        # A cycle cannot come back.
        if "..." not in text:
            count -= 1
            yield data, value


# -- comparing ---------------------------------------------------------------------------------------------------------------
def canonical(value, depth=0):
    """What makes an object what it is, in a form that can be compared: types, parts, state."""
    if depth > 400:
        return "..."
    kind = type(value)
    inner = lambda v: canonical(v, depth + 1)
    if kind in (list, tuple):
        return kind.__name__, [inner(v) for v in value]
    if kind is dict:
        return "dict", [(inner(k), inner(v)) for k, v in value.items()]
    if kind in (set, frozenset):
        # An object that was there twice is two that look the same now.
        return kind.__name__, sorted({repr(inner(v)) for v in value})
    if kind in (type(None), bool, int, float, str, bytes, bytearray, complex) or isinstance(value, (type, types.BuiltinFunctionType)):
        return kind.__name__, repr(value)
    reduce = copyreg.dispatch_table.get(kind)
    reduced = reduce(value) if reduce else value.__reduce_ex__(4)
    if isinstance(reduced, str):
        return "global", reduced
    parts = list(reduced) + [None] * (5 - len(reduced))
    return ("object", inner(parts[0]) if not isinstance(parts[0], types.FunctionType) else parts[0].__qualname__, inner(parts[1]),
            inner(parts[2]), [inner(v) for v in parts[3] or ()], [(inner(k), inner(v)) for k, v in parts[4] or ()])


def wrong(expected, data, expect):
    """What is wrong with a pickle that should be `expected`; nothing when it is right."""
    value = pickle.loads(data)
    if expect in (CYCLIC, LOSSY):
        return None if type(value) is type(expected) else "is a %r" % type(value)
    a, b = canonical(expected), canonical(value)
    return None if a == b else "should be %.500r and is %.500r" % (a, b)


def record(name, data):
    name = name.encode()
    return struct.pack(">I", len(name)) + name + struct.pack(">I", len(data)) + data


def records(data):
    at = 0
    while at < len(data):
        pair = []
        for _ in range(2):
            (size,) = struct.unpack_from(">I", data, at)
            pair.append(data[at + 4:at + 4 + size])
            at += 4 + size
        yield pair[0].decode(), pair[1]


def main():
    if sys.argv[1] == "dump":
        for name, data, _, _ in pickles():
            sys.stdout.buffer.write(record(name, data))
        return
    if sys.argv[1] == "graph":
        parent = pickle.loads(sys.stdin.buffer.read())
        assert type(parent) is Plain and parent.name == "suite", parent.__dict__
        assert [child.parent is parent for child in parent.children] == [True] * 300, parent.__dict__
        assert all(child.sibling is parent.children[n - 1] for n, child in enumerate(parent.children) if n)
        return
    expected = {name: (value, expect) for name, _, value, expect in pickles()}
    for name, data in records(sys.stdin.buffer.read()):
        value, expect = expected.pop(name)
        try:
            problem = wrong(value, data, expect)
        except Exception as error:
            problem = "cannot be loaded: %r" % error
        if problem:
            print("%s: %s" % (name, problem))
    for name in expected:
        print("%s: is not there" % name)


main()
