"""What administrators write: templates, their versions and texts."""
