"""Addresses of the pages about what is sent."""

from __future__ import annotations

from django.urls import path

from dispatch.dashboard.views import DashboardPage
from dispatch.log.bulk import LogBulk
from dispatch.log.trial_views import Trial, TrialResult
from dispatch.log.views import DeliveryHtml, DeliveryPage, Intervene, LogExport, LogPage
from dispatch.log.withheld_views import DecideWithheld
from dispatch.notify.views import NotifyPage
from dispatch.notify.watch_views import BroadcastAgain, BroadcastDo, BroadcastList, BroadcastPage, BroadcastProgress

urlpatterns = [
    path("", DashboardPage.as_view(), name="dashboard"),
    path("settings/notification-templates/<int:pk>/test/", Trial.as_view(), name="template-trial"),
    path("broadcasts/", BroadcastList.as_view(), name="broadcasts"),
    path("broadcasts/notify/", NotifyPage.as_view(), name="notify"),
    path("broadcasts/<uuid:pk>/", BroadcastPage.as_view(), name="broadcast"),
    path("broadcasts/<uuid:pk>/progress/", BroadcastProgress.as_view(), name="broadcast-progress"),
    path("broadcasts/<uuid:pk>/pause/", BroadcastDo.as_view(do="pause"), name="broadcast-pause"),
    path("broadcasts/<uuid:pk>/resume/", BroadcastDo.as_view(do="resume"), name="broadcast-resume"),
    path("broadcasts/<uuid:pk>/cancel/", BroadcastDo.as_view(do="cancel"), name="broadcast-cancel"),
    path("broadcasts/<uuid:pk>/again/", BroadcastAgain.as_view(), name="broadcast-again"),
    path("log/", LogPage.as_view(), name="delivery-log"),
    path("log/bulk/", LogBulk.as_view(), name="delivery-log-bulk"),
    path("log/deliveries.csv", LogExport.as_view(), name="delivery-log-export"),
    path("log/withheld/<int:pk>/<str:decision>/", DecideWithheld.as_view(), name="withheld"),
    path("log/<uuid:pk>/", DeliveryPage.as_view(), name="delivery"),
    path("log/<uuid:pk>/result/", TrialResult.as_view(), name="delivery-result"),
    path("log/<uuid:pk>/html/", DeliveryHtml.as_view(), name="delivery-html"),
    path("log/<uuid:pk>/retry/", Intervene.as_view(do="retry"), name="delivery-retry"),
    path("log/<uuid:pk>/cancel/", Intervene.as_view(do="cancel"), name="delivery-cancel"),
    path("log/<uuid:pk>/sent/", Intervene.as_view(do="sent"), name="delivery-sent"),
]
