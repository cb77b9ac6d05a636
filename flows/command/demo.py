"""The demo: the main job on all real CDNOW purchases and a simulated survey, in the embedded store."""

import tempfile
import textwrap
from pathlib import Path

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from rich.console import Console

from data.samples.cdnow import write_cdnow, write_cdnow_survey
from flows.command.running import run_plainly
from flows.settings import Settings
from flows.steps.progress import shown_on, step

SURVEY_SEED = 1997
SIMULATED = (
    "The purchases are real (CDNOW, 1997-98, from the package lifetimes). No survey of these customers exists: "
    "the answers are SIMULATED from their behaviour, so the NPS figures show how it works, not what they thought."
)


class DemoSettings(Settings):
    """Settings that read neither the environment nor a settings file: the demo is the same everywhere."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the names are pydantic's
        init_settings: PydanticBaseSettingsSource,
        *others: PydanticBaseSettingsSource,  # noqa: ARG003
        **named: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only the values that the demo passes."""
        return (init_settings,)


def run_demo(mlruns: str, console: Console, *, verbose: bool = False) -> None:
    """Retrain and score on the demo's shop.

    Parameters
    ----------
    mlruns : str
        Folder of the store. The demo has its own, so that its scorer is never compared with that of a shop.
    console : rich.console.Console
        Where everything is shown.
    verbose : bool
        Whether everything is told, not only what fits a screen.
    """
    for line in textwrap.wrap(SIMULATED, 80):
        console.print(line, markup=False)
    with tempfile.TemporaryDirectory(prefix="revealed-demo-") as folder:
        with shown_on(console, verbose=verbose), step("unpack 69,659 CDNOW purchases and simulate a survey"):
            shop = write_cdnow(Path(folder))
            answers = write_cdnow_survey(Path(folder), shop["transactions"], SURVEY_SEED)
        settings = DemoSettings.load(
            transactions=[str(shop["transactions"])],
            answers=[str(answers)],
            currency="USD",
            mlruns=mlruns,
            notes=[SIMULATED],
            tags={"shop": "cdnow", "survey": "simulated"},
        )
        # Never in Prefect, whose runs take what is left open from the environment and the settings file.
        # The screen of the scoring tells of the retraining, too.
        run_plainly("retrain", settings, console, verbose=verbose, is_told=verbose)
        run_plainly("score", settings, console, verbose=verbose)
