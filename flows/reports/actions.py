"""The action lists in the report of a scoring, and their files in its run."""

import pandas as pd

from flows.reports.sections import Section
from models.actions.lists import ActionList
from models.actions.plan import Actions, to_table
from models.registry.tracking import Run

# So many of each list are shown; the files hold all.
SHOWN = 5


def action_sections(actions: Actions) -> list[Section]:
    """Write each list: who is on it, how the value is computed, the first customers and why they are listed."""
    return [_section(each) for each in actions.lists]


def log_actions(run: Run, actions: Actions) -> None:
    """Log the lists: as a CSV file to work through, and as a table to look at in MLflow."""
    table = to_table(actions.lists)
    run.log_csv(table, "action_lists.csv")
    run.log_table(table, "action_lists.json")


def _section(each: ActionList) -> Section:
    if each.absent is not None:
        return Section(each.title, (f"There is no such list. {each.absent}",))
    people = len(each.customers)
    sentences = (f"{each.meaning} Value is {each.value_definition}",)
    if not people:
        return Section(f"{each.title}: nobody", sentences)
    rows = [
        (row["customer_id"], f"{row['value']:,.0f}", row["segment"], row["why"])
        for row in each.customers.head(SHOWN).to_dict("records")
    ]
    table = pd.DataFrame(rows, columns=["customer", "value", "segment", "why"])
    first = f", the first {len(rows)} of them" if people > len(rows) else ""
    return Section(f"{each.title}: {people:,}{first}", sentences, table)
