"""Nexmo SMS gateways."""
