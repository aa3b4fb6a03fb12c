"""People, their devices, push tokens, and the changes that rules look at."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Lower, Upper
from django.utils.translation import gettext_lazy as _

from devices.scope import GroupScope
from foundation.secrets import SealedField
from foundation.sql.ids import new_uid


def keyed(name: str, value: str) -> Q:
    """The devices with this `serial` or `imei`, with the condition of its index.

    Without it a plan for any value, which is the only one SQLite makes, reads the whole table.
    """
    return Q(**{name: value}) & ~Q(**{name: ""})


def folded(text: str) -> Lower:
    """For `loginname__lower=` and `mail__lower=`: case does not matter, and unlike `iexact` that uses their indexes."""
    return Lower(Value(text))


class GroupQuerySet(models.QuerySet["Group"]):
    def within(self, scope: GroupScope) -> GroupQuerySet:
        return self if scope.groups is None else self.filter(pk__in=sorted(scope.groups))


class PersonQuerySet(models.QuerySet["Person"]):
    def within(self, scope: GroupScope) -> PersonQuerySet:
        return self.filter(pk__in=members(scope)) if scope.is_limited else self


class DeviceQuerySet(models.QuerySet["Device"]):
    def within(self, scope: GroupScope) -> DeviceQuerySet:
        """Those of the users in it; a device without a user is nobody's."""
        return self.filter(person__in=members(scope)) if scope.is_limited else self


def _search_text(*columns: str) -> models.GeneratedField:
    """All that somebody may remember of a row, in capitals, which the database keeps: see `selection.named`.

    Line ends stand between the columns, across which no word goes.
    """
    parts = [part for column in columns for part in (F(column), Value("\n"))]
    joined = Func(*parts, template="(%(expressions)s)", arg_joiner=" || ", output_field=models.TextField())
    return models.GeneratedField(expression=Upper(joined), output_field=models.TextField(), db_persist=True)


class Group(models.Model):
    """Users, as a directory or an administrator puts them together. `by_hand`: it was added on its page."""

    name = models.CharField(_("name"), max_length=255, unique=True)
    by_hand = models.BooleanField(_("added by hand"), default=False, editable=False)

    objects = GroupQuerySet.as_manager()

    class Meta:
        verbose_name = _("group")
        verbose_name_plural = _("groups")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Person(models.Model):
    """A user of the device-management system. `properties` holds every further directory attribute by its name."""

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    loginname = models.CharField(_("login name"), max_length=320)
    username = models.CharField(_("user name"), max_length=320, blank=True)
    domainname = models.CharField(_("domain"), max_length=253, blank=True)
    displayname = models.CharField(_("display name"), max_length=320, blank=True)
    mail = models.CharField(_("mail"), max_length=320, blank=True)
    mobile = models.CharField(_("mobile"), max_length=64, blank=True)
    language = models.CharField(_("language"), max_length=35, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)
    disabled = models.BooleanField(_("disabled"), default=False)
    groups = models.ManyToManyField(Group, blank=True, related_name="people", verbose_name=_("groups"))
    properties = models.JSONField(_("properties"), default=dict, blank=True)
    updated_at = models.DateTimeField(auto_now=True)
    search_text = _search_text("loginname", "displayname", "mail", "mobile")

    objects = PersonQuerySet.as_manager()

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        ordering = ["loginname"]
        constraints = [
            models.UniqueConstraint(
                Lower("loginname"),
                name="loginname_unique",
                violation_error_message=_("This login name exists already."),
            )
        ]
        indexes = [
            models.Index(Lower("mail"), name="person_mail"),
            models.Index(fields=["mobile"], name="person_mobile"),
        ]

    def __str__(self) -> str:
        return self.displayname or self.loginname


def members(scope: GroupScope) -> models.QuerySet[Any, Any]:
    """The ids of the users of a scope that is limited, as a subquery."""
    return Person.groups.through.objects.filter(group__in=sorted(scope.groups or ())).values("person")


Person._meta.get_field("loginname").register_lookup(Lower)  # noqa: SLF001 - a public name
Person._meta.get_field("mail").register_lookup(Lower)  # noqa: SLF001


class Device(models.Model):
    """A managed device. `properties` holds every further property by its name (upper snake case)."""

    class Platform(models.TextChoices):
        IOS = "iOS", "iOS"
        ANDROID = "ANDROID", "Android"
        WINDOWS = "WINDOWS", "Windows"
        MACOSX = "MACOSX", "macOS"

    class Ownership(models.TextChoices):
        CORPORATE = "corporate", _("Corporate")
        BYOD = "byod", _("BYOD")
        UNKNOWN = "unknown", _("Unknown")

    uid = models.UUIDField(default=new_uid, unique=True, editable=False)
    serial = models.CharField(_("serial number"), max_length=128, blank=True)
    imei = models.CharField(_("IMEI"), max_length=32, blank=True)
    platform = models.CharField(_("platform"), max_length=8, choices=Platform.choices, blank=True)
    os_version = models.CharField(_("OS version"), max_length=64, blank=True)
    model = models.CharField(_("model"), max_length=128, blank=True)
    name = models.CharField(_("name"), max_length=255, blank=True)
    ownership = models.CharField(_("ownership"), max_length=9, choices=Ownership.choices, default=Ownership.UNKNOWN)
    phone_number = models.CharField(_("phone number"), max_length=64, blank=True)
    carrier = models.CharField(_("carrier"), max_length=255, blank=True)
    has_sim = models.BooleanField(_("has a SIM"), null=True, blank=True)
    managed = models.BooleanField(_("managed"), default=True)
    jailbroken = models.BooleanField(_("jailbroken or rooted"), default=False)
    out_of_compliance = models.BooleanField(_("out of compliance"), default=False)
    gateway_blocked = models.BooleanField(_("blocked by the gateway"), default=False)
    last_access = models.DateTimeField(_("last access"), null=True, blank=True)
    person = models.ForeignKey(
        Person, on_delete=models.SET_NULL, null=True, blank=True, related_name="devices", verbose_name=_("user")
    )
    properties = models.JSONField(_("properties"), default=dict, blank=True)
    updated_at = models.DateTimeField(auto_now=True)
    search_text = _search_text("serial", "imei", "name", "phone_number")

    objects = DeviceQuerySet.as_manager()

    class Meta:
        verbose_name = _("device")
        verbose_name_plural = _("devices")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["serial"],
                condition=~Q(serial=""),
                name="serial_unique",
                violation_error_message=_("This serial number exists already."),
            ),
            models.CheckConstraint(
                condition=~Q(serial="", imei=""),
                name="device_has_serial_or_imei",
                violation_error_message=_("Give the serial number or the IMEI."),
            ),
        ]
        indexes = [
            models.Index(fields=["imei"], condition=~Q(imei=""), name="device_imei"),
            models.Index(fields=["phone_number"], name="device_phone_number"),
            models.Index(fields=["last_access"], name="device_last_access"),
        ]

    def __str__(self) -> str:
        return self.name or self.serial or self.imei


class InstalledApp(models.Model):
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="apps")
    name = models.CharField(max_length=255, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["device", "name"], name="app_once_a_device")]

    def __str__(self) -> str:
        return self.name


class PushToken(models.Model):
    class Kind(models.TextChoices):
        APNS = "apns", "APNs"
        FCM = "fcm", "FCM"

    class Environment(models.TextChoices):
        PRODUCTION = "production", _("Production")
        SANDBOX = "sandbox", _("Sandbox")

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="push_tokens")
    kind = models.CharField(max_length=4, choices=Kind.choices)
    token = models.CharField(max_length=4096)
    environment = models.CharField(max_length=10, choices=Environment.choices, default=Environment.PRODUCTION)
    registered_at = models.DateTimeField()
    dead_at = models.DateTimeField(null=True, blank=True, help_text=_("when the push service said it is gone"))
    dead_reason = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["device", "kind"], name="one_token_a_device_and_kind")]

    def __str__(self) -> str:
        return f"{self.kind} token of {self.device_id}"


class Change(models.Model):
    """What changed on a device or user; the flow reads these rows for property triggers and then removes them."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, null=True, blank=True)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, null=True, blank=True)
    names = models.JSONField(default=list, help_text=_("the names of the properties that changed"))
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(device__isnull=False) | Q(person__isnull=False), name="change_of_device_or_person"
            )
        ]

    def __str__(self) -> str:
        return ", ".join(self.names)


class RoleScope(models.Model):
    """A group whose users the members of a role see, where the role is limited (`console.models.RoleRule`)."""

    role = models.ForeignKey("auth.Group", on_delete=models.CASCADE, related_name="+")
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="role_scopes")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["role", "group"], name="group_once_a_role")]

    def __str__(self) -> str:
        return f"{self.role} {self.group}"


class ImportRun(models.Model):
    """A CSV file that somebody handed in on the console: first looked through, then imported as that showed.

    The file, its faults and the first of them lie sealed in `parts`: they are about people.
    """

    class State(models.TextChoices):
        RECEIVED = "received", _("Received")
        CHECKING = "checking", _("Being checked")
        CHECKED = "checked", _("Checked")
        STORING = "storing", _("Being imported")
        STORED = "stored", _("Imported")
        BROKEN = "broken", _("Broken off")

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10)
    name = models.CharField(_("file"), max_length=255)
    size = models.PositiveBigIntegerField()
    country = models.CharField(max_length=2, blank=True)
    encoding = models.CharField(_("encoding"), max_length=16, blank=True)
    delimiter = models.CharField(_("separator"), max_length=1, blank=True)
    created_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.RECEIVED)
    beat_at = models.DateTimeField(help_text=_("when it last went on"))
    percent = models.PositiveSmallIntegerField(default=0)
    lines = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    same = models.PositiveIntegerField(default=0)
    fault_count = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name


class ImportPart(models.Model):
    """A piece of the file of an import, or of what was found in it."""

    class What(models.TextChoices):
        FILE = "file", _("File")
        FAULTS = "faults", _("Faults")
        REPORT = "report", _("Report")

    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="parts", db_index=False)
    what = models.CharField(max_length=6, choices=What.choices)
    number = models.PositiveIntegerField()
    sealed = SealedField()

    class Meta:
        ordering = ["run", "what", "number"]
        constraints = [models.UniqueConstraint(fields=["run", "what", "number"], name="part_once_an_import")]

    def __str__(self) -> str:
        return f"{self.what} {self.number}"


class SavedFilter(models.Model):
    """A filter of the list `page` with a name: its owner's, or everybody's where it is `shared`."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    page = models.CharField(max_length=10)
    name = models.CharField(_("name"), max_length=100)
    query = models.TextField(help_text=_("the fields of the filter's form, as in the address"))
    shared = models.BooleanField(
        _("shared"), default=False, help_text=_("Everybody who sees the list can choose it; you alone can delete it.")
    )

    class Meta:
        verbose_name = _("saved filter")
        verbose_name_plural = _("saved filters")
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["owner", "page", "name"], name="filter_once_an_owner")]

    def __str__(self) -> str:
        return self.name


class ListColumns(models.Model):
    """The columns that somebody has chosen for the list `page`."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    page = models.CharField(max_length=10)
    names = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "page"], name="columns_once_an_owner")]

    def __str__(self) -> str:
        return ", ".join(self.names)
