"""Each channel against a real peer on loopback."""
