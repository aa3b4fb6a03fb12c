"""The log of deliveries: search, timeline, pages."""
