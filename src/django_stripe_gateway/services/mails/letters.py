"""Write an e-mail: to whom, in which language, and its three parts, made of templates that a host can override."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from django.apps import apps
from django.conf import settings
from django.contrib.sites.shortcuts import get_current_site
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist, ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.validators import validate_email
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import pgettext

from django_stripe_gateway.adapter import get_adapter
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.models import MailMessage
from django_stripe_gateway.models.return_urls import default_base_url
from django_stripe_gateway.services.mails.occasions import NotNeeded, facts_of
from django_stripe_gateway.services.mails.wording import written_amount, written_date, written_month
from django_stripe_gateway.services.usage.periods import time_zone_of

FOLDER = "django_stripe_gateway/mail"
NAME_LENGTH = 80
SUBJECT_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Letter:
    """An e-mail that can be sent."""

    recipient: str
    language: str
    message: EmailMultiAlternatives


def write_letter(mail: MailMessage) -> Letter:
    """Write an e-mail in its reader's language.

    Raises:
        NotNeeded: there is nothing to tell, nobody to tell it, or they do not want to know.
    """
    facts, adapter, owner = facts_of(mail), get_adapter(), owner_of(mail)
    if mail.customer is not None and owner is None:
        raise NotNeeded("the owner is gone")
    if mail.customer is not None and mail.customer.erased is not None and not mail.customer.exists_at_provider:
        raise NotNeeded("the personal data was erased")
    if not adapter.wants_mail(mail.kind, owner):
        raise NotNeeded("the adapter says no")
    recipient = str(adapter.mail_recipient(owner, mail.payment) or "").strip()
    try:
        validate_email(recipient)
    except ValidationError:
        raise NotNeeded("there is no address") from None
    language = str(adapter.language(owner) or settings.LANGUAGE_CODE)
    is_theirs = not _is_clients_word(recipient, mail, owner)
    with translation.override(language):
        context = _context(mail, owner, facts, language, is_theirs=is_theirs)
        subject = one_line(render_to_string(f"{FOLDER}/{mail.kind}.subject.txt", context))[:SUBJECT_LENGTH]
        text = render_to_string(f"{FOLDER}/{mail.kind}.txt", context).strip() + "\n"
        html = render_to_string(f"{FOLDER}/{mail.kind}.html", {**context, "subject": subject})
    return Letter(recipient, language, _message(mail, recipient, subject, text, html))


def owner_of(mail: MailMessage) -> Any:
    """Return whose e-mail it is, ``None`` for a guest's payment or somebody who is gone."""
    if mail.customer is not None:
        return mail.customer.owner
    return mail.payment.owner if mail.payment is not None else None


def _is_clients_word(recipient: str, mail: MailMessage, owner: Any) -> bool:
    """Return whether nothing but a client's word says that an address is the payer's.

    Whoever asks for a payment can name anybody's. The e-mail then carries nothing that they have written, which would
    come with the site's name on it, and opens nothing.
    """
    if mail.payment is None:
        return False
    if owner is not None:
        adapter = get_adapter()
        known = str(adapter.customer_details(owner).get("email") or "").strip()
        if known.lower() == recipient.lower():
            return not adapter.has_verified_email(owner)
    return recipient.lower() == (mail.payment.billing_email or "").strip().lower()


def one_line(text: str) -> str:
    """Return a text without line breaks and other control characters, which could begin another header."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def site_name() -> str:
    """Return what e-mails call the site."""
    if gateway_settings.mail_site_name:
        return gateway_settings.mail_site_name
    if apps.is_installed("django.contrib.sites"):
        try:
            return str(get_current_site(None).name)
        except (ObjectDoesNotExist, ImproperlyConfigured):
            pass
    return gateway_settings.payment_host


def _context(mail: MailMessage, owner: Any, facts: dict[str, Any], language: str, *, is_theirs: bool) -> dict[str, Any]:
    """Return what templates get, as it stands in the reader's language.

    Args:
        is_theirs: the address is the reader's own, and not a client's word; see ``_is_clients_word``.
    """
    adapter = get_adapter()
    subscription = facts.get("subscription") or mail.subscription
    plan = None if subscription is None else subscription.plan
    name = adapter.customer_details(owner).get("name") if owner is not None and is_theirs else ""
    written = _written(mail, owner, facts, language) | {"plan_name": "" if plan is None else one_line(str(plan.name))}
    if not is_theirs:
        written["description"] = ""
    link, page = safe_link(facts.get("link") or "") if is_theirs else "", str(adapter.mail_page(mail.kind, owner) or "")
    page = safe_link(urljoin(default_base_url(), page)) if page else ""
    details = (
        (pgettext("mail", "Amount"), written["amount"]),
        (pgettext("mail", "Date"), written["date"]),
        (pgettext("mail", "Plan"), written["plan_name"]),
        (pgettext("mail", "For"), written["description"]),
        (pgettext("mail", "Invoice number"), written["invoice_number"]),
        (pgettext("mail", "Card"), written["card"]),
    )
    return written | {
        "kind": mail.kind,
        "site_name": one_line(site_name()),
        "name": one_line(str(name or ""))[:NAME_LENGTH],
        "owner": owner,
        "payment": mail.payment,
        "invoice": mail.invoice,
        "subscription": subscription,
        "details": [(label, value) for label, value in details if value],
        "is_full": facts.get("is_full", True),
        "is_sent": facts.get("is_sent", False),
        "page": page,
        "target": link or page,
    }


def _written(mail: MailMessage, owner: Any, facts: dict[str, Any], language: str) -> dict[str, str]:
    """Return amounts, days and names as the reader's language writes them, empty where there are none."""
    zone = None if owner is None else time_zone_of(owner)
    amount = facts.get("amount")
    digits = facts.get("last4")
    return {
        "amount": "" if amount is None else written_amount(amount, facts["currency"], language),
        "date": _day(facts.get("moment"), language, zone),
        "next_attempt": _day(facts.get("next_attempt"), language, zone),
        "expires": written_month(facts["expires"]) if "expires" in facts else "",
        "card": " ".join(filter(None, (facts.get("brand", "").title(), digits and f"•••• {digits}"))),
        "description": one_line(mail.payment.description or "") if mail.payment is not None else "",
        "invoice_number": one_line(mail.invoice.number) if mail.invoice is not None else "",
    }


def _day(moment: Any, language: str, zone: Any) -> str:
    return "" if moment is None else written_date(moment, language, zone)


def safe_link(address: str) -> str:
    """Return an address that an e-mail may lead to, empty for anything but a web page."""
    return address if urlsplit(address).scheme in ("http", "https") else ""


def _message(mail: MailMessage, recipient: str, subject: str, text: str, html: str) -> EmailMultiAlternatives:
    reply_to = gateway_settings.mail_reply_to
    # The same for each attempt, so that what may come twice can be told to be one.
    digest = hashlib.sha256(f"{mail.key}:{mail.created:%Y%m%d%H%M%S}".encode()).hexdigest()[:32]
    message = EmailMultiAlternatives(
        subject=subject,
        body=text,
        from_email=gateway_settings.mail_from or settings.DEFAULT_FROM_EMAIL,
        to=[recipient],
        reply_to=[reply_to] if reply_to else None,
        headers={
            "Message-ID": f"<{digest}@{gateway_settings.payment_host or 'localhost'}>",
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
        },
    )
    message.attach_alternative(html, "text/html")
    return message
