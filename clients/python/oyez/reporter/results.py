"""Results and their counters: our stand-ins for the value classes of ``pyats.results``.

They travel under pyATS's names (``specs`` of the wire: a result is code, value, tims, reason, data), so that a server
sees the same bytes whichever client speaks, and they compare equal by what they mean.
"""

from collections.abc import Mapping
from typing import Any, Dict, Iterator, Optional, Tuple

from .sealed import Sealed

# name: code on the wire, its word in TIMS (Cisco's old results database), rank in a roll-up
_KINDS = {
    "failed": (0, "failed", 4),
    "passed": (1, "passed", 1),
    "aborted": (2, "blocked", 6),
    "blocked": (3, "blocked", 3),
    "skipped": (4, "dropped", 0),
    "errored": (5, "blocked", 5),
    "passx": (8, "passx", 2),
}
_BY_CODE = {kind[0]: value for value, kind in _KINDS.items()}


class TestResult(metaclass=Sealed):
    """One result: ``code`` (int), ``value`` (``"passed"`` ...), ``tims``, ``reason`` (str or None), ``data`` (any).

    Equality and hash are those of the code; reason and data do not take part. True in a condition when it is passed or
    passx. ``a + b`` rolls two up into the worse one, without reason and data.
    """

    __test__ = False  # not a test class, whatever a test collector makes of the name

    code: int
    value: str
    tims: str
    reason: Optional[str]
    data: Any

    def __init__(self, code: int = 1, reason: Optional[str] = None, data: Any = None) -> None:
        value = _BY_CODE.get(code)
        if value is None:
            raise KeyError("%r is no result code; known are %s" % (code, sorted(_BY_CODE)))
        self.__dict__.update(code=code, value=value, tims=_KINDS[value][1], reason=reason, data=data)

    @classmethod
    def from_str(cls, value: str) -> "TestResult":
        """The result of that name, in any letter case."""
        kind = _KINDS.get(value.lower())
        if kind is None:
            raise KeyError("%r is no result; known are %s" % (value, sorted(_KINDS)))
        return cls(kind[0])

    @property
    def name(self) -> str:
        """The same as ``value``."""
        return self.value

    def clone(self, reason: Optional[str] = None, data: Any = None) -> "TestResult":
        """The same result with a reason and data: ``Failed.clone("no route")``."""
        return type(self)(self.code, reason, data)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a result does not change; use clone()")

    def __setstate__(self, state: Any) -> None:
        known = ("code", "value", "tims", "reason", "data")
        if not isinstance(state, dict) or state.get("code") not in _BY_CODE:
            raise ValueError("not the state of a result")
        self.__dict__.update((key, state[key]) for key in known if key in state)

    def __add__(self, other: Any) -> "TestResult":
        if not isinstance(other, TestResult):
            raise TypeError("a result can only be rolled up with a result, not with %s" % type(other).__name__)
        worse = self if _KINDS[self.value][2] >= _KINDS[other.value][2] else other
        return type(self)(worse.code)

    def __bool__(self) -> bool:
        return self.value in ("passed", "passx")

    def __eq__(self, other: Any) -> bool:
        return self.code == other.code if isinstance(other, TestResult) else NotImplemented

    def __hash__(self) -> int:
        return hash((TestResult, self.code))

    def __str__(self) -> str:
        return self.value

    def __repr__(self) -> str:
        return self.value.capitalize()


Failed = TestResult(0)
Passed = TestResult(1)
Aborted = TestResult(2)
Blocked = TestResult(3)
Skipped = TestResult(4)
Errored = TestResult(5)
Passx = TestResult(8)

_COUNTED = ("passed", "passx", "failed", "errored", "aborted", "blocked", "skipped")


class ResultCounter(metaclass=Sealed):
    """How many of each result: a read-only mapping of the seven names. ``total``, and ``success_rate`` (per cent, two
    decimals: passed, passx and skipped among all, 0.0 of none), are attributes and can be asked for by name, too."""

    def __init__(self, counts: Optional[Dict[str, int]] = None, weight: float = 1.0) -> None:
        given = dict(counts or {})
        self._counts = {name: int(given.get(name, 0)) for name in _COUNTED}
        self.weight = weight

    @property
    def total(self) -> int:
        return sum(self._counts.values())

    @property
    def success_rate(self) -> float:
        good = self._counts["passed"] + self._counts["passx"] + self._counts["skipped"]
        return round(100.0 * good / self.total, 2) if self.total else 0.0

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name) if name in ("total", "success_rate") else self._counts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    # Mapping's own methods, borrowed: its metaclass would have to set attributes on a sealed class
    keys, values, items, get = Mapping.keys, Mapping.values, Mapping.items, Mapping.get
    __contains__, __eq__, __hash__ = Mapping.__contains__, Mapping.__eq__, None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(dict(self._counts, total=self.total, success_rate=self.success_rate))

    def wire_arguments(self) -> Tuple[Dict[str, int], float]:
        """The arguments from which the other side builds its counter."""
        return dict(self._counts), self.weight


Mapping.register(ResultCounter)


class TestableId(str, metaclass=Sealed):
    """An id of parts, ``"common_setup.connect"``; ``list`` holds the parts, ``full`` the whole."""

    __test__ = False

    def __new__(cls, text: str = "") -> "TestableId":
        self = super().__new__(cls, text)
        self.__dict__.update(list=[str(text)], full=str(text))
        return self

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update((key, state[key]) for key in ("list", "full") if key in state)
