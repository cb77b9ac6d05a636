"""Probability samples kept in the store: each is a run of kind "sample" with its inclusion probabilities."""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from models.registry.store import Store
from models.registry.tracking import Run

SAMPLE = "sample"
LIST = "sample/invitations.csv"
COLUMNS = ("customer_id", "drawn_on", "inclusion_probability", "quiet_days")
# Older samples than the newest so many do not represent today's base any more, and each is a file to fetch.
MOST_SAMPLES = 100
DRAWN_ON, _QUIET_DAYS = "drawn_on", "quiet_days"


def write_probability_sample(run: Run, sample: pd.DataFrame, drawn_on: date, quiet_days: int) -> None:
    """Keep a sample with the run that drew it; it counts once the run has finished without an error.

    Parameters
    ----------
    run : models.registry.tracking.Run
        Of kind `SAMPLE`.
    sample : pandas.DataFrame
        One row per customer: customer_id, inclusion_probability, and any other columns.
    drawn_on : datetime.date
        The as_of of the sample, exclusive: it was drawn from data before this date.
    quiet_days : int
        Customers asked in so many days before could not be drawn.
    """
    run.log_csv(sample, LIST)
    run.tag(**{DRAWN_ON: drawn_on.isoformat(), _QUIET_DAYS: str(quiet_days)})


def read_probability_samples(store: Store, before: date) -> pd.DataFrame:
    """Read the samples drawn before a date, of the newest `MOST_SAMPLES` days.

    Of several samples of one day the newest counts: drawing again as of the same date replaces the sample. A run that
    failed or was deleted does not count.

    Parameters
    ----------
    store : models.registry.store.Store
        Where they are kept.
    before : datetime.date
        Exclusive.

    Returns
    -------
    pandas.DataFrame
        One row per customer and sample, in order of drawn_on and customer_id: customer_id (text), drawn_on
        (datetime64), inclusion_probability (in (0, 1]), quiet_days. Empty without samples.
    """
    runs = sorted(((day, run) for day, run in _newest_runs(store).items() if day < before), reverse=True)[:MOST_SAMPLES]
    samples = [_read_sample(store, run_id).assign(drawn_on=day, quiet_days=quiet) for day, (run_id, quiet) in runs]
    if not samples:
        return pd.DataFrame({name: [] for name in COLUMNS}).astype(
            {
                "customer_id": "str",
                "drawn_on": "datetime64[us]",
                "inclusion_probability": float,
                "quiet_days": int,
            }
        )
    table = pd.concat(samples)[list(COLUMNS)]
    table["drawn_on"] = pd.to_datetime(table["drawn_on"]).astype("datetime64[us]")
    return table.sort_values(["drawn_on", "customer_id"], ignore_index=True)


def is_drawn(store: Store, drawn_on: date) -> bool:
    """Whether there is a sample of that day."""
    return drawn_on in _newest_runs(store)


def _newest_runs(store: Store) -> dict[date, tuple[str, int]]:
    """By the date of a sample: the run that drew it last, and its quiet days."""
    runs: dict[date, tuple[str, int]] = {}
    token: str | None = None
    while True:
        page = store.client.search_runs(
            [store.experiment_id],
            filter_string=f"tags.kind = '{SAMPLE}' and attributes.status = 'FINISHED'",
            order_by=["attributes.start_time DESC"],
            page_token=token,
        )
        for run in page:
            tags = run.data.tags
            if DRAWN_ON in tags:
                newest = (str(run.info.run_id), int(tags[_QUIET_DAYS]))
                runs.setdefault(date.fromisoformat(tags[DRAWN_ON]), newest)
        token = page.token
        if not token:
            return runs


def _read_sample(store: Store, run_id: str) -> pd.DataFrame:
    """Read one sample; ids are texts, exactly as they were written."""
    with TemporaryDirectory() as place:
        file = Path(store.client.download_artifacts(run_id, LIST, place))
        texts = pd.read_csv(file, dtype="str", keep_default_na=False)
    probability = texts["inclusion_probability"].astype(float)
    return pd.DataFrame({"customer_id": texts["customer_id"], "inclusion_probability": probability})
