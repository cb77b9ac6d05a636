"""The session with a cluster: Spark Connect, as a backend of Ibis that keeps tables as Parquet."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir

from data.errors import ConnectionLostError, InputError, RevealedError
from data.secrecy.reasons import reason_of
from data.secrecy.showing import shown_location

try:
    from ibis.backends.pyspark import Backend
    from ibis.backends.pyspark.datatypes import PySparkSchema
    from pyspark.sql import SparkSession
    from pyspark.sql.types import TimestampNTZType, TimestampType
except ImportError as error:
    raise InputError(
        f'engine = "spark" needs pyspark, which cannot be imported ({error}): run pip install "revealed[spark]". '
        "That is the client of Spark Connect; a session without a server needs all of pyspark 4.0, and Java."
    ) from None

LOCAL = "local[*]"
"""Where no server is named, pyspark starts one of its own on this machine."""


_RAISED = re.compile(r"[\w.]+(Error|Exception): ")


class ClusterBackend(Backend):  # type: ignore[misc]
    """Ibis on Spark; what an expression caches is written to a folder of the cluster and read from there.

    Spark's own cache lies in the memory of executors, and not every server of Spark Connect has one. A folder is read
    as it was written, so a run reads each table once and sees it unchanged.

    Parameters
    ----------
    session
        A session of Spark Connect.
    folder
        Where the tables of a run are kept: a path that the driver and all executors share.
    """

    def __init__(self, session: SparkSession, folder: Path) -> None:
        super().__init__()
        # Ibis sets the options of a backend when it is first named.
        _ = ibis.pyspark
        self.folder = folder
        self.do_connect(session)

    @property
    def session(self) -> Any:
        """The session with the cluster."""
        return self._session

    def keep(self, table: ir.Table, name: str) -> ir.Table:
        """Run an expression now, write its rows to the folder, and give the table that was written.

        Its name begins as it is told; other runs may share the session.
        """
        return self.keep_frame(self.data_frame(table), name)

    def keep_frame(self, frame: Any, name: str) -> ir.Table:
        """Keep the rows of a data frame of Spark's, such as those of a function over batches, as `keep` does."""
        name = ibis.util.gen_name(name)
        place = self._written(frame, name)
        self._session.read.schema(frame.schema).parquet(str(place)).createOrReplaceTempView(name)
        return self.table(name)

    def write(self, table: ir.Table, name: str) -> Path:
        """Write the rows of an expression as Parquet files into a folder of the run's, and return that."""
        return self._written(self.data_frame(table), ibis.util.gen_name(name))

    def data_frame(self, table: ir.Table) -> Any:
        """Give the data frame of Spark's that computes an expression, with the types that the expression has."""
        self._run_pre_execute_hooks(table)
        frame = self._session.sql(self.compile(table))
        # A literal such as 0.0 is a decimal in Spark's SQL, and may make one of a double beside it.
        wanted = {field.name: field.dataType for field in PySparkSchema.from_ibis(table.schema())}
        if all(field.dataType in (wanted[field.name], TimestampNTZType()) for field in frame.schema):
            return frame
        return frame.select(*(frame[name].cast(kind).alias(name) for name, kind in wanted.items()))

    def moments(self, table: ir.Table) -> frozenset[str]:
        """Name the columns that hold moments, and not the time of a clock: Ibis does not tell them apart on Spark."""
        fields = self._session.sql(self.compile(table)).schema
        return frozenset(field.name for field in fields if field.dataType == TimestampType())

    def _written(self, frame: Any, name: str) -> Path:
        place = self.folder / name
        frame.write.mode("overwrite").parquet(str(place))
        # Of no rows there may be no file that tells the schema.
        place.mkdir(exist_ok=True)
        return place

    def _create_cached_table(self, name: str, expr: ir.Table) -> ir.Table:
        return self.keep(expr, name)

    def _drop_cached_table(self, name: str) -> None:
        # The files go with the folder of the run, and the view with the session: a server that is gone is not asked.
        pass


def connect(remote: str | None, folder: Path) -> ClusterBackend:
    """Open a session with a cluster, in UTC.

    Parameters
    ----------
    remote
        Address of a Spark Connect server, such as sc://HOST:15002; None starts one on this machine.
    folder
        Where the tables of a run are kept; executors must see it under the same path.

    Raises
    ------
    InputError
        Where the address is none, nothing answers there, or no server can be started.
    """
    if remote is not None and not remote.startswith("sc://"):
        raise InputError(
            f"spark_remote must be the address of a Spark Connect server, sc://HOST:PORT, got {shown_location(remote)}."
        )
    try:
        session = SparkSession.builder.remote(remote or LOCAL).getOrCreate()
        # The first question to the server: it sets the session's time zone to UTC.
        return ClusterBackend(session, folder)
    except Exception as error:
        raise _unreachable(remote, error) from None


def mended(error: Exception, hidden: Iterable[str] = ()) -> Exception:
    """Turn an error of Spark's into one of ours, with its first line: below it stand plans and traces.

    Parameters
    ----------
    error
        What was raised.
    hidden
        What may hold a secret: a line that repeats a word of it is not shown.
    """
    if isinstance(error, RevealedError):
        return error
    text = f"{type(error).__name__}: {error}"
    if any(sign in text for sign in ("UNAVAILABLE", "failed to connect", "Connection refused", "Socket closed")):
        return ConnectionLostError("the connection to the cluster was lost; nothing was published. Run it again.")
    line = reason_of(first_line(error), hidden)
    if "ModuleNotFoundError" in text:
        return InputError(
            f"the executors of the cluster lack a package ({line}): install revealed there, in the version of this "
            "machine, with what the scorer requires. Nothing was published."
        )
    return RevealedError(f"the cluster answers: {line}; nothing was published.")


def first_line(error: BaseException) -> str:
    """Give the line of an error's message that tells what happened: of Python on an executor, the end of its trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    raised = [line for line in lines if _RAISED.match(line)]
    if "Python worker" in str(error) and raised:
        return raised[-1]
    return lines[0] if lines else type(error).__name__


def _unreachable(remote: str | None, error: Exception) -> InputError:
    if remote is None:
        return InputError(
            f"no local session of Spark can be started ({first_line(error)}): it needs pyspark 4.0, not only "
            'pyspark-client, and Java. With a server, name it: spark_remote = "sc://HOST:15002".'
        )
    return InputError(
        f"spark_remote is {shown_location(remote)}, and no Spark Connect server answers there. "
        "Check the address, and that the server runs."
    )
