"""The action lists in the report and the run of a scoring."""

import pandas as pd

from data.spreadsheet_cells import escape_frame
from flows.reports.sections import Section
from models.actions.lists import ActionList
from models.actions.plan import Actions, to_table
from models.registry.tracking import Run

# Customers of each list that are shown; the files hold all.
SHOWN = 5


def action_sections(actions: Actions) -> list[Section]:
    """Report each list: how many customers, what their value means, and the first of them with the reason."""
    return [_section(each) for each in actions.lists]


def log_actions(run: Run, actions: Actions) -> None:
    """Log the lists with the run: as a CSV file to work with, and as a table that MLflow shows."""
    table = to_table(actions.lists)
    # People open it in a spreadsheet.
    run.log_csv(escape_frame(table)[0], "action_lists.csv")
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
