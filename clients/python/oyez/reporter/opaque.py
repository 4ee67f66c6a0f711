"""What stands in for objects whose classes we do not load."""

from typing import Any, Dict, List, Tuple

from .sealed import Sealed


class Opaque:
    """An object of a class outside of the allow-list, as data: nothing was imported or called to make it.

    ``module`` and ``name`` say what it was, ``args`` and ``kwargs`` what it would have been built from, ``state`` what
    it would have been given after that, ``items`` what would have been put into it.
    """

    module: str = ""
    name: str = ""

    args: Tuple[Any, ...]
    kwargs: Dict[str, Any]
    state: Any
    items: List[Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> "Opaque":
        self = object.__new__(cls)
        self.__dict__.update(args=args, kwargs=kwargs, state=None, items=[])
        return self

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Everything was kept by ``__new__``, since a pickle may leave this one out."""

    def __setstate__(self, state: Any) -> None:
        self.__dict__["state"] = state

    # how a pickle fills lists, sets and mappings
    def append(self, item: Any) -> None:
        self.__dict__["items"].append(item)

    add = append

    def extend(self, items: Any) -> None:
        self.__dict__["items"].extend(items)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.__dict__["items"].append((key, value))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("an opaque object does not change")

    def __repr__(self) -> str:
        return "<opaque %s.%s args=%r state=%r>" % (self.module, self.name, self.args, self.state)


def opaque_class(module: str, name: str) -> type:
    """A class of its own for one unknown global, so that the pickle may use it as class or function alike."""
    return type(name.rpartition(".")[2] or "Opaque", (Opaque,), {"module": module, "name": name})


class ReportObject(metaclass=Sealed):
    """A context as ``get_section_ctx`` sends it: the attributes are the server's, read-only.

    ``kind`` is the class's name. ``parent`` is the object that holds it, or None.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> "ReportObject":
        return object.__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """The attributes come with the state."""

    @property
    def kind(self) -> str:
        return type(self).__name__

    @property
    def parent(self) -> Any:
        return self.__dict__.get("_parent")

    @property
    def idlist(self) -> List[Any]:
        """The ids from the task down to this one; of a suite, its own."""
        above = self.parent
        own: List[Any] = [self.__dict__.get("id")]
        return own if above is None or isinstance(above, TestSuite) else list(above.idlist) + own

    @property
    def fullid(self) -> str:
        return ".".join(str(part) for part in self.idlist)

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) == 2:
            parts = [part for part in state if isinstance(part, dict)]
        else:
            parts = [state] if isinstance(state, dict) else []
        for part in parts:
            self.__dict__.update(part)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a report object does not change; tell the server instead")

    def __repr__(self) -> str:
        return "<%s %s>" % (self.kind, self.__dict__.get("id"))


class TestSuite(ReportObject):
    """The job's own context."""

    __test__ = False


class Task(ReportObject):
    """One test script's context."""


class Section(ReportObject):
    """Anything below a task: test case, setup, step."""


class Plugin(ReportObject):
    """A plugin's context."""


#: The kinds of context that exist, by the name under which they travel, ``pyats.reporter.testsuite.<name>``.
CONTEXTS = {kind.__name__: kind for kind in (TestSuite, Task, Section, Plugin)}
