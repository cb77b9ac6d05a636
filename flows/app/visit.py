"""A visit: one request for a page, with the one version of the scores that it is answered from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flows.app.reading.edition import Edition, Shelf
from flows.app.reading.tables import ShopTables
from flows.app.rendering import Asked, words_of, write
from flows.reports.page.language import Words


@dataclass(frozen=True)
class Visit:
    """One request.

    Attributes
    ----------
    asked : Asked
        What it asks for.
    edition : Edition
        The version that is current when it comes; nothing of another is shown.
    shelf : Shelf
        The store's versions.
    tables : ShopTables
        The shop's tables.
    places : Mapping
        Parts of the address.
    """

    asked: Asked
    edition: Edition
    shelf: Shelf
    tables: ShopTables
    places: Mapping[str, Any]

    @property
    def words(self) -> Words:
        """How the language says things, with the currency of the version."""
        return words_of(self.edition, self.asked.language)

    def write(self, template: str, *, has_figures: bool = False, **more: Any) -> str:
        """Write a page of the version."""
        return write(template, self.asked, self.edition, has_figures=has_figures, **more)
