"""The text of comments without what is not theirs to say: markup, and what tells who wrote it."""

import html
import re

# What is hidden, in this order, with what stands in its place. Every pattern starts where a word does, so that a
# comment of 20,000 characters without a space takes no longer than one of words.
_PERSONAL = tuple(
    (re.compile(pattern, re.IGNORECASE), name)
    for pattern, name in (
        (r"\bhttps?://\S+|\bwww\.\S+|(?<![\w.-])[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}/\S+", "[link]"),
        (r"(?<![\w.+-])[\w.+-]+\s?(?:@|\(at\)|\[at\])\s?[\w-]+(?:\.[\w-]+)+", "[e-mail]"),
        (r"(?<![\w.+-])[\w.+-]*@\w+(?:[.-]\w+)*", "[name]"),
        # Seven digits or more, as numbers of telephones and cards are grouped, six as local ones are, or five in a row.
        (r"\+?\(?\d(?:[\s().\-\u2010-\u2015\u2212–/_·]{0,3}\d){6,}|(?<!\d)\d\d-\d\d-\d\d(?!\d)|\d{5,}", "[number]"),
        # What follows a sign of a number or the word for an order, and words of letters and four digits or more.
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
# Signs that command a terminal, or turn the direction of what follows, are no text.
_COMMANDS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def without_markup(comment: str) -> str:
    """Read a comment as a page would show it: without HTML's tags and commands, with its entities as signs."""
    return _COMMANDS.sub("", _TAG.sub(" ", html.unescape(comment)))


def masked(comment: str) -> str:
    """Hide what tells who wrote a comment: addresses, links, accounts and numbers that are given to one customer.

    Parameters
    ----------
    comment : str
        As it was written.

    Returns
    -------
    str
        Without markup, on one line, with "[e-mail]", "[link]", "[name]" and "[number]" in their place. Names of people
        are not recognised, and a number of three or four digits only where a word or a sign says what it is.
    """
    hidden = without_markup(comment)
    for pattern, name in _PERSONAL:
        hidden = pattern.sub(name, hidden)
    return " ".join(hidden.split())


def without_personal(comment: str) -> str:
    """Leave out what `masked` hides, with nothing in its place."""
    hidden = without_markup(comment)
    for pattern, name in _PERSONAL:
        hidden = pattern.sub(r"\1 " if name.startswith("\\1") else " ", hidden)
    return hidden
