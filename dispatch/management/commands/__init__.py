"""The commands of the flow."""
