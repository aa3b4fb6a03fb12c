"""What a person decides of messages that a server refused one after the other."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.kit.registry import Words
from dispatch.log.views import PAGE, LogView
from dispatch.models import Withheld
from dispatch.outbox import withheld
from foundation import audit
from foundation.audit import Action

_DONE: Mapping[str, Words] = {
    Withheld.Decision.SEND: gettext_lazy("What waits of “%s” will be sent again."),
    Withheld.Decision.CANCEL: gettext_lazy("What waits of “%s” is cancelled."),
}


class DecideWithheld(LogView):
    """POST only: what waits of a broadcast or of a text is sent again or cancelled, by those who see all of it."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, pk: int, decision: str) -> HttpResponse:
        one = Withheld.objects.filter(pk=pk).first()
        if one is None or decision not in _DONE or not self._is_whole(one):
            raise Http404
        subject = one.broadcast or one.template_version
        assert subject is not None
        after = {"decision": decision, "messages": withheld.count(one)}
        with transaction.atomic():
            decided = withheld.decide(one, Withheld.Decision(decision), now=timezone.now())
            if decided:
                actor = audit.by_request(request)
                audit.record(actor, action=Action.CHANGE, instance=subject, after=after, name=str(one))
        if decided:
            messages.success(request, str(_DONE[decision]) % one)
        else:
            messages.error(request, _("Its state changed meanwhile, so nothing was done."))
        return redirect(PAGE)

    def _is_whole(self, one: Withheld) -> bool:
        return one.broadcast.is_whole_within(self.scope) if one.broadcast else not self.scope.is_limited
