"""Connections: which hosts may be reached, deadlines, TLS, HTTP, OAuth."""
