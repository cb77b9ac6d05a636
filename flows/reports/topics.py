"""What a retraining says of comments: their topics, each with its share, its NPS and examples."""

import pandas as pd

from flows.reports.sections import Section
from models.registry.tracking import Run
from models.segments.topics.model import FEWEST_TO_LEARN, Topics


def comments_section(topics: Topics) -> Section:
    """Write the topics, those with the lowest NPS first, with an example of each."""
    title = f"What {topics.answers:,} comments speak of"
    if topics.why is not None:
        return Section(title, (f"No topics are told: {topics.why}.",))
    told = sorted(topics.topics, key=lambda topic: (topic.nps, topic.name))
    rows = pd.DataFrame(
        {
            "topic": [topic.name for topic in told],
            "comments": [f"{topic.answers:,}" for topic in told],
            "share": [f"{topic.share:.1%}" for topic in told],
            "NPS": [f"{topic.nps:+.1f}" for topic in told],
            "95 % interval": [f"{topic.low:+.1f} to {topic.high:+.1f}" for topic in told],
            "than all": [f"{topic.difference:+.1f}" for topic in told],
        }
    )
    spoken = sum(topic.share for topic in told)
    without = ", ".join(f"{language} ({count:,} different comments)" for language, count in topics.silent.items())
    sentences = (
        f"NPS of those who wrote: {topics.nps:+.1f}; {spoken:.0%} of the comments speak of one of these topics.",
        *([f"Without a topic (fewer than {FEWEST_TO_LEARN}, or none that stays): {without}."] if without else []),
        *(f"{topic.name}: “{topic.examples[0]}”" for topic in told if topic.examples),
    )
    return Section(title, sentences, rows)


def log_comments(run: Run, topics: Topics) -> None:
    """Leave the topics with the run, with all their examples."""
    if topics.why is None:
        frame = topics.to_frame()
        # JSON has no NaN, which the comments without a topic have for a stability.
        run.log_json(frame.astype(object).where(frame.notna(), None).to_dict("records"), "comments/topics.json")
        run.log(metrics={"comment_topics": float(len(topics.topics)), "comments": float(topics.answers)})
