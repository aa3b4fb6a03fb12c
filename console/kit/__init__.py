"""What every page of the console is made from."""
