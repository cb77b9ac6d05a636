"""The languages of the page: catalogues of messages, and how numbers, dates and money are written."""

from collections.abc import Callable
from datetime import date
from functools import lru_cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from babel import Locale as BabelLocale
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import Translations

if TYPE_CHECKING:
    from models.charts.drawing import Locale

Language = Literal["en", "ru", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "ru", "zh")
CATALOGUES = Path(__file__).parent / "locales"

NOTHING = "–"
# The usual Russian form ends with a point, which sentences have already.
_DAYS: dict[Language, str] = {"en": "medium", "ru": "d MMM y", "zh": "medium"}
_MONTHS: dict[Language, str] = {"en": "MMM y", "ru": "LLL y", "zh": "y年M月"}
_MINUS = "−"
# Numbers in charts, as D3 names the way that they are written.
_IN_CHARTS: "dict[Language, Locale]" = {"en": "en-US", "ru": "ru-RU", "zh": "zh-CN"}


@lru_cache
def catalogue(language: Language) -> NullTranslations:
    """Read the catalogue of a language; English is what the messages are written in."""
    if language == "en":
        return NullTranslations()
    with (CATALOGUES / f"{language}.po").open("rb") as file:
        messages = read_po(file, locale=language)
    compiled = BytesIO()
    write_mo(compiled, messages)
    compiled.seek(0)
    return Translations(compiled)


class Words:
    """How a language says things.

    Parameters
    ----------
    language : str
        One of `LANGUAGES`.
    currency : str or None
        Of amounts of money.
    """

    def __init__(self, language: Language, currency: str | None = None) -> None:
        self.language, self.currency = language, currency
        self.catalogue = catalogue(language)
        self._locale = BabelLocale.parse(language)

    @property
    def in_charts(self) -> "Locale":
        """How numbers are written in charts, as D3 names it."""
        return _IN_CHARTS[self.language]

    @property
    def percent_sign(self) -> str:
        """The sign of percent with the space before it."""
        return "%" if self.language == "zh" else "\u00a0%"

    @property
    def gettext(self) -> Callable[[str], str]:
        """Translate a message of the page."""
        return self.catalogue.gettext

    def told(self, name: str | None) -> str:
        """Translate a name that comes with the figures, where the catalogue holds it; else leave it as it came."""
        return NOTHING if name is None else self.catalogue.gettext(name) if name else ""

    def persona(self, name: str) -> str:
        """Translate the name of a persona word by word."""
        return ("、" if self.language == "zh" else ", ").join(self.told(word) for word in name.split(", "))

    def number(self, value: float | None, digits: int = 0) -> str:
        """Write a number with so many decimals; from 10,000 on with none."""
        if value is None:
            return NOTHING
        decimals = 0 if abs(value) >= 10_000 else digits
        # What rounds to zero has no sign.
        shown = round(float(value), decimals) + 0.0
        return format_decimal(shown, _pattern(decimals), locale=self._locale).replace("-", _MINUS)

    def exact(self, value: float, digits: int) -> str:
        """Write a number with all of its decimals."""
        return format_decimal(value, _pattern(digits), locale=self._locale)

    def signed(self, value: float | None, digits: int = 1) -> str:
        """Write a number with its sign."""
        text = self.number(value, digits)
        return f"+{text}" if value is not None and round(float(value), digits) > 0 else text

    def percent(self, share: float | None, digits: int = 1) -> str:
        """Write a share as a percentage."""
        return NOTHING if share is None else f"{self.number(100.0 * share, digits)}{self.percent_sign}"

    def signed_percent(self, share: float | None, digits: int = 1) -> str:
        """Write a difference of shares, or a relative one, as a percentage with its sign."""
        text = self.percent(share, digits)
        return f"+{text}" if share is not None and round(100.0 * share, digits) > 0 else text

    def money(self, value: float | None, digits: int = 0) -> str:
        """Write an amount of money with the currency, where one is known; millions in full."""
        text = self.number(value, digits)
        return f"{text}\u00a0{self.currency}" if self.currency and value is not None else text

    def interval(self, low: float | None, high: float | None, write: Callable[[float], str] | None = None) -> str:
        """Write the ends of an interval."""
        if low is None or high is None:
            return NOTHING
        told = write or self.signed
        return self.gettext("%(low)s to %(high)s") % {"low": told(low), "high": told(high)}

    def day(self, text: str | None) -> str:
        """Write a date as the language does."""
        if text is None:
            return NOTHING
        return format_date(date.fromisoformat(text), _DAYS[self.language], locale=self._locale)

    def month(self, text: str) -> str:
        """Write a month and its year, briefly, of a date or a month."""
        return format_date(date.fromisoformat(f"{text[:7]}-01"), _MONTHS[self.language], locale=self._locale)


@lru_cache
def _pattern(decimals: int) -> str:
    return "#,##0." + "0" * decimals if decimals else "#,##0"
