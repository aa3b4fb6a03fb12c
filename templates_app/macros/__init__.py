"""The macro language: grammar, tree, evaluation, functions and lint; pure."""
