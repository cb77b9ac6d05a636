"""The settings that a run of Prefect's brings by itself: those that somebody set, and no default.

A form that posts a default for each field that was left alone would beat ``revealed.toml``. So the schema from which
Prefect draws its form has no defaults, and what is left open is filled where the run happens.
"""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import field_validator, model_validator
from pydantic_core import to_jsonable_python
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from flows.formats import leave_out_defaults
from flows.settings import TABLES, Settings

_DEFAULTS: Mapping[str, Any] = {
    name: to_jsonable_python(field.get_default(call_default_factory=True))
    for name, field in Settings.model_fields.items()
}


class RunSettings(Settings):
    """What a run is given; each setting left alone comes from the environment, ``revealed.toml`` or its default."""

    model_config = SettingsConfigDict(validate_default=False, json_schema_extra=leave_out_defaults)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take the settings that were set anywhere, and none of the defaults."""
        return cls(**settings.model_dump(exclude_unset=True))

    def resolve(self) -> Settings:
        """Fill what is left alone from the environment, ``revealed.toml`` and the defaults.

        Raises
        ------
        InputError
            Where a setting is unknown or is not what it must be.
        """
        return Settings.load(**self.model_dump(exclude_unset=True))

    @model_validator(mode="before")
    @classmethod
    def _what_was_left_alone_is_no_setting(cls, values: Any) -> Any:
        """Drop nulls and what is empty; and where a form posted every field, the values that are its default."""
        if not isinstance(values, Mapping):
            return values
        given = {name: value for name, value in values.items() if value not in (None, [], {}, (), "")}
        if all(name in given for name, default in _DEFAULTS.items() if default not in (None, [], {})):
            return {name: value for name, value in given.items() if to_jsonable_python(value) != _DEFAULTS.get(name)}
        return given

    @field_validator("quarantine_limit", mode="before")
    @classmethod
    def _one_limit_is_for_all(cls, value: Any) -> Any:
        """Leave the limits of tables that are not named to ``revealed.toml``."""
        return value if isinstance(value, Mapping) else dict.fromkeys(TABLES, value)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the names are pydantic's
        init_settings: PydanticBaseSettingsSource,
        *others: PydanticBaseSettingsSource,  # noqa: ARG003
        **named: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what the run was given."""
        return (init_settings,)
