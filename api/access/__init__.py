"""API keys and webhooks: who may call, checks, limits and their pages."""
