"""Apps that are open on a store: they are no runs, so a customer is taken out of what they keep while they answer."""

from pathlib import Path

from models.registry.location import StoreLocation
from models.registry.privacy.customer import Customer
from models.registry.privacy.rewriting import may_name_customers, write_without
from models.registry.upkeep.workspaces import WORK

_SETTLED, _TOLD = ".settled", Path("privacy") / "forgotten_at"


def settle(folder: Path) -> None:
    """Say of an app's private folder that nothing is read into it any more; before, the app counts as a run."""
    (folder / _SETTLED).touch()


def is_settled(folder: Path) -> bool:
    """Whether a private folder is that of an app which reads no more tables."""
    return (folder / _SETTLED).exists()


def last_forgotten(location: StoreLocation) -> int:
    """Say when somebody was forgotten last, as a number that changes each time; 0 where nobody was."""
    try:
        return (location.folder / _TOLD).stat().st_mtime_ns
    except OSError:
        return 0


def take_out_of_apps(location: StoreLocation, customer: Customer) -> int:
    """Take a customer out of the private folders of apps, and count rows and places; then tell the apps.

    To be called after the store's own files were exchanged: the apps then read these anew.
    """
    work, gone = location.folder / WORK, 0
    for folder in sorted(work.iterdir()) if work.is_dir() else ():
        if not is_settled(folder):
            continue
        for file in sorted(each for each in folder.rglob("*") if each.is_file() and may_name_customers(each.name)):
            draft = file.with_name(f".{file.name}.draft")
            if lost := write_without(customer, file, draft):
                draft.replace(file)
                gone += lost
    told = location.folder / _TOLD
    told.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    told.unlink(missing_ok=True)
    told.touch(mode=0o600)
    return gone
