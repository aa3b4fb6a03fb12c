from simulators.faults import Fault, FaultBook, Hang, Reply, Step

BUSY = Reply(451, "4.3.0 Busy")


def test_an_empty_book_strikes_nothing():
    assert FaultBook().strike(Step.MAIL) is None


def test_an_order_strikes_its_step_as_often_as_ordered():
    book = FaultBook()
    book.order(Fault(Step.MAIL, BUSY, times=2))
    assert book.strike(Step.RCPT) is None
    assert [book.strike(Step.MAIL) for _ in range(3)] == [BUSY, BUSY, None]
    assert book.standing() == ()


def test_an_order_without_a_number_stands_until_cleared():
    book = FaultBook()
    book.order(Fault(Step.DOT, Hang(), times=None))
    assert [book.strike(Step.DOT) for _ in range(3)] == [Hang()] * 3
    book.clear()
    assert book.strike(Step.DOT) is None


def test_skipped_occasions_pass_first():
    book = FaultBook()
    book.order(Fault(Step.MAIL, BUSY, skip=2))
    assert [book.strike(Step.MAIL) for _ in range(4)] == [None, None, BUSY, None]


def test_a_pattern_fits_recipients_whatever_their_case_and_nobody_before_they_are_named():
    book = FaultBook()
    book.order(Fault(Step.RCPT, BUSY, times=None, matching="*@Example.com"))
    assert book.strike(Step.RCPT, recipients=["Ann@EXAMPLE.com"]) == BUSY
    assert book.strike(Step.RCPT, recipients=["ann@example.org"]) is None
    assert book.strike(Step.RCPT) is None


def test_an_order_still_skipping_lets_a_later_one_strike():
    book = FaultBook()
    book.order(Fault(Step.MAIL, BUSY, skip=1), Fault(Step.MAIL, Hang()))
    assert [book.strike(Step.MAIL) for _ in range(3)] == [Hang(), BUSY, None]
