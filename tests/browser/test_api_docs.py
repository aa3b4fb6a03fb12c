"""The try-it page of the HTTP interface, under its policy."""

from playwright.sync_api import expect

from api.access import keys


def test_an_operation_is_tried_from_the_page(page):
    key = keys.create("try", scopes=["read"])
    page.goto("/api/docs")
    page.get_by_label("API key").fill(key)
    page.locator("summary", has=page.get_by_text("/ping", exact=True)).click()
    page.locator("#ping-form button").click()
    answer = page.locator("#ping-answer")
    expect(answer).to_contain_text("200")
    expect(answer).to_contain_text('"name": "try"')
