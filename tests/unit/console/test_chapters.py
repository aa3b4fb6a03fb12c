"""No page and no chapter leads to a chapter, or a part of one, that is not there."""

import re

import pytest
from django.urls import resolve, reverse

from console.kit import chapters, registry


def target(address):
    path, _hash, part = address.partition("#")
    return resolve(path).kwargs["chapter"], part


@pytest.mark.parametrize(("page", "chapter"), chapters.CHAPTERS.items())
def test_each_page_of_the_table_is_one_and_leads_to_a_part_that_is_there(page, chapter):
    assert registry.section_of(page) or reverse(page, args=[1] if page == "sms-gateway" else [])
    name, _hash, part = chapter.partition("#")
    found = chapters.chapter(name)
    assert not part or part in found.parts


@pytest.mark.parametrize("name", chapters.files())
def test_no_link_of_a_chapter_dangles(name):
    for link in chapters.chapter(name).links:
        if re.match(r"https?://", link):
            continue
        other, part = target(link) if link.startswith("/") else (name, link.partition("#")[2])
        assert link.startswith(("/help/", "#")), link
        assert not part or part in chapters.chapter(other).parts, link


def test_a_chapter_has_its_title_parts_and_tables():
    found = chapters.chapter("smtp-test-configuration")
    assert found.title == "Test Configuration of an SMTP server"
    assert "what-it-says" in found.parts
    assert '<h2 id="what-it-says">' in found.html
    assert '<table class="rows">' in found.html
    assert "<h1" not in found.html


def test_markup_in_a_document_is_text(tmp_path, monkeypatch):
    document = tmp_path / "evil.md"
    document.write_text("# Evil\n\n<script>x</script> [go](javascript:alert(1))\n")
    monkeypatch.setattr(chapters, "files", lambda: {"evil": document})
    assert "&lt;script&gt;" in chapters.chapter.__wrapped__("evil").html
    assert "href" not in chapters.chapter.__wrapped__("evil").html
