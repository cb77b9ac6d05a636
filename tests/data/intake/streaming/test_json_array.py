import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from data.intake.streaming.json_array import JsonArray

PIECES = ['{"a": [1, {"é": "\\u00e9"}]}', "3.5e1", "-12", '"x]"', "null", ",", ",", ",", "\n", "]", '"', "{", "tru"]


def outcome(read):
    try:
        return list(map(json.dumps, read()))
    except ValueError as error:
        return str(error)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=9), st.sampled_from(["]", "]\n", "] x", ""]), st.integers(1, 12))
@example(['{"a": 1}', ",\n", "3.5"], "]", 1)
@example(['{"a": 1}', "\n", "]"], "\nx", 3)
def test_an_array_in_blocks_is_read_as_the_standard_library_reads_the_whole(pieces, end, size):
    text = "\n [" + "".join(pieces) + end
    blocks = (text[at : at + size].encode() for at in range(0, len(text), size))
    assert outcome(JsonArray(blocks).values) == outcome(lambda: json.loads(text))
