"""A kind of server for the test of `docs/adding-a-channel.md`: one folder and one line, as the page says."""
