"""What a platform passes on and keeps: destination charges, and the fees of direct ones.

https://docs.stripe.com/connect/destination-charges, https://docs.stripe.com/connect/direct-charges

Call with the state's lock held.
"""

from __future__ import annotations

from tests.fake_stripe.errors import ApiError, invalid, no_such
from tests.fake_stripe.events import record
from tests.fake_stripe.state import Object, Scope, listed

#: What an intent and its charge show as it was sent.
TERMS = ("application_fee_amount", "on_behalf_of", "transfer_data")
APPLICATION = "ca_FakeApplication"


def check(scope: Scope, params: Object, amount: int, above: str = "") -> None:
    """Refuse terms of a new intent, or of a page's `payment_intent_data`, that Stripe refuses."""
    destination = params.get("transfer_data", {}).get("destination")
    merchant, fee = params.get("on_behalf_of"), params.get("application_fee_amount")
    if destination is not None:
        _check_destination(scope, destination, _named(above, "transfer_data[destination]"))
    if merchant is not None and scope.find("account", merchant) is None:
        raise no_such("account", merchant, param=_named(above, "on_behalf_of"), in_url=False)
    if destination and merchant and merchant != destination:
        raise invalid(
            "You cannot specify an `on_behalf_of` value that is different from the `transfer_data[destination]` value "
            "when using `card` or `card_present` in `payment_method_types`.",
            _named(above, "on_behalf_of"),
        )
    if fee is not None:
        check_fee(scope, fee, amount, destination, _named(above, "application_fee_amount"))


def check_fee(
    scope: Scope, fee: int, amount: int, destination: str | None, param: str = "application_fee_amount"
) -> None:
    """Refuse a fee that cannot be taken of `amount`."""
    if not destination and scope.platform() is None:
        raise invalid(
            "Can only apply an application_fee_amount when the PaymentIntent is attempting a direct payment (using an "
            "OAuth key or Stripe-Account header) or destination payment (using `transfer_data[destination]`).",
            param,
        )
    if fee < 0:
        raise invalid("This value must be greater than or equal to 0.", param, "parameter_invalid_integer")
    if fee > amount:
        raise invalid(f"The application fee ({fee}) is greater than the amount of the charge ({amount}).", param)


def pass_on(scope: Scope, charge: Object) -> None:
    """Transfer a captured charge to its destination, and take the platform's fee of it."""
    destination = (charge["transfer_data"] or {}).get("destination")
    platform = scope.platform()
    if destination is None:
        if platform is not None and charge["application_fee_amount"]:
            fee = platform.add(
                _application_fee(scope, charge, scope.account, charge["id"]) | {"originating_transaction": None}
            )
            charge["application_fee"] = fee["id"]
            record(platform, "application_fee.created", fee)
        return
    payment_id = scope.new_id("py_")
    transfer = scope.add(_transfer(scope, charge, destination, payment_id))
    charge["transfer"] = transfer["id"]
    record(scope, "transfer.created", transfer)
    if charge["application_fee_amount"]:
        fee = scope.add(_application_fee(scope, charge, destination, payment_id))
        charge["application_fee"] = fee["id"]
        record(scope, "application_fee.created", fee)


def give_back(scope: Scope, charge: Object, refund: Object, params: Object) -> None:
    """Take the refund's share back of the transfer, and give it back of the fee, as far as the request says so."""
    share = refund["amount"] / charge["amount_captured"]
    if params.get("reverse_transfer"):
        transfer = scope.objects["transfer"][charge["transfer"]]
        reversal = scope.add(_reversal(scope, transfer, refund, _part(transfer["amount"], share)))
        transfer["amount_reversed"] += reversal["amount"]
        transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]
        transfer["reversals"]["data"].append(reversal)
        refund["transfer_reversal"] = reversal["id"]
        record(scope, "transfer.reversed", transfer)
    if params.get("refund_application_fee"):
        platform = scope.platform() or scope
        fee = platform.objects["application_fee"][charge["application_fee"]]
        returned = platform.add(_fee_refund(scope, fee, _part(fee["amount"], share)))
        fee["amount_refunded"] += returned["amount"]
        fee["refunded"] = fee["amount_refunded"] == fee["amount"]
        fee["refunds"]["data"].append(returned)
        record(platform, "application_fee.refunded", fee)


def check_give_back(charge: Object, params: Object) -> None:
    """Refuse a refund that takes back what has not gone on, or gives back what was not taken."""
    if params.get("reverse_transfer") and not charge.get("transfer"):
        raise ApiError(400, f"Charge {charge['id']} has no transfer to reverse.", param="reverse_transfer")
    if not params.get("refund_application_fee"):
        return
    if not charge["application_fee"]:
        raise ApiError(400, f"Charge {charge['id']} has no application fee to refund.", param="refund_application_fee")
    if charge.get("transfer") and not params.get("reverse_transfer"):
        raise ApiError(
            400,
            "When refunding the application fee of a destination charge, you must also reverse the transfer.",
            param="refund_application_fee",
        )


def _check_destination(scope: Scope, identifier: str, param: str) -> None:
    account = scope.find("account", identifier)
    if account is None:
        raise no_such("destination", identifier, param=param, in_url=False)
    if account["capabilities"].get("transfers") != "active":
        raise invalid(
            "Your destination account needs to have at least one of the following capabilities enabled: transfers, "
            "crypto_transfers, legacy_payments",
            param,
            "insufficient_capabilities_for_transfer",
        )


def _named(above: str, name: str) -> str:
    first, bracket, rest = name.partition("[")
    return f"{above}[{first}]{bracket}{rest}" if above else name


def _part(whole: int, share: float) -> int:
    return round(whole * share)


def _transfer(scope: Scope, charge: Object, destination: str, payment_id: str) -> Object:
    identifier = scope.new_id("tr_")
    return {
        "id": identifier,
        "object": "transfer",
        "amount": charge["amount_captured"],
        "amount_reversed": 0,
        "balance_transaction": scope.new_id("txn_"),
        "created": scope.now(),
        "currency": charge["currency"],
        "description": None,
        "destination": destination,
        "destination_payment": payment_id,
        "livemode": scope.livemode,
        "metadata": {},
        "reversals": listed([], f"/v1/transfers/{identifier}/reversals"),
        "reversed": False,
        "source_transaction": charge["id"],
        "source_type": "card",
        "transfer_group": f"group_{charge['payment_intent']}",
    }


def _application_fee(scope: Scope, charge: Object, destination: str, payment_id: str) -> Object:
    identifier = scope.new_id("fee_")
    return {
        "id": identifier,
        "object": "application_fee",
        "account": destination,
        # Never more than was captured.
        "amount": min(charge["application_fee_amount"], charge["amount_captured"]),
        "amount_refunded": 0,
        "application": APPLICATION,
        "balance_transaction": scope.new_id("txn_"),
        "charge": payment_id,
        "created": scope.now(),
        "currency": charge["currency"],
        "fee_source": {"charge": payment_id, "type": "charge"},
        "livemode": scope.livemode,
        "originating_transaction": charge["id"],
        "refunded": False,
        "refunds": listed([], f"/v1/application_fees/{identifier}/refunds"),
    }


def _reversal(scope: Scope, transfer: Object, refund: Object, amount: int) -> Object:
    return {
        "id": scope.new_id("trr_"),
        "object": "transfer_reversal",
        "amount": amount,
        "balance_transaction": scope.new_id("txn_"),
        "created": scope.now(),
        "currency": transfer["currency"],
        "destination_payment_refund": scope.new_id("pyr_"),
        "metadata": {},
        "source_refund": refund["id"],
        "transfer": transfer["id"],
    }


def _fee_refund(scope: Scope, fee: Object, amount: int) -> Object:
    return {
        "id": scope.new_id("fr_"),
        "object": "fee_refund",
        "amount": amount,
        "balance_transaction": scope.new_id("txn_"),
        "created": scope.now(),
        "currency": fee["currency"],
        "fee": fee["id"],
        "metadata": {},
    }
