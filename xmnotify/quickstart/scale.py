"""A database as full as they get, made by the database itself: for measuring, and for looking at full pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, models, transaction
from msgspec import Struct

from devices.models import Device, Person
from dispatch.dashboard import counting
from dispatch.models import Attempt, Delivery, DeliveryText, Event
from foundation.models import AuditEntry
from foundation.sql.dialect import is_postgresql
from servers.models import SmtpServer
from templates_app.models import NotificationTemplate
from xmnotify.quickstart import demo

DELIVERIES, DEVICES = 1_000_000, 100_000
_SPAN = timedelta(days=counting.DAYS)
_AT_ONCE = 100_000
_TAGS = {Event: 0, Delivery: 1, Person: 2, Device: 3, DeliveryText: 4}
_STATE = """CASE WHEN n > {total} - {total} / 200 THEN 'due' WHEN n * 617 % 1000 < 2 THEN 'held'
    WHEN n * 617 % 1000 < 32 THEN 'failed' WHEN n * 617 % 1000 < 42 THEN 'expired'
    WHEN n * 617 % 1000 < 50 THEN 'skipped' WHEN n * 617 % 1000 < 55 THEN 'cancelled' ELSE 'sent' END"""
_REASON = """CASE {state} WHEN 'held' THEN 'no_answer' WHEN 'failed' THEN 'address_unknown'
    WHEN 'expired' THEN 'expired' WHEN 'skipped' THEN 'suppressed' WHEN 'cancelled' THEN 'cancelled' ELSE '' END"""
_TRIES = """CASE {state} WHEN 'sent' THEN 1 + n % 10 / 9 WHEN 'expired' THEN 3 WHEN 'failed' THEN 1 WHEN 'held' THEN 1
    ELSE 0 END"""
_OUTCOME = """CASE WHEN k < d.attempt_count OR d.state = 'expired' THEN 'deferred'
    WHEN d.state = 'failed' THEN 'rejected' WHEN d.state = 'held' THEN 'unknown' ELSE 'sent' END"""
_CODE = "CASE WHEN k < d.attempt_count OR d.state = 'expired' THEN 'greylisted' ELSE d.reason_code END"


class NotEmptyError(Exception):
    """The database has what must not be mixed with made-up data."""


class _Source(Struct, frozen=True):
    """The numbers from `first` to `last` as n, each with its moment in milliseconds as ms."""

    first: int
    last: int
    total: int
    now: datetime

    @property
    def sql(self) -> str:
        end, step = int(self.now.timestamp() * 1000), _SPAN / timedelta(milliseconds=1) / self.total
        numbers = (
            f"SELECT n FROM generate_series({self.first}::bigint, {self.last}::bigint) AS c(n)"
            if is_postgresql()
            else f"""SELECT n FROM (WITH RECURSIVE c(n) AS (SELECT {self.first} UNION ALL
                SELECT n + 1 FROM c WHERE n < {self.last}) SELECT n FROM c)"""
        )
        ms = f"CAST({end} - ({self.total} - n) * {step} AS bigint)"
        return f"(SELECT n, {ms} AS ms FROM ({numbers}) AS counted) AS x"


def make(say: Callable[[str], None], *, deliveries: int, devices: int, now: datetime) -> None:
    """Devices with their users, and two weeks of events, deliveries and attempts.

    Raises NotEmptyError where it was made before, or where queued mails would not end in the simulator.
    """
    if Device.objects.filter(serial=_serial(1)).exists():
        raise NotEmptyError("It was made already.")
    if not SmtpServer.objects.filter(name=demo.SERVER).exists():
        raise NotEmptyError("There is no demo mail server: use an empty database, or one of the quick start.")
    if SmtpServer.objects.filter(active=True).exclude(name=demo.SERVER).exists():
        raise NotEmptyError("A mail server of yours is active, and it would get what is queued. Use another database.")
    with transaction.atomic():
        for source in _chunks(devices, now=now):
            _people(source)
    say(f"{devices:,} devices with their users")
    _texts()
    for source in _chunks(deliveries, now=now):
        with transaction.atomic():
            _deliveries(source, devices=devices)
        say(f"{source.last:,} deliveries")
    for source in _chunks(devices, now=now):
        _trail(source)
    if is_postgresql():
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    while counting.count(now=now):
        pass


def _chunks(total: int, *, now: datetime) -> Iterator[_Source]:
    for first in range(1, total + 1, _AT_ONCE):
        yield _Source(first, min(first + _AT_ONCE - 1, total), total, now)


def _people(source: _Source) -> None:
    login = _join("'scale'", _padded("n"))
    _insert(
        Person,
        source.sql,
        uid=_uid(Person),
        loginname=login,
        username=login,
        displayname=_join("'User '", "n"),
        mail=_join(login, "'@example.com'"),
        mobile=_join("'+447700'", _padded("n")),
        updated_at=_time("ms"),
    )
    _insert(
        Device,
        f"{source.sql} JOIN devices_person p ON p.loginname = {login}",
        uid=_uid(Device),
        serial=_join("'SCALE'", _padded("n")),
        platform="CASE n % 3 WHEN 0 THEN 'iOS' WHEN 1 THEN 'ANDROID' ELSE 'WINDOWS' END",
        model="CASE n % 3 WHEN 0 THEN 'iPhone 16' WHEN 1 THEN 'Pixel 9' ELSE 'Surface Pro' END",
        name=_join("'Device '", "n"),
        carrier="CASE n % 4 WHEN 0 THEN 'Vodafone' WHEN 1 THEN 'EE' WHEN 2 THEN 'O2' ELSE '' END",
        out_of_compliance="n % 16 = 0",
        last_access=_time("ms"),
        person_id="p.id",
        updated_at=_time("ms"),
    )


def _texts() -> None:
    DeliveryText.objects.bulk_create(
        DeliveryText(
            id=UUID(f"{0:012x}7{_TAGS[DeliveryText]:03}8{template.pk:015x}"),
            subject=template.name,
            text=f"This message is made up for a trial of “{template.name}”.",
        )
        for template in NotificationTemplate.objects.filter(predefined=True)
    )


def _deliveries(source: _Source, *, devices: int) -> None:
    """One event a delivery."""
    templates = """SELECT row_number() OVER (ORDER BY id) - 1 AS place, id, current_id, type
        FROM templates_app_notificationtemplate WHERE predefined"""
    known = NotificationTemplate.objects.filter(predefined=True).count()
    serial = _join("'SCALE'", _padded(f"n * 7919 % {devices} + 1"))
    of = f"""{source.sql} JOIN devices_device d ON d.serial = {serial} JOIN devices_person p ON p.id = d.person_id
        JOIN ({templates}) AS t ON t.place = n % {known}"""
    server_id = SmtpServer.objects.get(name=demo.SERVER).pk
    _add_events(of)
    _add_deliveries(of, total=source.total, server_id=server_id)
    _add_attempts(source, server_id=server_id)


def _add_events(of: str) -> None:
    _insert(
        Event,
        of,
        id=_uid(Event),
        type="t.type",
        origin="'seed'",
        occurred_at=_time("ms"),
        received_at=_time("ms"),
        person_id="p.id",
        device_id="d.id",
        planned="1",
    )


def _add_deliveries(of: str, *, total: int, server_id: int) -> None:
    state = _STATE.format(total=total)
    tries = _TRIES.format(state=state)
    _insert(
        Delivery,
        of,
        id=_uid(Delivery),
        event_id=_uid(Event),
        template_version_id="t.current_id",
        channel="'smtp'",
        server_kind="'smtp'",
        server_id=f"{server_id}",
        person_id="p.id",
        device_id="d.id",
        address_kind="'mail'",
        address="p.mail",
        address_name="p.displayname",
        own="true",
        state=state,
        due_at=_time("ms + 3600000"),
        expires_at=_time("ms + 259200000"),
        created_at=_time("ms"),
        sent_at=f"CASE {state} WHEN 'sent' THEN {_time('ms + 400 + n % 5000')} END",
        tries=tries,
        attempt_count=tries,
        text_id=f"CASE WHEN {tries} > 0 THEN {_uid(DeliveryText, n='t.id', ms='0')} END",
        reason_code=_REASON.format(state=state),
    )


def _add_attempts(source: _Source, *, server_id: int) -> None:
    _insert(
        Attempt,
        f"""{source.sql} JOIN dispatch_delivery d ON d.id = {_uid(Delivery)}
            JOIN (SELECT 1 AS k UNION SELECT 2 UNION SELECT 3) AS every ON k <= d.attempt_count""",
        delivery_id="d.id",
        number="k",
        started_at=_time("ms + 300 * k"),
        duration_ms="20 + n % 400",
        server_id=f"{server_id}",
        server_name=f"'{demo.SERVER}'",
        outcome=_OUTCOME,
        code=_CODE,
    )


def _trail(source: _Source) -> None:
    _insert(
        AuditEntry,
        source.sql,
        at=_time("ms"),
        actor="'seed'",
        action="'change'",
        object_type="CASE n % 3 WHEN 0 THEN 'servers.smtpserver' WHEN 1 THEN 'auth.user' ELSE 'auth.group' END",
        object_id=_join("''", "n"),
        object_name=_join("'Made up '", "n"),
    )


def _insert(model: type[models.Model], source: str, /, **columns: str) -> None:
    """INSERT ... SELECT: `columns` are SQL over `source`; every other column has its default."""
    names, values, parameters = [], [], []
    for field in model._meta.concrete_fields:  # noqa: SLF001 - Django's documented name for it
        if field.attname in columns:
            values.append(columns[field.attname].replace("%", "%%"))
        elif isinstance(field, models.AutoField | models.BigAutoField) or field.generated:
            continue
        else:
            values.append("%s")
            parameters.append(field.get_db_prep_save(field.get_default(), connection))
        names.append(connection.ops.quote_name(str(field.column)))
    table = connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001 - as above
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} FROM {source.replace('%', '%%')}",
            parameters,
        )


def _uid(model: type[models.Model], *, n: str = "n", ms: str = "ms") -> str:
    """SQL for a UUIDv7 (RFC 9562) of that moment, the same for the same number."""
    tag = f"{_TAGS[model]:03}"
    if is_postgresql():
        return f"(lpad(to_hex(({ms})::bigint), 12, '0') || '7{tag}8' || lpad(to_hex({n}), 15, '0'))::uuid"
    return f"(printf('%012x', {ms}) || '7{tag}8' || printf('%015x', {n}))"


def _time(ms: str) -> str:
    if is_postgresql():
        return f"to_timestamp(({ms}) / 1000.0)"
    return f"strftime('%Y-%m-%d %H:%M:%f000', ({ms}) / 1000.0, 'unixepoch')"


def _padded(n: str) -> str:
    return f"lpad(({n})::text, 6, '0')" if is_postgresql() else f"printf('%06d', {n})"


def _join(*parts: str) -> str:
    return f"({' || '.join(parts)})"


def _serial(number: int) -> str:
    return f"SCALE{number:06}"
