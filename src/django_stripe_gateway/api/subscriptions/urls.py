"""Addresses of plans, subscriptions, invoices and payment methods."""

from django.urls import path

from django_stripe_gateway.api.subscriptions import actions, payment_methods, views

urlpatterns = [
    path("subscriptions/plans/", views.PlanListView.as_view(), name="plan-list"),
    path("subscriptions/subscribe/", actions.SubscribeView.as_view(), name="subscription-subscribe"),
    path("subscriptions/cancel/", actions.CancelView.as_view(), name="subscription-cancel"),
    path("subscriptions/resume/", actions.ResumeView.as_view(), name="subscription-resume"),
    path("subscriptions/change/", actions.ChangeView.as_view(), name="subscription-change"),
    path("subscriptions/pause/", actions.PauseView.as_view(), name="subscription-pause"),
    path("subscriptions/unpause/", actions.UnpauseView.as_view(), name="subscription-unpause"),
    path("subscriptions/status/", views.SubscriptionStatusView.as_view(), name="subscription-status"),
    path("subscriptions/invoices/", views.InvoiceListView.as_view(), name="invoice-list"),
    path("subscriptions/portal/", payment_methods.PortalView.as_view(), name="portal"),
    path("subscriptions/payment_methods/", payment_methods.PaymentMethodListView.as_view(), name="payment-method-list"),
    path(
        "subscriptions/payment_methods/<str:payment_method_id>/",
        payment_methods.PaymentMethodView.as_view(),
        name="payment-method",
    ),
    path(
        "subscriptions/payment_methods/<str:payment_method_id>/default/",
        payment_methods.DefaultPaymentMethodView.as_view(),
        name="payment-method-default",
    ),
]
