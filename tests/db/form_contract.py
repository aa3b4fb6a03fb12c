"""What every form of the console must do: a page's tests inherit this and name the page."""

import re

import pytest
from django.urls import reverse

from foundation.models import AuditEntry


class FormContract:
    """`view` is the URL's name. A page that changes something makes it in `make`, which returns it."""

    view = ""
    good = {}
    """What is stored as it is typed."""
    bad = ()
    """Pairs of a field and a value that is refused there, the other values being good."""
    secret = ""
    """The field of a secret, which `good` has."""
    stale = 422
    stale_words = "Somebody saved this meanwhile"
    """The answer to a save over what somebody saved meanwhile."""
    done = 302

    def make(self):
        """None where the form adds."""
        return

    def meanwhile(self):
        """Somebody else changes what was made."""
        raise NotImplementedError

    def stored(self):
        """All that the form can change, as values that can be compared."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _as_administrator(self, admin_client):
        self.client = admin_client
        self.made = self.make()
        self.path = reverse(self.view, args=[self.made.pk] if self.made else [])
        AuditEntry.objects.all().delete()

    def post(self, **typed):
        return self.client.post(self.path, {**self.good, **typed})

    def text(self, path=""):
        return self.client.get(path or self.path).content.decode()

    def test_a_bad_value_is_refused_beside_its_field_and_the_others_stay(self):
        assert self.bad
        before = self.stored()
        for name, value in self.bad:
            answer = self.post(**{name: value})
            form = answer.context["form"]
            assert (answer.status_code, list(form.errors)) == (422, [name])
            shown = answer.content.decode()
            assert f'id="id_{name}_error"' in shown
            assert re.search(rf'aria-describedby="[^"]*\bid_{re.escape(name)}_error\b', shown), "nothing refers to it"
            for field in set(self.good) & set(form.fields) - {name, self.secret}:
                assert form[field].value() in (self.good[field], self.good[field] == "on"), field
        assert self.stored() == before
        assert not AuditEntry.objects.exists()

    def test_a_save_stands_in_the_audit_trail(self):
        before = self.stored()
        assert self.post().status_code == self.done
        assert self.stored() != before
        entry = AuditEntry.objects.get()
        assert (entry.actor, entry.action) == ("admin", "change" if self.made else "add")
        assert entry.object_name
        assert entry.after

    def test_a_save_over_what_somebody_saved_meanwhile_is_refused(self):
        if self.made is None:
            assert not self.client.get(self.path).context.get("seen")
            return
        seen = self.seen(self.client.get(self.path))
        self.meanwhile()
        AuditEntry.objects.all().delete()
        before = self.stored()
        refused = self.post(**seen)
        assert refused.status_code == self.stale
        assert self.stale_words in refused.content.decode()
        assert self.stored() == before
        assert not AuditEntry.objects.exists()
        if self.secret:
            assert self.good[self.secret] not in refused.content.decode()
        assert self.post(**self.seen(refused)).status_code == self.done

    def seen(self, answer):
        """What says which state a form was opened with."""
        return {"seen": answer.context["seen"]}

    def test_a_secret_is_never_shown(self):
        if not self.secret:
            assert not {"password", "secret", "client_secret"} & set(self.good)
            return
        words = self.good[self.secret]
        for name, value in self.bad:
            assert words not in self.post(**{name: value}).content.decode()
        answer = self.post()
        assert answer.status_code == self.done
        entry = AuditEntry.objects.get()
        assert words not in f"{entry.before}{entry.after}"
        for path in (answer["Location"], self.path, reverse("audit"), reverse("health")):
            assert words not in self.text(path)
