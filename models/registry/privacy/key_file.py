"""The file with the key of a store, read and made without MLflow."""

import os
import re
from pathlib import Path

from filelock import FileLock

from data.errors import InputError
from data.pseudonyms import BYTES, CustomerKey, make_key
from models.registry.location import StoreLocation

_FOLDER, _FILE = "privacy", "customers.key"


def key_file(location: StoreLocation) -> Path:
    """Return where the key of a store is, or would be: beside its artifacts, so that whoever pulls them has no key."""
    return location.folder / _FOLDER / _FILE


def read_key(location: StoreLocation) -> CustomerKey | None:
    """Read the key of a store; None where there is none.

    Raises
    ------
    InputError
        Where others than its owner may read the file, it cannot be read, or it holds no key.
    """
    file = key_file(location)
    try:
        if not file.exists():
            return None
        is_private, text = not file.stat().st_mode & 0o077, file.read_bytes()
    except OSError as error:
        raise InputError(
            f"{file}, the key of the customers' pseudonyms, cannot be read: {error.strerror}. Run this as its owner."
        ) from None
    if not is_private:
        raise InputError(
            f"{file} can be read by others than its owner, who could tell who is behind the pseudonyms. Take their "
            f"rights away: chmod 600 '{file}'"
        )
    if not re.fullmatch(rb"[0-9a-f]{%d}\s*" % (2 * BYTES), text):
        raise InputError(f"{file} holds no key: it must be {2 * BYTES} hexadecimal digits. Put it back from a backup.")
    return CustomerKey(bytes.fromhex(text.decode("ascii")))


def write_new_key(location: StoreLocation) -> CustomerKey:
    """Make a key where there is none, and return the one that is there then.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """
    file = key_file(location)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(file.with_suffix(".lock")):
            key = read_key(location)
            if key is None:
                key, draft = make_key(), file.with_suffix(".draft")
                draft.unlink(missing_ok=True)
                with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as sink:
                    sink.write(key.secret.hex())
                draft.replace(file)
            return key
    except OSError as error:
        raise InputError(
            f"{file}, the key of the customers' pseudonyms, cannot be written: {error.strerror}. Name a folder that "
            "can be written with --mlruns."
        ) from None


def retire_key(location: StoreLocation) -> Path | None:
    """Put the key aside under a name of its own, and return that; None where there is none."""
    key, file = read_key(location), key_file(location)
    if key is None:
        return None
    retired = file.with_name(f"customers-{key.fingerprint}.key")
    file.replace(retired)
    return retired
