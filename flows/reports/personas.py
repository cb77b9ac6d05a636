"""Personas in the report of a retraining: their sizes, values and NPS, and what distinguishes them."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from flows.reports.sections import Section, number, share
from flows.steps.base import Profiled
from models.registry.tracking import Run, grouped

_NPS = ("nps", "low", "high", "wide_low", "wide_high", "answers", "hidden_because")


def personas_section(profiled: Profiled, nps: pd.DataFrame | None) -> Section:
    """Report each persona with its share, value and NPS, what distinguishes it, and how stable personas are.

    Parameters
    ----------
    profiled
        The personas and their profile.
    nps
        NPS by persona, as `models.survey.small_area.segment_nps` gives it; None if none was estimated.
    """
    personas = profiled.personas
    if len(personas.names) == 1:
        return Section("Personas", (f"There are none: {personas.why.rstrip('.')}.",))
    table = joined(profiled, nps)
    rows = pd.DataFrame(
        {
            "persona": table["persona"],
            "customers": table["customers"].map("{:,}".format),
            "share": table["share"].map("{:.1%}".format),
            "lifetime value": [number(value, 2) for value in table["clv"]],
            "next purchase": [share(value) for value in table["p_purchase"]],
            "NPS": [_nps(row) for row in table.to_dict("records")],
        }
    )
    sentences = [
        f"{len(personas.names)} personas. Refitted on resampled customers, they agree with an adjusted Rand index of "
        f"{personas.agreement:.3f}.",
        *([personas.why] if personas.why else []),
        *(f"{row['persona']}: {row['told_by']}." for row in table.to_dict("records") if row["told_by"]),
    ]
    if nps is not None and nps["hidden_because"].notna().any():
        sentences.append("A persona without an NPS has too few answers.")
    return Section("Personas: customers who behave alike", tuple(sentences), rows)


def log_personas(run: Run, profiled: Profiled, nps: pd.DataFrame | None) -> None:
    """Log the profile with the run, and how the number of personas was chosen."""
    run.log_csv(joined(profiled, nps), "personas/personas.csv")
    personas = profiled.personas
    # Without where they lie in the space of the features, which nobody reads.
    choice = {name: each for name, each in personas.to_dict().items() if name not in ("centres", "space")}
    run.log_json(choice, "personas/choice.json")
    run.log(metrics=grouped("personas", {"number": len(personas.names), "agreement": personas.agreement}))


def joined(profiled: Profiled, nps: pd.DataFrame | None) -> pd.DataFrame:
    """Join the NPS of each persona to its profile."""
    if nps is None:
        return profiled.profile
    by_name = nps.set_index("segment")[list(_NPS)]
    return profiled.profile.join(by_name, on="persona")


def _nps(row: Mapping[Any, Any]) -> str:
    if pd.isna(row.get("nps")):
        return "–"
    return f"{row['nps']:+.1f} ({row['wide_low']:+.1f} to {row['wide_high']:+.1f})"
