"""The commands of the HTTP interface."""
