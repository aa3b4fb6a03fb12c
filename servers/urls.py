"""Addresses of the pages about servers."""

from __future__ import annotations

from django.urls import path

from servers.probing import SmsTestView, SmtpTestView, TestPage
from servers.views import ActivateView, ServerDeletePage, ServerListPage, SmsGatewayPage, SmtpServerPage

_LIST = "settings/notification-server/"

urlpatterns = [
    path(_LIST, ServerListPage.as_view(), name="notification-server"),
    path(f"{_LIST}smtp/add/", SmtpServerPage.as_view(), name="smtp-server-add"),
    path(f"{_LIST}smtp/test/", SmtpTestView.as_view(), name="smtp-server-test"),
    path(f"{_LIST}smtp/<int:pk>/test/", SmtpTestView.as_view(), name="smtp-server-test"),
    path(f"{_LIST}sms/add/", SmsGatewayPage.as_view(), name="sms-gateway-add"),
    path(f"{_LIST}sms/test/", SmsTestView.as_view(), name="sms-gateway-test"),
    path(f"{_LIST}sms/<int:pk>/test/", SmsTestView.as_view(), name="sms-gateway-test"),
    path(f"{_LIST}sms/<int:pk>/", SmsGatewayPage.as_view(), name="sms-gateway"),
    path(f"{_LIST}tests/<uuid:pk>/", TestPage.as_view(), name="server-test"),
    path(f"{_LIST}smtp/<int:pk>/", SmtpServerPage.as_view(), name="smtp-server"),
    path(f"{_LIST}<int:pk>/activate/", ActivateView.as_view(), name="server-activate"),
    path(f"{_LIST}<int:pk>/delete/", ServerDeletePage.as_view(), name="server-delete"),
]
