"""What can go wrong between a client and a report server.

Names and base classes are those of ``pyats.reporter.exceptions``, so that ``except`` clauses written for pyATS go on
working. Those marked *server* arrive as a reply and are raised by the call that caused them; the others are found out
here.
"""

from .sealed import Sealed


class ConnectionBrokenError(ConnectionError, metaclass=Sealed):
    """A request could not be sent: there is no connection any more, and it could not be made again.

    The first call that fails so has waited for a server to come back; later calls of the same client fail at once.
    """


class ConnectionClosedError(ConnectionError, metaclass=Sealed):
    """The server closed the connection while its reply was awaited, and no server came back in time (or the server was
    stopped on purpose, and then none is waited for)."""


class MessageReceiveError(ConnectionError, metaclass=Sealed):
    """A whole message arrived and is no pickle that can be read. The connection stays usable. Also (*server*): the
    server could not read ours."""


class UnregisteredClientError(LookupError, metaclass=Sealed):
    """*Server*: a call came before ``register_client``. ``ReportClient.connect`` registers, so this needs a bare
    ``ReporterConnection``."""


class ExistingClientError(LookupError, metaclass=Sealed):
    """*Server*: ``register_client`` a second time on the same connection."""


class InvalidRequestError(RuntimeError, metaclass=Sealed):
    """*Server*: the call makes no sense in the present context, for example ``stop_task`` inside a section."""


class DuplicateIDError(ValueError, metaclass=Sealed):
    """*Server*: a task, or with ``--strict`` a section, of this id was already started at this place."""


class UnhandledContextError(TypeError, metaclass=Sealed):
    """A context object is none of TestSuite, Task, Section and Plugin, so nothing is known about it. Raised by
    ``ReportClient.get_section_ctx`` when a server sends such an object, and (*server*) when one would have to be
    stopped."""


class ServerNotStartedError(RuntimeError, metaclass=Sealed):
    """The server could not be started: no program, it ended at once, or it did not answer in time."""


class SignalError(BaseException, metaclass=Sealed):
    """A handled signal (SIGTERM, SIGINT) came while a server was being run in the foreground.

    It is no ``Exception``, so that a general ``except Exception`` does not swallow the wish to end.
    """


#: Every exception above by the name under which it travels, ``pyats.reporter.exceptions.<name>``.
BY_NAME = {
    kind.__name__: kind
    for kind in (
        ConnectionBrokenError,
        ConnectionClosedError,
        DuplicateIDError,
        ExistingClientError,
        InvalidRequestError,
        MessageReceiveError,
        ServerNotStartedError,
        SignalError,
        UnhandledContextError,
        UnregisteredClientError,
    )
}
