"""Topics of comments in the report of a retraining: each with its share, its NPS and examples."""

import pandas as pd

from flows.reports.sections import Section
from models.registry.tracking import Run, grouped
from models.segments.topics.model import FEWEST_TO_LEARN, Topics


def comments_section(topics: Topics) -> Section:
    """Report the topics, the lowest NPS first, with an example of each."""
    title = f"Topics of {topics.answers:,} comments"
    if topics.why is not None:
        return Section(title, (f"There are none: {topics.why}.",))
    by_nps = sorted(topics.topics, key=lambda topic: (topic.nps, topic.name))
    rows = pd.DataFrame(
        {
            "topic": [topic.name for topic in by_nps],
            "comments": [f"{topic.answers:,}" for topic in by_nps],
            "share": [f"{topic.share:.1%}" for topic in by_nps],
            "NPS": [f"{topic.nps:+.1f}" for topic in by_nps],
            "95 % interval": [f"{topic.low:+.1f} to {topic.high:+.1f}" for topic in by_nps],
            "difference from all": [f"{topic.difference:+.1f}" for topic in by_nps],
        }
    )
    with_topic = sum(topic.share for topic in by_nps)
    without = ", ".join(
        f"{language} ({count:,} different comments)" for language, count in topics.without_topic.items()
    )
    sentences = (
        f"NPS of all who wrote a comment: {topics.nps:+.1f}. {with_topic:.0%} of the comments have one of these "
        "topics.",
        *(
            [f"Languages without topics (fewer than {FEWEST_TO_LEARN} comments, or no stable topic): {without}."]
            if without
            else []
        ),
        *(f"{topic.name}: “{topic.examples[0]}”" for topic in by_nps if topic.examples),
    )
    return Section(title, sentences, rows)


def log_comments(run: Run, topics: Topics) -> None:
    """Log the topics with the run, with all their examples."""
    if topics.why is None:
        frame = topics.to_frame()
        # JSON has no NaN, which the comments without a topic have for a stability.
        run.log_json(frame.astype(object).where(frame.notna(), None).to_dict("records"), "comments/topics.json")
        run.log(metrics=grouped("comments", {"topics": len(topics.topics), "answers": topics.answers}))
