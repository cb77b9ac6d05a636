"""Comments without markup and personal data."""

import html
import re

# Patterns of personal data, applied in this order, with what replaces them. Every pattern starts at the start of a
# word, so that a comment of 20,000 characters without a space takes no longer than one of words.
_PERSONAL = tuple(
    (re.compile(pattern, re.IGNORECASE), name)
    for pattern, name in (
        (r"\bhttps?://\S+|\bwww\.\S+|(?<![\w.-])[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}/\S+", "[link]"),
        (r"(?<![\w.+-])[\w.+-]+\s?(?:@|\(at\)|\[at\])\s?[\w-]+(?:\.[\w-]+)+", "[e-mail]"),
        (r"(?<![\w.+-])[\w.+-]*@\w+(?:[.-]\w+)*", "[name]"),
        # Seven or more digits grouped like telephone or card numbers, six like local numbers, or five in a row.
        (r"\+?\(?\d(?:[\s().\-\u2010-\u2015\u2212–/_·]{0,3}\d){6,}|(?<!\d)\d\d-\d\d-\d\d(?!\d)|\d{5,}", "[number]"),
        # Text after a number sign or a word for an order, and words of letters with four or more digits.
        (r"[#№]\s?[^\W_]*\d[\w-]*", "[number]"),
        (
            r"(?<!\w)((?:order|заказ|замовлен|bestell|pedido|commande|ordine|zamówieni|sipariş|bestelling)"
            r"[^\W\d]*:?\s(?:(?:no|nr|n[°º]|номер)\.?\s?)?|(?:(?:no|nr)\.|n[°º])\s?)\d{3,}(?!\w)",
            r"\1[number]",
        ),
        (r"(?<![\w-])(?=[\w-]*[^\W\d_])(?=(?:(?:[^\W\d]|-)*\d){4})[\w-]+", "[number]"),
    )
)
_TAG = re.compile(r"</?[a-z!][^<>]*>", re.IGNORECASE)
# Control characters of terminals, and signs that change the direction of text.
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def without_markup(comment: str) -> str:
    """Return a comment as a page would show it: without HTML tags and control characters, with entities decoded."""
    return _CONTROLS.sub("", _TAG.sub(" ", html.unescape(comment)))


def masked(comment: str) -> str:
    """Mask what identifies the author of a comment: addresses, links, accounts and numbers of one customer.

    Parameters
    ----------
    comment : str
        The comment as written.

    Returns
    -------
    str
        The comment on one line, without markup, with "[e-mail]", "[link]", "[name]" and "[number]" in place of personal
        data. Names of people are not recognised; a number of three or four digits is masked only where a word or a sign
        before it says what it is.
    """
    text = without_markup(comment)
    for pattern, replacement in _PERSONAL:
        text = pattern.sub(replacement, text)
    return " ".join(text.split())


def without_personal(comment: str) -> str:
    """Remove what `masked` masks."""
    text = without_markup(comment)
    for pattern, replacement in _PERSONAL:
        text = pattern.sub(r"\1 " if replacement.startswith("\\1") else " ", text)
    return text
