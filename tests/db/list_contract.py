"""What every list of the console must do: a page's tests inherit this and name the page."""

import html
import re
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import resolve, reverse

from console.kit.lists import PAGE_SIZE

NONSENSE = ("%00", "9" * 30, "-1", "x", "-", "name,id", "1e9", "\u200b", "'")


class ListContract:
    """`view` is the URL's name, `add` makes so many more rows. The database's own rows may come on top of them."""

    view = ""
    unfit = {}
    """A filter that nothing fits, where the list has one."""

    def add(self, count):
        raise NotImplementedError

    def clear(self):
        """Take all rows away; only where there can be none."""
        raise NotImplementedError

    def address(self):
        return reverse(self.view)

    @pytest.fixture(autouse=True)
    def _as_administrator(self, admin_client, monkeypatch):
        monkeypatch.setattr("console.accounts.sessions._MINUTE", 1_000_000)  # no session is noted in between
        self.client = admin_client
        self.page = resolve(self.address()).func.view_class

    def get(self, query=""):
        answer = self.client.get(self.address() + query)
        assert answer.status_code == 200
        return answer

    def rows(self, query=""):
        return [row.key for row in self.get(query).context["rows"]]

    def all_rows(self, query=""):
        """Of all pages, found by the pager's own links."""
        found = []
        for _page in range(20):
            answer = self.get(query)
            found += [row.key for row in answer.context["rows"]]
            onward = [url for words, url in answer.context["pager"] if words in {"Next", "Older"}]
            if not onward:
                return found
            (query,) = onward
        raise AssertionError("the pager does not end")

    def test_it_is_refused_without_its_permission(self, client):
        nobody = User.objects.create_user("nobody", is_staff=True)
        nobody.user_permissions.add(Permission.objects.get(codename="view_lane"))  # which no page asks for
        client.force_login(nobody)
        assert client.get(self.address()).status_code == 403

    def test_who_may_only_look_is_offered_nothing_to_press(self, client):
        self.add(2)
        looker = User.objects.create_user("looker", is_staff=True)
        looker.user_permissions.add(*Permission.objects.filter(codename__startswith="view_"))
        client.force_login(looker)
        shown = client.get(self.address())
        assert shown.context["rows"]
        assert not shown.context["bulk"]
        assert not any(button.how == "post" for row in shown.context["rows"] for button in row.buttons)
        content = shown.content.decode().partition('id="content"')[2]
        assert not re.findall(r'<form[^>]+method="post"', content)

    def test_without_a_row_it_says_so(self):
        if not self.page.empty:
            assert self.rows(), "it can be empty, so it has to say so"
            return
        self.clear()
        shown = self.get()
        assert shown.context["rows"] == []
        content = shown.content.decode()
        assert html.escape(str(self.page.empty)) in content
        assert "<table" not in content.partition('id="content"')[2]

    def test_a_filter_that_nothing_fits_says_so_and_is_cleared(self):
        self.add(1)
        assert bool(self.unfit) == bool(self.get().context["filter"])
        if not self.unfit:
            return
        shown = self.get(f"?{urlencode(self.unfit)}")
        assert shown.context["rows"] == []
        content = shown.content.decode()
        assert html.escape(str(self.page.empty_filtered)) in content
        assert f'href="{self.address()}">Clear<' in content

    def test_nonsense_in_the_address_shows_the_list(self):
        self.add(3)
        usual = self.rows()
        form = self.get().context["filter"]
        for value in NONSENSE:
            for name in ("sort", "after"):
                assert self.get(f"?{urlencode({name: value})}").status_code == 200
            assert self.rows(f"?{urlencode({'sort': value})}") == usual
            assert self.get(f"?{urlencode(dict.fromkeys(form.fields if form else (), value))}").status_code == 200

    def test_the_pager_ends_and_shows_each_row_once(self):
        self.add(2 * PAGE_SIZE + 1)
        found = self.all_rows()
        assert len(found) >= 2 * PAGE_SIZE + 1
        assert len(found) == len(set(found))
        assert len(self.rows()) == PAGE_SIZE

    def test_it_is_sorted_by_each_column_that_offers_it_and_back(self):
        self.add(5)
        for key in self.page.orders:
            there, back = self.all_rows(f"?sort={key}"), self.all_rows(f"?sort=-{key}")
            assert there == back[::-1]
            heads = {head.url: head.order for head in self.get(f"?sort={key}").context["headings"] if head.order}
            assert heads == {f"?sort=-{key}": "ascending"}
        usual = self.page.order or next(iter(self.page.orders), "")
        assert self.all_rows() == self.all_rows(f"?sort={usual}")

    def test_a_filter_and_an_order_stay_while_paging(self):
        self.add(PAGE_SIZE + 1)
        key = next(iter(self.page.orders), "")
        (onward,) = [url for words, url in self.get(f"?sort=-{key}").context["pager"] if words in {"Next", "Older"}]
        assert f"sort=-{key}" in onward

    def test_more_rows_take_no_more_queries(self):
        self.add(2)
        self.get()  # some things are cached once
        few = self._queries()
        self.add(10)
        self.get()
        assert self._queries() == few

    def test_each_row_has_one_head_and_each_column_one_name(self):
        self.add(2)
        shown = self.get()
        content = shown.content.decode()
        assert content.count('<th scope="row"') == len(shown.context["rows"])
        labels = [str(heading.label) for heading in shown.context["headings"]]
        assert all(labels)
        assert len(labels) == len(set(labels))

    def _queries(self):
        with CaptureQueriesContext(connection) as queries:
            self.get()
        return len(queries)
