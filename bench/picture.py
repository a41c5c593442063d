"""Draws docs/admissions.svg: the simulated admissions beside the synthetic ones that ``make demo`` landed.

The source here is itself simulated, so it may be shown. Run after ``make demo``: python bench/picture.py
"""

from __future__ import annotations

from html import escape
from pathlib import Path

import duckdb

ROOT = Path(__file__).parent.parent
SOURCE, SYNTHETIC = "#8a94a6", "#0b7a75"
STAYS = {
    1: "under 1 day",
    3: "1 to 3 days",
    7: "3 to 7 days",
    14: "7 to 14 days",
    30: "14 to 30 days",
    9999: "over 30 days",
}
STAY = "case " + " ".join(f"when days < {days} then '{label}'" for days, label in STAYS.items()) + " end"
PANELS = {
    "Admission type": "admission_type",
    "Insurance": "insurance",
    "Length of stay": STAY,
    "Died in hospital, by admission type": None,
}
TABLE = "select *, date_diff('minute', admittime::timestamp, dischtime::timestamp) / 1440 as days from {}"


def shares(connection: duckdb.DuckDBPyConnection, table: str, expression: str | None) -> dict[str, float]:
    if expression is None:
        sql = f"select admission_type, avg(hospital_expire_flag::int) from ({table}) group by 1 order by 1"
    else:
        sql = f"select {expression}, count(*) / sum(count(*)) over () from ({table}) group by 1 order by 1"
    return {str(label): float(share) for label, share in connection.execute(sql).fetchall()}


def panel(title: str, source: dict[str, float], synthetic: dict[str, float], left: int, top: int) -> list[str]:
    order = list(STAYS.values())
    labels = sorted({*source, *synthetic}, key=lambda label: (order.index(label) if label in order else 0, label))
    widest = max([*source.values(), *synthetic.values()])
    out = [f'<text x="{left}" y="{top}" class="title">{escape(title)}</text>']
    for i, label in enumerate(labels):
        y = top + 14 + i * 30
        out.append(f'<text x="{left + 118}" y="{y + 15}" class="label">{escape(label)}</text>')
        for k, (values, color) in enumerate(((source, SOURCE), (synthetic, SYNTHETIC))):
            share = values.get(label, 0.0)
            width = 190 * share / widest
            out.append(f'<rect x="{left + 126}" y="{y + k * 11}" width="{width:.1f}" height="10" fill="{color}"/>')
            out.append(f'<text x="{left + 130 + width:.1f}" y="{y + 9 + k * 11}" class="share">{share:.1%}</text>')
    return out


def main() -> None:
    with duckdb.connect(str(ROOT / "target" / "dev.duckdb"), read_only=True) as connection:
        source = TABLE.format(f"read_csv('{ROOT}/sources/hospital/admissions.csv.gz')")
        synthetic = TABLE.format("synthetic.admissions")
        pairs = [(t, shares(connection, source, e), shares(connection, synthetic, e)) for t, e in PANELS.items()]
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 500" font-family="system-ui, sans-serif" role="img" '
        'aria-label="Shares in the simulated source and in the synthetic table">',
        "<style>.title{font-size:14px;font-weight:600}.label{font-size:11px;text-anchor:end}.share{font-size:9px;fill:#555}"
        "</style>",
        '<rect width="820" height="500" fill="#fff"/>',
        f'<rect x="20" y="14" width="10" height="10" fill="{SOURCE}"/>'
        '<text x="36" y="23" class="share">source (simulated)</text>',
        f'<rect x="140" y="14" width="10" height="10" fill="{SYNTHETIC}"/>'
        '<text x="156" y="23" class="share">synthetic, epsilon 1 per patient</text>',
    ]
    for i, (title, first, second) in enumerate(pairs):
        parts += panel(title, first, second, 20 + 405 * (i % 2), 56 + 225 * (i // 2))
    path = ROOT / "docs" / "admissions.svg"
    path.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
