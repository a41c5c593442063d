"""What a table, or several, promise to the people of one population, in the terms of NIST SP 800-226."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from synth.artifacts.compiled import SyntheticModel
from synth.compiler.plan import smallest_group, surest
from synth.privacy import accounting
from synth.release.told import Source


@dataclass(frozen=True)
class Promise:
    """``fits``: of one population; each has a price."""

    fits: tuple[SyntheticModel, ...]
    epsilon: float
    delta: float

    @property
    def population(self) -> str:
        return self.fits[0].plan.privacy.population

    @property
    def unit(self) -> str:
        return " or ".join(dict.fromkeys(fit.plan.privacy.unit for fit in self.fits))

    @property
    def units(self) -> int:
        return self.fits[0].declared_units

    @property
    def cap(self) -> int:
        """Rows of a unit in one table, at most."""
        return max(fit.plan.cap for fit in self.fits)

    @property
    def adjacency(self) -> str:
        return self.fits[0].plan.privacy.adjacency

    @property
    def source(self) -> Source:
        """Of epsilon and delta: the ledger has them of each fit, and several are composed."""
        return "ledger" if len(self.fits) == 1 else "arithmetic"

    @property
    def replace_one(self) -> tuple[float, float]:
        """Epsilon and delta where one unit is replaced by another: a removal and an addition."""
        return 2 * self.epsilon, min(1.0, (1 + math.exp(self.epsilon)) * self.delta)

    @property
    def surest(self) -> float:
        """Per cent that somebody comes to at most who was at 50 that a unit is in the data."""
        return min(100.0, surest(self.epsilon))

    @property
    def smallest_group(self) -> int:
        """Units that a value needs behind it to stand out of the noise, in the noisiest of the tables."""
        return max(smallest_group(fit.plan.privacy.events) for fit in self.fits)

    def plain(self) -> dict[str, Any]:
        epsilon, delta = self.replace_one
        return {
            "population": self.population,
            "privacy_unit": self.unit,
            "declared_units": self.units,
            "max_rows_per_unit_and_table": self.cap,
            "adjacency": self.adjacency,
            "epsilon": self.epsilon,
            "delta": self.delta,
            "replace_one_unit": {"epsilon": epsilon, "delta": delta},
            "posterior_of_prior_one_half_at_most_percent": self.surest,
            "smallest_usable_group": self.smallest_group,
            "fits": [_fit(fit) for fit in self.fits],
        }


def promises(fits: Iterable[SyntheticModel]) -> tuple[Promise, ...]:
    """One for each population, by all that is released of it together. A fit without a price has no part in any."""
    by_name: dict[str, dict[str, SyntheticModel]] = {}
    for fit in fits:
        if fit.price:
            by_name.setdefault(fit.plan.privacy.population, {})[fit.name] = fit
    return tuple(_promise(tuple(found.values())) for _, found in sorted(by_name.items()))


def _promise(fits: tuple[SyntheticModel, ...]) -> Promise:
    prices = [fit.price for fit in fits if fit.price]
    delta = max(price.delta for price in prices)
    if len(prices) == 1:
        return Promise(fits, prices[0].epsilon, delta)
    return Promise(fits, accounting.epsilon([e for fit in fits for e in fit.plan.privacy.events], delta), delta)


def _fit(fit: SyntheticModel) -> dict[str, Any]:
    privacy = fit.plan.privacy
    return {
        "model": fit.name,
        "fingerprint": fit.fit_fingerprint(),
        "epsilon": privacy.epsilon,
        "delta": privacy.delta,
        "trusted_sql": [str(trust) for trust in fit.trusted],
        "events": [event.model_dump(mode="json") for event in privacy.events],
    }
