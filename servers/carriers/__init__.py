"""Carrier gateways: mail addresses that reach a phone by its carrier."""
