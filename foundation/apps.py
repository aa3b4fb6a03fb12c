"""The app below all others: the audit trail, sealed fields, statements."""

from __future__ import annotations

from django.apps import AppConfig


class FoundationConfig(AppConfig):
    name = "foundation"

    def ready(self) -> None:
        from django.core.signals import request_started
        from django.db.backends.signals import connection_created

        from foundation import retention
        from foundation.sql import pooler, trouble

        retention.register_own()

        connection_created.connect(pooler.adapt, dispatch_uid="foundation.pooler")
        connection_created.connect(trouble.note_new, dispatch_uid="foundation.trouble")
        request_started.connect(trouble.close_given_up, dispatch_uid="foundation.trouble")
