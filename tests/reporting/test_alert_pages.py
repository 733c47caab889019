"""Settings, tab Alerts: rules are made, changed, paused, tried, deleted; hostile input is not."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client, override_settings
from django.utils import timezone

from portal.models import AuditEntry, User
from portal.notify import Kind, tell
from portal.secret_field import Secrets
from reporting import alert_sending
from reporting.models import MOST_RULES, AlertDelivery, AlertItem, AlertRule
from tests.people import World
from tests.reporting.pages import HTMX, count_queries, text_of, url

State = AlertDelivery.State
MAIL: dict[str, Any] = {
    "name": "On call",
    "kinds": ["backup", "schedule"],
    "lowest_level": "error",
    "timing": "at_once",
    "channel": "email",
    "recipients": "Ops@Example.org, boss@example.org\nops@example.org",
}
HOOK: dict[str, Any] = {
    "name": "Chat",
    "lowest_level": "warning",
    "timing": "daily",
    "digest_time": "07:30",
    "channel": "webhook",
    "url": "https://192.0.2.7/hook?key=hidden-part",
}


def _rule(world: World, **facts: Any) -> AlertRule:
    given = {"name": "A rule", "recipients": ["ops@example.org"], "portal_url": "https://p.test/"}
    return AlertRule.objects.create(account=world.account, **(given | facts))


def _post(client: Client, world: World, name: str, data: Any, *keys: object) -> Any:
    return client.post(url(name, world.account, *keys), data)


def test_without_rules_the_page_says_what_one_is_good_for(world: World, admin: Client) -> None:
    text = text_of(admin, url("alert_list", world.account))
    assert "Nobody is alerted" in text
    assert "X-Standby-Signature" in text


def test_the_tab_is_there_for_those_who_may_change_settings_alone(
    world: World, admin: Client, reader: Client
) -> None:
    from django.urls import reverse

    settings = reverse("portal:account_settings", args=[world.account.pk])
    tab = url("alert_list", world.account)
    assert tab in text_of(admin, settings)
    assert tab not in text_of(reader, settings)
    assert reader.get(tab).status_code == 403


def test_a_rule_by_mail_is_made_and_audited(world: World, admin: Client) -> None:
    answer = _post(admin, world, "alert_create", MAIL)
    rule = AlertRule.objects.get()
    assert answer["Location"] == url("alert_detail", world.account, rule.pk)
    assert rule.recipients == ["ops@example.org", "boss@example.org"]
    assert rule.kinds == ["backup", "schedule"]
    assert rule.portal_url == "http://testserver/"
    assert rule.next_digest_at is None
    entry = AuditEntry.objects.get(action="alert.create")
    assert entry.account == world.account
    assert entry.detail["to"] == "ops@example.org, boss@example.org"
    page = text_of(admin, answer["Location"])
    assert "Errors only" in page
    assert "Backups, Schedules" in page


def test_the_secret_of_a_webhook_is_shown_once_and_kept_encrypted(
    world: World, admin: Client
) -> None:
    answer = _post(admin, world, "alert_create", HOOK)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    found = re.search(r'id="secret" value="([^"]+)"', answer.content.decode())
    assert found
    secret = found[1]
    assert len(secret) >= 40
    rule = AlertRule.objects.get()
    assert rule.secret == {"secret": secret}
    assert rule.next_digest_at is not None
    assert secret not in str(AlertRule.objects.values_list("name", "url", "recipients"))
    for name, keys in (("alert_list", []), ("alert_detail", [rule.pk]), ("alert_edit", [rule.pk])):
        assert secret not in text_of(admin, url(name, world.account, *keys))
    said = str(AuditEntry.objects.values_list("detail", flat=True))
    assert "192.0.2.7" in said
    assert "hidden-part" not in said
    assert secret not in said


def test_saving_again_keeps_the_secret_unless_a_new_one_is_asked_for(
    world: World, admin: Client
) -> None:
    rule = _rule(world, channel="webhook", url=HOOK["url"], secret=Secrets(secret="former"))
    answer = _post(admin, world, "alert_edit", HOOK, rule.pk)
    assert answer.status_code == 302
    rule.refresh_from_db()
    assert rule.secret == {"secret": "former"}
    answer = _post(admin, world, "alert_edit", HOOK | {"new_secret": "on"}, rule.pk)
    rule.refresh_from_db()
    assert rule.secret["secret"] in answer.content.decode()
    assert rule.secret != {"secret": "former"}
    _post(admin, world, "alert_edit", MAIL, rule.pk)
    rule.refresh_from_db()
    assert rule.secret == {}
    assert rule.url == ""


def test_a_change_is_audited_before_and_after_and_sends_what_waits_at_once(
    world: World, admin: Client
) -> None:
    rule = _rule(world)
    later = timezone.now() + timedelta(hours=2)
    waiting = rule.deliveries.create(next_attempt_at=later, attempts=9)
    _post(admin, world, "alert_edit", MAIL, rule.pk)
    waiting.refresh_from_db()
    assert waiting.next_attempt_at
    assert waiting.next_attempt_at <= timezone.now()
    entry = AuditEntry.objects.get(action="alert.edit")
    assert entry.detail["before"]["to"] == "ops@example.org"
    assert entry.detail["after"]["to"] == "ops@example.org, boss@example.org"
    trail = text_of(admin, url("audit_list", world.account))
    assert "Change alert rule" in trail


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "a name with a line break": ({"name": "A\nBcc: x@example.org"}, "control characters"),
    "a name with NUL": ({"name": "A\0"}, "Null characters"),
    "a long name": ({"name": "a" * 101}, "at most 100"),
    "no name": ({"name": " "}, "required"),
    "an unknown kind": ({"kinds": ["backup", "nonsense"]}, "Select a valid choice. nonsense"),
    "alerts about alerts": ({"kinds": ["alert"]}, "Select a valid choice. alert"),
    "an unknown severity": ({"lowest_level": "fatal"}, "Select a valid choice. fatal"),
    "an unknown timing": ({"timing": "never"}, "Select a valid choice. never"),
    "an unknown channel": ({"channel": "pigeon"}, "Select a valid choice. pigeon"),
    "no time": ({"timing": "daily", "digest_time": "25:99"}, "Write the time as 08:00."),
    "no recipients": ({"recipients": " ,;\n"}, "Say where alerts are to be sent."),
    "no address": ({"recipients": "ops"}, "“ops” is no e-mail address."),
    "a header": ({"recipients": "a@example.org%0aBcc:b@example.org"}, "is no e-mail address."),
    "a name with an address": ({"recipients": "Ops <ops@example.org>"}, "is no e-mail address."),
    "an address no mail carries": ({"recipients": "ops@exämple.org"}, "cannot be written to"),
    "a long address": ({"recipients": f"{'a' * 64}@{'b' * 200}.example"}, "e-mail address"),
    "many addresses": ({"recipients": ",".join(f"a{n}@example.org" for n in range(21))}, "20"),
    "much text": ({"recipients": "a" * 6001}, "at most 6000"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_input_makes_no_rule_and_is_answered_in_words(
    case: str, world: World, admin: Client
) -> None:
    change, said = HOSTILE[case]
    answer = _post(admin, world, "alert_create", MAIL | change)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not AlertRule.objects.exists()
    assert not AuditEntry.objects.filter(action__startswith="alert.").exists()


BAD_URLS = {
    "": "Say where alerts are to be sent.",
    "http://192.0.2.7/": "must begin with https://",
    "ftp://192.0.2.7/": "must begin with https://",
    "javascript:alert(1)": "must begin with https://",
    "//192.0.2.7/": "must begin with https://",
    "https://": "Enter an address such as",
    "https://[::1": "Enter an address such as",
    "https://user:secret@192.0.2.7/": "Leave user and password out",
    "https://192.0.2.7:99999/": "The port must be a number",
    "https://192.0.2.7/#fragment": "Leave out the #",
    "https://169.254.169.254/latest/meta-data": "a link-local address",
    "https://0.0.0.0/": "no machine",
    "https://224.0.0.1/": "a multicast address",
    "https://127.0.0.1/": "this machine (loopback)",
    "https://2130706433/": "this machine (loopback)",
    "https://[::ffff:127.0.0.1]/": "this machine (loopback)",
    "https://localhost:8443/x": "this machine (loopback)",
    "https://192.0.2.7/a b\x01": "control characters",
    f"https://192.0.2.7/{'a' * 500}": "at most 500",
}


@override_settings(ALLOW_LOOPBACK_CLOUDS=False)
@pytest.mark.parametrize("address", BAD_URLS)
def test_a_webhook_leads_to_no_machine_of_ours_and_to_https_alone(
    address: str, world: World, admin: Client
) -> None:
    answer = _post(admin, world, "alert_create", HOOK | {"url": address})
    assert answer.status_code == 422
    assert BAD_URLS[address] in answer.content.decode().replace("&#x27;", "'")
    assert not AlertRule.objects.exists()


def test_plain_http_is_for_the_lab_alone(world: World, admin: Client) -> None:
    assert (
        _post(admin, world, "alert_create", HOOK | {"url": "http://127.0.0.1:1/x"}).status_code
        == 200
    )
    bad = HOOK | {"name": "Other", "url": "http://192.0.2.7/x"}
    assert _post(admin, world, "alert_create", bad).status_code == 422


def test_what_was_typed_for_the_other_channel_does_not_count(world: World, admin: Client) -> None:
    _post(admin, world, "alert_create", MAIL | {"url": "ftp://nonsense"})
    assert AlertRule.objects.get().url == ""


def test_names_are_unique_in_an_account_and_rules_are_few(world: World, admin: Client) -> None:
    _rule(world, name=MAIL["name"])
    answer = _post(admin, world, "alert_create", MAIL)
    assert "already has a rule of that name" in answer.content.decode()
    for number in range(MOST_RULES - 1):
        _rule(world, name=f"Rule {number}")
    answer = _post(admin, world, "alert_create", MAIL | {"name": "One more"})
    assert answer.status_code == 422
    assert f"{MOST_RULES} rules at most" in answer.content.decode()


def test_a_paused_rule_sends_nothing_and_keeps_nothing(world: World, admin: Client) -> None:
    rule = _rule(world)
    tell(world.account, "error", "Before", kind=Kind.BACKUP)
    waiting = rule.deliveries.create()
    for _ in range(2):
        _post(admin, world, "alert_pause", {"pause": "yes"}, rule.pk)
    tell(world.account, "error", "Meanwhile", kind=Kind.BACKUP)
    waiting.refresh_from_db()
    assert waiting.state == State.CANCELED
    assert not AlertItem.objects.exists()
    assert "Paused" in text_of(admin, url("alert_list", world.account))
    for _ in range(2):
        _post(admin, world, "alert_pause", {"pause": "no"}, rule.pk)
    tell(world.account, "error", "After", kind=Kind.BACKUP)
    assert AlertItem.objects.get().title == "After"
    actions = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["alert.pause", "alert.resume"]


def test_a_test_is_sent_the_way_alerts_go_and_stands_in_the_log(
    world: World, admin: Client, mailoutbox: list[Any]
) -> None:
    rule = _rule(world)
    _post(admin, world, "alert_test", {}, rule.pk)
    refused = admin.post(url("alert_test", world.account, rule.pk), follow=True)
    assert "A test is on its way" in refused.content.decode()
    alert_sending.run()
    (sent,) = mailoutbox
    assert "test alert" in sent.subject
    assert "This is a test." in sent.body
    page = text_of(admin, url("alert_detail", world.account, rule.pk))
    assert "Sent" in page
    assert "ops@example.org" in page
    assert AuditEntry.objects.filter(action="alert.test").count() == 1


def test_deleting_a_rule_takes_its_log_along(world: World, admin: Client) -> None:
    rule = _rule(world)
    rule.deliveries.create()
    text = text_of(admin, url("alert_delete", world.account, rule.pk), **HTMX)
    assert "Delete the rule “A rule”?" in text
    assert AlertRule.objects.exists()
    _post(admin, world, "alert_delete", {}, rule.pk)
    assert not AlertDelivery.objects.exists()
    assert AuditEntry.objects.get(action="alert.delete").target_label == "A rule"


def test_the_log_says_when_what_to_whom_and_why_not(world: World, admin: Client) -> None:
    rule = _rule(world)
    later = timezone.now() + timedelta(minutes=4)
    delivery = rule.deliveries.create(
        attempts=3, last_error="hooks.example answered 500.", next_attempt_at=later, sent_to="x"
    )
    for title, pk in (("<b>One</b>", rule.pk), ("Two", delivery.pk)):
        AlertItem.objects.create(
            rule=rule, delivery=delivery, notification_id=pk, level="error", title=title,
            told_at=later,
        )  # fmt: skip
    page = text_of(admin, url("alert_detail", world.account, rule.pk))
    for part in ("2 notifications", "Trying again", "hooks.example answered 500.", "&lt;b&gt;One"):
        assert part in page
    part = text_of(admin, url("alert_detail", world.account, rule.pk), **HTMX)
    assert "<html" not in part


def test_staff_see_rules_and_deliveries_without_what_is_secret(world: World, staff: User) -> None:
    from django.urls import reverse

    client = Client()
    client.force_login(staff)
    rule = _rule(world, channel="webhook", url=HOOK["url"], secret=Secrets(secret="very-secret"))
    delivery = rule.deliveries.create(last_error="192.0.2.7 answered 500.")
    pages = [
        reverse("admin:reporting_alertrule_changelist"),
        reverse("admin:reporting_alertrule_change", args=[rule.pk]),
        reverse("admin:reporting_alertdelivery_changelist"),
        reverse("admin:reporting_alertdelivery_change", args=[delivery.pk]),
    ]
    texts = [text_of(client, page) for page in pages]
    assert "192.0.2.7" in texts[0]
    assert "192.0.2.7 answered 500." in texts[2]
    for text in texts:
        assert "very-secret" not in text
        assert "hidden-part" not in text


def test_rules_of_another_account_are_not_there(
    world: World, elsewhere: World, admin: Client
) -> None:
    theirs = AlertRule.objects.create(account=elsewhere.account, name="Theirs")
    for name in ("alert_detail", "alert_edit", "alert_delete"):
        assert admin.get(url(name, world.account, theirs.pk)).status_code == 404
    for name in ("alert_edit", "alert_delete", "alert_pause", "alert_test"):
        assert _post(admin, world, name, MAIL, theirs.pk).status_code == 404
    assert AlertRule.objects.get() == theirs


def test_more_rules_and_deliveries_need_no_more_queries(world: World, admin: Client) -> None:
    rule = _rule(world)
    rule.deliveries.create()
    pages = [url("alert_list", world.account), url("alert_detail", world.account, rule.pk)]
    few = [count_queries(admin, page) for page in pages]
    for number in range(10):
        _rule(world, name=f"Rule {number}").deliveries.create()
        rule.deliveries.create()
    assert [count_queries(admin, page) for page in pages] == few
    assert max(few) <= 13
