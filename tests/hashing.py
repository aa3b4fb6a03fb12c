"""The product's way to hash passwords, with the least work."""

from console.accounts.hashing import BoundedArgon2PasswordHasher


class QuickHasher(BoundedArgon2PasswordHasher):
    """Either of the two reads what the other has made."""

    time_cost, memory_cost, parallelism = 1, 8, 1
