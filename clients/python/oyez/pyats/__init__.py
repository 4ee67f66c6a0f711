"""Makes ``pyats run job`` report to Oyez, without a change to any script.

pyATS imports each entry point of the group ``pyats.easypy.plugins`` before it starts its reporter. Importing this one
puts our report server and client in the place of pyATS's own in ``pyats.easypy.reporter.ae``, where its reporter looks
them up. ``plugins`` is what pyATS expects to find there: a dict of plugins, here none, so nothing else changes.

Environment:

``OYEZ_PYATS=off``
    Leave pyATS as it is.
``OYEZ_BIN``
    The program, instead of ``oyez`` on the PATH.
``OYEZ_DATA``
    The store (read by the program).
``OYEZ_PYATS_STRICT=1``
    pyATS's answers to the letter.
``OYEZ_PYATS_JOB``
    The uid that the job is to have.
``OYEZ_RECONNECT_SECONDS``, ``OYEZ_REPLY_SECONDS``
    How long a client looks for a server that went away, and waits for one reply.

Whatever fails here costs one warning; the run then reports to pyATS's own server.
"""

from typing import Any, Dict

from .swap import install

plugins: Dict[str, Any] = {"plugins": {}}

install()
