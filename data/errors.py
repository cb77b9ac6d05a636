"""The errors of the project: one root, one kind for each thing that can be asked of the reader."""


class RevealedError(Exception):
    """Root of all errors that Revealed raises on purpose; the message says what to do."""

    exit_code = 1


class InputError(RevealedError, ValueError):
    """The input, a setting or the state of the store is not what it must be; the user can mend it."""

    exit_code = 2


class RefusedError(RevealedError):
    """A gate or a limit stopped the run before anything was published."""

    exit_code = 3


class ConnectionLostError(RevealedError):
    """The connection to a database was lost while it was read or written; the same may succeed when it is run again."""


class FaultError(RevealedError):
    """The machine, the store or a server failed; the same will succeed once that is mended."""


class StoreBusyError(RevealedError):
    """Another run holds the store."""

    exit_code = 4
