"""The usual DP-VAE, for bench/ablation.py: one-hot categories and missing values, Gaussian numbers scaled from their declared
bounds, columns independent given the latent, all weights learned by DP-SGD (Opacus). The number of rows is taken for public.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml
from opacus import PrivacyEngine
from torch import Tensor, nn
from torch.nn.functional import one_hot
from torch.utils.data import DataLoader, TensorDataset

LATENT, HIDDEN, EPOCHS, BATCH, LEARNING_RATE = 8, 128, 15, 256, 5e-3
Column = dict[str, Any]  # its metadata


def fit(project: Path, train: Path, epsilon: float, delta: float, seed: int, synthetic: Path) -> None:
    """Learns the table that a project declares, each row a unit, and writes as many rows."""
    warnings.simplefilter("ignore")  # Opacus warns of hooks, and that its noise is not from a secure generator
    torch.set_num_threads(1)
    columns = declared(project)
    table = pd.read_csv(train, dtype=str)[[column["name"] for column in columns]]
    table = table.dropna(subset=[column["name"] for column in columns if not column.get("nullable")])
    torch.manual_seed(seed)
    vae = Autoencoder([len(labels(column)) for column in columns])
    torch.seed()  # noise is never seeded
    learn(vae, encoded(table, columns), epsilon, delta)
    torch.manual_seed(seed)
    decoded(vae, len(table), columns).to_csv(synthetic, index=False)


def declared(project: Path) -> list[Column]:
    (file,) = (project / "metadata").glob("*.yml")
    columns = yaml.safe_load(file.read_text(encoding="utf-8"))["tables"][0]["columns"]
    formats = {"date": "%Y-%m-%d", "datetime": "%Y-%m-%d %H:%M:%S"}
    return [{"format": formats.get(column["type"]), **column} for column in columns if column["type"] != "key"]


def labels(column: Column) -> list[str | None]:
    """What a softmax chooses from: categories, or that there is a number; and None, where values may be missing."""
    values = ["False", "True"] if column["type"] == "boolean" else column.get("values", ["number"])
    return [*map(str, values), *([None] if column.get("nullable") else [])]


def scale(column: Column) -> tuple[Any, Any]:
    """The middle of a column's bounds, and a quarter of their distance: bounds become -2 and 2."""
    lower, upper = map(pd.Timestamp, column["bounds"]) if column["format"] else column["bounds"]
    return lower + (upper - lower) / 2, (upper - lower) / 4


def encoded(table: pd.DataFrame, columns: list[Column]) -> tuple[Tensor, Tensor]:
    """Each column's label as an integer, and its number, scaled; NaN where there is none."""
    numbers = torch.full((len(table), len(columns)), torch.nan)
    codes = torch.zeros_like(numbers, dtype=torch.long)
    for j, column in enumerate(columns):
        text = table.iloc[:, j]
        if "bounds" in column:
            middle, quarter = scale(column)
            values = pd.to_datetime(text, format=column["format"]) if column["format"] else pd.to_numeric(text)
            numbers[:, j] = torch.tensor(((values - middle) / quarter).clip(-2, 2).to_numpy(float))
            codes[:, j] = numbers[:, j].isnan()
        else:  # what is no category counts as the last label: as missing, if it may be
            known = [str(label).removesuffix(".0") for label in labels(column) if label]  # a file may write 1 as 1.0
            found = pd.Index(known).get_indexer(pd.Index(text.str.removesuffix(".0")))
            codes[:, j] = torch.from_numpy(found % len(labels(column)))
    return codes, numbers


class Autoencoder(nn.Module):
    """An encoder and a decoder of one hidden layer; each column has a softmax head and a Gaussian one."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.widths, self.parts = widths, [*widths, len(widths), len(widths)]
        self.encoder = nn.Sequential(nn.Linear(sum(self.parts[:-1]), HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 * LATENT))
        self.decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, sum(self.parts)))

    def heads(self, latent: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """Logits of each column, and means and log variances of all."""
        *logits, means, variances = self.decoder(latent).split(self.parts, 1)
        return logits, means, variances.clamp(-8, 4)

    def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """The negative evidence lower bound of each row."""
        hot, filled = [one_hot(codes[:, j], width) for j, width in enumerate(self.widths)], numbers.nan_to_num()
        center, spread = self.encoder(torch.cat([*hot, filled], 1)).chunk(2, 1)
        logits, means, variances = self.heads(center + torch.randn_like(center) * (spread / 2).exp())
        surprise: Tensor = -(torch.cat([logit.log_softmax(1) for logit in logits], 1) * torch.cat(hot, 1)).sum(1)
        distance = (variances + (filled - means) ** 2 / variances.exp()).where(~numbers.isnan(), 0).sum(1)
        return surprise + (distance + (center**2 + spread.exp() - 1 - spread).sum(1)) / 2


def learn(vae: Autoencoder, rows: tuple[Tensor, ...], epsilon: float, delta: float) -> None:
    private, optimizer, batches = PrivacyEngine().make_private_with_epsilon(
        module=vae, optimizer=torch.optim.Adam(vae.parameters(), LEARNING_RATE), epochs=EPOCHS, max_grad_norm=1.0,
        data_loader=DataLoader(TensorDataset(*rows), BATCH), target_epsilon=epsilon, target_delta=delta,
    )  # fmt: skip  # batches are Poisson samples
    for _ in range(EPOCHS):
        for batch in batches:
            optimizer.zero_grad()
            private(*batch).mean().backward()
            optimizer.step()


@torch.no_grad()
def decoded(vae: Autoencoder, rows: int, columns: list[Column]) -> pd.DataFrame:
    """Rows of latents drawn from the prior, inside the declared bounds."""
    logits, means, variances = vae.eval().heads(torch.randn(rows, LATENT))
    numbers = torch.normal(means, (variances / 2).exp()).clamp(-2, 2).double().numpy()
    table = {}
    for j, column in enumerate(columns):
        codes = logits[j].softmax(1).multinomial(1)[:, 0].numpy()
        values = pd.Series(pd.Index(labels(column), dtype=object)[codes])
        if "bounds" in column:
            middle, quarter = scale(column)
            drawn = middle + pd.Series(numbers[:, j]) * quarter
            if column["type"] == "integer":
                drawn = drawn.round().astype("Int64")
            elif column["format"]:
                drawn = drawn.dt.strftime(column["format"])
            values = drawn.where(values.notna())
        table[column["name"]] = values
    return pd.DataFrame(table)
