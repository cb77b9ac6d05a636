"""What a retraining says of comments: their themes, each with its share, its NPS and examples."""

import pandas as pd

from flows.reports.sections import Section
from models.registry.tracking import Run
from models.segments.topics.model import FEWEST_TO_LEARN, Themes


def comments_section(themes: Themes) -> Section:
    """Write the themes, those with the lowest NPS first, with an example of each."""
    title = f"What {themes.answers:,} comments speak of"
    if themes.why is not None:
        return Section(title, (f"No themes are told: {themes.why}.",))
    told = sorted(themes.themes, key=lambda theme: (theme.nps, theme.name))
    rows = pd.DataFrame(
        {
            "theme": [theme.name for theme in told],
            "comments": [f"{theme.answers:,}" for theme in told],
            "share": [f"{theme.share:.1%}" for theme in told],
            "NPS": [f"{theme.nps:+.1f}" for theme in told],
            "95 % interval": [f"{theme.low:+.1f} to {theme.high:+.1f}" for theme in told],
            "than all": [f"{theme.difference:+.1f}" for theme in told],
        }
    )
    spoken = sum(theme.share for theme in told)
    without = ", ".join(f"{language} ({count:,} different comments)" for language, count in themes.silent.items())
    sentences = (
        f"NPS of those who wrote: {themes.nps:+.1f}; {spoken:.0%} of the comments speak of one of these themes.",
        *([f"Without a theme (fewer than {FEWEST_TO_LEARN}, or none that stays): {without}."] if without else []),
        *(f"{theme.name}: “{theme.examples[0]}”" for theme in told if theme.examples),
    )
    return Section(title, sentences, rows)


def log_comments(run: Run, themes: Themes) -> None:
    """Leave the themes with the run, with all their examples."""
    if themes.why is None:
        frame = themes.to_frame()
        # JSON has no NaN, which the comments without a theme have for a stability.
        run.log_json(frame.astype(object).where(frame.notna(), None).to_dict("records"), "comments/themes.json")
        run.log(metrics={"comment_themes": float(len(themes.themes)), "comments": float(themes.answers)})
