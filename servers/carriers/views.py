"""Settings > Carrier SMS Gateway: the table, Add, edit, delete and Detect, each a page and a dialog."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from console.kit import cells
from console.kit.editing import DeletePage, DialogMixin, FormPage
from console.kit.lists import ListPage
from console.kit.pages import SettingsChildView
from console.kit.registry import Button, Column, How, Level, Words
from devices.limits import ScopedView
from foundation import audit
from foundation.audit import Snapshot
from servers import countries
from servers.carriers import detection, edits
from servers.carriers.forms import CarrierGatewayForm
from servers.carriers.validators import carrier_warnings
from servers.models import CarrierGateway, Server, SmsGateway
from servers.values import ServerKind

PAGE = "carrier-gateways"
MOST = 50
"""Detected carriers that are added in one go."""


class CarrierListPage(SettingsChildView, ListPage[CarrierGateway]):
    template_name = "servers/carriers.html"
    title = gettext_lazy("Carrier SMS Gateway")
    page = PAGE
    permissions = ("servers.view_carriergateway",)
    write_permissions = ("servers.change_carriergateway",)
    empty = gettext_lazy("No carrier is set up, so every SMS goes through the SMS gateway.")
    orders: ClassVar = {
        "carrier": ("carrier", "country"),
        "domain": ("domain", "carrier"),
        "country": ("country", "carrier"),
    }

    def bar(self) -> Iterable[Button]:
        if self.request.user.has_perms(self.all_permissions()):
            allowed = "servers.add_carriergateway"
            yield Button(_("Add"), reverse("carrier-gateway-add"), allowed, how=How.DIALOG, style="primary")
            yield Button(_("Detect"), reverse("carrier-gateway-detect"), allowed, how=How.DIALOG)

    def get_rows(self, given: Mapping[str, Any]) -> QuerySet[CarrierGateway]:
        return CarrierGateway.objects.all()

    def columns(self, rows: Sequence[CarrierGateway]) -> Iterable[Column]:
        return (
            Column("carrier", _("Carrier"), _named, heads=True),
            Column("domain", _("Gateway SMTP domain"), _domain),
            Column("country", _("Country code"), lambda row: countries.named(row.country)),
            Column("prefix", _("Email sending prefix"), lambda row: row.prefix, style="mono"),
            Column("number", _("Number"), lambda row: row.get_number_format_display()),
        )

    def buttons(self, rows: Sequence[CarrierGateway]) -> Callable[[CarrierGateway], Iterable[Button]]:
        return lambda row: [
            Button(
                _("Delete"),
                reverse("carrier-gateway-delete", args=[row.pk]),
                "servers.delete_carriergateway",
                how=How.DIALOG,
                style="danger",
            )
        ]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            sms=SmsGateway.objects.filter(active=True).first(),
            has_smtp=Server.objects.filter(kind=ServerKind.SMTP, active=True).exists(),
            **kwargs,
        )


def _named(row: CarrierGateway) -> Words:
    return cells.link(reverse("carrier-gateway", args=[row.pk]), row.carrier, dialog=True)


def _domain(row: CarrierGateway) -> Words:
    domain = format_html('<span class="mono">{}</span>', row.domain)
    warning = carrier_warnings(row).get("domain", "")
    if not warning:
        return domain
    return cells.joined(domain, " ", cells.badge(Level.WARNING, _("Retired")), cells.quiet(warning))


class CarrierView(SettingsChildView):
    """A page below the table."""

    page = PAGE
    permissions: tuple[str, ...] = ("servers.view_carriergateway",)

    def get_success_url(self) -> str:
        return reverse(PAGE)

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [*super().get_crumbs(), (CarrierListPage.title, reverse(PAGE))]


class CarrierPage(CarrierView, FormPage[CarrierGateway]):
    template_name = "servers/carrier.html"
    dialog_template = "servers/carrier_form.html"
    model = CarrierGateway
    form_class = CarrierGatewayForm
    add_title = gettext_lazy("Add a Carrier SMS Gateway")
    write_permissions = ("servers.add_carriergateway", "servers.change_carriergateway")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        warnings = carrier_warnings(self.instance) if not kwargs["form"].errors else {}
        return super().get_context_data(fields=_fields(kwargs["form"], warnings=warnings), **kwargs)

    def seen(self, form: ModelForm[CarrierGateway]) -> str:
        return str(self.instance.revision)

    def store(self, form: ModelForm[CarrierGateway], *, before: Snapshot) -> CarrierGateway:
        store = edits.change if self.instance.pk else edits.create
        store(form.instance, actor=audit.by_request(self.request))
        return form.instance


class CarrierDeletePage(CarrierView, DeletePage[CarrierGateway]):
    model = CarrierGateway
    write_permissions = ("servers.delete_carriergateway",)

    def remove(self, instance: CarrierGateway) -> None:
        edits.delete(instance, actor=audit.by_request(self.request))


class DetectPage(CarrierView, ScopedView, DialogMixin):
    """Which carriers of enrolled devices have no gateway; those that are ticked open for their domain."""

    template_name = "servers/detect.html"
    dialog_template = "servers/detect_body.html"
    title = gettext_lazy("Detect carriers")
    write_permissions = ("servers.add_carriergateway",)

    def get(self, request: HttpRequest) -> HttpResponse:
        found = detection.new_carriers(self.scope)
        ticked = set(request.GET.getlist("carrier"))
        chosen = [carrier for carrier in found if f"{carrier.country}:{carrier.name}" in ticked][:MOST]
        forms = [
            CarrierGatewayForm(initial={"carrier": carrier.name, "country": carrier.country}, prefix=f"c{number}")
            for number, carrier in enumerate(chosen)
        ]
        return self._show(forms, found=found, nothing_ticked="ticked" in request.GET and not chosen)

    def post(self, request: HttpRequest) -> HttpResponse:
        count = request.POST.get("count", "")
        number = min(int(count), MOST) if count.isascii() and count.isdigit() and len(count) < 4 else 0
        forms = [CarrierGatewayForm(request.POST, prefix=f"c{each}") for each in range(number)]
        wrong = [form for form in forms if not form.is_valid()]
        if forms and not wrong and self._store(forms):
            words = ngettext("%d carrier was added.", "%d carriers were added.", len(forms)) % len(forms)
            messages.success(request, words)
            return self.leave(self.get_success_url())
        return self._show(forms, found=() if forms else detection.new_carriers(self.scope), status=422)

    def _store(self, forms: Sequence[CarrierGatewayForm]) -> bool:
        """All of them, or none when two of them are one carrier of one country."""
        try:
            with transaction.atomic():
                for form in forms:
                    self._add(form)
        except ValidationError:
            return False
        return True

    def _add(self, form: CarrierGatewayForm) -> None:
        try:
            edits.create(form.instance, actor=audit.by_request(self.request))
        except ValidationError:
            form.add_error("carrier", _("This carrier already has a gateway in this country."))
            raise

    def _show(
        self,
        forms: Sequence[CarrierGatewayForm],
        *,
        found: Sequence[detection.NewCarrier],
        status: int = 200,
        nothing_ticked: bool = False,
    ) -> HttpResponse:
        context = {
            "groups": [{"form": form, "fields": _fields(form)} for form in forms],
            "found": [(carrier, countries.named(carrier.country)) for carrier in found],
            "nothing_ticked": nothing_ticked,
            "back": self.get_success_url(),
        }
        return self.render_to_response(self.get_context_data(**context), status=status)


def _fields(form: CarrierGatewayForm, *, warnings: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    return [{"field": form[name], "warning": (warnings or {}).get(name, "")} for name in form.fields]
