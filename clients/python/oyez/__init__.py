"""Oyez for Python: report from a test to an Oyez server.

``oyez.reporter``
    A reporter client and a starter for its server, with the calls of pyATS's reporter. Needs nothing but Python.
``oyez.pyats``
    The plugin that makes a real ``pyats run job`` report to Oyez. pyATS loads it by itself once this package is
    installed.
"""

__version__ = "0.1.0"
