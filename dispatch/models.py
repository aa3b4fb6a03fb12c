"""Events, deliveries and what became of them: fields, constraints, querysets; no sending."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from devices.models import Device, Person, members
from devices.scope import GroupScope
from dispatch.rules import states
from dispatch.rules.states import BroadcastState, DeliveryState
from foundation.secrets import SealedField
from foundation.sql.ids import new_uid
from servers.models import CarrierGateway, Server
from servers.values import ServerKind
from templates_app.models import NotificationTemplate, TemplateVersion
from transports.types import AddressKind, ChannelKind, ReasonCode

DELIVERY_STATES = [
    (DeliveryState.DUE.value, _("Queued")),
    (DeliveryState.CLAIMED.value, _("Being sent")),
    (DeliveryState.PAUSED.value, _("Paused")),
    (DeliveryState.SENT.value, _("Sent")),
    (DeliveryState.DELIVERED.value, _("Delivered")),
    (DeliveryState.UNDELIVERED.value, _("Undelivered")),
    (DeliveryState.FAILED.value, _("Failed")),
    (DeliveryState.HELD.value, _("Held for a person")),
    (DeliveryState.SKIPPED.value, _("Skipped")),
    (DeliveryState.CANCELLED.value, _("Cancelled")),
    (DeliveryState.EXPIRED.value, _("Expired")),
    (DeliveryState.DIGESTED.value, _("In a digest")),
]
BROADCAST_STATES = [
    (BroadcastState.PLANNED.value, _("Not started")),
    (BroadcastState.PLANNING.value, _("Planning")),
    (BroadcastState.RUNNING.value, _("Running")),
    (BroadcastState.PAUSED.value, _("Paused")),
    (BroadcastState.FINISHED.value, _("Finished")),
    (BroadcastState.CANCELLED.value, _("Cancelled")),
]


def _written(group: Iterable[StrEnum]) -> list[str]:
    """States as migrations keep them: a history does not follow the names that our source has for them."""
    return [state.value for state in group]


class Priority(models.IntegerChoices):
    """Smaller goes first, so a PIN does not wait behind a broadcast."""

    SYSTEM = 0, _("System")
    EVENT = 5, _("Event")
    BROADCAST = 9, _("Broadcast")


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def within(self, scope: GroupScope) -> DeliveryQuerySet:
        """Those to its users themselves: what went to another address is not theirs to see."""
        return self.filter(own=True, person__in=members(scope)) if scope.is_limited else self


class EventQuerySet(models.QuerySet["Event"]):
    def within(self, scope: GroupScope) -> EventQuerySet:
        """Those about its users."""
        return self.filter(person__in=members(scope)) if scope.is_limited else self


class BroadcastQuerySet(models.QuerySet["Broadcast"]):
    def within(self, scope: GroupScope) -> BroadcastQuerySet:
        """Those that reached one of its users, and those sent by somebody who sees the same."""
        if scope.groups is None:
            return self
        reached = Delivery.objects.within(scope).filter(broadcast__isnull=False).order_by()
        return self.filter(Q(pk__in=reached.values("broadcast")) | Q(groups=sorted(scope.groups)))


class Broadcast(models.Model):
    """One message to many, begun by an event. Its recipients are fixed when it is confirmed.

    `audience` says to whom (see broadcasts.audiences), `channels` narrows the active ones of its templates. `sent_by`
    and `sent_from` are who began it and from which network address. `forgiven` is what had failed when a person last
    let it go on (see rules.failures).
    """

    id = models.UUIDField(primary_key=True, default=new_uid, editable=False)
    name = models.CharField(max_length=255, blank=True)
    template_versions = models.ManyToManyField(TemplateVersion, related_name="+")
    audience = models.JSONField(default=dict)
    groups = models.JSONField(
        null=True, blank=True, help_text=_("ids of the groups that its sender was limited to; None if to none")
    )
    channels = models.JSONField(default=list)
    texts = models.JSONField(default=dict, help_text=_("texts typed in for this broadcast, by channel"))
    visible_recipients = models.BooleanField(default=False)
    state = models.CharField(max_length=9, choices=BROADCAST_STATES, default=BroadcastState.PLANNING.value)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    sent_by = models.CharField(max_length=255, blank=True, default="")
    sent_from = models.CharField(max_length=45, blank=True, default="")
    forgiven = models.JSONField(default=dict)
    expires_at = models.DateTimeField(null=True, blank=True, help_text=_("instead of the lifetime of the template"))
    finished_at = models.DateTimeField(null=True, blank=True)
    planned_up_to = models.BigIntegerField(default=0, help_text=_("the last device that is planned"))
    users_planned_up_to = models.BigIntegerField(default=0, help_text=_("the last user without a device"))
    lease_until = models.DateTimeField(null=True, blank=True, help_text=_("until when somebody plans it"))
    waits_for = models.UUIDField(null=True, blank=True, help_text=_("a delivery that was still open"))

    objects = BroadcastQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name or str(self.id)

    @property
    def scope(self) -> GroupScope:
        """Whom it can reach at most: whom its sender saw when it was confirmed."""
        return GroupScope(None if self.groups is None else frozenset(self.groups))

    def is_whole_within(self, scope: GroupScope) -> bool:
        """Whether everybody that it can reach is seen by whoever has this scope, who may then pause or cancel it."""
        return scope.groups is None or (self.groups is not None and scope.groups.issuperset(self.groups))


class Event(models.Model):
    """Something that happened, as it was reported to us. What it supplied is frozen here.

    `payload` holds data, reasons, and the fields of user and device that the event itself supplied; `sealed` its secret
    values, encrypted, wiped when every delivery is final. `notes` and the two counts are the first answer.
    """

    WIPED = "wiped"
    """What `sealed` holds, of an event and of its texts, once the secret values are gone."""

    id = models.UUIDField(primary_key=True, default=new_uid, editable=False)
    type = models.CharField(max_length=64, blank=True)
    source = models.CharField(max_length=255, blank=True)
    origin = models.CharField(max_length=64, help_text=_("the API key or hook that posted it"))
    idempotency_key = models.CharField(max_length=255, blank=True)
    body_hash = models.CharField(max_length=64, blank=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    template = models.ForeignKey(
        NotificationTemplate, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    person = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, blank=True, related_name="events")
    device = models.ForeignKey(Device, on_delete=models.SET_NULL, null=True, blank=True, related_name="events")
    broadcast = models.ForeignKey(Broadcast, on_delete=models.SET_NULL, null=True, blank=True, related_name="events")
    payload = models.JSONField(default=dict)
    sealed = SealedField(blank=True, default="", marks=[WIPED])
    planned = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    notes = models.JSONField(default=list)

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["origin", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="idempotency_key_once_an_origin",
            )
        ]
        indexes = [
            models.Index(fields=["type", "-id"], name="event_type"),
            models.Index(fields=["id"], condition=~Q(sealed__in=["", "wiped"]), name="event_sealed"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class DeliveryText(models.Model):
    """The rendered text, made when the first try begins and the same on every later one.

    Its id goes out as the Message-ID: the delivery's own id, or one made from event and text where equal texts share a
    mail. Secrets stand masked here; `sealed` holds the true texts, encrypted, until every delivery of it is final.
    """

    id = models.UUIDField(primary_key=True)
    sender = models.CharField(max_length=700, blank=True)
    subject = models.TextField(blank=True)
    text = models.TextField(blank=True)
    html = models.TextField(blank=True)
    sound = models.CharField(max_length=32, blank=True)
    visible_to = models.JSONField(default=list)
    empty = models.JSONField(default=list, help_text=_("macros that had no value"))
    sealed = SealedField(blank=True, default="", marks=[Event.WIPED])

    def __str__(self) -> str:
        return self.subject or self.text[:60]


class Delivery(models.Model):
    """One message to one address. Rows are written by the outbox alone; nobody calls save() on them.

    Every index costs each of the three updates of a delivery's life, every constraint a look-up for each row; a user's
    or device's deliveries are found through their events, which have these indexes and constraints already;
    those of a broadcast through the event that began it.
    """

    id = models.UUIDField(primary_key=True, default=new_uid, editable=False)
    event = models.ForeignKey(
        Event, on_delete=models.CASCADE, null=True, blank=True, related_name="deliveries", db_index=False
    )
    broadcast = models.ForeignKey(
        Broadcast,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="deliveries",
        db_index=False,
        db_constraint=False,
    )
    template_version = models.ForeignKey(
        TemplateVersion, on_delete=models.PROTECT, null=True, blank=True, db_index=False, db_constraint=False
    )
    rule_id = models.BigIntegerField(null=True, blank=True)
    channel = models.CharField(max_length=10, choices=[(kind.value, kind.value) for kind in ChannelKind])
    server_kind = models.CharField(max_length=8, choices=Server.Kind.choices)
    server = models.ForeignKey(
        Server, on_delete=models.DO_NOTHING, null=True, blank=True, db_index=False, db_constraint=False
    )
    via = models.ForeignKey(
        CarrierGateway, on_delete=models.DO_NOTHING, null=True, blank=True, db_index=False, db_constraint=False
    )
    person = models.ForeignKey(
        Person,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="deliveries",
        db_index=False,
        db_constraint=False,
    )
    device = models.ForeignKey(
        Device,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="deliveries",
        db_index=False,
        db_constraint=False,
    )
    address_kind = models.CharField(max_length=5, choices=[(kind.value, kind.value) for kind in AddressKind])
    address = models.TextField(blank=True)
    address_name = models.CharField(max_length=320, blank=True)
    own = models.BooleanField(default=False, help_text=_("the address is that of the user or a device of the user"))
    language = models.CharField(max_length=35, blank=True)
    time_zone = models.CharField(max_length=64, blank=True)
    priority = models.SmallIntegerField(choices=Priority.choices, default=Priority.EVENT)
    state = models.CharField(max_length=11, choices=DELIVERY_STATES, default=DeliveryState.DUE.value)
    due_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveIntegerField(default=0, help_text=_("tries that count against the limit"))
    attempt_count = models.PositiveIntegerField(default=0, help_text=_("all tries ever"))
    lease = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    begun_at = models.DateTimeField(null=True, blank=True, help_text=_("when this try was handed to the connection"))
    lapsed = models.BooleanField(default=False, help_text=_("a lease lapsed once: it is claimed alone"))
    hold_unknown = models.BooleanField(default=False, help_text=_("an unknown outcome waits for a person"))
    text = models.ForeignKey(
        DeliveryText, on_delete=models.DO_NOTHING, null=True, blank=True, db_index=False, db_constraint=False
    )
    reason_code = models.CharField(max_length=40, blank=True)
    reason_detail = models.TextField(blank=True)
    provider_id = models.TextField(blank=True, help_text=_("one id, or those of all parts of an SMS"))

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state=DeliveryState.CLAIMED.value, lease__isnull=False, lease_until__isnull=False)
                | (~Q(state=DeliveryState.CLAIMED.value) & Q(lease__isnull=True, lease_until__isnull=True)),
                name="claimed_if_and_only_if_leased",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=_written(states.DATED)) | Q(sent_at__isnull=False), name="sent_has_its_time"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=_written(states.EXPLAINED)) | ~Q(reason_code=""), name="failed_has_a_reason"
            ),
            models.CheckConstraint(
                condition=Q(event__isnull=False) | Q(broadcast__isnull=False), name="delivery_of_event_or_broadcast"
            ),
            models.CheckConstraint(
                condition=Q(server_kind__in=[kind.value for kind in ServerKind]), name="delivery_kind_known"
            ),
            models.CheckConstraint(condition=Q(priority__in=Priority.values), name="delivery_priority_known"),
        ]
        indexes = [
            models.Index(
                fields=["server", "priority", "due_at", "id"],
                condition=Q(state=DeliveryState.DUE.value),
                name="delivery_due",
            ),
            models.Index(fields=["lease"], condition=Q(state=DeliveryState.CLAIMED.value), name="delivery_claimed"),
            models.Index(fields=["event", "id"], name="delivery_event"),
            models.Index(
                fields=["expires_at"], condition=Q(state__in=_written(states.WAITING)), name="delivery_expiry"
            ),
            models.Index(
                fields=["person", "id"],
                condition=Q(broadcast__isnull=False, person__isnull=False),
                name="delivery_person_broadcast",
            ),
            models.Index(
                fields=["device", "id"],
                condition=Q(broadcast__isnull=False, device__isnull=False),
                name="delivery_device_broadcast",
            ),
            models.Index(
                fields=["state", "id"],
                condition=Q(state__in=_written(states.RARE)),
                name="delivery_trouble",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} to {self.address}"


class Attempt(models.Model):
    """One try and the peer's answer; written once, never changed, by the statement that settles its delivery."""

    class Outcome(models.TextChoices):
        SENT = "sent", _("Sent")
        DEFERRED = "deferred", _("Deferred")
        REJECTED = "rejected", _("Rejected")
        UNKNOWN = "unknown", _("Unknown")

    pk = models.CompositePrimaryKey("delivery_id", "number")
    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="attempts", db_index=False, db_constraint=False
    )
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    server = models.ForeignKey(
        Server, on_delete=models.DO_NOTHING, null=True, blank=True, db_index=False, db_constraint=False
    )
    server_name = models.CharField(max_length=255)
    outcome = models.CharField(max_length=8, choices=Outcome.choices)
    code = models.CharField(max_length=40, blank=True)
    reply = models.CharField(max_length=16, blank=True)
    enhanced = models.CharField(max_length=16, blank=True)
    detail = models.TextField(blank=True)
    dialogue = models.TextField(blank=True)
    next_try_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["number"]

    def __str__(self) -> str:
        return f"{self.delivery_id} #{self.number} {self.outcome}"


class Receipt(models.Model):
    """What the service reported later of one part of a message; a doubled one is kept once. Only `receipts` writes it.

    `delivered` is None for what is not final. `early`: its delivery has not followed it yet.
    """

    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="receipts", db_index=False, db_constraint=False
    )
    part = models.CharField(max_length=64, help_text=_("the service's id of the part"))
    status = models.CharField(max_length=16)
    code = models.CharField(max_length=16, blank=True)
    delivered = models.BooleanField(null=True)
    reason_code = models.CharField(max_length=40, blank=True)
    detail = models.CharField(max_length=255, blank=True)
    told_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField()
    early = models.BooleanField(default=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["delivery", "part", "status", "code"], name="one_receipt_a_part_and_status")
        ]
        indexes = [models.Index(fields=["delivery"], condition=Q(early=True), name="receipt_early")]

    def __str__(self) -> str:
        return f"{self.part} {self.status}"


class Removed(models.Model):
    """A delivery that was being sent when the person it went to was removed: it follows at its end. See `removal`."""

    delivery = models.UUIDField(unique=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.delivery)


class Pulse(models.Model):
    """That the workers of a queue do something: a counter, raised by a canary that goes through the real queue.

    `at` is what the clock said then; it is shown, and judged only by who has not seen the counter change yet.
    """

    queue = models.CharField(max_length=32, primary_key=True)
    count = models.PositiveBigIntegerField(default=0)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.queue} at {self.at}"


class SweepRecord(models.Model):
    """That somebody sweeps, and what it noticed of the clock; one row.

    `jumped_seconds` is how far the wall clock was set forward, or back when it is negative, as long as it is reported.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    count = models.PositiveBigIntegerField(default=0)
    at = models.DateTimeField()
    jumped_seconds = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"sweep {self.count} at {self.at}"


class HourFigures(models.Model):
    """What became of the deliveries that were accepted in one hour, as last counted; the dashboard reads these alone.

    `counts` is {server kind, but sms for every SMS: {state: number}}; the two times, in milliseconds, are those from
    acceptance to the server's yes, over a sample of the hour's newest.
    """

    start = models.DateTimeField(primary_key=True)
    counts = models.JSONField(default=dict)
    median_ms = models.PositiveBigIntegerField(null=True)
    slow_ms = models.PositiveBigIntegerField(null=True, help_text=_("95 of 100 were quicker"))
    unfinished = models.BooleanField(default=True)
    counted_at = models.DateTimeField()
    took_ms = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H}"


class Worker(models.Model):
    """A process that may send, as long as it lives. `pulse` is a counter that it raises every few seconds.

    `lost`: the sweep saw the counter stand still and freed its lanes. The process may have been stopped only: one that
    goes on registers anew, under another id.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    name = models.CharField(max_length=255, help_text=_("machine and process"))
    pulse = models.PositiveBigIntegerField(default=0)
    drains = models.BooleanField(default=True, help_text=_("it takes lanes of servers"))
    lost = models.BooleanField(default=False)
    journal = models.BooleanField(default=True, help_text=_("it notes what it hands over"))
    started_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class Withheld(models.Model):
    """A broadcast or a text of which nothing is sent until a person decides: what is due of it, now or later, waits.

    A text is what a version says over one `channel`; a broadcast waits as a whole. `code` is why: a server refused
    message after message with the same `words` (refused_alike), a broadcast failed too often for one reason (that
    one), or, when it is empty, a person paused it. `settled`: there is nothing more to do for it.
    """

    class Decision(models.TextChoices):
        NONE = "", _("None yet")
        SEND = "send", _("Send again")
        CANCEL = "cancel", _("Cancel")

    broadcast = models.OneToOneField(Broadcast, on_delete=models.CASCADE, null=True, related_name="+")
    template_version = models.ForeignKey(TemplateVersion, on_delete=models.CASCADE, null=True, related_name="+")
    channel = models.CharField(max_length=10, choices=[(kind.value, kind.value) for kind in ChannelKind], blank=True)
    code = models.CharField(max_length=40, blank=True, default=ReasonCode.REFUSED_ALIKE.value)
    server_name = models.CharField(max_length=255, blank=True)
    words = models.TextField(blank=True)
    since = models.DateTimeField()
    decision = models.CharField(max_length=6, choices=Decision.choices, blank=True, default=Decision.NONE)
    settled = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(broadcast__isnull=False, template_version__isnull=True, channel="")
                | Q(
                    broadcast__isnull=True,
                    template_version__isnull=False,
                    channel__in=[kind.value for kind in ChannelKind],
                ),
                name="withheld_broadcast_or_text",
            ),
            models.UniqueConstraint(fields=["template_version", "channel"], name="withheld_one_a_text"),
        ]

    def __str__(self) -> str:
        if self.template_version:
            return self.template_version.template.name
        return str(self.broadcast)


class Lane(models.Model):
    """One of the parallel connections that a server allows, over all workers and machines.

    `worker` holds it; what is claimed over it carries its lease.
    """

    server = models.ForeignKey(Server, on_delete=models.CASCADE, related_name="lanes", db_index=False)
    slot = models.PositiveIntegerField()
    lease = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.ForeignKey(
        Worker,
        on_delete=models.DO_NOTHING,
        null=True,
        blank=True,
        related_name="lanes",
        db_index=False,
        db_constraint=False,
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["server", "slot"], name="one_lane_a_server_and_slot")]

    def __str__(self) -> str:
        return f"{self.server_id}/{self.slot}"
