"""Published predictions beside later answers where both lie on a cluster: of those who answered, few rows come here."""

from datetime import date
from pathlib import Path

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd

from data.intake.cluster.session import ClusterBackend
from features.describe import feature_names, in_order
from features.engine.stored import to_frame
from features.spine import is_drawn
from features.tables import Tables
from flows.steps.cluster import watching
from models.monitoring.prospective_calibration import ProspectiveCalibration, prospective_calibration
from models.monitoring.prospective_predictions import predictions_before_answers
from models.registry.cluster.drawing import HASHED_SCHEMA, HashedIds
from models.registry.cluster.predictions import ids_of, predictions_there
from models.registry.past_predictions import recent_answers, scorers_of, versions_to_judge, weights_of
from models.registry.store import Store
from models.release.release import Release
from models.survey.response.propensity import sample_size


def judge_there(
    store: Store,
    backend: ClusterBackend,
    shared: Path,
    tables: Tables,
    as_of: date,
    release: Release,
    described: ir.Table,
) -> ProspectiveCalibration | None:
    """Compare published predictions with later answers, as `models.registry.past_predictions.judge_published` does.

    To the driver come the answers (of more than `flows.steps.cluster.watching.LARGEST_SAMPLE` those of customers drawn
    by a hash), their predictions, and the features of those who answered and of a sample of all others.

    Parameters
    ----------
    store : Store
        Where scores were published.
    backend : ClusterBackend
        The session with the cluster.
    shared : pathlib.Path
        The folder that cluster and driver share: scores in it are joined there. Others were written by one machine, and
        this one reads the rows of those who answered.
    tables, as_of, release
        As for one machine; the tables lie on the cluster.
    described : ibis.expr.types.Table
        Kept features of everyone.
    """
    versions = versions_to_judge(store, as_of, release)
    if tables.answers is None or not versions:
        return None
    given = recent_answers(tables.answers, as_of, release)
    share = min(watching.LARGEST_SAMPLE / max(int(given.count().to_pyarrow().as_py()), 1), 1.0)
    drawn = is_drawn(given.customer_id, share, release.parameters.seed)
    recent = to_frame(in_order(given.filter(drawn)).to_pyarrow())
    joined = predictions_before_answers(
        predictions_there(store, backend, shared, versions, recent["customer_id"]), scorers_of(versions), recent
    )
    # Who answered and was not drawn is none of those who did not answer.
    base = described if share == 1.0 else described.anti_join(given.filter(~drawn), "customer_id")
    customer = joined["customer_id"].astype(str)
    return prospective_calibration(joined, _weights(backend, customer, release, base, share))


def _weights(
    backend: ClusterBackend, customer: pd.Series, release: Release, described: ir.Table, share: float
) -> npt.ArrayLike | None:
    """Weigh the answers of these customers, (n,), so that they represent everyone; those drawn are a share of all."""
    names = [name for name in feature_names(release.vocabulary) if name in described.columns]
    features, who, seed = described.select("customer_id", *names), ids_of(customer), release.parameters.seed
    answered = to_frame(features.semi_join(who, "customer_id").to_pyarrow())
    if not len(answered):
        return None
    others = features.anti_join(who, "customer_id")
    number = int(others.count().to_pyarrow().as_py())
    size = sample_size(len(answered), number)
    if size < number:
        name = ibis.util.gen_name("hashed")
        ids = backend.data_frame(others.select("customer_id"))
        ids.mapInArrow(HashedIds(seed), HASHED_SCHEMA).createOrReplaceTempView(name)
        lowest = backend.table(name).order_by(["hashed", "customer_id"]).limit(size)
        others = features.semi_join(lowest, "customer_id")
    rows = pd.concat([answered, to_frame(others.to_pyarrow())], ignore_index=True)
    has_answered = np.arange(len(rows)) < len(answered)
    of_others = size / max(number, 1)
    return weights_of(customer, rows[names], has_answered, rows["customer_id"], of_others / share, seed)
