"""CDNOW: the real purchases that ship inside `lifetimes`, and a simulated survey of the same customers.

The purchases are real: 69,659 of them by all 23,570 customers who first bought in January to March 1997,
until June 1998 (Fader & Hardie 2001). No survey of these customers exists, so the one written here is
SIMULATED: every row of it carries the touchpoint "simulated".
"""

import importlib.util
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import expit

from data.errors import InputError
from data.simulation.answers import NPS_SHARES, Floats, draw_points

Days = npt.NDArray[np.datetime64]
Texts = npt.NDArray[np.object_]

# First of each month: the mornings on which some of the customers are asked.
SURVEY_WAVES = tuple(date(1997 + month // 12, month % 12 + 1, 1) for month in range(5, 18))
INVITED_SHARE = 0.04
# Share of an answer's variance that the behaviour before the invitation explains.
RELIABILITY = 0.2
# Share of the noise that stays with a customer from one answer to the next.
NOISE_OF_CUSTOMER = 0.5
# Log-odds of answering: those of the average customer, and what one standard deviation of satisfaction adds.
RESPONSE_LOG_ODDS, RESPONSE_SLOPE = -1.6, 0.8
# Mean and standard deviation of the raw satisfaction over all customers and waves. They are fixed numbers,
# not taken from the data at hand, so that an answer depends on nothing that came after its invitation.
SATISFACTION_CENTRE, SATISFACTION_SPREAD = 0.12, 0.98

_BEHAVIOUR = """
with days as (
    select customer_id, ts::date as day, sum(amount) as amount
    from read_parquet($transactions) where ts < $latest group by all
), visible as (
    select wave.as_of, customer_id, day, amount, wave.as_of - 120 as recent_from
    from unnest($waves::date[]) as wave(as_of) join days on day < wave.as_of
)
select as_of, customer_id,
    as_of - max(day) as days_since,
    count(*) - 1 as repeats,
    max(day) - min(day) as span,
    as_of - min(day) as age,
    coalesce(sum(amount) filter (day >= recent_from), 0)::double as recent_spend,
    coalesce(sum(amount) filter (day < recent_from), 0)::double as earlier_spend
from visible group by as_of, customer_id order by as_of, customer_id
"""


def write_cdnow(folder: Path) -> dict[str, Path]:
    """Write the CDNOW purchases as a table of transactions.

    Parameters
    ----------
    folder : Path
        Where ``transactions.parquet`` is written; made where it is not there.

    Returns
    -------
    dict of str to Path
        ``{"transactions": ...}``: customer_id (text, with its leading zeros), ts (date), quantity, amount.

    Raises
    ------
    InputError
        If the installed `lifetimes` does not hold the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "transactions.parquet"
    with duckdb.connect() as connection:
        # One or more blanks pad the columns, so each line is read as one cell and then split.
        connection.execute(
            """
            create table purchases as
            select cell[1] as customer_id, strptime(cell[2], '%Y%m%d')::date as ts,
                cell[3]::integer as quantity, cell[4]::decimal(18, 2) as amount
            from (select string_split_regex(trim(line, ' \r'), ' +') as cell
                  from read_csv($file, columns = {'line': 'VARCHAR'}, delim = '|', quote = '', escape = '',
                                header = true, auto_detect = false))
            """,
            {"file": str(_master_file())},
        )
        connection.table("purchases").write_parquet(str(path))
    return {"transactions": path}


def write_cdnow_survey(folder: Path, transactions: Path, seed: int) -> Path:
    """Write a SIMULATED recommendation survey of the CDNOW customers.

    On the first of each month from June 1997 to June 1998 a random 4 % of those who have bought by then are
    invited, and about a fifth of them answer. The answer, 0-10, comes from a latent satisfaction that is a
    function of the purchases before the invitation only, plus noise: satisfaction explains 20 % of its
    variance. Satisfied customers answer more often, so that the mean of the survey is too high.

    Parameters
    ----------
    folder : Path
        Where ``answers.parquet`` is written; made where it is not there.
    transactions : Path
        The table that `write_cdnow` wrote.
    seed : int
        The same seed gives the same survey.

    Returns
    -------
    Path
        ``answers.parquet``: customer_id, question, invited_at, answered_at, score, touchpoint; one row per
        invitation, answered_at and score null where there was no answer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    as_of, customer_id, satisfaction = _satisfaction(transactions, SURVEY_WAVES)
    waves, wave = np.unique(as_of, return_inverse=True)
    customers, customer = np.unique(customer_id, return_inverse=True)
    random = np.random.default_rng(seed)
    # One draw for each wave and customer, used or not, so that later purchases change no earlier draw.
    shape = (len(waves), len(customers))
    invited = random.random(shape)[wave, customer] < INVITED_SHARE
    lasting = random.standard_normal(len(customers))[customer]
    passing = random.standard_normal(shape)[wave, customer]
    noise = np.sqrt(NOISE_OF_CUSTOMER) * lasting + np.sqrt(1 - NOISE_OF_CUSTOMER) * passing
    responds = random.random(shape)[wave, customer] < expit(RESPONSE_LOG_ODDS + RESPONSE_SLOPE * satisfaction)
    hours = np.minimum(random.exponential(40.0, shape)[wave, customer], 14 * 24.0)

    score = draw_points(satisfaction, noise, RELIABILITY, NPS_SHARES)[invited]
    non_respondent = ~responds[invited]
    invited_at = as_of[invited].astype("datetime64[s]") + np.timedelta64(10, "h")
    answered_at = invited_at + (hours[invited] * 3600).astype("timedelta64[s]")
    path = folder / "answers.parquet"
    table = pa.table(
        {
            "customer_id": pa.array(customer_id[invited]),
            "question": pa.array(["nps"] * len(score)),
            "invited_at": pa.array(invited_at, pa.timestamp("us")),
            "answered_at": pa.array(answered_at.astype("datetime64[us]"), pa.timestamp("us"), mask=non_respondent),
            "score": pa.array(score, pa.int32(), mask=non_respondent),
            "touchpoint": pa.array(["simulated"] * len(score)),
        }
    )
    pq.write_table(table, path)
    return path


def _satisfaction(transactions: Path, waves: tuple[date, ...]) -> tuple[Days, Texts, Floats]:
    """Return (as_of, customer_id, satisfaction) of every customer who had bought before a wave."""
    with duckdb.connect() as connection:
        parameters = {"transactions": str(transactions), "waves": list(waves), "latest": max(waves)}
        table: pa.Table = connection.sql(_BEHAVIOUR, params=parameters).to_arrow_table()
    behaviour: dict[str, Floats] = {name: table[name].to_numpy() for name in table.column_names[2:]}
    as_of: Days = table["as_of"].to_numpy().astype("datetime64[D]")
    customer_id: Texts = table["customer_id"].to_numpy()
    repeats, days_since = behaviour["repeats"], behaviour["days_since"]
    # The rhythm of a customer is the mean gap between purchases; half a year for those with one purchase.
    rhythm = np.where(repeats > 0, behaviour["span"] / np.maximum(repeats, 1), 180.0)
    lateness = np.log((days_since + 14.0) / (rhythm + 14.0))
    # Log ratio of the spend of the last 120 days to the mean spend of 120 days before them, in dollars.
    earlier = behaviour["earlier_spend"] * 120.0 / np.maximum(behaviour["age"] - 120.0, 120.0)
    trend = np.log((behaviour["recent_spend"] + 20.0) / (earlier + 20.0))
    raw = np.log1p(repeats) - 0.6 * lateness + 0.3 * trend
    satisfaction = (raw - SATISFACTION_CENTRE) / SATISFACTION_SPREAD
    return as_of, customer_id, satisfaction


def _master_file() -> Path:
    """Find the purchases inside the installed package without importing it, which takes seconds."""
    package = importlib.util.find_spec("lifetimes")
    file = Path(package.origin).parent / "datasets" / "CDNOW_master.txt" if package and package.origin else None
    if file is None or not file.is_file():
        where = file or "the package lifetimes"
        raise InputError(
            f"The CDNOW purchases are read from {where}, which is not there. Install them: pip install lifetimes"
        )
    return file
