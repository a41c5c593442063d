"""Made-up names, addresses and the like, by Faker: an extra of the installation."""

from __future__ import annotations

from synth.artifacts.compiled import Pool
from synth.errors import RunError

SIZE = 2_000  # values, some of them more than once


def make_up(pool: Pool, seed: int) -> list[str]:
    """Values of a pool, the same for the same seed and version of Faker."""
    try:
        from faker import Faker
    except ImportError:
        raise RunError(f"fake: {pool.kind} needs Faker", 'Install it: pip install "synth[fake]"') from None
    try:
        faker = Faker(pool.locale)
    except AttributeError:
        raise RunError(f"Faker knows no locale {pool.locale}", "For example en_GB, de_DE or fr_FR.") from None
    faker.seed_instance(seed)
    make = getattr(faker, pool.kind)
    return [" ".join(str(make()).split()) for _ in range(SIZE)]
