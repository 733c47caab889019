"""Landing, finding accounts, organizations."""

from __future__ import annotations

from collections.abc import Callable

from django.test import Client
from django.urls import reverse

from portal.models import Account, AuditEntry, Organization, User
from tests.factories import AccountFactory, CloudAccountFactory, UserFactory
from tests.people import World

SignIn = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


def _account_form(**changes: str) -> dict[str, str]:
    return {"name": "New", "time_zone": "Europe/Paris", "infrastructure": "ahv"} | changes


def test_home_leads_to_the_account_looked_at_last(
    world: World, customer_admin: User, sign_in: SignIn
) -> None:
    other = AccountFactory(organization=world.organization, name="Zebra")
    client = sign_in(customer_admin)
    first = reverse("reporting:overview", args=[world.account.pk])
    assert client.get("/")["Location"] == first
    client.get(reverse("portal:account_settings", args=[other.pk]))
    assert client.get("/")["Location"] == reverse("reporting:overview", args=[other.pk])


def test_a_cookie_opens_nothing_that_is_out_of_reach(
    world: World, elsewhere: World, customer_admin: User, sign_in: SignIn
) -> None:
    client = sign_in(customer_admin)
    for value in (str(elsewhere.account.pk), "nonsense", ""):
        client.cookies["account"] = value
        assert str(world.account.pk) in client.get("/")["Location"]


def test_somebody_without_accounts_is_told_what_to_do(sign_in: SignIn, db: None) -> None:
    page = sign_in(UserFactory()).get("/")
    assert page.status_code == 200
    assert "No account is open to you" in page.text


def test_anonymous_people_are_sent_to_sign_in(db: None) -> None:
    assert Client().get("/")["Location"].startswith("/sign-in/")


def test_the_switcher_finds_only_accounts_within_reach(
    world: World, elsewhere: World, customer_admin: User, sign_in: SignIn
) -> None:
    client = sign_in(customer_admin)
    part = client.get("/accounts/switcher/", {"q": "account"}, headers=HTMX)
    assert world.account.name in part.text
    assert elsewhere.account.name not in part.text
    assert client.get("/accounts/switcher/", {"q": "x"})["Location"] == "/accounts/?q=x"
    page = client.get("/accounts/")
    assert world.account.name in page.text
    assert elsewhere.account.name not in page.text


def test_the_list_of_accounts_costs_the_same_however_many_there_are(
    world: World,
    customer_admin: User,
    sign_in: SignIn,
    django_assert_max_num_queries: Callable[[int], object],
) -> None:
    AccountFactory.create_batch(
        40, organization=world.organization, cloud_account=world.cloud_account
    )
    client = sign_in(customer_admin)
    for url in ("/accounts/", "/accounts/?page=2", "/accounts/?page=99", "/organizations/"):
        with django_assert_max_num_queries(14):  # type: ignore[attr-defined]
            assert client.get(url).status_code == 200


def test_a_customer_administrator_makes_an_organization_and_an_account_in_it(
    world: World, customer_admin: User, sign_in: SignIn
) -> None:
    client = sign_in(customer_admin)
    url = reverse("portal:organization_create", args=[world.customer.pk])
    assert client.post(url, {"name": "Labs"}).status_code == 302
    made = Organization.objects.get(name="Labs")
    url = reverse("portal:account_create", args=[made.pk])
    form = _account_form(cloud_account=str(world.cloud_account.pk))
    assert client.post(url, form).status_code == 302
    account = Account.objects.get(organization=made)
    assert account.site == world.cloud_account.name
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert actions == {"organization.create", "account.create"}


def test_names_in_use_are_refused(world: World, customer_admin: User, sign_in: SignIn) -> None:
    client = sign_in(customer_admin)
    url = reverse("portal:organization_create", args=[world.customer.pk])
    assert client.post(url, {"name": world.organization.name}).status_code == 422
    url = reverse("portal:account_create", args=[world.organization.pk])
    assert client.post(url, _account_form(name=world.account.name)).status_code == 422
    assert client.post(url, _account_form(infrastructure="abacus")).status_code == 422


def test_an_account_without_a_driver_can_be_made_and_says_that_there_are_no_backups(
    world: World, customer_admin: User, sign_in: SignIn
) -> None:
    client = sign_in(customer_admin)
    url = reverse("portal:account_create", args=[world.organization.pk])
    assert "Amazon Web Services (no backups yet)" in client.get(url).text
    # No cloud account can be its own.
    form = _account_form(infrastructure="aws", cloud_account=str(world.cloud_account.pk))
    assert client.post(url, form).status_code == 422
    assert client.post(url, _account_form(infrastructure="aws")).status_code == 302
    made = Account.objects.get(infrastructure="aws")
    for name in ("reporting:overview", "backups:sandbox_detail", "backups:utility_server_list",
                 "volumes:volume_list", "volumes:volume_backup_list", "portal:account_settings",
                 "portal:account_machines", "reporting:task_list"):  # fmt: skip
        assert client.get(reverse(name, args=[made.pk])).status_code == 200
    overview = client.get(reverse("reporting:overview", args=[made.pk])).text
    assert "No backups yet on this infrastructure" in overview


def test_an_organization_administrator_stays_within_the_organization(
    world: World, elsewhere: World, org_admin: User, sign_in: SignIn
) -> None:
    client = sign_in(org_admin)
    url = reverse("portal:organization_create", args=[world.customer.pk])
    assert client.post(url, {"name": "Labs"}).status_code == 404
    url = reverse("portal:account_create", args=[elsewhere.organization.pk])
    assert client.post(url, _account_form()).status_code == 404
    sister = Organization.objects.create(customer=world.customer, name="Sister")
    assert sister.name not in client.get("/organizations/").text
    foreign = CloudAccountFactory(customer=world.customer, organization=sister)
    url = reverse("portal:account_create", args=[world.organization.pk])
    assert client.post(url, _account_form(cloud_account=str(foreign.pk))).status_code == 422


def test_a_search_takes_any_text_a_person_can_send(
    world: World, customer_admin: User, sign_in: SignIn
) -> None:
    client = sign_in(customer_admin)
    cloud_account = reverse("portal:cloud_account_detail", args=[world.cloud_account.pk])
    for url in ("/accounts/", "/accounts/switcher/", cloud_account):
        for text in ("\x00", "%_'\"<script>", "ü" * 300, "\u202e"):
            answer = client.get(url, {"q": text}, headers=HTMX)
            assert answer.status_code == 200
            assert "<script>" not in answer.text.replace('<script src="', "")


def test_an_unknown_host_is_refused(db: None) -> None:
    assert Client().get("/", headers={"Host": "evil.example"}).status_code == 400


def test_the_cookie_of_somebody_signed_out_opens_nothing(
    world: World, customer_admin: User, sign_in: SignIn
) -> None:
    client = sign_in(customer_admin)
    kept = client.cookies["sessionid"].value
    client.post(reverse("account_logout"))
    thief = Client()
    thief.cookies["sessionid"] = kept
    page = thief.get(reverse("portal:account_settings", args=[world.account.pk]))
    assert page.status_code == 302
    assert page["Location"].startswith("/sign-in/")


def test_a_list_without_any_account_says_why_and_what_to_do(staff: User, sign_in: SignIn) -> None:
    page = sign_in(staff).get("/accounts/")
    assert "No account is open to you" in page.text
    assert "matches" not in page.text
