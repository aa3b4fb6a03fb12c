"""Notify: pages to send by hand, and to watch what was sent."""
