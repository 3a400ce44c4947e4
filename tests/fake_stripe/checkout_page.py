"""The hosted page of a Checkout Session, for people who try the whole path in a browser."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from tests.fake_stripe import checkout, money
from tests.fake_stripe.dispatch import Answer, Incoming
from tests.fake_stripe.forms import decode
from tests.fake_stripe.state import Object

if TYPE_CHECKING:
    from tests.fake_stripe.server import FakeStripe

_STYLE = """
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: #1a1f36; background: #f6f8fa; }
main { max-width: 26rem; margin: 4rem auto; padding: 2rem; background: #fff; border-radius: 12px;
       box-shadow: 0 8px 30px rgb(0 0 0 / 8%); }
.mode { display: inline-block; padding: 0 .5rem; border-radius: 4px; background: #ffde92; font-size: .75rem; }
h1 { margin: .5rem 0 1.5rem; font-size: 2.2rem; }
li { display: flex; justify-content: space-between; padding: .6rem 0; border-top: 1px solid #e6e8ee; }
ul { margin: 0 0 1.5rem; padding: 0; list-style: none; }
select, button { width: 100%; padding: .75rem; border-radius: 8px; border: 1px solid #cfd5de; font: inherit; }
button { margin-top: .75rem; border: 0; color: #fff; background: #0570de; font-weight: 600; cursor: pointer; }
p.error { padding: .75rem; border-radius: 8px; background: #fdecea; color: #a1131a; }
a { display: block; margin-top: 1rem; text-align: center; color: #697386; }
"""

_METHODS = (
    ("card", "Card that succeeds (4242)"),
    ("async", "Bank debit, settled later"),
    ("pm_card_chargeDeclined", "Card that is declined (0002)"),
    ("pm_card_chargeDeclinedInsufficientFunds", "Card without funds (9995)"),
)


def respond(fake: FakeStripe, incoming: Incoming) -> Answer:
    """Show the page, or pay: the webhooks are delivered before the customer is sent back, as Stripe tries to do."""
    session_id = incoming.path.rpartition("/")[2]
    try:
        with fake.state.acting():
            _, session = fake.state.locate(session_id)
    except LookupError:
        return _page("Not found", "<h1>Something went wrong</h1><p>There is no such page.</p>", 404)
    if session["status"] == "expired":
        return _page("Expired", "<h1>Expired</h1><p>This checkout session has timed out.</p>" + _back(session))
    if session["status"] == "complete":
        return _page("Complete", "<h1>All done</h1><p>You have already paid.</p>")
    if incoming.method == "GET":
        return _page("Checkout", _form(session))
    fake.complete_checkout(session_id, decode(incoming.form).get("payment_method", "card"))
    fake.flush_deliveries()
    if session["status"] != "complete":
        return _page("Checkout", _form(session, "Your card was declined."))
    return Answer(303, b"", {"Location": checkout.success_url(session)}, "text/html")


def _form(session: Object, error: str = "") -> str:
    currency = session["currency"]
    items = "".join(
        f"<li><span>{html.escape(item['description'])} &times; {item['quantity']}</span>"
        f"<span>{html.escape(money.display(item['amount_total'], currency))}</span></li>"
        for item in session["_line_items"]
    )
    options = "".join(f'<option value="{value}">{label}</option>' for value, label in _METHODS)
    amount = html.escape(money.display(session["amount_total"], currency))
    return (
        (f'<p class="error" role="alert">{html.escape(error)}</p>' if error else "")
        + f'<span class="mode">{"LIVE" if session["livemode"] else "TEST MODE"} · fake Stripe</span><h1>{amount}</h1>'
        + f'<ul>{items}</ul><form method="post"><label>Pay with<select name="payment_method">{options}</select></label>'
        + f'<button type="submit">Pay {amount}</button></form>'
        + _back(session)
    )


def _back(session: Object) -> str:
    if not session["cancel_url"]:
        return ""
    return f'<a href="{html.escape(session["cancel_url"])}">Cancel and go back</a>'


def _page(title: str, content: str, status: int = 200) -> Answer:
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style><main>{content}</main></html>'
    )
    return Answer(status, page.encode(), {}, "text/html; charset=utf-8")
