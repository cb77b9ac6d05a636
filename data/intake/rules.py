"""What holds for all tables of an intake: zone, currency, limits, and how the question ces is meant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from data.errors import InputError
from data.pseudonyms import Protection
from data.secrecy.showing import describe


@dataclass(frozen=True)
class Rules:
    """What holds for all tables.

    Parameters
    ----------
    timezone
        The shop's zone, by its IANA name.
    currency
        The one currency of all amounts; None where a column of the transactions names it, or nobody does.
    now
        What is later than this is in the future; None: the wall clock. A time without a zone is in the shop's zone.
    quarantine_limit
        Largest share of rows that may be set aside, for all tables or by table (0.05 where a table is not named).
    ces_version
        1 where the question ces asks how much effort it took (low is good), 2 where it asks how easy it was (high is
        good); None: 1 on the scale 1-5, on which the first form was asked, and 2 on other scales.
    scales
        Question -> its worst and its best answer, for answers without a column scale; before those of
        `data.contracts.SCALES`.
    id_case
        "fold" where ids of customers and orders that differ only in the case of letters are one, in all tables alike;
        they are then written in small letters.
    id_point_zero
        "drop" where a `.0` at the end of a whole number is no part of such an id.
    protection
        Whether pseudonyms stand for the ids of customers, and who is forgotten.
    """

    timezone: str = "UTC"
    currency: str | None = None
    now: datetime | None = None
    quarantine_limit: Mapping[str, float] | float = field(default=0.05)
    ces_version: Literal[1, 2] | None = None
    scales: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    id_case: Literal["keep", "fold"] = "keep"
    id_point_zero: Literal["keep", "drop"] = "keep"
    protection: Protection = field(default=Protection())

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (ValueError, OSError, KeyError):
            raise InputError(
                f'timezone must be an IANA name such as "Europe/Berlin", got {describe(self.timezone)}.'
            ) from None
        limits = self.quarantine_limit
        for limit in limits.values() if isinstance(limits, Mapping) else [limits]:
            if not 0 <= limit <= 1:
                raise InputError(f"quarantine_limit must be a share from 0 to 1, got {limit}.")

    def local_now(self) -> datetime:
        """Return the time after which everything is in the future, in the shop's zone and without it."""
        now = self.now or datetime.now(ZoneInfo(self.timezone))
        return now.astimezone(ZoneInfo(self.timezone)).replace(tzinfo=None) if now.tzinfo else now

    def limit(self, table: str) -> float:
        """Return the largest share of a table's rows that may be set aside."""
        if isinstance(self.quarantine_limit, Mapping):
            return self.quarantine_limit.get(table, 0.05)
        return self.quarantine_limit


def one_currency(currencies: Sequence[str], rules: Rules) -> str | None:
    """Give the one currency of the valid transactions: that of the setting, else that of the column, if there is one.

    Raises
    ------
    InputError
        There are several, or the one in the column is not the one of the setting.
    """
    if len(currencies) > 1:
        raise InputError(
            f"transactions are in {len(currencies)} currencies ({', '.join(currencies[:5])}), and amounts of several "
            "cannot be added. Convert them to one, or give the rows of one currency only."
        )
    setting = rules.currency.strip().upper() if rules.currency else None
    if currencies and setting and currencies[0] != setting:
        shown = setting if len(setting) == 3 else describe(setting)
        raise InputError(f"currency is set to {shown}, but the transactions are in {currencies[0]}.")
    return setting or (currencies[0] if currencies else None)
