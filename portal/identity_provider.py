"""OpenID Connect, from our side: where to send a browser, and whom the answer is about.

The authorization code flow with PKCE, state and nonce. Whatever the provider sends is checked:
its signature too, though the token comes over TLS, as nothing says who ends that TLS. One
provider, given by the environment. allauth's own client was not taken: it knows no nonce, and
leaves the signature unread. Knows no model.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
import requests
from django.conf import settings

from portal.clouds.api import CloudRefused
from portal.clouds.guard import GuardedAdapter
from portal.endpoints import objection_to

TIMEOUT_SECONDS = (5, 10)
# More than any answer has; whoever sends more is not read to the end.
LONGEST_ANSWER_BYTES = 1_000_000
LEEWAY_SECONDS = 60
# Signed by a key of the provider's own: never "none", and none that the client secret signs.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384")
REQUIRED = ("iss", "sub", "aud", "exp", "iat")


class Untrusted(Exception):
    """The provider's answer cannot be used. ``str()`` is a sentence for the person."""


class Unreachable(Untrusted):
    """The provider does not answer, or not as one."""


@dataclass(frozen=True)
class Provider:
    """What the environment says of the provider."""

    issuer: str
    client_id: str
    client_secret: str
    name: str
    scopes: str
    ca_file: str


@dataclass(frozen=True)
class Attempt:
    """One way to the provider and back; kept in the session, used once."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True)
class Person:
    """Who the provider says is there."""

    issuer: str
    subject: str
    email: str
    is_email_verified: bool
    full_name: str
    claims: dict[str, Any]

    def groups(self, claim: str) -> frozenset[str]:
        """The values of a claim. Untrusted when the provider left them out for their number."""
        if claim in self.claims.get("_claim_names", {}):
            raise Untrusted(
                "You are in too many groups for the provider to say which. Ask your administrator."
            )
        value = self.claims.get(claim)
        values = value if isinstance(value, list) else [value]
        return frozenset(each for each in values if isinstance(each, str))

    @property
    def was_asked_for_more(self) -> bool:
        """Whether the provider asked for more than a password (RFC 8176)."""
        methods = self.claims.get("amr")
        return isinstance(methods, list) and "mfa" in methods


def provider() -> Provider | None:
    """The provider there is, or None."""
    if not settings.OIDC_ISSUER:
        return None
    return Provider(
        issuer=settings.OIDC_ISSUER,
        client_id=settings.OIDC_CLIENT_ID,
        client_secret=settings.OIDC_CLIENT_SECRET,
        name=settings.OIDC_NAME,
        scopes=settings.OIDC_SCOPES,
        ca_file=settings.OIDC_CA_FILE,
    )


def new_attempt() -> Attempt:
    """Three secrets of 256 bits: against forged answers, replayed tokens and stolen codes."""
    return Attempt(*(secrets.token_urlsafe(32) for _ in range(3)))


def authorization_url(given: Provider, attempt: Attempt, back: str) -> str:
    """Where to send the browser; it returns to ``back``. Raises Unreachable."""
    with _session(given) as http:
        endpoint = _endpoint(_discovered(http, given), "authorization_endpoint")
    digest = hashlib.sha256(attempt.verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": given.client_id,
        "redirect_uri": back,
        "scope": given.scopes,
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


def identify(given: Provider, attempt: Attempt, code: str, back: str) -> Person:
    """Exchange the code and say who it is. Raises Untrusted when anything does not fit."""
    with _session(given) as http:
        about = _discovered(http, given)
        tokens = _tokens(http, given, about, attempt, code, back)
        claims = _verified(http, given, about, str(tokens.get("id_token", "")))
        if not hmac.compare_digest(str(claims.get("nonce", "")), attempt.nonce):
            raise Untrusted("The answer belongs to another sign-in. Start again.")
        if "userinfo_endpoint" in about:
            claims = _userinfo(http, about, tokens, str(claims["sub"])) | claims
    return Person(
        issuer=given.issuer,
        subject=str(claims["sub"]),
        email=str(claims.get("email", "")).replace("\x00", "").strip().lower(),
        is_email_verified=claims.get("email_verified") is True,
        full_name=str(claims.get("name", "")).replace("\x00", "").strip()[:150],
        claims=claims,
    )


def _session(given: Provider) -> requests.Session:
    session = requests.Session()
    # The machine's own proxies and CA bundle are not asked; README names the settings.
    session.trust_env = False
    session.verify = given.ca_file or True
    session.mount("https://", GuardedAdapter(objection_to))
    return session


def _answer(http: requests.Session, method: str, url: str, **options: Any) -> dict[str, Any]:
    """One JSON object; no redirect is followed, and no more read than a plain answer has."""
    options |= {"timeout": TIMEOUT_SECONDS, "allow_redirects": False, "stream": True}
    try:
        with http.request(method, url, **options) as response:
            body = response.raw.read(LONGEST_ANSWER_BYTES + 1, decode_content=True)
            if response.status_code != requests.codes.ok or len(body) > LONGEST_ANSWER_BYTES:
                raise Unreachable("The identity provider refused. Start again.")
        found = json.loads(body)
    except (requests.RequestException, CloudRefused, OSError, ValueError) as error:
        raise Unreachable("The identity provider cannot be reached. Try again later.") from error
    if not isinstance(found, dict):
        raise Unreachable("The identity provider answered what nobody understands.")
    return found


def _discovered(http: requests.Session, given: Provider) -> dict[str, Any]:
    url = f"{given.issuer.rstrip('/')}/.well-known/openid-configuration"
    about = _answer(http, "GET", url)
    if about.get("issuer") != given.issuer:
        raise Untrusted("The identity provider is another than the one that was set up.")
    return about


def _endpoint(about: dict[str, Any], name: str) -> str:
    url = str(about.get(name, ""))
    if urlsplit(url).scheme != "https":
        raise Untrusted("The identity provider has no safe address for this.")
    return url


def _tokens(
    http: requests.Session,
    given: Provider,
    about: dict[str, Any],
    attempt: Attempt,
    code: str,
    back: str,
) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": back,
        "client_id": given.client_id,
        "code_verifier": attempt.verifier,
    }
    # What a provider takes unless it says otherwise (OpenID Connect Discovery 1.0, 3).
    manners = about.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    options: dict[str, Any] = {"data": form}
    if "client_secret_post" in manners:
        form["client_secret"] = given.client_secret
    else:
        options["auth"] = (given.client_id, given.client_secret)
    return _answer(http, "POST", _endpoint(about, "token_endpoint"), **options)


def _verified(
    http: requests.Session, given: Provider, about: dict[str, Any], token: str
) -> dict[str, Any]:
    """The claims of an ID token that the provider has signed for us, and that is not over."""
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ALGORITHMS:
            raise Untrusted("The identity provider signs in a way that is not accepted.")
        keys = _answer(http, "GET", _endpoint(about, "jwks_uri"))
        claims: dict[str, Any] = jwt.decode(
            token,
            _key(keys, header),
            algorithms=[header["alg"]],
            audience=given.client_id,
            issuer=given.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": list(REQUIRED)},
        )
    except jwt.PyJWTError as error:
        raise Untrusted("The identity provider's answer is not genuine, or too old.") from error
    audience = claims["aud"]
    is_shared = isinstance(audience, list) and len(audience) > 1
    if claims.get("azp", None if is_shared else given.client_id) != given.client_id:
        raise Untrusted("The identity provider's answer is meant for somebody else.")
    return claims


def _key(keys: dict[str, Any], header: dict[str, Any]) -> jwt.PyJWK:
    """The key the token names; the only one there is when it names none."""
    found = [
        each
        for each in jwt.PyJWKSet.from_dict(keys).keys
        if each.public_key_use in (None, "sig") and header.get("kid") in (None, each.key_id)
    ]
    if len(found) != 1:
        raise Untrusted("The identity provider's answer is signed by a key nobody knows.")
    return found[0]


def _userinfo(
    http: requests.Session, about: dict[str, Any], tokens: dict[str, Any], subject: str
) -> dict[str, Any]:
    bearer = {"Authorization": f"Bearer {tokens.get('access_token', '')}"}
    found = _answer(http, "GET", _endpoint(about, "userinfo_endpoint"), headers=bearer)
    if found.get("sub") != subject:
        raise Untrusted("The identity provider speaks of two people at once.")
    return found
