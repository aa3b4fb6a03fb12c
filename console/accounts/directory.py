"""The console's administrators, as others who have to reach them see them."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db.models import Q

from console.accounts.limits import LIMITED
from console.accounts.roles import ADMINISTRATOR


def mails_of_administrators() -> list[str]:
    """The mail addresses of those who have the role Administrator or all permissions, and may log in.

    Who is limited to groups sees nothing of the servers, and so gets no notice of them.
    """
    among = Q(is_superuser=True) | Q(groups__name=ADMINISTRATOR)
    active = User.objects.filter(among, is_active=True, is_staff=True).exclude(email="")
    active = active.filter(Q(is_superuser=True) | ~Q(LIMITED))
    return list(dict.fromkeys(active.order_by("username").values_list("email", flat=True)))
