"""Template tags of the templates' pages: differences, names of fields and languages."""

from __future__ import annotations

from babel import Locale, UnknownLocaleError
from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from templates_app.channels import TRAITS
from templates_app.pages.forms import LABELS
from transports.types import ChannelKind

register = template.Library()


@register.simple_tag
def diff_line(line: str) -> SafeString:
    """One line of a difference: added and removed ones differ by sign, colour and element."""
    if line.startswith("+"):
        return format_html("<ins>{}\n</ins>", line)
    if line.startswith("-"):
        return format_html("<del>{}\n</del>", line)
    return format_html("{}\n", line)


@register.filter
def field_words(field: str) -> str:
    """The name of a field such as "smtp.de.subject" as the form has it."""
    kind, *language, name = field.split(".")
    words = [TRAITS[ChannelKind(kind)].name, *(language_words(tag) for tag in language)]
    return " · ".join([*words, str(LABELS.get(name, _("Activate")))])


@register.filter
def language_words(tag: str) -> str:
    """A language's name in the console's language, with its tag."""
    try:
        name = Locale.parse(tag, sep="-").get_display_name((get_language() or "en").partition("-")[0])
    except (ValueError, UnknownLocaleError):
        return tag
    return f"{name} ({tag})" if name else tag
