"""A small OpenID Connect provider over HTTPS on loopback.

Discovery, keys, authorize, token and userinfo.
Its own code, on nothing of the product's. It checks PKCE and the client's secret, as real ones
do; knobs make it sign with a wrong key, for somebody else, too early, or for another attempt.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import jwt
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CLIENT_ID, CLIENT_SECRET = "standby", "the client's secret"


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


# Made once: a key takes as long as a test.
KEY, OTHER_KEY = _key(), _key()


@dataclass
class IdentityServer:
    """What it says of whoever signs in next, and how it goes wrong."""

    issuer: str
    person: dict[str, Any] = field(default_factory=dict)
    # Laid over the claims of a token; None takes one out.
    wrong_claims: dict[str, Any] = field(default_factory=dict)
    signing_key: rsa.RSAPrivateKey = KEY
    algorithm: str = "RS256"
    about: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def authorize(self, url: str) -> dict[str, str]:
        """Sign the person in, as the page behind ``url`` would; return what it sends back."""
        query = dict(parse_qsl(urlsplit(url).query))
        assert query["client_id"] == CLIENT_ID
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        return {"code": code, "state": query["state"], "iss": self.issuer}

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys",
        } | self.about

    def keys(self) -> dict[str, Any]:
        key = json.loads(RSAAlgorithm.to_jwk(KEY.public_key()))
        return {"keys": [key | {"kid": "first", "use": "sig", "alg": "RS256"}]}

    def token(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """Tokens for a code that was not used before, with the verifier it was asked for with."""
        query = self._codes.pop(form.get("code", ""), None)
        expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if query is None or authorization != f"Basic {expected}":
            return None
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != query["code_challenge"]:
            return None
        if form["redirect_uri"] != query["redirect_uri"]:
            return None
        return {"access_token": "let me in", "token_type": "Bearer", "id_token": self._id(query)}

    def _id(self, query: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": query["nonce"],
            **self.person,
            **self.wrong_claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        key: Any = self.signing_key if self.algorithm.startswith("RS") else CLIENT_SECRET * 2
        key = None if self.algorithm == "none" else key
        return jwt.encode(claims, key, algorithm=self.algorithm, headers={"kid": "first"})


def _handler(server: IdentityServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(self.path)
            pages = {"/.well-known/openid-configuration": server.discovery, "/keys": server.keys}
            if self.path in pages:
                self._say(pages[self.path]())
            elif self.headers.get("Authorization") == "Bearer let me in":
                self._say({"sub": server.person["sub"]} | server.userinfo)
            else:
                self._say(None)

        def do_POST(self) -> None:
            server.asked.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._say(server.token(form, self.headers.get("Authorization", "")))

        def _say(self, answer: dict[str, Any] | None) -> None:
            body = json.dumps(answer or {"error": "refused"}).encode()
            self.send_response(200 if answer else 400)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def identity_server(authority: trustme.CA) -> Iterator[IdentityServer]:
    """A provider at a free port, whose certificate this authority has signed."""
    provider = IdentityServer("")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(provider))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    provider.issuer = f"https://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
