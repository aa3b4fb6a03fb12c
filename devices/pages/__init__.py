"""Manage > Devices and Users."""
