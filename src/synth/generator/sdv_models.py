"""Synthesizers of SDV, fitted to rows as they are: a reference of what quality costs nobody's privacy. None of it is private.

Gaussian copula, CTGAN and TVAE (Xu et al. 2019), CopulaGAN, by the library sdv.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from synth.artifacts.evaluation import Kind
from synth.extras import need

if TYPE_CHECKING:
    import pandas

SEEDS = 2**32  # of numpy
SDTYPES: Mapping[Kind, str] = {"categorical": "categorical", "numeric": "numerical", "datetime": "datetime"}


@dataclass(frozen=True)
class SdvModel:
    """A synthesizer of one table; UsageError where the library is not installed."""

    synthesizer: ClassVar[str]

    def __post_init__(self) -> None:
        need("sdv.single_table", "sdv")

    def rows(self, train: pandas.DataFrame, kinds: Mapping[str, Kind], rows: int, seed: int) -> pandas.DataFrame:
        metadata = need("sdv.metadata", "sdv").Metadata.load_from_dict(_described(kinds))
        with _seeded(seed):
            model: Any = getattr(need("sdv.single_table", "sdv"), self.synthesizer)(metadata)
            model.fit(train.astype(_nanoseconds(kinds)))
            model._set_random_state(seed % SEEDS)  # no public door: without it every table is drawn by one fixed seed
            drawn: pandas.DataFrame = model.sample(rows)
        return drawn[list(kinds)]


class GaussianCopula(SdvModel):
    synthesizer = "GaussianCopulaSynthesizer"


class Ctgan(SdvModel):
    synthesizer = "CTGANSynthesizer"


class CopulaGan(SdvModel):
    synthesizer = "CopulaGANSynthesizer"


class Tvae(SdvModel):
    synthesizer = "TVAESynthesizer"


def _described(kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """SDV's metadata: it looks at no row to find out what a column is."""
    columns = {name: {"sdtype": SDTYPES[kind]} for name, kind in kinds.items()}
    return {"tables": {"rows": {"columns": columns}}, "METADATA_SPEC_VERSION": "V1"}


def _nanoseconds(kinds: Mapping[str, Kind]) -> dict[str, str]:
    """The type that dates must have: rdt takes their integers for nanoseconds, whatever unit pandas keeps them in."""
    return {name: "datetime64[ns]" for name, kind in kinds.items() if kind == "datetime"}


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """SDV draws with the global generators of numpy and torch, which are left as they were."""
    before = np.random.get_state()
    with torch.random.fork_rng():
        np.random.seed(seed % SEEDS)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            np.random.set_state(before)
