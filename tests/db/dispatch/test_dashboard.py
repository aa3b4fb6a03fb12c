"""The dashboard page."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from console.kit import charts
from console.kit.charts import Series
from dispatch import console
from dispatch.dashboard import counting
from dispatch.dashboard.views import masked
from dispatch.models import Delivery
from dispatch.rules.states import DeliveryState
from tests.db import world
from tests.db.dispatch.test_statistics import deliveries
from tests.db.world import smtp_server

pytestmark = pytest.mark.django_db
S = DeliveryState


def text(answer):
    return answer.content.decode()


def test_the_start_leads_to_the_dashboard_and_strangers_to_the_log_in(client, admin_client):
    assert client.get("/")["Location"] == "/admin/login/?next=/"
    assert admin_client.get("/admin/")["Location"] == "/"
    assert "Before the first message" in text(admin_client.get("/"))


def test_the_steps_go_when_the_first_message_is_sent(admin_client):
    deliveries(S.SENT, at=timezone.now())
    assert "Before the first message" not in text(admin_client.get("/"))


def test_figures_failures_and_servers_are_shown_with_masked_recipients(admin_client):
    now = timezone.now()
    server = smtp_server(name="Corporate relay")
    deliveries(S.SENT, S.FAILED, S.DUE, at=now - timedelta(minutes=1), server=server)
    counting.count(now=now)
    page = text(admin_client.get("/"))
    assert "a••@example.com" in page
    assert "anna@example.com" not in page
    assert "Corporate relay" in page
    assert "The address does not exist." in page
    assert f'href="/log/{Delivery.objects.get(state="failed").pk}/"' in page
    assert "1 message waits" in page


@pytest.mark.parametrize(
    ("fields", "word"),
    [({"paused_until": timezone.now() + timedelta(days=1)}, "Paused"), ({"stopped_at": timezone.now()}, "Stopped")],
)
def test_a_server_in_trouble_is_called_as_everywhere_else(admin_client, fields, word):
    deliveries(S.SENT, at=timezone.now())
    smtp_server(name="Corporate relay", trouble_code="refused_alike", trouble_detail="5.7.1 no", **fields)
    assert re.search(rf">\s*{word}\s*<", text(admin_client.get("/")))


def test_the_numbers_lead_to_the_deliveries_that_they_count(admin_client):
    deliveries(S.SENT, S.FAILED, S.EXPIRED, S.DUE, at=timezone.now())
    links = re.findall(r'href="(/log/\?state=[^"]+)"', text(admin_client.get("/")))
    shown = [admin_client.get(unescape(link)).context["rows"] for link in links]
    assert [{Delivery.objects.get(pk=row.key).state for row in rows} for rows in shown] == [
        {"failed", "expired"},
        {"due"},
    ]


def test_the_number_of_queries_does_not_grow_with_the_deliveries(admin_client, django_assert_max_num_queries):
    now = timezone.now()
    server = smtp_server()
    deliveries(*[S.FAILED, S.SENT, S.DUE] * 40, at=now, server=server)
    counting.count(now=now)
    with django_assert_max_num_queries(40):
        admin_client.get("/")


def test_silent_workers_are_told_on_every_page_and_a_living_queue_is_not(admin_client, monkeypatch):
    assert "No worker gives a sign of life" in text(admin_client.get("/settings/about/"))
    world.all_is_well(monkeypatch)
    assert "sign of life" not in text(admin_client.get("/settings/about/"))


def test_deleting_a_server_tells_how_many_messages_wait_for_it():
    server = smtp_server()
    deliveries(S.DUE, S.DUE, S.SENT, at=timezone.now(), server=server)
    (words,) = console.of_server(server)
    assert words.startswith("2 messages wait for it.")


@pytest.mark.parametrize(
    ("address", "kind", "shown"),
    [
        ("anna@example.com", "mail", "a••@example.com"),
        ("+447700900123", "phone", "+44••••123"),
        ("12345", "phone", "••••"),
    ],
)
def test_addresses_are_masked(address, kind, shown):
    assert masked(address, kind=kind) == shown


def test_bars_stand_on_each_other_and_the_axis_is_round():
    chart = charts.stacked_bars(
        "Messages", categories=["a", "b"], series=[Series("x", [30, 0], "s1"), Series("y", [31, None], "s2")]
    )
    first, second = chart.boxes
    assert first.y + first.height == pytest.approx(chart.lines[0].at)
    assert second.y + second.height == pytest.approx(first.y)
    assert [mark.words for mark in chart.lines] == ["0", "20", "40", "60", "80"]


def test_a_line_has_a_gap_where_there_is_no_value():
    chart = charts.line("t", categories=list("abcde"), series=Series("x", [1, 2, None, 3, 4], "s1"), unit="s")
    assert len(chart.points) == 2
    assert len(chart.dots) == 4


def test_a_chart_of_nothing_can_be_drawn():
    chart = charts.stacked_bars("t", categories=["a"], series=[Series("x", [0], "s1")])
    assert chart.boxes == []
