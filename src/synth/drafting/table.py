"""A table that is being drafted: what is known of it so far, and what is not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

DATED = ("date", "datetime")
BOUNDED = ("integer", "number", "decimal", "duration", *DATED)
_KEY = re.compile(r"(?i:(?:^|_)(?:id|key|uuid))$|[a-z0-9]I[dD]$")


@dataclass(frozen=True)
class Column:
    """``type`` None: not known. ``open``: its values decide whether it is a category, or, of a number, whether it is whole."""

    name: str
    type: str | None = None
    nullable: bool = False
    low: Decimal | str | None = None  # dates as text
    high: Decimal | str | None = None
    values: tuple[str | int, ...] | None = None
    formats: tuple[str, ...] | None = None  # None: not known; empty: the source has dates as dates
    more: Mapping[str, Any] = field(default_factory=dict)  # further keys
    open: bool = False
    drafted: bool = False  # from private rows
    notes: tuple[str, ...] = ()

    @property
    def wants_shape(self) -> bool:
        unread = self.type in (*DATED, "time") and self.formats is None
        return self.type is None or unread or (self.type == "number" and self.open)

    @property
    def wants_bounds(self) -> bool:
        return self.type in BOUNDED and "offset_from" not in self.more and (self.low is None or self.high is None)

    @property
    def wants_values(self) -> bool:
        return (self.type == "categorical" and self.values is None) or (
            self.type in ("integer", "text") and self.open
        )  # fmt: skip

    @property
    def named_as_key(self) -> bool:
        return bool(_KEY.search(self.name))


@dataclass(frozen=True)
class Combined:
    """The combinations of values that some columns have."""

    columns: tuple[str, ...]
    values: tuple[tuple[str | int, ...], ...]


@dataclass(frozen=True)
class Table:
    name: str
    columns: tuple[Column, ...]
    source: str | None = None  # "mimic.admissions"
    description: str = ""
    unit: tuple[str, ...] | None = None  # columns that name one; none: each row is one; None: not known
    primary_key: str | None = None
    max_rows_per_unit: int | None = None
    order_by: str | None = None
    constraints: tuple[str, ...] = ()
    combinations: tuple[tuple[str, ...], ...] = ()  # of columns, of which only those that exist may be made
    combined: tuple[Combined, ...] = ()  # those that do exist
    references: tuple[tuple[str, str], ...] = ()  # column and table
    drafted: bool = False  # a key of the table itself is from private rows
    notes: tuple[str, ...] = ()

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name.casefold() == name.casefold())

    @property
    def one_row_per_unit(self) -> bool:
        """By declaration, or since the unit is the key."""
        return self.unit == () or (
            self.unit is not None
            and [name.casefold() for name in self.unit] == [(self.primary_key or "").casefold()]
        )  # fmt: skip

    @property
    def wants_cap(self) -> bool:
        return self.unit is not None and self.max_rows_per_unit is None and not self.one_row_per_unit
