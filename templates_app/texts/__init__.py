"""What a template says: content, checks, predefined texts, and how it is filled in."""
