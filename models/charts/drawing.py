"""How a specification becomes an SVG picture that stands inside a page."""

import re
from typing import Literal

from models.charts.kept_pictures import kept_picture
from models.charts.style import Spec

Locale = Literal["en-US", "ru-RU", "zh-CN"]
_NAMED = re.compile(r'(\bid="|url\(#|href="#)([^")]+)')


def to_svg(spec: Spec, name: str, locale: Locale = "en-US") -> str:
    """Draw a specification without a browser and without the network.

    Parameters
    ----------
    spec : dict
        Vega-Lite.
    name : str
        Of the picture, unlike that of any other in its page: ids inside the picture begin with it.
    locale : Locale
        How numbers are written, as D3 names it.

    Returns
    -------
    str
        An ``svg`` element that screen readers pass over, as a page names the picture and repeats its numbers in a
        table.
    """
    drawn = _NAMED.sub(rf"\g<1>{name}-\g<2>", _draw(spec, locale))
    # The page sets the size by the view box; the element's own namespaces are those of HTML.
    head, rest = drawn.split(">", 1)
    box = re.search(r'viewBox="[^"]+"', head)
    size = re.search(r'width="([\d.]+)"', head)
    assert box is not None and size is not None
    return f'<svg class="chart" {box.group()} width="{size.group(1)}" aria-hidden="true" focusable="false">{rest}'


def to_svg_file(spec: Spec, locale: Locale = "en-US") -> bytes:
    """Draw a specification as a file of its own, which a page shows as an image.

    Parameters
    ----------
    spec, locale
        As for `to_svg`.
    """
    return _draw(spec, locale).encode()


def _draw(spec: Spec, locale: Locale) -> str:
    def drawn() -> str:
        # It starts an engine of half a second of processor time, which a run that draws nothing need not pay.
        import vl_convert

        return str(vl_convert.vegalite_to_svg(spec, format_locale=locale))

    return kept_picture(spec, locale, drawn)
