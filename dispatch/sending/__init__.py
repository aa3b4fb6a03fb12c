"""A worker sends what is due for one server, and what it knew is settled when it dies."""
