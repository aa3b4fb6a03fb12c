"""How to speak to each kind of server; pure Python."""
