"""The app over an MLflow server, as a team shares one: nothing of the store lies on the machine that shows it."""

import html
import re
import subprocess
from collections.abc import Iterator

import httpx
import pandas as pd
import pytest

from flows.app.rendering import PAGES
from tests.consumers.conftest import BIN, PATIENCE, Scheduler, Shared, clean_environment


@pytest.fixture(scope="module")
def app(scheduler: Scheduler, shared: Shared) -> Iterator[httpx.Client]:
    """The app beside the shop's tables, and a reader of its pages."""
    command, environment = [BIN / "revealed", "app", "--port", "0"], clean_environment(MLFLOW_TRACKING_URI=shared.uri)
    with subprocess.Popen(
        command, cwd=scheduler.project, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
        assert found is not None
        with httpx.Client(base_url=found.group(), timeout=PATIENCE) as client:
            yield client
        process.terminate()
        assert process.wait(timeout=PATIENCE) == 0


def test_the_app_shows_what_a_server_holds(app, shared):
    # In a process of its own: other tests of this one have opened other stores.
    pull = "import mlflow; print(mlflow.artifacts.download_artifacts('models:/customer_scores@current/scores.parquet'))"
    pulled = subprocess.run(
        [BIN / "python", "-c", pull],
        env=clean_environment(MLFLOW_TRACKING_URI=shared.uri),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    file = pulled.stdout.splitlines()[-1]
    scores = pd.read_parquet(file)
    for place in PAGES:
        answer = app.get(f"/en/{place}")
        assert answer.status_code == 200, answer.text
        assert "kept no figures" not in answer.text
    assert f"{len(scores):,} customers" in app.get("/en/customers").text
    listed = app.get("/en/lists").text
    assert re.search(r"[\d,]+ places", listed)
    row = scores.loc[scores["reasons"].notna()].iloc[0]
    page = ""
    while not page or "tables are being read" in page:
        page = html.unescape(app.get("/en/customer", params={"id": row["customer_id"]}).text)
    assert f"{row['revenue_low']:,.2f} to {row['revenue_high']:,.2f}" in page
    # The scorer was asked, and the timeline read.
    assert "By the model, the chance of an order" in page
    assert "<h3>Purchases</h3>" in page
    picture = re.search(r'src="(/en/picture/[^"]+)"', app.get("/en/").text)[1]
    assert app.get(picture).text.startswith("<svg")
