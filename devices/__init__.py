"""Whom we can reach: people, their devices, properties and push tokens."""
