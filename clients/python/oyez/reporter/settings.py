"""The environment variables that a client looks at."""

import os

#: The program of the server. Else ``oyez`` is looked for on the PATH.
PROGRAM = "OYEZ_BIN"
#: The store of the server; read by the program itself.
DATA = "OYEZ_DATA"
#: For how many seconds a client looks for a server that went away (60).
RECONNECT = "OYEZ_RECONNECT_SECONDS"
#: After how many seconds without a reply the connection counts as broken, and the call is repeated on a new one (600).
REPLY = "OYEZ_REPLY_SECONDS"


def seconds(name: str, default: float) -> float:
    """The number in that variable; the default when it is unset, no number, or negative."""
    try:
        value = float(os.environ.get(name, ""))
    except ValueError:
        return default
    return value if 0 <= value < float("inf") else default
