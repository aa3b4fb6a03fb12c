"""The pages of notification templates."""
