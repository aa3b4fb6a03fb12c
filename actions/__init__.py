"""Automated actions: which event or change sends which template."""
