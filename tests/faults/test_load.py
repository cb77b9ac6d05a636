"""Many consumers at once: who pulls the scores or has rows scored gets no wrong row, and the servers do not grow."""

import hashlib
import json
import random
import statistics
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest

from models.registry.publication import published_versions, scores_as_of
from models.registry.published_file import SCORES
from models.registry.reading import current_version
from models.registry.scorers import load_predict_from
from models.registry.store import open_store
from models.scoring.columns import PURCHASE_COLUMNS
from tests.faults.conftest import MINUTES, SEED
from tests.faults.servers import free_port, model_server, resident_memory, tracking_server

PULLING, POSTING = 50, 20
SECONDS = 60 * min(MINUTES, 3)
# Nobody asks more often, however fast the servers are.
MOST_REQUESTS = 2_000
# A consumer waits a moment, drawn up to this, before the next request.
THINKING = 1.0
ROWS, AT_ONCE = 500, 20
CHAMPION = "models:/customer_scorer@champion"
FILE = f"models:/{SCORES}@current/scores.parquet"


class Seen:
    """What happened: seconds of the requests by kind, what was wrong, and the bytes of the servers by second."""

    def __init__(self):
        self.seconds = {"pull": [], "post": []}
        self.wrong, self.pulled, self.memory = [], Counter(), {}
        self._guard = threading.Lock()

    def add(self, kind, seconds, wrong=None):
        with self._guard:
            self.seconds[kind].append(seconds)
            if wrong is not None:
                self.wrong.append(wrong)

    def pulled_one(self, digest):
        with self._guard:
            self.pulled[digest] += 1


def digest_of(file):
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def ask_again_and_again(kind, number, once, seen, until):
    """Ask until the time is over, at most so often; whatever goes wrong is kept."""
    rng = random.Random(f"{SEED} {kind} {number}")
    for _ in range(MOST_REQUESTS):
        if threading.Event().wait(rng.uniform(0, THINKING)) or time.monotonic() >= until:
            return
        began = time.monotonic()
        try:
            wrong = once(rng)
        except Exception as error:  # every failure of a consumer counts, whatever it is
            wrong = f"{kind}: {type(error).__name__}: {error}"[:300]
        seen.add(kind, time.monotonic() - began, wrong)


def purchases(seed):
    """Draw rows of features that a consumer may ask for."""
    rng = np.random.default_rng(seed)
    frequency = rng.poisson(3, ROWS)
    age = rng.integers(30, 300, ROWS)
    recency = np.where(frequency > 0, rng.integers(1, age), 0)
    value = np.where(frequency > 0, rng.gamma(2, 20, ROWS).round(2), 0.0)
    columns = {"frequency": frequency, "recency": recency, "T": age, "spend_frequency": frequency, "spend_value": value}
    return pd.DataFrame(columns)[list(PURCHASE_COLUMNS)]


@pytest.fixture
def served(start, inputs, kept, tmp_path, monkeypatch):
    """A store behind a tracking server with scores, and its champion served; gives both, and what starts commands."""
    port, model_port = free_port(), free_port()
    uri = f"http://127.0.0.1:{port}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)

    def run(command, *more):
        ended = start(command, *inputs[command], *more, kept=kept, environment={"MLFLOW_TRACKING_URI": uri}).wait()
        assert ended.code == 0, ended.text

    with tracking_server(tmp_path, port) as tracking:
        run("retrain")
        run("score")
        store = open_store(None, tmp_path)
        with model_server(CHAMPION, uri, tmp_path, model_port) as model:
            yield store, run, f"http://127.0.0.1:{model_port}/invocations", {"tracking": tracking, "model": model}


def test_seventy_consumers_at_once_get_no_wrong_row_and_the_servers_do_not_grow(served):
    store, run, address, servers = served
    seen, until = Seen(), time.monotonic() + SECONDS
    rows = purchases(SEED)
    expected = load_predict_from(CHAMPION)(rows)

    def pull(rng):
        with TemporaryDirectory() as folder:
            file = mlflow.artifacts.download_artifacts(FILE, dst_path=folder, tracking_uri=store.uri)
            seen.pulled_one(digest_of(file))

    def post(rng):
        chosen = sorted(rng.sample(range(ROWS), AT_ONCE))
        body = json.loads(rows.iloc[chosen].to_json(orient="split", index=False, double_precision=15))
        response = client.post(address, json={"dataframe_split": body})
        response.raise_for_status()
        got = pd.DataFrame(response.json()["predictions"])
        numbers = expected.select_dtypes("number").columns
        same = np.allclose(
            got[numbers].astype(float), expected[numbers].iloc[chosen], rtol=1e-9, atol=1e-12, equal_nan=True
        )
        return None if same else f"post: other scores of rows {chosen}"

    def watch():
        began = time.monotonic()
        while time.monotonic() < until and not stop.wait(1):
            seen.memory[time.monotonic() - began] = {
                name: resident_memory(server.pid) for name, server in servers.items()
            }

    stop = threading.Event()
    # The server closes what was idle for five seconds, and a request that crosses that is lost.
    brief = httpx.Limits(keepalive_expiry=1)
    with httpx.Client(timeout=120, limits=brief) as client, ThreadPoolExecutor(PULLING + POSTING + 1) as pool:
        asking = [pool.submit(ask_again_and_again, "pull", n, pull, seen, until) for n in range(PULLING)]
        asking += [pool.submit(ask_again_and_again, "post", n, post, seen, until) for n in range(POSTING)]
        watching = pool.submit(watch)
        # The scores are exchanged meanwhile: who pulls gets the old table or the new one, whole.
        day = scores_as_of(store, current_version(store)) + timedelta(days=1)
        run("score", "--as-of", day)
        for each in asking:
            each.result()
        stop.set()
        watching.result()
    tell(seen)
    assert seen.wrong == []
    files = {
        digest_of(mlflow.artifacts.download_artifacts(f"models:/{SCORES}/{version}/scores.parquet"))
        for version in published_versions(store)
    }
    assert len(files) == 2
    assert set(seen.pulled) <= files
    for name in servers:
        first, second = halves(seen, name)
        assert second <= 1.1 * first, f"the {name} server grew from {first / 1e6:.0f} to {second / 1e6:.0f} MB"


def halves(seen, name):
    """Return the median bytes of a server in the first half, and in the second."""
    middle = max(seen.memory) / 2
    first = [held[name] for at, held in seen.memory.items() if at <= middle]
    return statistics.median(first), statistics.median(held[name] for at, held in seen.memory.items() if at > middle)


def tell(seen):
    """Print percentiles and memory."""
    lines = [
        f"{SECONDS:.0f} s, {PULLING} pulling, {POSTING} posting {AT_ONCE} rows each; {len(seen.wrong)} wrong, "
        f"{len(seen.pulled)} versions pulled"
    ]
    for kind, seconds in seen.seconds.items():
        told = ", ".join(f"{q} % {np.percentile(seconds, q):.2f} s" for q in (50, 90, 99, 100))
        lines.append(f"{kind}: {len(seconds):,} requests; {told}")
    for name in next(iter(seen.memory.values())):
        first, second = halves(seen, name)
        lines.append(f"memory of the {name} server: {first / 1e6:.0f} MB, then {second / 1e6:.0f} MB")
    sys.stdout.write("\n" + "\n".join(lines) + "\n")
