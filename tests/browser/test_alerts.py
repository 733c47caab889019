"""Alert rules in a browser: made by keyboard, the secret shown once, sound in every dress."""

from __future__ import annotations

from portal.notify import Kind, tell
from reporting import alert_sending
from reporting.models import AlertRule
from tests.browser.conftest import Browser
from tests.scene import Scene

DRESSES = [(1440, "light"), (390, "dark")]


def test_a_webhook_is_made_tried_and_its_log_read(browser_tab: Browser, scene: Scene) -> None:
    tab, page = browser_tab, browser_tab.page
    account = scene.resource.account
    tab.open(f"/accounts/{account.pk}/settings/alerts/")
    tab.assert_sound()
    page.get_by_role("link", name="New rule").press("Enter")
    page.get_by_label("Name").fill("Chat")
    page.get_by_role("checkbox", name="Backups").press("Space")
    page.get_by_role("radio", name="A webhook").check()
    page.get_by_role("button", name="Save").press("Enter")
    page.get_by_text("Say where alerts are to be sent.").wait_for()
    tab.assert_sound()
    page.get_by_label("Address of the webhook").fill("http://127.0.0.1:1/hook")
    page.get_by_role("button", name="Save").press("Enter")
    secret = page.get_by_role("textbox", name="Secret")
    secret.wait_for()
    assert secret.input_value() == AlertRule.objects.get().secret["secret"]
    tab.assert_sound()
    page.get_by_role("link", name="Done").press("Enter")
    page.get_by_role("button", name="Send test").press("Enter")
    page.get_by_text("A test was requested.").wait_for()
    tell(account, "error", "Backup of util-01 failed", "No room.", kind=Kind.BACKUP)
    tell(account, "warning", "Backup of util-02 is late", kind=Kind.BACKUP)
    alert_sending.run()
    for width, theme in DRESSES:
        page.set_viewport_size({"width": width, "height": 900})
        page.context.add_cookies([{"name": "theme", "value": theme, "url": tab.url}])
        page.reload()
        assert page.get_by_text("cannot be reached").first.is_visible()
        tab.assert_sound()
    page.get_by_role("link", name="Delete").press("Enter")
    page.get_by_role("button", name="Delete").press("Enter")
    page.get_by_text("is deleted.").wait_for()
    assert not AlertRule.objects.exists()
