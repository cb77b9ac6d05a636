"""A picture that is kept is not drawn again, and one that is damaged is."""

import sys

import pytest

from models.charts.drawing import to_svg
from models.charts.kept_pictures import MOST_KEPT, pictures_kept_in

SPEC = {"mark": "point", "data": {"values": [{"a": 1.5}]}, "encoding": {"x": {"field": "a"}}}


def test_a_picture_is_drawn_once_for_each_specification_and_language(tmp_path, monkeypatch):
    folder = tmp_path / "pictures"
    with pictures_kept_in(folder):
        drawn = {locale: to_svg(SPEC, "p", locale) for locale in ("en-US", "ru-RU")}
    assert drawn["en-US"] == to_svg(SPEC, "p", "en-US") and len(list(folder.iterdir())) == 2
    with monkeypatch.context() as patch, pictures_kept_in(folder):
        patch.setitem(sys.modules, "vl_convert", None)
        assert {locale: to_svg(SPEC, "p", locale) for locale in drawn} == drawn
        for file in folder.iterdir():
            file.write_bytes(file.read_bytes()[:-5])
        with pytest.raises(ImportError):
            to_svg(SPEC, "p")
    for number in range(MOST_KEPT):
        (folder / f"{number}.svg").touch()
    with pictures_kept_in(folder):
        assert to_svg(SPEC, "p") == drawn["en-US"]
    assert len(list(folder.iterdir())) == MOST_KEPT
