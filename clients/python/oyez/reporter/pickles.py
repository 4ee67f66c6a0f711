"""Messages to bytes and back.

``pickle.loads`` runs whatever the bytes name. Here each global that a pickle names is looked up in one table; what is
not in it becomes an ``Opaque`` object, and nothing is imported. Results and exceptions go out under pyATS's names,
which cannot be imported here either, so a pickle that holds one is written by the pickler written in Python, whose
way of saving a class can be replaced; all others take the fast one.
"""

import builtins
import collections
import copyreg
import datetime
import decimal
import io
import pickle
import uuid
from typing import Any, Callable, Dict, Tuple

from . import errors, opaque, results
from .sealed import Sealed

PROTOCOL = 4


class UUID(uuid.UUID, metaclass=Sealed):
    """A ``uuid.UUID`` whose class a pickle cannot change, and whose state is checked."""

    def __setstate__(self, state: Any) -> None:
        number = state.get("int") if isinstance(state, dict) else None
        if not isinstance(number, int) or not 0 <= number < 1 << 128:
            raise ValueError("not the state of a UUID")
        object.__setattr__(self, "int", number)
        object.__setattr__(self, "is_safe", uuid.SafeUUID.unknown)

    def __reduce__(self) -> Tuple[Any, ...]:
        return uuid.UUID, (str(self),)


class _Bytearray(metaclass=Sealed):
    """``bytearray`` of bytes or text alone: of a number it would reserve that much memory."""

    def __new__(cls, source: Any = b"", encoding: str = "latin-1") -> Any:
        if isinstance(source, str):
            return bytearray(source.encode("latin-1" if encoding == "latin-1" else "utf-8"))
        if not isinstance(source, (bytes, bytearray, list)):
            raise ValueError("not the content of a bytearray")
        return bytearray(source)


class _Encode(metaclass=Sealed):
    """How protocols 0 to 2 write bytes; of ``_codecs.encode`` nothing else is needed."""

    def __new__(cls, text: Any, encoding: str = "latin1") -> Any:
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
            raise ValueError("not how bytes are pickled")
        return text.encode("latin-1")


_OUR_NAMES: Dict[type, Tuple[str, str]] = {
    results.TestResult: ("pyats.results.result", "TestResult"),
    results.ResultCounter: ("pyats.results.counter", "ResultCounter"),
    results.TestableId: ("pyats.results.context", "TestableId"),
}
_OUR_NAMES.update((kind, ("pyats.reporter.exceptions", name)) for name, kind in errors.BY_NAME.items())


def _allowed() -> Dict[Tuple[str, str], Callable[..., Any]]:
    # Everything here is immutable or sealed: BUILD could change it for the whole process otherwise.
    table: Dict[Tuple[str, str], Callable[..., Any]] = {
        ("_codecs", "encode"): _Encode,
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("decimal", "Decimal"): decimal.Decimal,
        ("uuid", "UUID"): UUID,
    }
    for kind in (datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone):
        table["datetime", kind.__name__] = kind
    for module in ("builtins", "__builtin__", "exceptions"):  # protocols 0 to 2 use the later two
        table.update(((module, kind.__name__), kind) for kind in (set, frozenset, complex))
        table[module, "bytearray"] = _Bytearray
        table.update(
            ((module, name), kind)
            for name, kind in vars(builtins).items()
            if isinstance(kind, type) and issubclass(kind, Exception)
        )
    table.update((where, kind) for kind, where in _OUR_NAMES.items())
    table.update((("pyats.reporter.testsuite", name), kind) for name, kind in opaque.CONTEXTS.items())
    return table


_ALLOWED = _allowed()


class _Reader(pickle.Unpickler):
    """Resolves names by the table alone."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self._unknown: Dict[Tuple[str, str], type] = {}

    def find_class(self, module: str, name: str) -> Any:
        where = (module, name)
        known = _ALLOWED.get(where)
        if known is not None:
            return known
        if where not in self._unknown:
            self._unknown[where] = opaque.opaque_class(module, name)
        return self._unknown[where]

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("a message has no persistent ids")


def loads(data: bytes) -> Any:
    """The value in ``data``, a pickle of any protocol; bytes after its end are ignored.

    Raises ``MessageReceiveError`` when ``data`` is no pickle that makes sense.
    """
    try:
        return _Reader(data).load()
    except Exception as why:  # a broken pickle can raise nearly anything
        raise errors.MessageReceiveError(
            "Unable to unpickle received message. Size of sent data may exceed advertised size. (%s)" % why
        ) from why


# The pickler written in Python, which the standard library keeps beside the fast one.
_PurePickler: Any = getattr(pickle, "_Pickler")  # noqa: B009


class _NeedsNames(Exception):
    """The fast pickler came to an object that goes out under another name."""


class _Fast(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if type(obj) in _OUR_NAMES or (isinstance(obj, type) and obj in _OUR_NAMES):
            raise _NeedsNames
        return NotImplemented


def _wire_form(obj: Any) -> Tuple[Any, ...]:
    """How an object of ours is rebuilt by the other side, as ``__reduce__`` would say it."""
    kind = type(obj)
    if kind is results.TestResult:
        # pyATS puts the data as text among the arguments, and the data itself into the state, which decides
        data = None if obj.data is None else str(obj.data)
        return copyreg.__newobj__, (kind, obj.code, obj.reason, data), dict(vars(obj))  # type: ignore[attr-defined]
    if kind is results.ResultCounter:
        return kind, obj.wire_arguments()
    if kind is results.TestableId:
        return copyreg.__newobj__, (kind, str(obj)), dict(vars(obj))  # type: ignore[attr-defined]
    return kind, obj.args


class _Named(_PurePickler):  # type: ignore[misc]
    """Writes the names of the table for classes of ours, without importing them."""

    def save_global(self, obj: Any, name: Any = None) -> None:
        where = _OUR_NAMES.get(obj) if isinstance(obj, type) else None
        if where is None:
            super().save_global(obj, name)
            return
        self.save(where[0])
        self.save(where[1])
        self.write(pickle.STACK_GLOBAL)
        self.memoize(obj)

    def reducer_override(self, obj: Any) -> Any:
        return _wire_form(obj) if type(obj) in _OUR_NAMES else NotImplemented


def dumps(value: Any) -> bytes:
    """``value`` as a pickle of protocol 4, the one that pyATS writes. Raises what ``pickle`` raises."""
    out = io.BytesIO()
    try:
        _Fast(out, PROTOCOL).dump(value)
    except _NeedsNames:
        out = io.BytesIO()
        _Named(out, PROTOCOL).dump(value)
    return out.getvalue()
