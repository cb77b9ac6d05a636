"""``revealed forget``: one customer is taken out of the store, and no later run brings them back."""

from pathlib import Path

from rich.console import Console

from data.errors import InputError, StoreBusyError
from data.pseudonyms import CustomerKey, clean_id, is_pseudonym
from data.secrecy.location import text_of
from flows.settings import Settings
from flows.steps.stores import open_existing_store
from models.registry.locking.holding import holding
from models.registry.privacy.beside import clear_prefect, drop_kept_rows, overwrite_freed_pages, running_here
from models.registry.privacy.customer import Customer
from models.registry.privacy.forgetting import Removed, forget_customer
from models.registry.privacy.forgotten import customer_key, put_on_list
from models.registry.privacy.kinds import KINDS
from models.registry.privacy.open_apps import take_out_of_apps
from models.registry.store import Store
from models.registry.upkeep.killed_runs import HOST, PROCESS, close_killed_runs, close_runs_elsewhere
from models.registry.upkeep.shared_folders import remove_left_by_killed

_REMAINS = (
    "What remains, and why:",
    "- Sums, shares and means of reports, metrics and charts: they are of many customers, and name none.",
    "- Fitted parameters and trees of scorers that learned from the customer among others. `revealed retrain` fits a "
    "new one without them; earlier versions stay for `revealed rollback`.",
    "- Comments that reports quote as examples of a topic: they are kept without their author, so nobody's are found.",
    "- A keyed hash on the list of the forgotten, by which later runs leave the customer out.",
    "- What left the store: files of `revealed scores --output` and `revealed sample`, tables of `revealed publish` "
    "(publish again), copies of consumers, backups, the shop's own tables, a Prefect server of its own.",
)


def run_forget(settings: Settings, customer: str, console: Console) -> None:
    """Take a customer out of the store, and say what went and what remains.

    Parameters
    ----------
    settings : Settings
        The store, and how ids are written.
    customer : str
        The id, as it stands in the shop's tables, or its pseudonym.
    console : rich.console.Console
        Where it is told.

    Raises
    ------
    InputError
        Where the id is empty, or the store's key is lost.
    StoreBusyError
        Where a run is going on: it may have read the customer's rows before.
    """
    store = open_existing_store(settings)
    whom = _customer(settings, customer_key(store), customer)
    close_killed_runs(store)
    with holding(store, "forget", settings.wait_minutes) as left_by:
        close_runs_elsewhere(store, left_by)
        # First, so that a run which begins now leaves the customer out.
        put_on_list(store, next(name for name in whom.ids if is_pseudonym(name)))
        _refuse_beside_runs(store)
        removed = forget_customer(store, whom)
        kept, prefect = drop_kept_rows(store, whom), clear_prefect(store, whom)
        overwrite_freed_pages(store.database)
        apps = take_out_of_apps(store, whom)
        # No run is going on, so what stands there was left by killed ones.
        place = text_of(settings.scores_location)
        folders = 0 if place is None else remove_left_by_killed(store, Path(place).expanduser())
    for line in _told(removed, kept, prefect, apps, folders):
        console.print(line, markup=False, soft_wrap=True)


def _customer(settings: Settings, key: CustomerKey, customer: str) -> Customer:
    clean = clean_id(customer, settings.id_case, settings.id_point_zero)
    if not clean:
        raise InputError("the id of the customer is empty; give it as it stands in the shop's tables")
    return Customer(frozenset({clean, key.pseudonym(clean)}), settings.id_case, settings.id_point_zero)


def _refuse_beside_runs(store: Store) -> None:
    filters = "attributes.status = 'RUNNING'"
    others = [
        f"{run.info.run_name}, process {run.data.tags.get(PROCESS)} on {run.data.tags.get(HOST)}, {run.info.run_id}"
        for run in store.client.search_runs([store.experiment_id], filter_string=filters)
    ]
    if others or running_here(store):
        who = "; ".join(others) or "a command holds a folder in it, or an app that reads the tables still"
        raise StoreBusyError(
            f"another run is going on in this store ({who}), and may have read the customer's rows. "
            "The customer is on the list of the forgotten now, so no later run "
            "takes them in; run the same again when that has ended. One that was killed is closed by the next run "
            "on its machine; where that machine is gone for good, close it yourself: "
            "mlflow.MlflowClient().set_terminated(RUN, 'KILLED')."
        )


def _told(removed: Removed, kept: int, prefect: int, apps: int, folders: int) -> list[str]:
    lines = [
        f"- {kind}: rows or names: {removed.rows[kind]:,}, in files: {files:,}" for kind, files in removed.files.items()
    ]
    if removed.versions:
        versions = ", ".join(map(str, sorted(removed.versions)))
        lines.append(f"- versions of the scores written anew, read back and compared: {versions}")
    if kept:
        lines.append(f"- {KINDS['kept_rows']}: files, which the next run reads anew: {kept:,}")
    if folders:
        lines.append(f"- tables of killed runs on the cluster, in scores_location: folders: {folders:,}")
    if prefect:
        lines.append(f"- Prefect's database in the store: rows or names: {prefect:,}")
    if apps:
        lines.append(f"- apps that are open on this machine: rows or names: {apps:,}")
    head = (
        ["The customer is forgotten. Removed:", *lines]
        if lines
        else ["The store held nothing of this customer any more. They are on the list of the forgotten."]
    )
    left = [f"- NOT removed: {place}" for place in removed.left]
    return [*head, *left, *_REMAINS]
