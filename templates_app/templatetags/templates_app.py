"""Template tags of the templates' pages: differences, names of fields and languages."""

from __future__ import annotations

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from templates_app.texts.naming import field_words, language_words

register = template.Library()
register.filter(field_words)
register.filter(language_words)


@register.simple_tag
def diff_line(line: str) -> SafeString:
    """One line of a difference: added and removed ones differ by sign, colour and element."""
    if line.startswith("+"):
        return format_html("<ins>{}\n</ins>", line)
    if line.startswith("-"):
        return format_html("<del>{}\n</del>", line)
    return format_html("{}\n", line)
