"""Times as people read them."""

import re
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from console.kit import filters, times
from console.kit.cells import moment

TEMPLATES = sorted((Path(__file__).resolve().parents[3] / "templates").rglob("*.html"))
AT = datetime(2026, 7, 1, 22, 30, 15, tzinfo=UTC)


@pytest.fixture
def berlin():
    with timezone.override(ZoneInfo("Europe/Berlin")):
        yield


@pytest.fixture
def later(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 7, 1, 23, 30, 15, tzinfo=UTC))


@pytest.mark.usefixtures("berlin", "later")
def test_a_time_stands_in_the_zone_of_the_page_with_utc_as_its_tip_and_how_long_ago_beside_it():
    assert moment(AT) == (
        '<time datetime="2026-07-01T22:30:15+00:00" title="2026-07-01 22:30:15 UTC">2026-07-02 00:30</time> '
        '<span class="ago">1\u00a0hour ago</span>'
    )
    assert ">2026-07-02 00:30:15<" in moment(AT, "second")


@pytest.mark.usefixtures("later")
def test_without_another_zone_it_is_utc():
    assert ">2026-07-01 22:30<" in moment(AT)
    assert moment(None) == "never"


@pytest.mark.usefixtures("berlin")
def test_the_days_of_filters_begin_and_end_in_the_zone_of_the_page():
    day = date(2026, 7, 2)
    assert filters.start_of(day) == datetime(2026, 7, 1, 22, tzinfo=UTC)
    assert filters.end_of(day) == datetime(2026, 7, 2, 22, tzinfo=UTC)
    assert filters.end_of(date(2026, 10, 25)) - filters.start_of(date(2026, 10, 25)) == 25 * (
        datetime(2026, 1, 1, 1, tzinfo=UTC) - datetime(2026, 1, 1, 0, tzinfo=UTC)
    )


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "UTC"])
def test_the_calendars_first_and_last_days_are_no_fault(zone):
    with timezone.override(ZoneInfo(zone)):
        for day in (date.min, date.max):
            assert filters.start_of(day) < filters.end_of(day)
            assert times.exact(filters.start_of(day))
            assert times.exact(filters.end_of(day))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_tell_times_by_the_tag_alone(path):
    source = path.read_text()
    assert re.findall(r'\|(?:date|timesince|timeuntil|naturaltime)\b(?!:"Y-m-d" }}")', source) == []
    assert re.findall(r"\bUTC\b", source) == []
