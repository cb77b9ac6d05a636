"""Keyed hashes that stand for the ids of customers: HMAC-SHA-256 (RFC 2104), cut to 128 bits.

Only who has the key can tell which customer a pseudonym stands for. It begins with a letter, so that no program takes
it for a number, and the pseudonym of a pseudonym is itself: answers to a list of invitations may come back under the
ids that the list has.
"""

import hashlib
import hmac
import re
import secrets
import unicodedata
from dataclasses import dataclass, field

BLOCK = 64
"""Bytes of a block of SHA-256, to which the key is filled."""

BYTES = 32
"""Bytes of a key."""

DIGITS = 32
"""Hexadecimal digits of a pseudonym behind its first letter: of a billion customers two are alike with 1 in 10^21."""

FORM = f"p[0-9a-f]{{{DIGITS}}}"
_SPACES = " \t\r\n\v\f\u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200C))) + "\u202f\u205f\u3000\ufeff"


@dataclass(frozen=True)
class CustomerKey:
    """The key of a store.

    Parameters
    ----------
    secret
        `BYTES` random bytes; kept out of the repr.
    """

    secret: bytes = field(repr=False)

    def pseudonym(self, customer: str) -> str:
        """Return what stands for the id of a customer, in its clean form; a pseudonym stands for itself."""
        if is_pseudonym(customer):
            return customer
        return "p" + hmac.new(self.secret, customer.encode(), hashlib.sha256).hexdigest()[:DIGITS]

    @property
    def fingerprint(self) -> str:
        """Sixteen digits that tell two keys apart, and tell nothing of either."""
        return hmac.new(self.secret, b"fingerprint of the key", hashlib.sha256).hexdigest()[:16]

    @property
    def pads(self) -> tuple[bytes, bytes]:
        """The inner and the outer pad of RFC 2104, by which SQL that knows SHA-256 alone can make pseudonyms."""
        filled = self.secret.ljust(BLOCK, b"\0")
        return bytes(each ^ 0x36 for each in filled), bytes(each ^ 0x5C for each in filled)


def make_key() -> CustomerKey:
    """Draw a new key."""
    return CustomerKey(secrets.token_bytes(BYTES))


def is_pseudonym(text: str) -> bool:
    """Whether a text has the form of a pseudonym."""
    return re.fullmatch(FORM, text) is not None


def clean_id(text: str, id_case: str = "keep", id_point_zero: str = "keep") -> str:
    """Write an id as the intake does: trimmed, in one Unicode form, and as the settings of these names say."""
    clean = unicodedata.normalize("NFC", text.strip(_SPACES))
    if id_case == "fold":
        clean = unicodedata.normalize("NFC", clean.lower())
    return re.sub(r"^([0-9]+)\.0+$", r"\1", clean) if id_point_zero == "drop" else clean


@dataclass(frozen=True)
class Protection:
    """What an intake does for the privacy of customers.

    Parameters
    ----------
    key
        By which pseudonyms are made, for those that stand for ids and for the list of the forgotten; None: neither.
    is_pseudonymous
        Whether pseudonyms stand for the ids in what is read.
    forgotten
        Pseudonyms of customers whose rows are left out.
    """

    key: CustomerKey | None = None
    is_pseudonymous: bool = False
    forgotten: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        assert self.key is not None or not (self.is_pseudonymous or self.forgotten), "pseudonyms need a key"

    @property
    def state(self) -> str:
        """A text that differs where the same rows are read otherwise, and tells nothing of the key."""
        return f"{self.key.fingerprint} {self.is_pseudonymous}" if self.key is not None else ""
