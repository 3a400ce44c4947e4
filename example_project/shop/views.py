"""The shop's pages: each validates, makes one call and answers."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.generic import DetailView, ListView, TemplateView
from payments import get_payment_model

from django_stripe_gateway.exceptions import GatewayError, PaymentDeclined, ProviderError
from django_stripe_gateway.models import PaymentStatus, WebhookEvent
from shop import checkout, till
from shop.catalogue import find_product, products
from shop.forms import BuyForm
from shop.models import Order, new_number
from shop.standing import settle


# A page from the browser's cache would carry the number of the order that was made with it.
@method_decorator(never_cache, name="dispatch")
class ProductsView(TemplateView):
    """``GET /``: what is on sale."""

    template_name = "shop/products.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Give each product a number for the order that its button would place."""
        offers = [{"product": product, "number": new_number()} for product in products()]
        cards = checkout.saved_cards(self.request.user)
        return super().get_context_data(offers=offers, cards=cards, **kwargs)


class BuyView(LoginRequiredMixin, View):
    """``POST /buy/<slug>/``: place the order and pay it."""

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Send a customer back who has just logged in to buy."""
        return redirect("shop:products")

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Redirect to Stripe's page, to the bank's, or to the order when the payment needs none."""
        product = find_product(slug)
        form = BuyForm(request.POST)
        if product is None or not form.is_valid():
            raise Http404
        order = checkout.place_order(request=request, product=product, number=form.cleaned_data["number"])
        if not settle(order).is_open:
            return redirect(order)
        asked, card = {"request": request, "order": order, "product": product}, form.cleaned_data["card"]
        try:
            if card:
                payment = checkout.pay_with_saved(**asked, card=card)
            else:
                payment = checkout.pay_order(**asked, saves=form.cleaned_data["save"])
        except GatewayError as error:
            show_error(request, error)
            return redirect("shop:order", order.number)
        if payment.gateway_url or payment.action_url:
            return redirect(payment.gateway_url or payment.action_url)
        thank(request, payment)
        return redirect(order)


class OrdersView(LoginRequiredMixin, ListView):
    """``GET /orders/``: the customer's orders; everybody's for staff."""

    template_name = "shop/orders.html"
    paginate_by = 20

    def get_queryset(self) -> QuerySet[Order]:
        """Return the orders that the user may see."""
        return Order.objects.visible_to(self.request.user)


class OrderView(LoginRequiredMixin, DetailView):
    """``GET /orders/<number>/``: an order with its payment, what happened to it, and what can be done."""

    template_name = "shop/order.html"
    slug_field = slug_url_kwarg = "number"

    def get_queryset(self) -> QuerySet[Order]:
        """Return the orders that the user may see."""
        return Order.objects.visible_to(self.request.user).select_related("owner")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the payment, its audit trail and the events that Stripe sent about it."""
        standing = settle(self.object)
        payment = self.object.payment
        if payment is not None:
            kwargs |= {
                "payment": payment,
                "logs": payment.logs.all(),
                "refunds": payment.refunds.all(),
                "refundable": payment.refundable_amount(),
                "events": WebhookEvent.objects.filter(
                    object_id__in={payment.transaction_id, payment.intent_id} - {""}
                ).order_by("id"),
            }
        kwargs |= {
            "standing": standing,
            "can_pay": till.can_pay(self.object, standing),
            "can_manage": till.can_manage(self.request.user),
        }
        return super().get_context_data(**kwargs)


class OrderActionView(LoginRequiredMixin, View):
    """``POST /orders/<number>/<action>/``: pay, capture, release or refund."""

    http_method_names = ("post",)

    def post(self, request: HttpRequest, number: str, action: str) -> HttpResponse:
        """Do it, say what came of it, and show the order."""
        order = get_object_or_404(Order.objects.visible_to(request.user), number=number)
        perform = till.ACTIONS.get(action)
        if perform is None:
            raise Http404
        try:
            outcome = perform(request, order)
        except GatewayError as error:
            show_error(request, error)
            return redirect(order)
        if outcome.url:
            return redirect(outcome.url)
        messages.success(request, outcome.message)
        return redirect(order)


class ReturnView(TemplateView):
    """``GET /payments/<id>/paid|unpaid/``: where the package sends the browser after Stripe's page.

    Anybody can type this address, so it says nothing about the payment unless the user may see its order.
    """

    template_name = "shop/return.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the order; whether it is paid is read from the payment, never from the address."""
        payment = get_payment_model().objects.filter(pk=kwargs["payment_id"]).first()
        order = None
        if payment is not None and request.user.is_authenticated:
            order = Order.objects.visible_to(request.user).filter(number=payment.order_id).first()
        if order is None:
            return super().get(request, *args, **kwargs)
        thank(request, payment)
        return redirect(order)


def thank(request: HttpRequest, payment: Any) -> None:
    """Say to a customer where the payment stands."""
    match payment.status:
        case PaymentStatus.CONFIRMED:
            messages.success(request, "Thank you. Your payment went through.")
        case PaymentStatus.PREAUTH:
            messages.success(request, "Thank you. The amount is reserved; nothing was charged yet.")
        case _ if till.is_processing(payment):
            messages.info(request, "Thank you. Your payment is being processed, which can take some days.")
        case _ if payment.is_payable:
            messages.warning(request, "You have not paid yet. You can go on whenever you like.")


def show_error(request: HttpRequest, error: GatewayError) -> None:
    """Say to a customer what went wrong."""
    if isinstance(error, PaymentDeclined):
        text = f"{error.detail} Nothing was charged. You can try again with another card."
    elif isinstance(error, ProviderError):
        text = "We could not reach Stripe, or it refused. Try again: you will not be charged twice."
    else:
        text = error.detail
    messages.error(request, text)
