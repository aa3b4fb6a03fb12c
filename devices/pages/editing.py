"""Add, edit and delete devices and users by hand; delete many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Generic, TypeVar

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from console.kit import registry
from console.kit.editing import DeletePage, FormPage
from console.kit.lists import chosen
from console.kit.registry import Words
from devices import country, edits, removing
from devices.edits import Saved
from devices.fields import FieldError
from devices.limits import ScopedView
from devices.models import Device, Person, folded, keyed
from devices.pages.views import DeviceList, DevicesView, UserList, UsersView
from foundation import audit
from foundation.audit import Snapshot

MOST_DELETED = 500
_SHOWN_NAMES = 10
Row = TypeVar("Row", Device, Person)
_FLAGS = ("managed", "jailbroken", "out_of_compliance", "gateway_blocked")
_PROPERTIES_HELP = gettext_lazy(r"One a line, as NAME=value; \n in a value is a new line, \\ a backslash.")


class _RecordForm(forms.ModelForm[Row]):
    """`reported` is what was changed, as the edits take it; they check it."""

    properties = forms.CharField(
        label=gettext_lazy("Properties"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 6, "class": "mono", "spellcheck": "false"}),
        help_text=_PROPERTIES_HELP,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stored = {name: _written(value) for name, value in self.instance.properties.items()}
        self.initial["properties"] = "\n".join(f"{name}={self.stored[name]}" for name in sorted(self.stored))

    def clean_properties(self) -> str:
        text: str = self.cleaned_data["properties"].replace("\r\n", "\n")
        names = set()
        for number, line in enumerate(text.split("\n"), start=1):
            name, equals, _value = line.partition("=")
            if line.strip() and (not equals or not name.strip()):
                raise ValidationError(_("Line %d: write NAME=value.") % number)
            if name.strip() in names:
                raise ValidationError(_("Line %(number)d: %(name)s stands twice.") % {"number": number, "name": name})
            names |= {name.strip()} - {""}
        return text

    def _properties(self) -> dict[str, str]:
        lines = (line.partition("=") for line in self.cleaned_data["properties"].split("\n"))
        return {name.strip(): value for name, _equals, value in lines if name.strip()}

    def _post_clean(self) -> None:
        """The edits check and store what changed; nothing is put into the instance."""

    def reported(self) -> dict[str, Any]:
        given = {name: self.cleaned_data[name] for name in self.changed_data if name != "properties"}
        wanted = self._properties()
        changed = {name: _read(value) for name, value in wanted.items() if self.stored.get(name) != value}
        gone = dict.fromkeys(name for name in self.stored if name not in wanted)
        return given | ({"properties": {**changed, **gone}} if changed or gone else {})


class DeviceForm(_RecordForm[Device]):
    platform = forms.ChoiceField(
        label=gettext_lazy("Platform"),
        required=False,
        choices=[("", gettext_lazy("Not known")), *Device.Platform.choices],
    )
    has_sim = forms.TypedChoiceField(
        label=gettext_lazy("Has a SIM"),
        required=False,
        choices=[("", gettext_lazy("Not known")), ("True", gettext_lazy("Yes")), ("False", gettext_lazy("No"))],
        coerce=lambda text: text == "True",
        empty_value=None,
    )
    user = forms.CharField(
        label=gettext_lazy("User"), max_length=320, required=False, help_text=gettext_lazy("The login name.")
    )

    class Meta:
        model = Device
        fields = (
            *("serial", "imei", "name", "platform", "os_version", "model", "ownership", "user", "phone_number"),
            *("carrier", "has_sim", *_FLAGS, "properties"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["user"] = self.instance.person.loginname if self.instance.person else ""
        self.initial["has_sim"] = "" if self.instance.has_sim is None else str(self.instance.has_sim)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if "serial" in given and "imei" in given and not given["serial"] and not given["imei"]:
            self.add_error("serial", _("Give the serial number or the IMEI."))
        return given

    def reported(self) -> dict[str, Any]:
        """Of a new device without a platform nothing is said of it."""
        given = super().reported()
        return {name: value or None if name in {"platform", "user"} else value for name, value in given.items()}


class UserForm(_RecordForm[Person]):
    groups = forms.CharField(
        label=gettext_lazy("Groups"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("One a line; a group that is not known yet is added."),
    )

    class Meta:
        model = Person
        fields = (
            *("loginname", "displayname", "mail", "mobile", "language", "time_zone", "groups", "disabled"),
            "properties",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = self.instance.groups.order_by("name").values_list("name", flat=True) if self.instance.pk else ()
        self.initial["groups"] = "\n".join(names)

    def clean_groups(self) -> list[str]:
        names = (name.strip() for name in self.cleaned_data["groups"].splitlines())
        return list(dict.fromkeys(name for name in names if name))


class _RecordPage(FormPage[Row], Generic[Row]):
    template_name = "devices/edit.html"

    one: ClassVar[str] = ""
    """The name of the address of the page about one."""

    def get_success_url(self) -> str:
        pk = self.kwargs.get("pk")
        return reverse(self.one, args=[pk]) if pk else reverse(self.page)

    def store(self, form: Any, *, before: Snapshot) -> Row:
        """What can't be used, such as a number that nobody can read, is refused: somebody sees it here."""
        try:
            with transaction.atomic():
                saved = _all_used(self.save(form))
        except FieldError as error:
            name = error.field.partition(".")[0]
            raise ValidationError({name: error.message} if name in form.fields else error.message) from None
        return saved.row

    def save(self, form: Any) -> Saved[Row]:
        raise NotImplementedError


class _DeviceFormPage(DevicesView, _RecordPage[Device]):
    model = Device
    form_class = DeviceForm
    one = "device"
    add_title = gettext_lazy("Add a device")

    def get_queryset(self) -> QuerySet[Device]:
        return Device.objects.within(self.scope).select_related("person")

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [(DeviceList.title, reverse("devices"))]

    def save(self, form: DeviceForm) -> Saved[Device]:
        given = form.reported()
        now, actor = timezone.now(), audit.by_request(self.request)
        places: dict[str, Any] = {"scope": self.scope, "country": country.default(), "now": now, "actor": actor}
        if self.instance.pk:
            return edits.save_device("id", str(self.instance.uid), given, **places)
        key = "serial" if given.get("serial") else "imei"
        for name in ("serial", "imei"):
            value = given.get(name)
            if value and Device.objects.filter(keyed(name, value)).exists():
                raise FieldError(name, "taken", _("There is a device with this already."))
        saved = edits.save_device(key, given.pop(key), given, **places)
        return _new(saved, name=key)


class DeviceAddPage(_DeviceFormPage):
    write_permissions = ("devices.add_device",)


class DeviceEditPage(_DeviceFormPage):
    write_permissions = ("devices.change_device",)


class _UserFormPage(UsersView, _RecordPage[Person]):
    model = Person
    form_class = UserForm
    one = "user"
    add_title = gettext_lazy("Add a user")

    def get_queryset(self) -> QuerySet[Person]:
        return Person.objects.within(self.scope)

    def get_form(self, **kwargs: Any) -> Any:
        form = super().get_form(**kwargs)
        if self.instance.pk:
            names = self.instance.groups.within(self.scope).order_by("name").values_list("name", flat=True)
            form.initial["groups"] = "\n".join(names)
        return form

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [(UserList.title, reverse("users"))]

    def save(self, form: UserForm) -> Saved[Person]:
        given = form.reported()
        actor = audit.by_request(self.request)
        places: dict[str, Any] = {"scope": self.scope, "country": country.default(), "actor": actor}
        if self.instance.pk:
            return edits.save_user("id", str(self.instance.uid), given, **places)
        name = given.pop("loginname")
        if Person.objects.filter(loginname__lower=folded(name)).exists():
            raise FieldError("loginname", "taken", _("There is a user with this already."))
        return _new(edits.save_user("loginname", name, given, **places), name="loginname")


class UserAddPage(_UserFormPage):
    write_permissions = ("devices.add_person",)


class UserEditPage(_UserFormPage):
    write_permissions = ("devices.change_person",)


class DeviceDeletePage(DevicesView, DeletePage[Device]):
    model = Device
    write_permissions = ("devices.delete_device",)

    def get_queryset(self) -> QuerySet[Device]:
        return Device.objects.within(self.scope)

    def get_success_url(self) -> str:
        return reverse("devices")

    def remove(self, instance: Device) -> None:
        edits.remove_device(instance, actor=audit.by_request(self.request))


class UserDeletePage(UsersView, DeletePage[Person]):
    model = Person
    write_permissions = ("devices.delete_person",)

    def get_queryset(self) -> QuerySet[Person]:
        return Person.objects.within(self.scope)

    def get_success_url(self) -> str:
        return reverse("users")

    def remove(self, instance: Person) -> None:
        removing.remove_user(instance, actor=audit.by_request(self.request), now=timezone.now())


class _DeleteMany(ScopedView, Generic[Row]):
    """POST only: asks with the number, then deletes the very rows that it asked about."""

    http_method_names = ["post"]

    def found(self) -> QuerySet[Row]:
        raise NotImplementedError

    def remove(self, row: Row) -> None:
        raise NotImplementedError

    def words(self, number: int) -> str:
        raise NotImplementedError

    def impacts(self) -> Iterable[Words]:
        raise NotImplementedError

    def post(self, request: HttpRequest) -> HttpResponse:
        marked = chosen(request)
        back = f"{reverse(self.page)}?{marked.query.urlencode()}"
        rows = list(self.found()[: MOST_DELETED + 1])
        if not rows:
            messages.error(request, _("Tick at least one row.") if not marked.everything else _("Nothing fits."))
            return redirect(back)
        if len(rows) > MOST_DELETED:
            messages.error(request, _("%d at most are deleted in one go: narrow the filter.") % MOST_DELETED)
            return redirect(back)
        if request.POST.get("do") == "delete":
            for row in rows:
                self.remove(row)
            messages.success(request, self.words(len(rows)))
            return redirect(reverse(self.page))
        context = {
            "rows": rows,
            "names": [str(row) for row in rows[:_SHOWN_NAMES]],
            "more": len(rows) - _SHOWN_NAMES,
            "impacts": list(self.impacts()),
            "back": back,
        }
        return render(request, "devices/delete_many.html", self.get_context_data(**context))


class DevicesDelete(_DeleteMany[Device], DevicesView):
    write_permissions = ("devices.delete_device",)
    title = gettext_lazy("Delete devices?")

    def found(self) -> QuerySet[Device]:
        return DeviceList.matching(chosen(self.request), scope=self.scope)

    def remove(self, row: Device) -> None:
        edits.remove_device(row, actor=audit.by_request(self.request))

    def words(self, number: int) -> str:
        return ngettext("%d device was deleted.", "%d devices were deleted.", number) % number

    def impacts(self) -> Iterable[Words]:
        return of_device()


class UsersDelete(_DeleteMany[Person], UsersView):
    write_permissions = ("devices.delete_person",)
    title = gettext_lazy("Delete users?")

    def found(self) -> QuerySet[Person]:
        return UserList.matching(chosen(self.request), scope=self.scope)

    def remove(self, row: Person) -> None:
        removing.remove_user(row, actor=audit.by_request(self.request), now=timezone.now())

    def words(self, number: int) -> str:
        return ngettext("%d user was deleted.", "%d users were deleted.", number) % number

    def impacts(self) -> Iterable[Words]:
        return of_user()


def of_device(_row: Device | None = None) -> Iterable[Words]:
    yield _(
        "Its messages stay in the log, without the device. Those that wait go out still; no new one is pushed to it."
    )
    yield _("It comes back when it is reported, imported or named by an event again.")


def of_user(_row: Person | None = None) -> Iterable[Words]:
    yield _("Messages that wait for the person are cancelled.")
    yield _("Those that were sent stay in the log, without the person: no text, address or name of them is kept.")
    yield _("The devices of the person stay, without a user.")


def register() -> None:
    registry.add_impact("devices.Device", source=of_device)
    registry.add_impact("devices.Person", source=of_user)


def _all_used(saved: Saved[Row]) -> Saved[Row]:
    """Raises FieldError for what was stored as it was given, or not at all."""
    if saved.warnings:
        raise FieldError(saved.warnings[0].field, saved.warnings[0].code, saved.warnings[0].message)
    return saved


def _new(saved: Saved[Row], *, name: str) -> Saved[Row]:
    """Raises FieldError where somebody else made it in between."""
    if not saved.created:
        raise FieldError(name, "taken", _("Somebody has just added this."))
    return saved


def _written(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.replace("\\", "\\\\").replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\n")


def _read(text: str) -> str:
    return "\\".join(part.replace("\\n", "\n") for part in text.split("\\\\"))
