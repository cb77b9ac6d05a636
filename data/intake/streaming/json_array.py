"""A JSON array whose values are read one after the other, so that a long one is never in memory as a whole."""

import json
import re
from collections.abc import Iterator
from typing import Any

LONGEST_VALUE = 64 * 2**20
"""Signs that are read on for the end of a value; where it does not come, the array is broken there."""

_BLANKS = re.compile(r"[ \t\r\n]*")


class JsonArray:
    """The values of an array in UTF-8 text that comes in blocks.

    Parameters
    ----------
    blocks
        The text; each block ends with a whole character, and the first that is not blank starts with a bracket.
    """

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._text, self._at = "", 0
        # Of what was read and left behind: its lines, the signs of the last of these, and all signs.
        self._lines = self._columns = self._signs = 0

    def values(self) -> Iterator[Any]:
        """Yield one value after the other.

        Raises
        ------
        ValueError
            The array is broken, in the words of `json.loads`.
        """
        while not self._text[(start := self._skip(0)) :] and self._read_on():
            pass
        self._at = start + 1
        is_first, decoder = True, json.JSONDecoder()
        while True:
            try:
                found = self._decode(decoder, is_first=is_first)
            except json.JSONDecodeError as error:
                if len(self._text) - self._at > LONGEST_VALUE or not self._read_on():
                    raise self._placed(error) from None
                continue
            if found is None:
                break
            value, self._at = found
            is_first = False
            yield value
        while not self._text[(end := self._skip(self._at)) :] and self._read_on():
            pass
        if self._text[end:]:
            raise self._placed(json.JSONDecodeError("Extra data", self._text, end))

    def _decode(self, decoder: json.JSONDecoder, *, is_first: bool) -> tuple[Any, int] | None:
        """Return the next value and where it ends; None at the end of the array."""
        at = self._skip(self._at)
        if self._text.startswith("]", at):
            self._at = at + 1
            return None
        if not is_first:
            if not self._text.startswith(",", at):
                raise json.JSONDecodeError("Expecting ',' delimiter", self._text, at)
            at = self._skip(at + 1)
        value, end = decoder.raw_decode(self._text, at)
        # A number may go on in the next block.
        if not self._text.startswith((",", "]"), after := self._skip(end)):
            raise json.JSONDecodeError("Expecting ',' delimiter", self._text, after)
        return value, end

    def _skip(self, at: int) -> int:
        match = _BLANKS.match(self._text, at)
        assert match, "no blank is one as well"
        return match.end()

    def _read_on(self) -> bool:
        """Put the next block after what is not read yet; return whether there is one."""
        block = next(self._blocks, None)
        if block is None:
            return False
        left = self._text[: self._at]
        lines = left.count("\n")
        self._lines += lines
        self._columns = len(left) - left.rfind("\n") - 1 if lines else self._columns + len(left)
        self._signs += len(left)
        self._text, self._at = self._text[self._at :] + block.decode(), 0
        return True

    def _placed(self, error: json.JSONDecodeError) -> ValueError:
        """Say where in the whole text an error is."""
        line = self._lines + error.lineno
        column = error.colno + (self._columns if error.lineno == 1 else 0)
        return ValueError(f"{error.msg}: line {line} column {column} (char {self._signs + error.pos})")
