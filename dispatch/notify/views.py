"""Notify: the form, then who gets it and who does not, then it is sent."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic.base import TemplateResponseMixin
from msgspec import Struct

from devices.limits import ScopedView
from dispatch.broadcasts import overlaps, reach
from dispatch.broadcasts.audiences import Audience
from dispatch.intake import sends, to_me
from dispatch.intake.accept import ConflictError
from dispatch.intake.sends import OverlapError, Prepared, Sender
from dispatch.intake.subjects import RefusedError
from dispatch.notify import recipients
from dispatch.notify.forms import NotifyForm, initial
from foundation import audit
from templates_app import queries
from templates_app.channels import CHANNELS
from templates_app.models import NotificationTemplate
from templates_app.texts import typed
from transports.types import ChannelKind

PERMISSION = "dispatch.add_broadcast"
MOST_OFFERED = 20
"""So many recipients are offered to see the text as one of them."""


class NotifyPage(TemplateResponseMixin, ScopedView):
    """A POST says what to `do`: take what a list has ticked, show a template's text, review, edit, try, or send."""

    template_name = "dispatch/notify.html"
    title = gettext_lazy("Notify")
    page = "broadcasts"
    permissions = (PERMISSION, "devices.view_device", "devices.view_person")
    keeps_typed = True

    def get(self, request: HttpRequest) -> HttpResponse:
        audience = recipients.of_address(request.GET, scope=self.scope)
        offered = {str(row.pk): row for row in queries.manual_templates()}
        return self._form(initial(offered.get(request.GET.get("template", ""))), audience=audience)

    def show_again(self, request: HttpRequest) -> HttpResponse:
        return self._shown(NotifyForm(request.POST, scope=self.scope))

    def post(self, request: HttpRequest) -> HttpResponseBase:
        do = request.POST.get("do", "")
        if do in {recipients.DEVICES, recipients.USERS}:
            return self._from_list(request, do)
        form = NotifyForm(request.POST, scope=self.scope)
        if do == "show":
            return self._form(initial(form.templates.get(request.POST.get("template", ""))), audience=form.audience)
        if do == "edit":
            return self._shown(NotifyForm(initial=_typed(form), scope=self.scope))
        try:
            return self._checked(request, form, do=do) if form.is_valid() else self._shown(form, status=422)
        except RefusedError as refused:
            form.refuse(refused)
            return self._shown(form, status=422)

    def _checked(self, request: HttpRequest, form: NotifyForm, *, do: str) -> HttpResponseBase:
        """What is done with a valid form. Raises RefusedError."""
        sender = self._sender(form)
        prepared = sends.prepare(form.send_in(), sender=sender, now=timezone.now())
        if group := request.POST.get("list", ""):
            return _csv(prepared, group)
        if do == "me":
            self._to_me(request, prepared, sender=sender)
        elif do == "send" and (sent := self._send(request, form, prepared, sender=sender)):
            return sent
        return self._review(request, form, prepared)

    def _from_list(self, request: HttpRequest, name: str) -> HttpResponse:
        audience = recipients.of_list(request, name, scope=self.scope)
        if audience is None:
            messages.error(request, _("Tick at least one row."))
            return redirect(f"{reverse(name)}?{request.POST.get('query', '')}")
        return self._form(initial(None), audience=audience)

    def _form(self, values: dict[str, Any], *, audience: Audience | None) -> HttpResponse:
        values |= {"to": recipients.written(audience), "key": str(uuid4())}
        if self.request.POST.get("recipients"):
            values["recipients"] = self.request.POST["recipients"]
        if key := self.request.POST.get("key"):
            values["key"] = key
        return self._shown(NotifyForm(initial=values, scope=self.scope))

    def _shown(self, form: NotifyForm, *, status: int = 200) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=status)

    def _sender(self, form: NotifyForm) -> Sender:
        """One press is one broadcast: the form has a key of its own."""
        key = form.cleaned_data["key"]
        body = recipients.written({name: form.cleaned_data[name] for name in form.fields})
        origin = f"console:{self.request.user.pk}"
        return Sender(audit.by_request(self.request), origin, key, to_me.digest(body) if key else "")

    def _send(
        self, request: HttpRequest, form: NotifyForm, prepared: Prepared, *, sender: Sender
    ) -> HttpResponse | None:
        """None where it has to be confirmed first: it is counted anew, whatever the form says that was shown."""
        most = max(_confirmed(request), settings.XMNOTIFY_BROADCAST_TYPED)
        if reach.exceeds(prepared.run, most):
            messages.error(request, _("Type the number of messages to confirm that you mean all of them."))
            return None
        try:
            repeats = request.POST.get("repeat") == "on"
            begun = sends.begin(form.send_in(), sender=sender, now=timezone.now(), repeats=repeats)
        except OverlapError:
            return None  # the review says so
        except ConflictError:
            form.data = anew = request.POST.copy()
            anew["key"] = str(uuid4())
            words = _("Something else was sent from this page already. Press Notify to send this too.")
            messages.warning(request, words)
            return None
        return redirect("broadcast", pk=begun.id)

    def _to_me(self, request: HttpRequest, prepared: Prepared, *, sender: Sender) -> None:
        to = to_me.address_of(request.user)
        chosen = to_me.recipient_of(request.POST.get("as", ""), scope=self.scope)
        if to is None or to_me.CHANNEL not in prepared.kinds:
            messages.error(request, _("Your account has no mail address, or SMTP is not ticked: nothing was sent."))
            return
        to_me.send(prepared, to=to, subject=chosen, sender=sender, now=timezone.now())
        messages.success(request, _("A mail is on its way to %s, as this recipient would get it.") % to.address)

    def _review(self, request: HttpRequest, form: NotifyForm, prepared: Prepared) -> HttpResponse:
        found = reach.of(prepared.run)
        beside = overlaps.find(prepared.chosen[0].id, prepared.run.broadcast, now=timezone.now())
        ready = queries.ready_kinds()
        context = {
            "form": form,
            "reach": found,
            "beside": beside,
            "must_type": _is_many(found.messages),
            "unserved": [group.channel for group in found.reached if group.channel not in ready],
            "texts": _texts(prepared, form.templates.get(form.cleaned_data["template"])),
            "to_me": to_me.address_of(request.user) if to_me.CHANNEL in prepared.kinds else None,
            "offered": to_me.offered(prepared.run, most=MOST_OFFERED),
            "chosen": request.POST.get("as", ""),
        }
        self.template_name = "dispatch/notify_review.html"
        return self.render_to_response(self.get_context_data(**context))

    def get_crumbs(self) -> list[tuple[Any, str]]:
        return [(_("Broadcasts"), reverse("broadcasts"))]


class Said(Struct, frozen=True):
    """The text of one channel."""

    channel: ChannelKind
    subject: str
    message: str


def _texts(prepared: Prepared, row: NotificationTemplate | None) -> list[Said]:
    """What is said to those without a language of their own."""
    own = prepared.run.broadcast.texts
    content = typed.content(own) if own or row is None else queries.current_content(row)
    wordings = [(kind, content.channel(kind).wording("")) for kind in CHANNELS if kind in prepared.kinds]
    return [Said(kind, wording.subject, wording.message) for kind, wording in wordings]


def _is_many(number: int) -> bool:
    return number > settings.XMNOTIFY_BROADCAST_TYPED


def _confirmed(request: HttpRequest) -> int:
    """The number of messages that was shown and typed; 0 where none was, or another one."""
    counted, typed = (request.POST.get(name, "").strip() for name in ("counted", "number"))
    return int(counted) if counted == typed and re.fullmatch("[0-9]{1,9}", counted) else 0


def _typed(form: NotifyForm) -> dict[str, Any]:
    """What stands in a form that was posted."""
    return {name: form[name].value() for name in form.fields}


def _csv(prepared: Prepared, group: str) -> HttpResponseBase:
    """The list of one group, as "smtp:no_address"."""
    name, _colon, code = group.partition(":")
    if name not in set(ChannelKind):
        raise RefusedError("channels", "unknown", "There is no such channel.")
    lines = reach.as_csv(prepared.run, channel=ChannelKind(name), code=code)
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    safe = "".join(character for character in code if character.isalnum() or character == "_")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}-{safe}.csv"'
    return response
