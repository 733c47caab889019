"""Second factors: set up, asked for, lost, required; their secrets encrypted."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from cryptography.fernet import Fernet
from django.conf import LazySettings
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.test import Client

from portal.models import AuditEntry, User
from tests.people import World

pytestmark = pytest.mark.usefixtures("no_tries_yet")

SignIn = Callable[[User], Client]
PASSWORD = "a-long-enough-password"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code_of(secret: str, steps: int = 0) -> str:
    """What an app shows now, or some steps later."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps)))


@pytest.fixture
def person(customer_admin: User) -> User:
    customer_admin.set_password(PASSWORD)
    customer_admin.save()
    return customer_admin


@pytest.fixture
def with_app(person: User) -> User:
    """Somebody with an authenticator app and recovery codes."""
    TOTP.activate(person, SECRET)
    RecoveryCodes.activate(person)
    return person


def by_password(user: User) -> Client:
    client = Client()
    client.post("/sign-in/login/", {"login": user.email, "password": PASSWORD})
    return client


def sure(user: User) -> Client:
    """Signed in, and asked again a moment ago."""
    client = by_password(user)
    if "_auth_user_id" not in client.session:
        client.post("/security/authenticate/", {"code": code_of(SECRET)})
    client.post("/sign-in/reauthenticate/", {"password": PASSWORD})
    return client


def actions(user: User) -> list[str]:
    return list(
        AuditEntry.objects.filter(actor=user).order_by("pk").values_list("action", flat=True)
    )


def secret_on(page: str) -> str:
    found = re.search(r'id="totp-secret">(\w+)<', page)
    assert found
    return found[1]


def test_the_own_page_says_what_there_is(person: User) -> None:
    page = by_password(person).get("/security/").text
    assert "Only your password signs you in" in page
    assert "Required of you" not in page


def test_changes_ask_once_more_who_it_is(person: User) -> None:
    client = by_password(person)
    for path in ("totp/activate/", "webauthn/add/", "recovery-codes/generate/"):
        for method in ("get", "post"):
            answer = getattr(client, method)(f"/security/{path}")
            assert answer.status_code == 302
            assert answer["Location"].startswith("/sign-in/reauthenticate/")


def test_an_app_is_set_up_with_its_first_code(person: User) -> None:
    client = sure(person)
    page = client.get("/security/totp/activate/")
    assert "<svg" in page.text
    assert "data:" not in page.text
    assert "style=" not in page.text
    secret = secret_on(page.text)
    wrong = client.post("/security/totp/activate/", {"code": "000000"})
    assert not Authenticator.objects.exists()
    assert secret_on(wrong.text) == secret
    answer = client.post("/security/totp/activate/", {"code": code_of(secret)}, follow=True)
    assert "Keep them now" in answer.text
    kept = Authenticator.objects.get(type="totp", user=person)
    assert secret not in str(kept.data)
    assert "user.add_factor" in actions(person)


def test_a_secret_that_waits_for_its_code_is_encrypted_in_the_session(person: User) -> None:
    client = sure(person)
    secret = secret_on(client.get("/security/totp/activate/").text)
    for row in Session.objects.all():
        assert secret not in str(row.get_decoded())
    client.post("/security/totp/activate/", {"code": code_of(secret)})
    assert "second_factor_secret" not in client.session


def test_recovery_codes_are_shown_once_and_never_sent_again(person: User) -> None:
    client = sure(person)
    secret = secret_on(client.get("/security/totp/activate/").text)
    shown = client.post("/security/totp/activate/", {"code": code_of(secret)}, follow=True)
    codes = re.findall(r"<li><code>(\d{8})</code>", shown.text)
    assert len(set(codes)) == 10
    again = client.get("/security/recovery-codes/").text
    assert not any(code in again for code in codes)
    assert client.get("/security/recovery-codes/download/").status_code == 403
    kept = Authenticator.objects.get(type="recovery_codes")
    assert not any(code in str(kept.data) for code in codes)
    # Each signs in once.
    assert "10 recovery codes left" in client.get("/security/").text
    for expected in (True, False):
        other = by_password(person)
        other.post("/security/authenticate/", {"code": codes[0]})
        assert ("_auth_user_id" in other.session) is expected
    assert "9 recovery codes left" in client.get("/security/").text


def test_the_password_alone_opens_nothing_any_more(with_app: User) -> None:
    client = by_password(with_app)
    assert "_auth_user_id" not in client.session
    for path in ("/accounts/", "/security/", "/sign-in/password/change/"):
        assert client.get(path)["Location"].startswith("/sign-in/login/")
    answer = client.post("/security/authenticate/", {"code": code_of(SECRET)})
    assert answer.status_code == 302
    assert client.session["_auth_user_id"] == str(with_app.pk)
    assert AuditEntry.objects.get(action="user.signed_in").detail["by"] == ["password", "totp"]


def test_a_code_is_good_once(with_app: User) -> None:
    code = code_of(SECRET)
    for expected in (True, False):
        client = by_password(with_app)
        client.post("/security/authenticate/", {"code": code})
        assert ("_auth_user_id" in client.session) is expected


def test_five_wrong_codes_close_it_for_the_right_one_from_anywhere(with_app: User) -> None:
    client = by_password(with_app)
    for _ in range(5):
        page = client.post("/security/authenticate/", {"code": "000000"}).text
        assert "This did not work" in page
    failed = AuditEntry.objects.filter(action="user.second_factor", result="failed")
    assert failed.count() == 5
    for browser in (client, by_password(with_app)):
        page = browser.post("/security/authenticate/", {"code": code_of(SECRET)}).text
        assert "Too many tries" in page
        assert "_auth_user_id" not in browser.session


def test_asking_again_who_it_is_has_an_end_too(person: User) -> None:
    client = by_password(person)
    answers = [
        client.post("/sign-in/reauthenticate/", {"password": "wrong"}).status_code
        for _ in range(11)
    ]
    assert answers[-1] == 429
    page = client.post("/sign-in/reauthenticate/", {"password": PASSWORD})
    assert page.status_code == 429
    assert "Too many tries" in page.text


def test_staff_come_into_the_administration_by_their_second_factor(staff: User) -> None:
    staff.set_password(PASSWORD)
    staff.save()
    TOTP.activate(staff, SECRET)
    client = Client()
    where = client.post("/admin/login/?next=/admin/", {})["Location"]
    client.post(where, {"login": staff.email, "password": PASSWORD})
    assert client.get("/admin/").status_code == 302
    answer = client.post("/security/authenticate/", {"code": code_of(SECRET)})
    assert answer["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_a_person_is_told_what_is_done_to_second_factors(with_app: User) -> None:
    mail.outbox.clear()
    sure(with_app).post("/security/totp/deactivate/")
    assert [each.body.splitlines()[0] for each in mail.outbox] == [
        "The authenticator app was removed."
    ]


def test_what_is_done_to_second_factors_is_in_the_trail(with_app: User) -> None:
    client = sure(with_app)
    client.post("/security/recovery-codes/generate/")
    client.post("/security/totp/deactivate/")
    said = actions(with_app)
    assert said.count("user.renew_recovery_codes") == 1
    assert said.count("user.remove_factor") == 2


def test_an_app_is_removed_with_its_recovery_codes(with_app: User) -> None:
    client = sure(with_app)
    client.post("/security/totp/deactivate/")
    assert not Authenticator.objects.exists()
    assert actions(with_app).count("user.remove_factor") == 2
    assert "_auth_user_id" in by_password(with_app).session


def test_the_keys_are_rotated_with_the_others(with_app: User, settings: LazySettings) -> None:
    old, new = settings.SECRETS_KEYS, Fernet.generate_key().decode()
    settings.SECRETS_KEYS = [new, *old]
    call_command("rotate_keys", stdout=StringIO())
    settings.SECRETS_KEYS = [new]
    assert "_auth_user_id" in sure(with_app).session
    settings.SECRETS_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(ImproperlyConfigured):
        Authenticator.objects.get(type="totp").wrap().validate_code("000000")


def test_requiring_it_leads_everybody_of_the_customer_to_it(
    with_app: User, world: World, account_admin: User, stranger: User, sign_in: SignIn
) -> None:
    client = sure(with_app)
    page = client.get(f"/customers/{world.customer.pk}/sign-in/")
    assert "Not required" in page.text
    client.post(f"/customers/{world.customer.pk}/sign-in/two-factor/")
    world.customer.refresh_from_db()
    assert world.customer.requires_two_factor
    assert "access.require_two_factor" in actions(with_app)
    # Who has one, and who is of another customer, go on.
    assert client.get("/accounts/").status_code == 200
    assert sign_in(stranger).get("/accounts/").status_code == 200
    led = sign_in(account_admin)
    for path in ("/", "/accounts/", f"/accounts/{world.account.pk}/tasks/"):
        assert led.get(path)["Location"] == "/security/"
        assert led.post(path)["Location"] == "/security/"
    part = led.get("/accounts/", headers={"HX-Request": "true"})
    assert part["HX-Redirect"] == "/security/"
    assert "Set up a second factor to go on" in led.get("/security/").text


def test_setting_one_up_opens_everything_again(account_admin: User, world: World) -> None:
    world.customer.requires_two_factor = True
    world.customer.save()
    account_admin.set_password(PASSWORD)
    account_admin.save()
    client = sure(account_admin)
    assert client.get("/accounts/")["Location"] == "/security/"
    secret = secret_on(client.get("/security/totp/activate/").text)
    client.post("/security/totp/activate/", {"code": code_of(secret)})
    assert client.get("/accounts/").status_code == 200
    # And the last one is not removed while it is required.
    answer = client.post("/security/totp/deactivate/")
    assert "Your organization requires two-factor sign-in" in answer.text
    assert Authenticator.objects.filter(type="totp").exists()


def test_somebody_signed_in_is_led_there_within_a_minute(
    account_admin: User, world: World, sign_in: SignIn
) -> None:
    client = sign_in(account_admin)
    assert client.get("/accounts/").status_code == 200
    world.customer.requires_two_factor = True
    world.customer.save()
    session = client.session
    session["seen_at"] -= 61
    session.save()
    assert client.get("/accounts/")["Location"] == "/security/"


def test_nobody_requires_of_others_what_they_do_without(person: User, world: World) -> None:
    answer = sure(person).post(f"/customers/{world.customer.pk}/sign-in/two-factor/")
    assert answer.status_code == 422
    world.customer.refresh_from_db()
    assert not world.customer.requires_two_factor


def test_staff_need_one_where_the_setting_says_so(
    staff: User, auditor: User, sign_in: SignIn, settings: LazySettings
) -> None:
    assert sign_in(staff).get("/admin/").status_code == 200
    settings.STAFF_TWO_FACTOR = True
    assert sign_in(staff).get("/admin/")["Location"] == "/security/"
    assert sign_in(auditor).get("/accounts/").status_code == 200


def test_staff_take_away_what_somebody_has_lost(
    with_app: User, staff: User, sign_in: SignIn
) -> None:
    factor = Authenticator.objects.get(type="totp")
    client = sign_in(staff)
    for page in ("", f"{factor.pk}/change/"):
        assert factor.data["secret"] not in client.get(f"/admin/mfa/authenticator/{page}").text
    client.post(f"/admin/mfa/authenticator/{factor.pk}/delete/", {"post": "yes"})
    assert not Authenticator.objects.filter(type="totp").exists()
    assert AuditEntry.objects.filter(actor=staff, action="user.delete").exists()
    assert "_auth_user_id" in by_password(with_app).session


def test_no_browser_is_trusted_to_skip_it(with_app: User) -> None:
    assert by_password(with_app).get("/security/trust/").status_code == 404
