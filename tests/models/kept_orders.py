"""Orders of a simulated shop that have not come back in full, with pandas: there a return has the id of its order."""

from datetime import date

import pandas as pd


def kept_sales(transactions: pd.DataFrame, before: date) -> pd.DataFrame:
    """Return the sale lines before a date of orders of which something is kept at that date."""
    lines = transactions[transactions["ts"] < pd.Timestamp(before)]
    is_kept = lines.groupby(["customer_id", "order_id"])["amount"].transform("sum") > 0
    return lines[is_kept & (lines["amount"] > 0)]


def had_bought(transactions: pd.DataFrame, asked: pd.DataFrame) -> pd.Series:
    """Say of each invitation whether the customer had bought before its day something that was kept until then."""
    days = asked[["customer_id"]].assign(day=asked["invited_at"].dt.normalize(), invitation=asked.index)
    lines = days.merge(transactions, on="customer_id")
    lines = lines[lines["ts"] < lines["day"]]
    kept = lines.groupby(["invitation", "order_id"])["amount"].sum() > 0
    return pd.Series(asked.index.isin(kept[kept].index.get_level_values("invitation")), index=asked.index)
