"""The addresses of the HTTP interface."""

from django.urls import path

from api import events

urlpatterns = [
    path("v1/events", events.create_event),
    path("v1/events/<uuid:event_id>", events.show_event),
]
