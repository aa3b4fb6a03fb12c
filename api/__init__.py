"""HTTP in and out: authenticate, parse, call one function, answer."""
