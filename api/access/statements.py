"""The hand-written SQL on API keys."""

from __future__ import annotations

from functools import cache

from foundation.sql import dialect
from foundation.sql.statements import Statement

_BY_LOOKUP = """SELECT k.id, k.name, k.digest, k.scopes, k.expires_at, k.last_used_at, k.rate_limit,
    k.known_recipients_only, k.by_command OR (u.is_active AND u.is_superuser), u.is_active,
    CASE WHEN k.by_command OR u.is_superuser THEN NULL ELSE (
        SELECT {joined} FROM auth_permission p JOIN django_content_type t ON t.id = p.content_type_id
        WHERE p.id IN (
            SELECT permission_id FROM auth_user_user_permissions WHERE user_id = u.id
            UNION ALL SELECT g.permission_id FROM auth_group_permissions g
            JOIN auth_user_groups m ON m.group_id = g.group_id WHERE m.user_id = u.id
        )
    ) END,
    k.limited, NOT k.by_command AND NOT u.is_superuser AND EXISTS (
        SELECT 1 FROM console_rolerule r JOIN auth_user_groups m ON m.group_id = r.role_id
        WHERE r.limited AND m.user_id = u.id
    )
    FROM api_apikey k LEFT JOIN auth_user u ON u.id = k.created_by_id
    WHERE k.lookup = %s AND k.revoked_at IS NULL"""


def key_by_lookup(lookup: str) -> Statement:
    """The key, whether it needs nobody's permissions, else its maker's, which count as they are now; whether it is
    limited to groups, and whether its maker is.
    """
    return Statement(_by_lookup(), [lookup])


@cache
def _by_lookup() -> str:
    return _BY_LOOKUP.format(joined=dialect.joined("t.app_label || '.' || p.codename"))
