"""A history that is short for what is asked of it."""

from datetime import date

# A horizon longer than this many histories is a guess.
TIMES_HISTORY = 4


def short_history(first_day: date, as_of: date, horizon: int, churn_horizon: int, clv_horizon: int) -> tuple[str, ...]:
    """Say which horizons are too long for the history, and what to set.

    Parameters
    ----------
    first_day : datetime.date
        Of the transactions.
    as_of : datetime.date
        Exclusive.
    horizon, churn_horizon, clv_horizon : int
        Days, as in the settings of these names.

    Returns
    -------
    tuple of str
        Empty where the history is at least as long as the horizon, and a quarter of the other two.
    """
    days = (as_of - first_day).days
    span = f"The history is {days} days long, from {first_day} to the day before {as_of}"
    sentences = []
    if days < horizon:
        shorter = f"set horizon = {days // 2}" if days >= 2 else "take a longer history"
        sentences.append(
            f"{span}: less than the horizon of {horizon} days, so what is expected in it goes beyond what was seen and "
            f"no backtest can judge it. For one that can be judged, {shorter}."
        )
    longest = TIMES_HISTORY * days
    asked = {"clv_horizon": clv_horizon, "churn_horizon": churn_horizon}
    too_long = {name: value for name, value in asked.items() if value > longest}
    if too_long:
        named = " and ".join(f"{name} of {value}" for name, value in too_long.items())
        settings = " and ".join(f"{name} = {longest}" for name in too_long)
        scores = " and ".join({"clv_horizon": "clv", "churn_horizon": "p_churn"}[name] for name in too_long)
        sentences.append(
            f"{span}: less than a quarter of the {named} days. Take {scores} as a guess, or set {settings}."
        )
    return tuple(sentences)
