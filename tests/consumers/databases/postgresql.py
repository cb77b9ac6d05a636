"""A PostgreSQL server for tests: a folder of its own, a unix socket, and a line that may be cut."""

import os
import secrets
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_postgresql.dbapi
import pyarrow as pa

OWNER = "shopkeeper"


def find_programs() -> Path | None:
    """Return the folder with the programs of the newest PostgreSQL of this machine; None where there is none."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(folders, key=lambda folder: float(folder.parent.name), default=None)


@dataclass(frozen=True)
class Server:
    """A running server, which takes connections on a socket in its folder alone."""

    folder: Path
    password: str
    programs: Path

    def url(self, table: str = "", **options: str) -> str:
        """The address of a table, without the password."""
        more = "".join(f"&{name}={value}" for name, value in options.items())
        return f"postgresql://{OWNER}@/postgres{'/' if table else ''}{table}?host={self.folder}{more}"

    @contextmanager
    def connected(self) -> Iterator[adbc_driver_postgresql.dbapi.Connection]:
        url = self.url().replace(OWNER, f"{OWNER}:{self.password}")
        with adbc_driver_postgresql.dbapi.connect(url) as connection:
            yield connection

    def run(self, *statements: str) -> None:
        """Run statements in one transaction."""
        with self.connected() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            connection.commit()

    def run_alone(self, statement: str) -> None:
        """Run a statement that may stand in no transaction."""
        with self.connected() as connection, connection.cursor() as cursor:
            connection.adbc_connection.set_autocommit(True)
            cursor.execute(statement)

    def ask(self, query: str) -> list[tuple]:
        """Return the rows of a query."""
        with self.connected() as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def fill(self, schema: str, name: str, table: pa.Table) -> None:
        """Write a table."""
        with self.connected() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            cursor.adbc_ingest(name, table, mode="create", db_schema_name=schema)
            connection.commit()

    @contextmanager
    def cut_after(self, size: int) -> Iterator[str]:
        """A port of this machine that leads to the server; each connection breaks after some bytes from the server."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=self._serve, args=(listener, size), daemon=True)
            thread.start()
            yield f"postgresql://{OWNER}@127.0.0.1:{listener.getsockname()[1]}/postgres"
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(60)

    def _serve(self, listener: socket.socket, size: int) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self.folder / ".s.PGSQL.5432"))
                threading.Thread(target=_pass_on, args=(client, server, None), daemon=True).start()
                threading.Thread(target=_pass_on, args=(server, client, size), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket, size: int | None) -> None:
    """Pass bytes on until the source ends or so many have passed; then both ends are closed."""
    with suppress(OSError):
        while (size is None or size > 0) and (block := source.recv(2**16)):
            target.sendall(block)
            size = None if size is None else size - len(block)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def running_server(programs: Path, folder: Path) -> Iterator[Server]:
    """Run a server for as long as the block lasts."""
    # A server never runs as root; the package has made a user for it.
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    password = secrets.token_hex(8)
    (folder / "password").write_text(password)
    if as_user:
        shutil.chown(folder, "postgres", "postgres")
        shutil.chown(folder / "password", "postgres", "postgres")
    data = str(folder / "data")
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off -c shared_buffers=16MB"

    def call(program: str, *arguments: str) -> None:
        command = [*as_user, str(programs / program), *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    call(
        "initdb", "-D", data, "-U", OWNER, "-A", "scram-sha-256", f"--pwfile={folder / 'password'}", "-N", "-E", "UTF8"
    )
    call("pg_ctl", "-D", data, "-l", str(folder / "log"), "-o", options, "-w", "start")
    try:
        yield Server(folder, password, programs)
    finally:
        call("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
