"""Every setting of a run, in one place and with one order of precedence.

The command line (or a deployment's parameters) comes first, then the environment (``REVEALED_HORIZON=120``), then
the nearest ``revealed.toml`` above the working folder, then the defaults below.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from data.contracts import SCALES
from data.errors import InputError
from data.secrecy.location import GivenLocation, Location
from data.secrecy.showing import nearest, shown_text
from flows.formats import FileFormat, Format, Scale, Scores, read_names
from flows.mistakes import check_no_address, describe_mistakes
from flows.settings_file import LOCATIONS, read_settings_file
from models.segments.segment_names import Segments, segment_names

TableName = Literal["transactions", "answers", "events", "customers"]
Retained = Literal["scores", "reports", "lists", "samples", "kept_rows", "runs"]
TABLES: tuple[TableName, ...] = ("transactions", "answers", "events", "customers")
Paths = Annotated[list[GivenLocation], NoDecode]
Names = Annotated[list[str], NoDecode]
Share = Annotated[float, Field(ge=0, le=1)]
_KEPT_TEXTS = (
    *("notes", "tags", "nps_question", "satisfaction_question", "scales", "core_action", "rfm_segments"),
    *("static_attributes", "segments", "cohorts_by", "currency", "country"),
)
"""Settings whose texts are shown and kept as they are."""


class Settings(BaseSettings):
    """All parameters of ``retrain`` and ``score``; the same model serves flows, command and deployments."""

    model_config = SettingsConfigDict(
        extra="forbid",
        env_prefix="REVEALED_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    transactions: Paths = Field(
        [],
        description="files, folders, globs or URLs of the shop's transactions; or a table of PostgreSQL, SQLite or "
        "DuckDB: postgresql://USER@HOST/DATABASE/SCHEMA.TABLE (password: PGPASSWORD or ~/.pgpass), shop.db/TABLE",
    )
    answers: Paths = Field([], description="the same of the survey's answers")
    events: Paths = Field([], description="the same of events: deliveries, support contacts, visits")
    customers: Paths = Field([], description="the same of customer attributes")
    olist: GivenLocation | None = Field(
        None, description="a folder with the public Olist files, instead of the four tables"
    )
    columns: dict[TableName, dict[str, str]] = Field({}, description="our column name -> yours, per table")
    formats: dict[TableName, Format] = Field({}, description="how a table's files are written")
    files: dict[TableName, dict[str, FileFormat]] = Field(
        {}, description="columns and formats of files that are written otherwise, by the file's name or a pattern"
    )
    url_redirects: Literal["public", "any"] = Field(
        "public", description="any: the server of a URL may lead on to this machine and to private networks"
    )

    engine: Literal["duckdb", "spark"] = Field(
        "duckdb", description="what reads and describes: duckdb, on this machine; or spark, on a cluster"
    )
    spark_remote: GivenLocation | None = Field(
        None, description="with spark, its Spark Connect server, such as sc://HOST:15002; default: one on this machine"
    )
    scores_location: GivenLocation | None = Field(
        None, description="with spark, a folder that cluster, this machine and readers share: the scores are put there"
    )
    learn_from: int = Field(
        500_000, ge=1, description="with spark, customers whose rows a retraining learns from on this machine, at most"
    )

    timezone: str = Field("UTC", description="the shop's time zone, such as Europe/Berlin")
    currency: str | None = Field(None, description="the currency of all amounts, such as EUR")
    id_case: Literal["keep", "fold"] = Field(
        "keep", description="fold: ids of customers and orders that differ only in the case of letters are one"
    )
    id_point_zero: Literal["keep", "drop"] = Field(
        "keep", description="drop: a .0 at the end of an id that is a whole number, such as 1001.0, is taken off"
    )
    quarantine_limit: dict[TableName, Share] = Field(
        dict.fromkeys(TABLES, 0.05), description="share of bad rows above which a run is refused: one, or per table"
    )
    quarantine_retention_days: int = Field(90, ge=0, description="how long the rows set aside stay with their runs")
    retention_days: dict[Retained, Annotated[int, Field(ge=0)]] = Field(
        {},
        description="how long `revealed prune` leaves scores, reports, lists, samples, kept_rows and runs (their other "
        "files); what is not named stays",
    )
    pseudonymise: bool = Field(
        False, description="keyed hashes stand for the ids of customers in all that is kept and published"
    )

    keep_rows: bool = Field(
        True, description="keep the checked rows of files in the store, to read only files that changed"
    )

    as_of: date | None = Field(None, description="the day to describe customers at; default: after the newest day")
    horizon: int | None = Field(None, ge=1, le=3650, description="days to look ahead; 90 unless told")
    churn_horizon: int = Field(365, ge=1, le=3650, description="days without a purchase that mean churn")
    clv_horizon: int = Field(365, ge=1, le=3650, description="days of customer lifetime value")
    annual_rate: float = Field(0.10, ge=0, le=1, description="annual discount rate of customer lifetime value")
    margin: float = Field(1.0, gt=0, le=1, description="share of revenue that customer lifetime value counts")

    purchase_model: Literal["bg_nbd", "mbg_nbd", "auto"] = Field(
        "auto", description="bg_nbd, mbg_nbd, or auto: the one that the backtest says is better"
    )
    season: Literal["auto", "off"] = Field("auto", description="auto: in season where the backtest says so; or off")
    country: str | None = Field(None, description="whose movable feasts the season knows, such as DE; default: none")
    second_stage: Literal["auto", "off"] = Field(
        "auto", description="trees on top of the purchase models: auto, as much as they told at past cuts; or off"
    )
    backtest_cuts: int = Field(3, ge=1, le=24, description="horizons that `revealed backtest` goes back (retrain: two)")

    nps_question: str = Field("nps", description="the question whose category is predicted")
    satisfaction_question: str = Field("csat", description="the question whose top answers p_satisfied predicts")
    ces_version: Literal[1, 2] | None = Field(
        None, description="ces asks 1: how much effort (low is good), 2: how easy; default: 1 on a scale of 1-5"
    )
    scales: dict[str, Scale] = Field({}, description='scale of answers without a column scale, such as nps = "1-5"')
    label_gap_days: int = Field(0, ge=0, le=365, description="days between what is seen and the invitation")
    static_attributes: Names = Field([], description="customer attributes that never change: used as features")
    segments: Names = Field([], description="customer attributes by which the NPS is told, beside RFM segments")
    cohorts_by: str | None = Field(
        None,
        description="what cohorts are grouped by, too: category, channel or store of the first purchase, or "
        "an attribute; default: the first of these that is there",
    )
    measure_days: int = Field(90, ge=1, le=3650, description="days of the window that measures are taken over")
    core_action: str | None = Field(None, description="the kind of event that is the core user action, such as order")
    core_action_times: int = Field(1, ge=1, description="how often it must be done in the window to count")
    quiet_days: int = Field(90, ge=0, description="nobody is drawn for a survey so soon after the last invitation")
    rfm_segments: dict[str, tuple[Scores, Scores]] | None = Field(
        None,
        description='names of RFM segments: name = ["recency scores", "means of frequency and monetary score"], such '
        'as champions = ["5", "4-5"]; all 25 pairs must be named; default: eleven usual names',
    )
    reasons: Literal["lists", "all", "off"] = Field(
        "lists", description="reasons behind the NPS: for customers on an action list, for all, or for nobody"
    )
    publish_features: bool = Field(False, description="publish with each scoring the features that the scorer read")
    without_answers: bool = Field(False, description="retrain without answers and carry the NPS model over")

    scorer: int | None = Field(None, ge=1, description="score with this version instead of the champion")
    mlruns: GivenLocation | None = Field(None, description="folder of the embedded store")
    umask: str = Field(
        "077",
        pattern="^0?[0-7]{3}$",
        description="rights that the files of the store are made without, as the shell's umask has them: 027 lets a "
        "group read them, 022 everyone",
    )
    wait_minutes: float = Field(30, ge=0, description="how long score waits for another run")
    seed: int = Field(0, ge=0, description="seed of everything random")
    language: Literal["en", "ru", "zh"] = Field("en", description="language of the report: en, ru or zh")
    notes: list[str] = Field([], description="sentences to be shown with the run")
    tags: dict[str, str] = Field({}, description="tags to be set on the run")

    @field_validator("transactions", "answers", "events", "customers", mode="before")
    @classmethod
    def _one_path_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str | Location) else value

    @field_validator(*_KEPT_TEXTS, mode="before")
    @classmethod
    def _what_is_shown_and_kept_holds_no_address(cls, value: Any) -> Any:
        check_no_address(value)
        return value

    @field_validator("static_attributes", "segments", mode="before")
    @classmethod
    def _names_may_stand_in_one_text(cls, value: Any) -> Any:
        """Read region,age as two names; a repeated name counts once."""
        return read_names(value)

    @field_validator("nps_question", "satisfaction_question")
    @classmethod
    def _a_question_of_the_intake_is_recognised_in_any_case(cls, value: str) -> str:
        """Write it as the intake does."""
        plain = value.strip().lower()
        return plain if plain in SCALES else value

    @field_validator("quarantine_limit", mode="before")
    @classmethod
    def _one_limit_is_for_all(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {**dict.fromkeys(TABLES, 0.05), **value}
        return dict.fromkeys(TABLES, value)

    @field_validator("rfm_segments")
    @classmethod
    def _every_score_has_one_name(cls, value: Segments | None) -> Segments | None:
        if value is not None:
            segment_names(value)
        return value

    @model_serializer(mode="wrap")
    def _without_secrets(self, write: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """Keep addresses in other settings out of what Prefect stores, too; the run itself gets all."""
        written: dict[str, Any] = write(self)
        if info.mode != "json":
            return written
        return {name: value if name in LOCATIONS else _without_addresses(value) for name, value in written.items()}

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            near = nearest(value, available_timezones()).replace(" Nearest: ", ", the nearest is ").rstrip(".")
            raise ValueError(f"must be a time zone such as 'Europe/Berlin'{near}") from None
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the name is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: passed values, the environment, the nearest settings file."""
        return init_settings, env_settings, InitSettingsSource(settings_cls, read_settings_file())

    @classmethod
    def load(cls, **values: Any) -> Self:
        """Build the settings, and turn all mistakes in them into one clear error.

        Parameters
        ----------
        **values
            Settings by name; None means that it is not set here.

        Raises
        ------
        InputError
            Where a setting is unknown or is not what it must be.
        """
        try:
            return cls(**{name: value for name, value in values.items() if value is not None})
        except ValidationError as error:
            raise InputError(describe_mistakes(error, cls.model_fields)) from None
        except RecursionError:
            raise InputError(
                "an environment variable REVEALED_… holds JSON whose brackets are nested too deep"
            ) from None
        except SettingsError as error:
            # Of a variable that is not JSON only its name is told.
            field = next((name for name in cls.model_fields if f'"{name}"' in str(error)), "")
            raise InputError(
                f"the environment variable REVEALED_{field.upper()} must be JSON, such as "
                f'{{"NAME": "VALUE"}}; or name single parts, such as REVEALED_{field.upper()}__NAME=VALUE'
            ) from None


def _without_addresses(value: Any) -> Any:
    if isinstance(value, str):
        return shown_text(value)
    if isinstance(value, dict):
        return {_without_addresses(name): _without_addresses(each) for name, each in value.items()}
    return [_without_addresses(each) for each in value] if isinstance(value, list | tuple) else value
