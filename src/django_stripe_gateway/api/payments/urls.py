"""Addresses of gateways and payments."""

from django.urls import path

from django_stripe_gateway.api.payments import actions, return_pages, views

# The id is any text here, so that one which is no id gets the API's own 404.
urlpatterns = [
    path("gateways/", views.GatewayListView.as_view(), name="gateway-list"),
    path("payments/", views.PaymentListView.as_view(), name="payment-list"),
    path("payments/create_payment/", actions.CreatePaymentView.as_view(), name="payment-create"),
    path("payments/<str:payment_id>/", views.PaymentDetailView.as_view(), name="payment-detail"),
    path("payments/<str:payment_id>/logs/", views.PaymentLogListView.as_view(), name="payment-logs"),
    path("payments/<str:payment_id>/capture_payment/", actions.CapturePaymentView.as_view(), name="payment-capture"),
    path(
        "payments/<str:payment_id>/capture_intent/", actions.CaptureIntentView.as_view(), name="payment-capture-intent"
    ),
    path("payments/<str:payment_id>/confirm_intent/", actions.ConfirmIntentView.as_view(), name="payment-confirm"),
    path("payments/<str:payment_id>/cancel_payment/", actions.CancelPaymentView.as_view(), name="payment-cancel"),
    path("payments/<str:payment_id>/refund_payment/", actions.RefundPaymentView.as_view(), name="payment-refund"),
    path("payments/<str:payment_id>/success/", return_pages.SuccessView.as_view(), name="payment-success"),
    path("payments/<str:payment_id>/failure/", return_pages.FailureView.as_view(), name="payment-failure"),
]
