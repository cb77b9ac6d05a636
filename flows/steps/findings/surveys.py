"""What looks wrong in answers."""

from collections.abc import Iterator

from data.intake.report import TableReport
from features.tables import Tables
from flows.settings import Settings
from flows.steps.findings.finding import Finding, Names
from flows.steps.overview import count_unusable, describe_questions, find_busiest

_FEWEST_SCORES = 3
_MANY_ANSWERS, _MANY_SHARE = 10, 0.05
_UNUSABLE_SHARE = 0.1


def find_in_answers(report: TableReport, tables: Tables, names: Names, settings: Settings) -> Iterator[Finding]:
    """Find answers on another scale, many answers of one customer, and answers that nothing can be learned from.

    Parameters
    ----------
    report
        The report on the answers.
    tables
        The clean tables, with answers.
    names
        How the columns of the answers are called.
    settings
        The questions that models are made of.
    """
    yield from _find_other_scales(report, tables)
    for row in find_busiest(tables.answers).to_dict("records"):
        if row["answers"] >= _MANY_ANSWERS and row["answers"] > _MANY_SHARE * row["answered"]:
            literal = "'" + row["customer_id"].replace("'", "''") + "'"
            yield Finding(
                f"The customer {row['customer_id']} gave {row['answers']:,} of the {row['answered']:,} answers to "
                f"{row['question']}. Intervals allow for it, but if it is a test or an address that many share, leave "
                "these answers out.",
                **names.leave_out(f"{names['customer_id']} <> {literal}"),
            )
    for question, answers, unusable, why in tell_unusable(tables, settings):
        if unusable > _UNUSABLE_SHARE * answers:
            yield Finding(
                f"{unusable:,} of the {answers:,} answers to {question} cannot be learned from: {why}. Give the "
                "earlier transactions of these customers as well, if there are any."
            )


def tell_unusable(tables: Tables, settings: Settings) -> Iterator[tuple[str, int, int, str]]:
    """Tell for each question of a model its answers, those that cannot be used, and why; only where there are some."""
    questions = dict.fromkeys([settings.nps_question, settings.satisfaction_question])
    words = {
        "early": "were asked for before or on the day of the first purchase",
        "strangers": "are of customers without a purchase",
        "in_gap": "were asked for within label_gap_days after the first purchase",
    }
    for row in count_unusable(tables, list(questions), settings.label_gap_days).to_dict("records"):
        told = [f"{int(row[name]):,} {what}" for name, what in words.items() if row[name]]
        if told:
            unusable = sum(int(row[name]) for name in words)
            yield row["question"], int(row["answers"]), unusable, ", ".join(told)


def _find_other_scales(report: TableReport, tables: Tables) -> Iterator[Finding]:
    if "scale" in report.columns:
        return
    for row in describe_questions(tables.answers).to_dict("records"):
        if (row["low"], row["high"]) == (0, 10) and row["answered"] >= _FEWEST_SCORES and row["largest"] <= 5:
            yield Finding(
                f"No score of the {row['answered']:,} answers to {row['question']} is above {row['largest']:.0f}, but "
                "they are read on the scale 0-10, so that all are detractors. If they were given on 1-5, say so.",
                "scales",
                {row["question"]: "1-5"},
                advice="assume",
            )
