"""How an alert leaves the portal: as plain mail, or as a signed POST. No database in here.

A mail that is sent twice has the same Message-ID, a webhook the same ``X-Standby-Delivery``,
so that who receives them can drop the second.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import smtplib
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.core.mail import EmailMessage

from portal.clouds.guard import GuardedAdapter, WrongPlace
from portal.endpoints import objection_to

CONNECT_SECONDS, READ_SECONDS = 5, 10
# A receiver that sends a byte now and then would never be too slow for the limits above.
WHOLE_SECONDS = 20


class NotDelivered(Exception):
    """It has not arrived; ``str()`` says why, in plain words."""


@dataclass(frozen=True)
class Mail:
    """One message to all of its recipients."""

    delivery: str
    recipients: tuple[str, ...]
    subject: str
    text: str

    def send(self) -> None:
        """Hand it to the mail server of the settings. Raises NotDelivered."""
        domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ")
        headers = {
            "Message-ID": f"<standby-{self.delivery}@{domain}>",
            "Auto-Submitted": "auto-generated",
        }
        message = EmailMessage(self.subject, self.text, None, [*self.recipients], headers=headers)
        try:
            message.send()
        except smtplib.SMTPException as error:
            raise NotDelivered(_refusal(error)) from error
        except OSError as error:
            raise NotDelivered("The mail server did not answer.") from error
        except ValueError as error:
            raise NotDelivered("A recipient's address cannot be written in a mail.") from error


def _refusal(error: smtplib.SMTPException) -> str:
    match error:
        case smtplib.SMTPRecipientsRefused():
            return "The mail server refused every recipient. Check their addresses."
        case smtplib.SMTPSenderRefused():
            return "The mail server refuses mail from the portal's address."
        case smtplib.SMTPAuthenticationError():
            return "The mail server refused the portal's sign-in."
        case smtplib.SMTPServerDisconnected() | smtplib.SMTPConnectError():
            return "The mail server ended the conversation."
        case smtplib.SMTPResponseException():
            return f"The mail server refused the mail, with code {error.smtp_code}."
    return "The mail server refused the mail."


@dataclass(frozen=True)
class Webhook:
    """One signed POST."""

    delivery: str
    url: str
    secret: str
    payload: Mapping[str, Any]
    seconds: float = WHOLE_SECONDS

    def __repr__(self) -> str:
        return f"Webhook({self.delivery})"

    def send(self, at: int) -> None:
        """Post it, signed for the time ``at`` (seconds since 1970). Raises NotDelivered.

        Redirects are not followed, the answer is not read, and what was really reached is judged.
        """
        body = json.dumps(self.payload, ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Standby",
            "X-Standby-Delivery": self.delivery,
            "X-Standby-Timestamp": str(at),
            "X-Standby-Signature": signature(self.secret, at, body),
        }
        host = urlsplit(self.url).hostname or ""
        try:
            with _session(self.seconds) as (session, limit):
                answer = session.post(
                    self.url,
                    data=body,
                    headers=headers,
                    timeout=(CONNECT_SECONDS, READ_SECONDS),
                    allow_redirects=False,
                    stream=True,
                )
        except WrongPlace as error:
            raise NotDelivered(f"{error} Give the rule another address.") from error
        except (requests.RequestException, ValueError) as error:
            raise NotDelivered(f"{host} {_trouble(error)}") from error
        if limit.is_cut:  # a head that was cut short still reads as one
            raise NotDelivered(f"{host} did not answer in time.")
        if not 200 <= answer.status_code < 300:
            is_elsewhere = 300 <= answer.status_code < 400
            more = ", a redirect; those are not followed" if is_elsewhere else ""
            raise NotDelivered(f"{host} answered {answer.status_code}{more}.")


def signature(secret: str, at: int, body: bytes) -> str:
    """What ``X-Standby-Signature`` says: hex HMAC-SHA256 over the time, a dot, and the body."""
    signed = f"{at}.".encode() + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


@contextmanager
def _session(seconds: float) -> Iterator[tuple[requests.Session, _Limit]]:
    """A session of one call, which ends in time however slow the other side is."""
    limit = _Limit()
    timer = threading.Timer(seconds, limit.cut)
    timer.daemon = True
    adapter = GuardedAdapter(objection_to, limit.watch, max_retries=0)
    with requests.Session() as session:
        session.trust_env = False
        session.verify = settings.WEBHOOK_CA_FILE or True
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        timer.start()
        try:
            yield session, limit
        finally:
            timer.cancel()
            limit.close()


class _Limit:
    """Cuts connections when their time is up.

    Works on a copy of the descriptor: TLS takes the socket itself over.
    """

    def __init__(self) -> None:
        self.is_cut = False
        self._held: list[socket.socket] = []
        self._lock = threading.Lock()

    def watch(self, reached: socket.socket) -> None:
        with self._lock:
            self._held.append(socket.socket(fileno=os.dup(reached.fileno())))

    def cut(self) -> None:
        with self._lock:
            self.is_cut = True
            for held in self._held:
                with suppress(OSError):  # it has ended by itself
                    held.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            for held in self._held:
                held.close()
            self._held.clear()


def _trouble(error: Exception) -> str:
    match error:
        case requests.exceptions.SSLError():
            return "has a certificate that is not trusted."
        case requests.Timeout():
            return "did not answer in time."
        case requests.ConnectionError():
            return "cannot be reached, or broke the connection off."
    return "has an address that cannot be called."
