"""Every word that people read is marked for translation."""

import ast
import re
from pathlib import Path

import pytest
from django.template.base import Lexer, TokenType

ROOT = Path(__file__).resolve().parents[2]
APPS = ("console", "servers", "templates_app", "dispatch", "devices", "api", "enrollment", "actions")
TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*.html") if "docs" not in path.name)
MODULES = sorted(path for app in APPS for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts)
NAMES = {
    "CSV",
    "UTC",
    "Secure",
    "Hub",
    "SMS",
    "SMTP",
    "xmnotify",
    "Python",
    "Django",
    "APNs",
    "FCM",
    "HTML",
    "IMEI",
    "ms",
    "xmn",
}
_IDLE = re.compile(r"<!--.*?-->|<(script|style|code|pre)\b.*?</\1>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_SAID = re.compile(r'\b(?:aria-label|title|alt|placeholder)="([^"]*)"')
_WORD = re.compile(r"[A-Za-z]{2,}")
_READ_BY_PEOPLE = {"label", "help_text", "verbose_name", "verbose_name_plural", "title", "add_title", "words"}


def unmarked(source):
    """Words between the tags of a template, or in attributes that are read, outside of translate and blocktranslate."""
    kept, inside = [], False
    for token in Lexer(source).tokenize():
        words = [*token.contents.split(), "", ""] if token.token_type == TokenType.BLOCK else ["", ""]
        if words[0] in {"blocktranslate", "comment"} or words[:2] == ["block", "bodyclass"]:
            inside = True
        elif words[0] in {"endblocktranslate", "endcomment", "endblock"}:
            inside = False
        elif token.token_type == TokenType.TEXT and not inside:
            kept.append(token.contents)
        else:
            kept.append("\x00")  # keeps apart what stands around a tag
    text = _IDLE.sub("", "".join(kept))
    said = " ".join(_SAID.findall(text))
    return [word for word in _WORD.findall(f"{_TAG.sub(' ', text)} {said}") if word not in NAMES]


def plain_words(source):
    """Texts that are given to people as they stand: to messages, as labels, helps, names and titles."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            given = [keyword.value for keyword in node.keywords if keyword.arg in _READ_BY_PEOPLE]
            if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "messages":
                given += node.args[1:2]
        elif isinstance(node, ast.Assign):
            given = [node.value] if getattr(node.targets[0], "id", "") in _READ_BY_PEOPLE else []
        else:
            continue
        for value in given:
            words = (
                _WORD.findall(value.value) if isinstance(value, ast.Constant) and isinstance(value.value, str) else []
            )
            if [word for word in words if word not in NAMES]:
                yield f"line {value.lineno}: {value.value}"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_says_nothing_that_is_not_marked(path):
    assert unmarked(path.read_text()) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_gives_people_nothing_that_is_not_marked(path):
    assert list(plain_words(path.read_text())) == []


def test_unmarked_words_are_found():
    assert unmarked('{% translate "Fine" %}<p title="Bad tip">Bad text {{ value }}</p>') == [
        "Bad",
        "text",
        "Bad",
        "tip",
    ]
    assert unmarked("{% blocktranslate trimmed %}Fine {{ name }}{% endblocktranslate %} UTC") == []
    assert list(plain_words('messages.success(request, "Done")\nf(label="Name")\ntitle = _("Fine")')) == [
        "line 1: Done",
        "line 2: Name",
    ]
