"""What a text that is no UTF-8 may be written in, with examples."""

import re
import unicodedata

import charset_normalizer

_USUAL = (
    *("cp1252", "cp1251", "cp1250", "cp932", "gb18030", "cp949", "big5", "cp1253", "cp1254", "cp1255", "cp1256"),
    *("iso8859_15", "cp1257", "koi8_r", "cp866", "cp850", "cp852", "mac_roman", "euc_jp"),
)
"""Encodings that exports are written in, the commonest first."""

_PLAIN = "“”„«»‘’‚–—…°№·ºª•・、。，：；！？（）【】《》￥™®©±×"
"""Signs outside ASCII that texts of shops often hold, beside letters."""

_MOST_BYTES, _LONGEST_EXAMPLE, _MOST_PROPOSALS = 65_536, 40, 3


def propose_encodings(content: bytes) -> dict[str, str]:
    """List encodings that a text may be in, the likeliest first, each with words as they read then.

    Parameters
    ----------
    content
        Bytes of whole lines; only those lines are judged that are not ASCII.
    """
    lines = [line for line in content.splitlines() if not line.isascii()]
    # Cells in ASCII tell nothing, and their letters would outweigh the others.
    odd = b" ".join(cell for line in lines for cell in re.split(rb'[,;\t|"]', line) if not cell.isascii())[:_MOST_BYTES]
    if not lines:
        return {}
    matches = charset_normalizer.from_bytes(odd, cp_isolation=list(_USUAL), threshold=0.5)
    # Encodings that read the same text are one match; the commonest of them names it.
    named = [(min(each.could_be_from_charset, key=_rank), each) for each in matches]
    ranked = sorted(
        named,
        key=lambda one: (
            (_oddity(_decode(odd, one[0])), round(one[1].chaos, 1), -round(one[1].coherence, 1), _rank(one[0]))
        ),
    )
    names = list(dict.fromkeys(name for name, _ in ranked)) or [name for name in _USUAL if _decode(odd, name)]
    # The words around may be of a file that is no table.
    words = b" ".join(word for word in re.split(rb'[\s,;|"]+', lines[0]) if not word.isascii())
    return {name: _show(_decode(words, name)) for name in names[:_MOST_PROPOSALS]}


def _oddity(text: str) -> float:
    """Share of words that mix alphabets and of rare signs, less that of currencies: a wrong encoding gives such."""
    words = re.findall(r"\w+", text)
    mixed = sum(len({_alphabet(letter) for letter in word} - {""}) > 1 for word in words)
    # No language writes Latin words with an accent on each letter, as Cyrillic ones look in cp1252.
    mixed += sum(len(word) > 2 and all(ord(x) > 191 and _alphabet(x) == "LATIN" for x in word) for word in words)
    # Nor a raised or a broken number inside a word, as ü of cp1252 looks in cp850.
    mixed += sum(any(unicodedata.category(letter) == "No" for letter in word[1:-1]) for word in words)
    strange = [sign for sign in text if not sign.isascii()]
    # A shekel without a Hebrew letter is a euro of ISO 8859-15.
    no_money = "¤" if any("א" <= sign <= "ת" for sign in strange) else "¤₪"
    money = sum(unicodedata.category(sign) == "Sc" and sign not in no_money for sign in strange)
    rare = sum(unicodedata.category(sign)[0] not in "LNZS" and sign not in _PLAIN for sign in strange)
    rare += sum(unicodedata.category(sign) in ("So", "Sm", "Sk") and sign not in _PLAIN for sign in strange)
    return round(mixed / max(len(words), 1) + (rare - money) / max(len(strange), 1), 1)


def _alphabet(letter: str) -> str:
    name = unicodedata.name(letter, "").split(" ")[0]
    return name if name in ("LATIN", "CYRILLIC", "GREEK", "HEBREW", "ARABIC") else ""


def propose_wide_encoding(block: bytes) -> str:
    """Say which of the two orders of UTF-16 fits a text with zero bytes."""
    even, odd = block[0::2].count(0), block[1::2].count(0)
    return "utf-16-be" if even > odd else "utf-16-le"


def _rank(encoding: str) -> int:
    return _USUAL.index(encoding) if encoding in _USUAL else len(_USUAL)


def _show(line: str) -> str:
    """Shorten a line for a message; signs that cannot be shown become question marks."""
    return "".join(sign if sign.isprintable() else "?" for sign in line.strip()[:_LONGEST_EXAMPLE])


def _decode(content: bytes, encoding: str) -> str:
    return content.decode(encoding, errors="ignore")
