"""Constraints, queries, concurrency: on every database."""
