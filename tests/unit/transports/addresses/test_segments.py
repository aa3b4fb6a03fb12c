"""How many SMS a text takes, and where it is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.addresses.segments import Encoding, cut


@pytest.mark.parametrize(
    ("text", "encoding", "units", "count", "left"),
    [
        ("", Encoding.GSM_7, 0, 0, 160),
        ("a" * 160, Encoding.GSM_7, 160, 1, 0),
        ("a" * 161, Encoding.GSM_7, 161, 2, 145),
        ("a" * 306, Encoding.GSM_7, 306, 2, 0),
        ("a" * 307, Encoding.GSM_7, 307, 3, 152),
        ("€" * 80, Encoding.GSM_7, 160, 1, 0),
        ("a" * 159 + "€", Encoding.GSM_7, 161, 2, 145),
        ("ж" * 70, Encoding.UCS_2, 70, 1, 0),
        ("ж" * 71, Encoding.UCS_2, 71, 2, 63),
        ("😀" * 35, Encoding.UCS_2, 70, 1, 0),
        ("😀" * 36, Encoding.UCS_2, 72, 2, 61),
        ("€" * 71 + "ж", Encoding.UCS_2, 72, 2, 62),
        ("\n\r@ÄñΔ_", Encoding.GSM_7, 7, 1, 153),
        ("`", Encoding.UCS_2, 1, 1, 69),
    ],
)
def test_a_text_takes(text, encoding, units, count, left):
    found = cut(text)
    assert (found.encoding, found.units, found.count, found.left) == (encoding, units, count, left)


def test_an_escaped_character_is_not_torn_apart():
    parts = cut("a" * 152 + "€" + "b" * 20).parts
    assert parts == ("a" * 152, "€" + "b" * 20)


def test_a_surrogate_pair_is_not_torn_apart():
    parts = cut("ж" * 66 + "😀" + "ж" * 10).parts
    assert parts == ("ж" * 66, "😀" + "ж" * 10)


def septets(text):
    return sum(2 if character in "\f^{}\\[~]|€" else 1 for character in text)


@given(st.one_of(st.text(alphabet="ab€^\n"), st.text(), st.text(alphabet="ж😀", min_size=60)))
def test_the_parts_are_the_text_and_each_fits(text):
    found = cut(text)
    assert "".join(found.parts) == text
    room = {Encoding.GSM_7: (160, 153), Encoding.UCS_2: (70, 67)}[found.encoding][found.count > 1]
    for part in found.parts:
        used = septets(part) if found.encoding is Encoding.GSM_7 else len(part.encode("utf-16-le")) // 2
        assert 0 < used <= room
