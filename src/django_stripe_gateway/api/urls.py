"""Addresses of the API."""

from django.apps import apps
from django.urls import URLPattern, URLResolver, include, path

from django_stripe_gateway.api.health import WebhookHealthView
from django_stripe_gateway.api.payments import actions, confirmation, return_pages, views
from django_stripe_gateway.api.subscriptions import actions as billing_actions
from django_stripe_gateway.api.subscriptions import invoices, items, payment_methods
from django_stripe_gateway.api.subscriptions import return_pages as billing_return_pages
from django_stripe_gateway.api.subscriptions import views as billing_views
from django_stripe_gateway.api.usage import views as usage_views

# An id is any text here, so that one which is no id gets the API's own 404.
PAYMENT, METHOD = "payments/<str:payment_id>", "subscriptions/payment_methods/<str:payment_method_id>"
INVOICE = "subscriptions/invoices/<str:invoice_id>"

urlpatterns: list[URLPattern | URLResolver] = [
    path("gateways/", views.GatewayListView.as_view(), name="gateway-list"),
    path("payments/", views.PaymentListView.as_view(), name="payment-list"),
    path("payments/create_payment/", actions.CreatePaymentView.as_view(), name="payment-create"),
    path(f"{PAYMENT}/", views.PaymentDetailView.as_view(), name="payment-detail"),
    path(f"{PAYMENT}/logs/", views.PaymentLogListView.as_view(), name="payment-logs"),
    path(f"{PAYMENT}/fees/", views.PaymentFeesView.as_view(), name="payment-fees"),
    path(f"{PAYMENT}/capture_payment/", actions.CapturePaymentView.as_view(), name="payment-capture"),
    path(f"{PAYMENT}/capture_intent/", actions.CaptureIntentView.as_view(), name="payment-capture-intent"),
    path(f"{PAYMENT}/confirm_intent/", actions.ConfirmIntentView.as_view(), name="payment-confirm"),
    path(f"{PAYMENT}/cancel_payment/", actions.CancelPaymentView.as_view(), name="payment-cancel"),
    path(f"{PAYMENT}/refund_payment/", actions.RefundPaymentView.as_view(), name="payment-refund"),
    path(f"{PAYMENT}/confirmation/", confirmation.ConfirmationView.as_view(), name="payment-confirmation"),
    path(f"{PAYMENT}/success/", return_pages.SuccessView.as_view(), name="payment-success"),
    path(f"{PAYMENT}/failure/", return_pages.FailureView.as_view(), name="payment-failure"),
    path("subscriptions/plans/", billing_views.PlanListView.as_view(), name="plan-list"),
    path("subscriptions/subscribe/", billing_actions.SubscribeView.as_view(), name="subscription-subscribe"),
    path("subscriptions/return/", billing_return_pages.SubscriptionReturnView.as_view(), name="subscription-return"),
    path("subscriptions/cancel/", billing_actions.CancelView.as_view(), name="subscription-cancel"),
    path("subscriptions/resume/", billing_actions.ResumeView.as_view(), name="subscription-resume"),
    path("subscriptions/change/", billing_actions.ChangeView.as_view(), name="subscription-change"),
    path("subscriptions/items/", items.ItemListView.as_view(), name="subscription-items"),
    path("subscriptions/items/<str:item_id>/", items.ItemView.as_view(), name="subscription-item"),
    path("subscriptions/cancel_change/", billing_actions.CancelChangeView.as_view(), name="subscription-cancel-change"),
    path("subscriptions/trial/", billing_actions.TrialView.as_view(), name="subscription-trial"),
    path("subscriptions/discount/", billing_actions.DiscountView.as_view(), name="subscription-discount"),
    path("subscriptions/pause/", billing_actions.PauseView.as_view(), name="subscription-pause"),
    path("subscriptions/unpause/", billing_actions.UnpauseView.as_view(), name="subscription-unpause"),
    path("subscriptions/status/", billing_views.SubscriptionStatusView.as_view(), name="subscription-status"),
    path("subscriptions/invoices/", billing_views.InvoiceListView.as_view(), name="invoice-list"),
    path(f"{INVOICE}/pay/", invoices.PayInvoiceView.as_view(), name="invoice-pay"),
    path(f"{INVOICE}/refund/", invoices.RefundInvoiceView.as_view(), name="invoice-refund"),
    path(f"{INVOICE}/credit_note/", invoices.CreditNoteView.as_view(), name="invoice-credit-note"),
    path("subscriptions/portal/", payment_methods.PortalView.as_view(), name="portal"),
    path("subscriptions/payment_methods/", payment_methods.PaymentMethodListView.as_view(), name="payment-method-list"),
    path(f"{METHOD}/", payment_methods.PaymentMethodView.as_view(), name="payment-method"),
    path(f"{METHOD}/default/", payment_methods.DefaultPaymentMethodView.as_view(), name="payment-method-default"),
    path("subscriptions/me/limits/", usage_views.LimitsView.as_view(), name="usage-limits"),
    path("subscriptions/me/usage/", usage_views.UseView.as_view(), name="usage-record"),
    path("webhooks/health/", WebhookHealthView.as_view(), name="webhook-health"),
]

if apps.is_installed("drf_spectacular"):
    urlpatterns.append(path("", include("django_stripe_gateway.api.openapi.urls")))
