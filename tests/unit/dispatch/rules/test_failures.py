"""When a broadcast pauses itself: a share of at least so many, for one reason, since a person last let it go on."""

import pytest

from dispatch.rules.failures import LEAST, Tally, too_often

NOTHING = Tally()


@pytest.mark.parametrize(
    ("settled", "failed", "expected"),
    [
        (LEAST, {"mailbox_full": 6}, "mailbox_full"),
        (LEAST, {"mailbox_full": 5}, ""),
        (LEAST - 1, {"mailbox_full": 90}, ""),
        (LEAST, {"mailbox_full": 4, "policy": 4}, ""),
        (1_000, {"mailbox_full": 50, "policy": 51}, "policy"),
        (1_000, {}, ""),
    ],
)
def test_one_reason_has_to_pass_the_share(settled, failed, expected):
    assert too_often(Tally(settled, failed), forgiven=NOTHING, percent=5) == expected


def test_what_a_person_let_pass_counts_no_more():
    forgiven = Tally(LEAST, {"mailbox_full": 6})
    again = Tally(LEAST, {"mailbox_full": 6})
    assert not too_often(again, forgiven=forgiven, percent=5)
    more = Tally(2 * LEAST, {"mailbox_full": 12})
    assert too_often(more, forgiven=forgiven, percent=5) == "mailbox_full"


def test_after_each_pause_twice_as_many_go_on_before_the_next():
    pauses, settled, forgiven = 0, 0, NOTHING
    while settled < 100_000:
        settled += LEAST
        now = Tally(settled, {"no_such_mailbox": settled * 8 // 100})
        if too_often(now, forgiven=forgiven, percent=5):
            pauses, forgiven = pauses + 1, now
    assert pauses == 10


def test_zero_percent_pauses_never():
    assert not too_often(Tally(LEAST, {"policy": LEAST}), forgiven=NOTHING, percent=0)
