"""Classes that a pickle may name but must not change."""

from typing import Any


class Sealed(type):
    """The metaclass of every class that our unpickler hands out.

    The BUILD operation of a pickle can set attributes on whatever object lies on the stack, also on a class. On these
    classes it cannot.
    """

    def __setattr__(cls, name: str, value: Any) -> None:
        raise TypeError("%s is sealed: cannot set %r" % (cls.__name__, name))

    def __delattr__(cls, name: str) -> None:
        raise TypeError("%s is sealed: cannot delete %r" % (cls.__name__, name))
