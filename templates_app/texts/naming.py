"""What fields and languages of a template are called where people read of them."""

from __future__ import annotations

from babel import Locale, UnknownLocaleError
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from templates_app.channels import TRAITS
from transports.types import ChannelKind

LABELS = {
    "sender": gettext_lazy("Sender"),
    "recipient": gettext_lazy("Recipient"),
    "sound": gettext_lazy("Sound File"),
    "subject": gettext_lazy("Subject"),
    "message": gettext_lazy("Message"),
    "html": gettext_lazy("HTML message"),
}


def field_words(field: str) -> str:
    """The name of a field such as "smtp.de.subject" as the form has it."""
    kind, *language, name = field.split(".")
    words = [TRAITS[ChannelKind(kind)].name, *(language_words(tag) for tag in language)]
    return " · ".join([*words, str(LABELS.get(name, _("Activate")))])


def language_words(tag: str) -> str:
    """A language's name in the console's language, with its tag."""
    try:
        name = Locale.parse(tag, sep="-").get_display_name((get_language() or "en").partition("-")[0])
    except (ValueError, UnknownLocaleError):
        return tag
    return f"{name} ({tag})" if name else tag
