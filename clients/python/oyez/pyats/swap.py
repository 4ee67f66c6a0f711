"""Puts our server and client where easypy's reporter looks for pyATS's, and takes them away again."""

import importlib.util
import logging
import os
from typing import Any, Dict, Optional

log = logging.getLogger("oyez.pyats")

_NAMES = ("ReportServer", "ReportClient")
_originals: Dict[str, Any] = {}
_warned = False


def install() -> None:
    """Replace both names in ``pyats.easypy.reporter.ae``. Does nothing a second time, with ``OYEZ_PYATS=off``, and
    where there is no pyATS (a search for tests imports every package, too).

    Never raises: a plugin that cannot be loaded would end the run.
    """
    if _originals or os.environ.get("OYEZ_PYATS", "").strip().lower() in ("off", "0", "no", "false"):
        return
    if importlib.util.find_spec("pyats") is None:
        return
    try:
        from pyats.easypy.reporter import ae

        from .client import ReportClient
        from .server import ReportServer

        ReportClient.check_base()
        ours = {"ReportServer": ReportServer, "ReportClient": ReportClient}
        originals = {name: getattr(ae, name) for name in _NAMES}
        _originals.update(originals)
        for name in _NAMES:
            setattr(ae, name, ours[name])
    except Exception as why:
        uninstall()
        warn("it does not fit this version of pyATS (%s: %s)" % (type(why).__name__, why))


def uninstall() -> Optional[Dict[str, Any]]:
    """Give pyATS its own server and client back, and return them by name; None when they were never replaced."""
    if not _originals:
        return None
    from pyats.easypy.reporter import ae

    originals = dict(_originals)
    for name, original in originals.items():
        setattr(ae, name, original)
    _originals.clear()
    return originals


def warn(what: str) -> None:
    """Say once in this process that the run does not report to Oyez, and what to do."""
    global _warned
    if _warned:
        return
    _warned = True
    log.warning(
        "Oyez does not record this run: %s. It goes on with pyATS's own report server; OYEZ_PYATS=off silences this.",
        what,
    )
