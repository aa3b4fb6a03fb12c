"""Invitations, their secrets and states."""
