"""Who customers are: attributes declared static, as numbers or one column per level."""

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir

from data.errors import InputError
from features.spine import Spine


def valid_attributes(customers: ir.Table, spine: Spine, attributes: Sequence[str]) -> ir.Table:
    """Take each customer's newest row that was valid before as_of. Grain: one row per pair with any.

    A row without valid_from has always been valid and is the oldest. Returns the spine's keys and the attributes.
    """
    attached = spine.attach(customers.select("customer_id", "valid_from", *attributes))
    is_valid = attached.valid_from.isnull() | (attached.valid_from < spine.midnight_of(attached))
    # The attributes themselves break ties, so that the order of rows never does.
    newest_first = [
        ibis.desc(attached.valid_from, nulls_first=False),
        *(ibis.desc(attached[name], nulls_first=False) for name in attributes),
    ]
    ranked = attached.filter(is_valid).mutate(
        newness=ibis.row_number().over(group_by=spine.keys, order_by=newest_first)
    )
    return ranked.filter(ranked.newness == 0).select(*spine.keys, *attributes)


def attribute_features(
    customers: ir.Table, spine: Spine, numeric: Mapping[str, str], levels: Mapping[str, tuple[str, str]]
) -> ir.Table:
    """Give attributes as doubles. Grain: one row per pair with a valid row of customers.

    Parameters
    ----------
    customers
        Clean customers.
    spine
        Whom to describe, and as of when.
    numeric
        Feature name -> attribute that is a number: taken as it is.
    levels
        Feature name -> (attribute that is text, level): 1.0 where the customer has that level, else 0.0.

    Raises
    ------
    InputError
        If an attribute is missing, or was a number when the vocabulary was learned and is text now, or the reverse.
    """
    wanted_numeric = dict.fromkeys(numeric.values(), True)
    wanted_text = dict.fromkeys((attribute for attribute, _ in levels.values()), False)
    for attribute, is_number in (wanted_numeric | wanted_text).items():
        _check_type(customers, attribute, is_number=is_number)
    valid = valid_attributes(customers, spine, [*wanted_numeric, *wanted_text])
    return valid.select(
        *spine.keys,
        **{feature: valid[attribute].cast("float64") for feature, attribute in numeric.items()},
        **{
            feature: ibis.ifelse(valid[attribute] == level, 1, 0).cast("float64")
            for feature, (attribute, level) in levels.items()
        },
    )


def _check_type(customers: ir.Table, attribute: str, *, is_number: bool) -> None:
    if attribute not in customers.columns:
        raise InputError(
            f"customers has no column {attribute}, which the scorer was trained with; it has "
            f"{', '.join(customers.columns)}. Give the column, or retrain without it."
        )
    if customers[attribute].type().is_numeric() != is_number:
        was, now = ("numbers", "text") if is_number else ("text", "numbers")
        raise InputError(
            f"customers, column {attribute}: the scorer was trained when it held {was}, now it holds {now}. "
            "Mend the column, or retrain."
        )
