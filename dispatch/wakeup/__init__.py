"""Workers hear that something is due, and it is seen who is alive."""
