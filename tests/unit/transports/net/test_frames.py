"""GOAWAY is taken out of a stream of frames wherever the octets are cut."""

from hypothesis import given
from hypothesis import strategies as st

from transports.net.frames import GoAway, GoAwayTap

kinds = st.sampled_from([0x0, 0x1, 0x4, 0x6, 0x7, 0x8, 0xFF])
payloads = st.binary(min_size=8, max_size=40)


def frame(kind, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + (5).to_bytes(4, "big") + payload


@given(frames=st.lists(st.tuples(kinds, payloads), max_size=8), size=st.integers(1, 30))
def test_all_other_frames_come_out_whole_and_in_order(frames, size):
    octets = b"".join(frame(kind, payload) for kind, payload in frames)
    tap, kept, found = GoAwayTap(), b"", []
    for start in range(0, len(octets), size):
        whole, goodbyes = tap.feed(octets[start : start + size])
        kept += whole
        found += goodbyes
    assert kept == b"".join(frame(kind, payload) for kind, payload in frames if kind != 0x7)
    assert len(found) == sum(kind == 0x7 for kind, _ in frames)


def test_the_last_stream_its_code_and_words_are_read():
    payload = (0x80000000 | 41).to_bytes(4, "big") + (2).to_bytes(4, "big") + b'{"reason":"Shutdown"}'
    assert GoAwayTap().feed(frame(0x7, payload)) == (b"", [GoAway(41, 2, '{"reason":"Shutdown"}')])


@given(st.binary(max_size=200))
def test_no_octets_are_a_crash(octets):
    GoAwayTap().feed(octets)


def test_a_frame_beyond_what_we_allow_is_left_to_the_state_machine():
    octets = (20_000).to_bytes(3, "big") + bytes(6) + b"x" * 100
    assert GoAwayTap().feed(octets) == (octets, [])
