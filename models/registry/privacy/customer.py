"""One customer in what a store holds: which cell is their id, and where a text names them."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from data.pseudonyms import clean_id

GONE = "(forgotten)"
_QUOTES = ("'", '"', "&#39;", "&#x27;", "&#34;", "&quot;")
_QUOTE_BEFORE = "|".join(f"(?<={quote})" for quote in _QUOTES)
_STANDS_BEFORE = "|".join(f"(?<={word} )" for word in ("ustomer", "ustomers", "without", "Account", "account"))


@dataclass(frozen=True)
class Customer:
    """A customer to be forgotten.

    Attributes
    ----------
    ids : frozenset of str
        The clean id and its pseudonym.
    id_case, id_point_zero : str
        The settings of these names, by which ids are cleaned.
    """

    ids: frozenset[str]
    id_case: str = "keep"
    id_point_zero: str = "keep"

    def is_named_by(self, cell: object) -> bool:
        """Whether a cell is the customer's id, as it came or clean, with an apostrophe before it or not."""
        if not isinstance(cell, str):
            return False
        return any(
            clean_id(each, self.id_case, self.id_point_zero) in self.ids for each in (cell, cell.removeprefix("'"))
        )

    def out_of_text(self, text: str) -> tuple[str, int]:
        """Take the customer out of a text for people: whole rows of tables, and names within sentences."""
        lines, count = [], 0
        for line in text.splitlines(keepends=True):
            cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
            if line.startswith("|") and any(self.is_named_by(cell) for cell in cells):
                count += 1
                continue
            told, places = self._pattern(str).subn(GONE, line)
            lines.append(told)
            count += places
        return "".join(lines), count

    def out_of_page(self, page: str) -> tuple[str, int]:
        """Take the customer out of a page of HTML: rows of tables that name them, and names between tags."""
        count = 0

        def row(match: re.Match[str]) -> str:
            nonlocal count
            cells = re.findall(r">([^<>]+)<", match[0])
            named = any(self.is_named_by(html.unescape(cell)) for cell in cells)
            count += named
            return "" if named else match[0]

        page = re.sub(r"<tr\b(?:(?!</tr>).)*</tr>", row, page, flags=re.DOTALL)
        pattern = self._pattern(html.escape)

        def between(match: re.Match[str]) -> str:
            nonlocal count
            told, places = pattern.subn(GONE, match[0])
            count += places
            return told

        return re.sub(r">[^<>]+<", between, page), count

    def out_of_json(self, value: Any) -> tuple[Any, int]:
        """Take the customer out of JSON: elements of lists that name them, and names within texts."""
        if isinstance(value, str):
            return (GONE, 1) if self.is_named_by(value) else self.out_of_text(value)
        if isinstance(value, dict):
            parts = {name: self.out_of_json(each) for name, each in value.items()}
            return {name: part for name, (part, _) in parts.items()}, sum(count for _, count in parts.values())
        if isinstance(value, list):
            kept = [each for each in value if not self._is_record_of(each)]
            inner = [self.out_of_json(each) for each in kept]
            return [part for part, _ in inner], len(value) - len(kept) + sum(count for _, count in inner)
        return value, 0

    def _is_record_of(self, value: Any) -> bool:
        cells = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return any(self.is_named_by(cell) for cell in cells)

    def _pattern(self, write: Callable[[str], str]) -> re.Pattern[str]:
        """Find names in sentences: an id with a letter anywhere as a whole word, a number only where a customer stands.

        Reports write "customer 123", and quote the id in what they advise; any other number may be a figure.
        """
        alternatives = []
        for name in sorted(self.ids, key=len, reverse=True):
            written = re.escape(write(name))
            if re.search(r"[^\W\d_]", name):
                alternatives.append(rf"(?<!\w){written}(?!\w)")
            else:
                alternatives.append(rf"(?:{_STANDS_BEFORE}){written}(?!\w|[.,]\d)")
                alternatives.append(rf"(?:{_QUOTE_BEFORE}){written}(?={'|'.join(_QUOTES)})")
        return re.compile("|".join(alternatives))
