"""No database, no socket, no sleep."""
