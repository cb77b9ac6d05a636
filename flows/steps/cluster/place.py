"""Where a run on a cluster keeps its tables, and where its scores go."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from data.intake.cluster.session import ClusterBackend, connect, mended
from data.secrecy.location import text_of
from flows.settings import Settings
from flows.steps.sources import check_scores_location
from models.registry.store import Store
from models.registry.upkeep.shared_folders import remove_left_by_killed, shared_folder


@dataclass(frozen=True)
class Cluster:
    """A session with the cluster, and the folder of one run in `scores_location`.

    Attributes
    ----------
    backend : ClusterBackend
        It keeps the tables of the run in a folder that is deleted when the run ends.
    published : Path
        Where the scores are put when they are published, which does not exist before.
    """

    backend: ClusterBackend
    published: Path

    @property
    def shared(self) -> Path:
        """The folder of all runs, which the cluster and this machine see."""
        return self.published.parent


@contextmanager
def cluster_of_run(store: Store, settings: Settings, run_id: str) -> Iterator[Cluster]:
    """Open a session for a run; the tables that it keeps are deleted at its end, and by the next run if it is killed.

    Raises
    ------
    InputError
        If the place or the address is wrong.
    RevealedError
        Where the cluster fails: with the first line of what it says.
    """
    place = check_scores_location(settings)
    remove_left_by_killed(store, place)
    work = shared_folder(place, run_id)
    work.mkdir()
    try:
        yield Cluster(connect(text_of(settings.spark_remote), work), place / run_id)
    except Exception as error:
        raise mended(error, [text_of(settings.spark_remote) or ""]) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
