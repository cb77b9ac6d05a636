"""The files that runs have left in a store, one by one: listed, read, replaced."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from mlflow.entities import Run, ViewType
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from data.errors import RevealedError
from models.registry.store import Store


@dataclass(frozen=True)
class Artifact:
    """A file of a run.

    Attributes
    ----------
    run_id, root, path : str
        The run, where its files are, and the file's path within that.
    size : int
        Bytes; 0 where the store does not tell.
    """

    run_id: str
    root: str
    path: str
    size: int = 0

    @property
    def name(self) -> str:
        """The file's own name."""
        return PurePosixPath(self.path).name


def all_runs(store: Store) -> Iterator[Run]:
    """Go through all runs of a store, deleted ones too."""
    token: str | None = None
    while True:
        page = store.client.search_runs(
            [store.experiment_id], run_view_type=ViewType.ALL, max_results=1000, page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def artifacts_of(run: Run) -> Iterator[Artifact]:
    """Go through the files of a run, of the folders in the order of their names."""
    folder = local_folder(run.info.artifact_uri)
    if folder is not None:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                yield Artifact(
                    run.info.run_id, run.info.artifact_uri, file.relative_to(folder).as_posix(), file.stat().st_size
                )
        return
    yield from _listed(run, None)


def _listed(run: Run, path: str | None) -> Iterator[Artifact]:
    for each in get_artifact_repository(run.info.artifact_uri).list_artifacts(path):
        if each.is_dir:
            yield from _listed(run, each.path)
        else:
            yield Artifact(run.info.run_id, run.info.artifact_uri, each.path, each.file_size or 0)


def local_folder(uri: str) -> Path | None:
    """Return the folder of artifacts that lie on this machine; None of others."""
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None


def fetch(artifact: Artifact, folder: Path) -> Path:
    """Copy a file of a run into a folder."""
    repository = get_artifact_repository(artifact.root)
    return Path(repository.download_artifacts(artifact.path, str(folder)))  # type: ignore[no-untyped-call]


def replace(artifact: Artifact, new: Path, folder: Path) -> None:
    """Put a new file in the place of one of a run, read it back, and compare.

    On this machine, and behind a server of MLflow's that keeps its files on its own, the file is exchanged in one move;
    elsewhere as the store of objects does it.

    Parameters
    ----------
    artifact : Artifact
        The file to be replaced.
    new : Path
        The new one, of the same name.
    folder : Path
        An empty folder for what is read back.

    Raises
    ------
    RevealedError
        Where what was read back differs.
    """
    parent = PurePosixPath(artifact.path).parent
    # MLflow's client remembers where the files of a run were, which is wrong once a store was copied.
    repository = get_artifact_repository(artifact.root)
    repository.log_artifact(str(new), None if str(parent) == "." else str(parent))  # type: ignore[no-untyped-call]
    if fetch(artifact, folder).read_bytes() != new.read_bytes():
        raise RevealedError(
            f"{artifact.path} of run {artifact.run_id} was written, and reads back otherwise. Run the same again; if "
            "that does not help, the store's artifacts cannot be written."
        )
