"""Which values of an event's data are secret, and what is left in their place."""

import pytest

from dispatch.rules.secret_values import MASK, macros, put_back, taken_out


@pytest.mark.parametrize(
    ("type_code", "data", "left"),
    [
        ("device.jailbroken", {"app": {"name": "x"}, "n": 1}, {"app": {"name": "x"}, "n": 1}),
        ("device.jailbroken", {"pin": "1234", "url": "https://x"}, {"pin": MASK, "url": "https://x"}),
        ("enrollment.pin", {"pin": 1234, "url": "https://x"}, {"pin": MASK, "url": MASK}),
        ("", {"a": [{"Token": "t"}, {"b": {"otp": ["1", "2"]}}]}, {"a": [{"Token": MASK}, {"b": {"otp": MASK}}]}),
        ("", {"password": {"pin": "1", "hint": "2"}}, {"password": MASK}),
        (
            "",
            {"pin": "", "otp": None, "secret": False, "token": {}},
            {"pin": "", "otp": None, "secret": False, "token": {}},
        ),
        ("", {"pins": "1", "token_kind": "x"}, {"pins": "1", "token_kind": "x"}),
    ],
)
def test_secrets_are_taken_out_at_any_depth_and_come_back_as_they_were(type_code, data, left):
    before = repr(data)
    masked, secrets = taken_out(data, type_code=type_code)
    assert masked == left
    assert put_back(masked, secrets) == data
    assert repr(data) == before


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (("pin",), {"event.data.pin", "pin"}),
        (("certificate", "password"), {"event.data.certificate.password", "certificate.password"}),
        (("codes", 0, "otp"), {"event.data.codes", "codes"}),
        (("a.b", "otp"), {"event.data"}),
    ],
)
def test_a_text_is_masked_by_every_name_of_a_secret(path, names):
    assert macros(path) == names
