"""One file of a URL comes into a file of this machine."""

import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterable, Iterator
from http.client import HTTPException, HTTPResponse, responses
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit, urlunsplit

from data.errors import InputError
from data.intake.urls.connections import WATCHED, Deadline, Way, watched_opener
from data.secrecy.reasons import reason_of

LARGEST = 20 * 2**30
"""Most bytes that are fetched of one URL."""

LONGEST = 3600.0
"""Most seconds that one URL may take."""

SILENCE = 60.0
"""Most seconds that a server may say nothing."""

_SCHEMES = ("file", "s3", "gs", "abfs", "hdfs")
_BLOCK = 2**20


def fetch(url: str, name: str, target: Path, *, any_redirect: bool = False) -> None:
    """Fetch a file.

    Parameters
    ----------
    url, name
        The URL, and what of it may be shown.
    target
        Where the file is written.
    any_redirect
        Whether a server may lead on to this machine and to private networks.

    Raises
    ------
    InputError
        It cannot be fetched, is too large, takes too long, or leads to where it may not.
    """
    deadline = Deadline(LONGEST)
    try:
        scheme = urlsplit(url).scheme
        if scheme in WATCHED:
            _fetch_http(url, name, target, deadline, any_redirect=any_redirect)
        elif scheme not in _SCHEMES:
            raise InputError(f"{name} cannot be fetched: URLs of {', '.join((*WATCHED, *_SCHEMES))} are.")
        else:
            _fetch_other(url, name, target, deadline)
    except InputError:
        raise
    except (OSError, ValueError, HTTPException) as error:
        if deadline.is_over:
            raise _too_slow(name) from None
        if isinstance(error, urllib.error.HTTPError) and error.code in range(300, 400):
            reason = "its server leads on in a circle, or to what is neither http nor https"
        elif isinstance(error, urllib.error.HTTPError):
            # The server's own words may hold anything.
            reason = f"the server answers {error.code} {responses.get(error.code, '')}".rstrip()
        else:
            # The message of a library about a failed request may repeat the whole address.
            complaint = error.reason if isinstance(error, urllib.error.URLError) else error
            reason = reason_of(complaint, [url], [name])
        raise InputError(f"{name} cannot be fetched: {reason}.") from None


def _fetch_http(url: str, name: str, target: Path, deadline: Deadline, *, any_redirect: bool) -> None:
    parts = urlsplit(url)
    request = urllib.request.Request(  # noqa: S310 (the scheme is http or https)
        urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
    )
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        # Not sent on to another host that the server may redirect to.
        request.add_unredirected_header("Authorization", f"Basic {b64encode(pair.encode()).decode()}")
    opener = watched_opener(Way(name, deadline, any_redirect))
    with deadline, opener.open(request, timeout=SILENCE) as response:
        expected = response.headers.get("Content-Length")
        if expected is not None and int(expected) > LARGEST:
            raise _too_large(name)
        _write(_parts_of(response), name, target, deadline)
    if expected is not None and int(expected) != target.stat().st_size:
        raise InputError(f"{name} was cut short: {target.stat().st_size:,} of {int(expected):,} bytes came. Try again.")


def _parts_of(response: HTTPResponse) -> Iterator[bytes]:
    # `read` would wait until a whole block is there, however slowly it comes.
    while part := response.read1(_BLOCK):
        yield part


def _fetch_other(url: str, name: str, target: Path, deadline: Deadline) -> None:
    """Fetch a file from any of the file systems that Arrow reads."""
    import pyarrow.fs

    system, path = pyarrow.fs.FileSystem.from_uri(url)
    with system.open_input_stream(path) as stream:
        _write(_blocks_of(stream), name, target, deadline)


def _blocks_of(stream: IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(_BLOCK):
        yield block


def _write(parts: Iterable[bytes], name: str, target: Path, deadline: Deadline) -> None:
    size = 0
    with target.open("wb") as out:
        for part in parts:
            size += len(part)
            if size > LARGEST:
                raise _too_large(name)
            if deadline.is_over:
                break
            out.write(part)
    # A connection that was closed looks like the end of a file.
    if deadline.is_over:
        raise _too_slow(name)


def _too_large(name: str) -> InputError:
    return InputError(
        f"{name} is larger than {LARGEST / 2**30:,.3g} GB, the most that is fetched: bring it here otherwise, and name "
        "the file."
    )


def _too_slow(name: str) -> InputError:
    return InputError(
        f"{name} took longer than {LONGEST / 60:,.3g} minutes, and was given up: try again, or bring it here otherwise "
        "and name the file."
    )
