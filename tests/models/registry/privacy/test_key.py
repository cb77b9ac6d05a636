"""The key of a store: made once, for its owner only; its loss and its change are told."""

import stat

import pytest

from data.errors import InputError
from data.pseudonyms import Protection, is_pseudonym
from models.registry.privacy.forgotten import customer_key, forgotten_of, protection_of, put_on_list, renew_key
from models.registry.privacy.key_file import key_file, read_key, write_new_key


def test_without_pseudonyms_and_forgotten_customers_no_key_is_made(store):
    assert protection_of(store, is_pseudonymous=False) == Protection()
    assert not key_file(store).exists()


def test_a_key_is_made_on_first_use_beside_the_artifacts_for_its_owner_only(store):
    protection = protection_of(store, is_pseudonymous=True)
    file = key_file(store)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert not file.is_relative_to(store.folder / "artifacts")
    assert protection.key == customer_key(store) == read_key(store) == write_new_key(store)
    assert protection.key.secret.hex() not in str(store.client.get_experiment(store.experiment_id).tags)


def test_a_lost_key_is_told_and_not_replaced_in_silence(store):
    customer_key(store)
    key_file(store).unlink()
    with pytest.raises(InputError, match=r"is gone .* Put it back: from a backup"):
        protection_of(store, is_pseudonymous=True)
    assert not key_file(store).exists()


def test_another_key_is_told(store):
    first = customer_key(store)
    key_file(store).unlink()
    second = write_new_key(store)
    with pytest.raises(InputError, match=f"fingerprint {second.fingerprint}, that of the store is {first.fingerprint}"):
        customer_key(store)


@pytest.mark.parametrize("content", ["", "ab" * 16, "no key at all", "\xff"])
def test_a_file_that_holds_no_key_is_told_without_what_it_holds(store, content):
    customer_key(store)
    key_file(store).write_text(content)
    with pytest.raises(InputError, match="holds no key") as raised:
        customer_key(store)
    assert not content or content not in str(raised.value)


def test_a_key_that_others_may_read_is_refused(store):
    customer_key(store)
    key_file(store).chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        customer_key(store)


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_new_key_begins_anew_and_the_old_one_is_put_aside(store, is_lost):
    first = customer_key(store)
    put_on_list(store, first.pseudonym("C1"))
    if is_lost:
        key_file(store).unlink()
    fingerprint, retired = renew_key(store)
    assert customer_key(store).fingerprint == fingerprint != first.fingerprint
    assert forgotten_of(store) == frozenset()
    assert (retired is None) == is_lost


def test_who_is_forgotten_stands_in_the_store_as_a_pseudonym(store):
    key = customer_key(store)
    put_on_list(store, key.pseudonym("C1"))
    put_on_list(store, key.pseudonym("C1"))
    protection = protection_of(store, is_pseudonymous=False)
    assert protection == Protection(key, False, frozenset({key.pseudonym("C1")}))
    assert all(map(is_pseudonym, forgotten_of(store)))
