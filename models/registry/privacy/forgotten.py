"""The key that a store's pseudonyms are made by, and its list of customers who are forgotten.

Both are told by tags of the experiment that holds all runs: so every machine that uses the store knows them, whatever
kind of store it is. The tags hold the key's fingerprint and pseudonyms, and nothing that tells the key or a customer.
"""

from datetime import UTC, datetime

from data.errors import InputError
from data.pseudonyms import CustomerKey, Protection
from models.registry.privacy.key_file import key_file, read_key, retire_key, write_new_key
from models.registry.store import Store

_KEY = "customers.key"
_FORGOTTEN = "forgotten."


def protection_of(store: Store, *, is_pseudonymous: bool) -> Protection:
    """Return what an intake must do for the privacy of customers.

    Parameters
    ----------
    store : Store
        Where what is read will be kept.
    is_pseudonymous : bool
        Whether pseudonyms stand for ids; the key is made on first use.

    Raises
    ------
    InputError
        Where the key is needed and is lost, is another one, or cannot be read.
    """
    listed = forgotten_of(store)
    if not listed and not is_pseudonymous:
        return Protection()
    return Protection(customer_key(store), is_pseudonymous, listed)


def customer_key(store: Store) -> CustomerKey:
    """Return the key of a store; it is made on first use.

    Raises
    ------
    InputError
        Where the store knows of a key and the file is gone, holds another one, or cannot be read.
    """
    expected = _tags(store).get(_KEY)
    key = read_key(store)
    if key is None and expected is None:
        key = write_new_key(store)
    if key is None or (expected is not None and key.fingerprint != expected):
        file = key_file(store)
        what = f"is gone (it has the fingerprint {expected})" if key is None else _other(key, str(expected))
        raise InputError(
            f"the key of the customers' pseudonyms, {file}, {what}. Put it back: from a backup, or from the machine "
            "that made it where several use this store. Without it nobody can be found by id, and the list of "
            "forgotten customers says nothing. To begin anew, with other pseudonyms and an empty list, run "
            "`revealed key --new`."
        )
    if expected is None:
        store.client.set_experiment_tag(store.experiment_id, _KEY, key.fingerprint)
    return key


def renew_key(store: Store) -> tuple[str, str | None]:
    """Make a new key; return its fingerprint, and where the old one was put, if there was one.

    The list of the forgotten is empty then, for no customer would be found in it by the new key.
    """
    try:
        retired = retire_key(store)
    except InputError:
        # A file that holds no key is put aside as it is.
        retired = key_file(store).replace(key_file(store).with_suffix(".unreadable"))
    for name in _tags(store):
        if name.startswith(_FORGOTTEN):
            store.client.delete_experiment_tag(store.experiment_id, name)
    key = write_new_key(store)
    store.client.set_experiment_tag(store.experiment_id, _KEY, key.fingerprint)
    return key.fingerprint, None if retired is None else str(retired)


def forgotten_of(store: Store) -> frozenset[str]:
    """Return the pseudonyms of the customers who are forgotten."""
    return frozenset(name.removeprefix(_FORGOTTEN) for name in _tags(store) if name.startswith(_FORGOTTEN))


def put_on_list(store: Store, pseudonym: str) -> None:
    """Add a customer to the list of the forgotten; from then on no intake takes them in."""
    if pseudonym not in forgotten_of(store):
        now = datetime.now(UTC).isoformat(timespec="seconds")
        store.client.set_experiment_tag(store.experiment_id, f"{_FORGOTTEN}{pseudonym}", now)


def _tags(store: Store) -> dict[str, str]:
    return dict(store.client.get_experiment(store.experiment_id).tags)


def _other(key: CustomerKey, expected: str) -> str:
    return f"is another one (fingerprint {key.fingerprint}, that of the store is {expected})"
