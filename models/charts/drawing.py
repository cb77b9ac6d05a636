"""How a specification becomes an SVG picture that stands inside a page."""

import re

from models.charts.style import Spec

_NAMED = re.compile(r'(\bid="|url\(#|href="#)([^")]+)')


def to_svg(spec: Spec, name: str) -> str:
    """Draw a specification without a browser and without the network.

    Parameters
    ----------
    spec : dict
        Vega-Lite.
    name : str
        Of the picture, unlike that of any other in its page: ids inside the picture begin with it.

    Returns
    -------
    str
        An ``svg`` element that screen readers pass over, as a page names the picture and repeats its numbers in a
        table.
    """
    # It starts an engine of half a second of processor time, which a run that draws nothing need not pay.
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(spec)
    drawn = _NAMED.sub(rf"\g<1>{name}-\g<2>", drawn)
    # The page sets the size by the view box; the element's own namespaces are those of HTML.
    head, rest = drawn.split(">", 1)
    box = re.search(r'viewBox="[^"]+"', head)
    size = re.search(r'width="([\d.]+)"', head)
    assert box is not None and size is not None
    return f'<svg class="chart" {box.group()} width="{size.group(1)}" aria-hidden="true" focusable="false">{rest}'


def to_svg_file(spec: Spec) -> bytes:
    """Draw a specification as a file of its own, which a page shows as an image.

    Parameters
    ----------
    spec : dict
        Vega-Lite.
    """
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(spec)
    return drawn.encode()
