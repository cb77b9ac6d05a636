"""Where something lies: a path or a URL, which may hold a password."""

from typing import Annotated

from pydantic import PlainSerializer, SecretStr, WithJsonSchema

from data.secrecy.showing import shown_location


class Location(SecretStr):
    """A path or URL as it was given. As text it is what may be shown of it; `get_secret_value` gives all of it."""

    def _display(self) -> str:
        return shown_location(self.get_secret_value())


GivenLocation = Annotated[
    Location, PlainSerializer(str, return_type=str, when_used="json"), WithJsonSchema({"type": "string"})
]
"""The type of a setting: what is stored of it as JSON is what may be shown."""


def text_of(location: Location | str | None) -> str | None:
    """Give the whole path or URL, for what opens it."""
    return location.get_secret_value() if isinstance(location, Location) else location
