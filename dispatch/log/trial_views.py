"""Beside the editor of a template: its text saved and sent to one address, and what becomes of that."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from msgspec import Struct, structs

from console.kit.views import ConsoleView, FragmentMixin
from devices import limits
from dispatch.intake import sample
from dispatch.models import Attempt, Delivery
from dispatch.rules import states
from foundation import audit
from foundation.audit import Action
from servers.queries import country
from templates_app import queries
from templates_app.channels import ADDRESSED, TRAITS
from templates_app.edits import Saved
from templates_app.models import NotificationTemplate
from templates_app.pages.views import EditTemplate
from templates_app.types import BY_CODE
from transports.types import AddressKind, ChannelKind, Recipient

PERMISSION = "dispatch.add_broadcast"
SEEN = "dispatch.view_delivery"
_DO = "test:"
_LAST, _OWN = "dispatch.trial", "dispatch.trials"
"""The session's keys for the addresses that were used last, and for the deliveries that came of them."""
_MOST_OWN = 20
_BOXES: dict[AddressKind, tuple[str | Promise, str, str | Promise]] = {
    AddressKind.MAIL: (gettext_lazy("Mail address"), "email", gettext_lazy("This is not a mail address.")),
    AddressKind.PHONE: (gettext_lazy("Phone number"), "tel", gettext_lazy("This is not a phone number.")),
}
"""Label, type and refusal of the box for an address."""


class Box(Struct, frozen=True):
    """Where the address of one channel is typed; `error` says what is wrong with it."""

    channel: ChannelKind
    typed: str
    error: str | Promise = ""

    @property
    def name(self) -> str:
        return f"trial-{self.channel}"

    @property
    def do(self) -> str:
        return f"{_DO}{self.channel}"

    @property
    def channel_name(self) -> str:
        return TRAITS[self.channel].name

    @property
    def label(self) -> str | Promise:
        return _BOXES[ADDRESSED[self.channel].kind][0]

    @property
    def type(self) -> str:
        return _BOXES[ADDRESSED[self.channel].kind][1]


class Trial(EditTemplate):
    """POST only: save what the editor holds, where its user may, then send the text to the address in a box."""

    permissions = ("templates_app.view_notificationtemplate", SEEN)
    write_permissions = (PERMISSION,)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return redirect("template", pk=self.get_object().pk)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        template = self.get_object()
        self.box = next((box for box in boxes(request, template) if box.do == request.POST.get("do")), None)
        if self.box and not self.box.error and not request.user.has_perms(EditTemplate.write_permissions):
            return self._send(template, box=self.box)
        response = super().post(request, *args, **kwargs)
        if self.box and self.box.error:
            response.status_code = 422
        return response

    def saves(self) -> bool:
        return self.box is not None and not self.box.error

    def after(self, saved: Saved) -> HttpResponse:
        assert self.box is not None
        self.tell(saved)
        return self._send(saved.template, box=self.box)

    def _send(self, template: NotificationTemplate, *, box: Box) -> HttpResponse:
        """Of the version that is current now."""
        stored = queries.as_template(template)
        texts = stored.texts.channels.get(box.channel)
        if texts is None or texts.is_empty:
            messages.warning(self.request, _("Nothing was sent: %s has no text.") % box.channel_name)
            return redirect("template", pk=template.pk)
        to, language = recipient(self.request, box), self.request.POST.get("preview_language", "")
        with transaction.atomic():
            pk = sample.send(stored, channel=box.channel, to=to, language=language, now=timezone.now())
            after = {"recipient": to.address}
            audit.record(audit.by_request(self.request), action=Action.TEST, instance=template, after=after)
        session = self.request.session
        session[_LAST] = {**session.get(_LAST, {}), box.name: box.typed}
        session[_OWN] = [*session.get(_OWN, []), str(pk)][-_MOST_OWN:]
        return redirect(f"{reverse('template', args=[template.pk])}?test={pk}")


def boxes(request: HttpRequest, template: NotificationTemplate) -> list[Box]:
    """Those of the template's channels, with what was posted, else what was used last, else the user's own address."""
    kinds = [channel for channel in BY_CODE[template.type].channels if channel in ADDRESSED]
    return [_checked(Box(channel, _typed(request, Box(channel, ""))), request) for channel in kinds]


def _typed(request: HttpRequest, box: Box) -> str:
    is_own = ADDRESSED[box.channel].kind is AddressKind.MAIL and isinstance(request.user, User)
    last = request.session.get(_LAST, {}).get(box.name) or (request.user.email if is_own else "")  # type: ignore[union-attr]
    return str(request.POST.get(box.name, last)).strip()


def _checked(box: Box, request: HttpRequest) -> Box:
    """With what is wrong with it, if it is the one whose button was pressed."""
    if request.POST.get("do") == box.do:
        if limits.of_user(request.user).is_limited and box.typed != getattr(request.user, "email", ""):
            return structs.replace(
                box, error=_("Your roles are limited to groups: a test goes to your own address alone.")
            )
        try:
            ADDRESSED[box.channel].normalise(box.typed, country())
        except ValueError:
            return structs.replace(box, error=_BOXES[ADDRESSED[box.channel].kind][2])
    return box


def recipient(request: HttpRequest, box: Box) -> Recipient:
    """The address in a box; with the name of the user whose own it is."""
    addresses, user = ADDRESSED[box.channel], request.user
    name = ""
    if isinstance(user, User) and user.email == box.typed:
        name = user.get_full_name() or user.get_username()
    return Recipient(addresses.kind, addresses.normalise(box.typed, country()), name)


def panel(request: HttpRequest, template: Any) -> str:
    """The boxes beside the template's editor, and how the test is getting on that was just begun."""
    if not template.current_id or not request.user.has_perms((PERMISSION, SEEN)):
        return ""
    context = {
        "template": template,
        "boxes": boxes(request, template),
        "saves": request.user.has_perms(EditTemplate.write_permissions),
        "result": _result(request, request.GET.get("test", "")),
    }
    return render_to_string("dispatch/trial.html", context, request) if context["boxes"] else ""


class TrialResult(FragmentMixin, ConsoleView):
    """How one delivery is getting on, in a few lines; the page of the delivery tells more."""

    permissions = (SEEN,)

    def whole_page(self) -> str:
        return reverse("delivery", args=[self.kwargs["pk"]])

    def get(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        found = _result(request, str(pk))
        if found is None:
            raise Http404
        return render(request, "dispatch/trial_result.html", {"result": found, "polled": True})


def _result(request: HttpRequest, pk: str) -> dict[str, Any] | None:
    """For those limited to groups, of their own tests alone: these go to nobody in the groups."""
    limited = limits.of_user(request.user).is_limited
    try:
        delivery = Delivery.objects.filter(pk=UUID(pk)).first()
    except ValueError:
        return None
    if limited and pk not in request.session.get(_OWN, []):
        return None
    if delivery is None:
        return None
    return {
        "delivery": delivery,
        "has_page": not limited,
        "tries": [(attempt, _said(attempt)) for attempt in delivery.attempts.order_by("number")],
        "is_open": delivery.state in states.OPEN,
        "is_taken": delivery.state in states.TAKEN,
    }


def _said(attempt: Attempt) -> str:
    """What the server said, its code once."""
    return attempt.detail if attempt.reply in attempt.detail else f"{attempt.reply} {attempt.detail}"
