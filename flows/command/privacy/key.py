"""``revealed key``: where the key of the pseudonyms is, and a new one where it is lost."""

from rich.console import Console

from flows.settings import Settings
from flows.steps.stores import open_existing_store
from models.registry.locking.holding import holding
from models.registry.privacy.forgotten import customer_key, renew_key
from models.registry.privacy.key_file import key_file


def run_key(settings: Settings, console: Console, *, is_new: bool) -> None:
    """Tell the key's file and fingerprint; or make a new key, which no pseudonym so far belongs to.

    Raises
    ------
    InputError
        Where the key is lost, or is another one than the store's, and no new one is asked for.
    """
    store = open_existing_store(settings)
    if not is_new:
        key = customer_key(store)
        console.print(f"{key_file(store)}, fingerprint {key.fingerprint}", markup=False, soft_wrap=True)
        return
    with holding(store, "key"):
        fingerprint, retired = renew_key(store)
    lines = [f"{key_file(store)} is a new key, fingerprint {fingerprint}."]
    if retired:
        lines.append(f"The one before is {retired}; delete it where nobody needs the pseudonyms of earlier scores.")
    lines.append(
        "Scores from now on have other pseudonyms: they cannot be compared with earlier ones, nor answers joined with "
        "lists drawn before. The list of the forgotten is empty: forget these customers again."
    )
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
