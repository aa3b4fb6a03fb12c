"""The audit trail's page."""
