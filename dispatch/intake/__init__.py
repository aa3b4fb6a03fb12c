"""Events come in: checked, planned and stored in one transaction."""
