"""How a run keeps its figures and its page, and how the page of the store is written again."""

import platform
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from urllib.parse import unquote, urlsplit

from data.errors import InputError
from flows.reports.page.figures import FORMAT, PAGE, Figures, add_to_history, log_figures, read_figures
from flows.reports.page.language import Language
from models.registry.published_file import CURRENT, SCORES
from models.registry.scorers import CHAMPION, SCORER, alias_version
from models.registry.store import Store
from models.registry.tracking import Run

_PACKAGES = ("revealed", "numpy", "pandas", "lightgbm", "duckdb", "mlflow")


@dataclass(frozen=True)
class Kept:
    """What a run kept: its figures, those of its scorer where it is a scoring, and where the page is."""

    figures: Figures
    of_scorer: Figures | None
    place: str


def keep_page_of_retrain(run: Run, figures: Figures, champion: int | None, language: Language) -> Kept:
    """Keep the figures of a retraining and its page; the figures of the champion so far begin the trend.

    A retraining scores nobody: cohorts, RFM and lists are those of the current scores, where there are any.
    """
    figures = _finished(run, figures, _figures_of(run.store, SCORER, champion))
    log_figures(run, figures)
    current = _figures_of(run.store, SCORES, alias_version(run.store, CURRENT, SCORES))
    return Kept(figures, None, _keep(run, None, figures, language, current))


def keep_page_of_score(run: Run, figures: Figures, before: int | None, language: Language) -> Kept:
    """Keep the figures of a scoring and its page, with what the retraining of its scorer found.

    Parameters
    ----------
    run : Run
        The scoring.
    figures : dict
        What it found.
    before : int or None
        The version of the scores that were current before; its figures begin the trend.
    language : str
        Of the page.
    """
    of_scorer = _figures_of(run.store, SCORER, figures["scorer"])
    figures = figures | {"nps": None if of_scorer is None else of_scorer["nps"]}
    figures = _finished(run, figures, _figures_of(run.store, SCORES, before))
    log_figures(run, figures)
    return Kept(figures, of_scorer, _keep(run, figures, of_scorer, language))


def page_of_store(store: Store, language: Language) -> str:
    """Write the page of the current scores, or where there are none, of the champion, from what their runs have kept.

    Raises
    ------
    InputError
        If nothing was scored or trained yet, or only by a release of Revealed that kept no figures.
    """
    champion = alias_version(store, CHAMPION)
    if champion is None:
        raise InputError(f"there is no champion in {store.shown_uri} to report on; run `revealed retrain` first")
    score = _figures_of(store, SCORES, alias_version(store, CURRENT, SCORES))
    retrain = _figures_of(store, SCORER, champion if score is None else int(score["scorer"]))
    if score is None and retrain is None:
        raise InputError(
            f"the runs in {store.shown_uri} were made by a release of Revealed that kept no figures for a report; run "
            "`revealed retrain` and `revealed score` once more"
        )
    return _write(score, retrain, language)


def _figures_of(store: Store, model: str, version: int | None) -> Figures | None:
    if version is None:
        return None
    return read_figures(store, store.client.get_model_version(model, str(version)).run_id)


def _finished(run: Run, figures: Figures, before: Figures | None) -> Figures:
    """Add what every kind of run has: its id, the versions it ran with, and the trend."""
    versions = {"Python": platform.python_version()} | {name: installed_version(name) for name in _PACKAGES}
    return {
        "format": FORMAT,
        "run_id": run.run_id,
        "versions": versions,
        **figures,
        "history": add_to_history(before, figures),
    }


def _keep(
    run: Run, score: Figures | None, retrain: Figures | None, language: Language, current: Figures | None = None
) -> str:
    """Keep the page and say where it is: a file that a browser opens where the store is a folder, else in which run."""
    run.log_text(_write(score, retrain, language, current), PAGE)
    uri = f"{run.store.client.get_run(run.run_id).info.artifact_uri}/{PAGE}"
    parts = urlsplit(uri)
    if parts.scheme not in ("", "file"):
        return f"run {run.run_id}, {PAGE}; `revealed report --open` shows it"
    file = Path(unquote(parts.path))
    return str(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file)


def _write(score: Figures | None, retrain: Figures | None, language: Language, current: Figures | None = None) -> str:
    # Templates, languages and the engine of the pictures take half a second that the other steps need not wait for.
    from flows.reports.page.rendering import write_page

    return write_page(score, retrain, language, current)
