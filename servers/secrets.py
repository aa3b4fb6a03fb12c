"""The kit's secrets, under the name that migrations and the rooms above know."""

from console.secrets import MASK, Secret, SecretField, SecretUnreadableError, new_token, reseal, seal, unseal

__all__ = ["MASK", "Secret", "SecretField", "SecretUnreadableError", "new_token", "reseal", "seal", "unseal"]
