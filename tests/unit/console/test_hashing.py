"""What a password's hash costs: the tests' own passwords are hashed with less."""

from argon2 import extract_parameters
from django.contrib.auth.hashers import Argon2PasswordHasher, get_hasher, make_password

from console.accounts.hashing import BoundedArgon2PasswordHasher
from tests.hashing import QuickHasher
from xmnotify.settings import PASSWORD_HASHERS


def test_the_products_is_of_djangos_full_cost():
    hasher = BoundedArgon2PasswordHasher()
    cost = extract_parameters(hasher.encode("password", hasher.salt()).removeprefix("argon2"))
    django = Argon2PasswordHasher()
    assert (cost.memory_cost, cost.time_cost, cost.parallelism) == (102_400, django.time_cost, django.parallelism)
    assert PASSWORD_HASHERS[0] == f"{BoundedArgon2PasswordHasher.__module__}.{BoundedArgon2PasswordHasher.__qualname__}"


def test_the_tests_have_one_that_the_product_reads_and_makes_anew():
    assert isinstance(get_hasher(), QuickHasher)
    made, hasher = make_password("password"), BoundedArgon2PasswordHasher()
    assert hasher.verify("password", made)
    assert hasher.must_update(made)
