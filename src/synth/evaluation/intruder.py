"""What the attacks found in three sentences, for who has to decide whether a motivated intruder could learn about a person."""

from __future__ import annotations

from collections.abc import Iterable

from synth.artifacts.evaluation import Figure

SINGLED_OUT = ("singling out by one value", "singling out by several values")


def summary(figures: Iterable[Figure]) -> tuple[str, str, str]:
    """Of singling out, linkability and inference, which are what the Article 29 Working Party asks of anonymous data
    (Opinion 05/2014, WP216). Of several attacks of a sort the one whose risk is surest speaks.
    """
    known = {(figure.metric, figure.of): figure.synthetic for figure in figures if figure.section == "attacks"}
    named = sorted({of for metric, of in known if metric == "risk"})
    inferred = [of for of in named if of.startswith("inference of ")]
    secret = _worst(inferred, known)
    learnt = "a secret" if secret is None else secret.removeprefix("inference of ")
    of_all = f" (the worst of {len(inferred)} columns, whose intervals hold together)" if len(inferred) > 1 else ""
    return (
        _sentence("Singling out", "pick out exactly one person", _worst(SINGLED_OUT, known), known),
        _sentence("Linkability", "connect two halves of one person's record", _worst(["linkability"], known), known),
        _sentence("Inference", f"learn {learnt}{of_all} of a person of whom all else is known", secret, known),
    )


Known = dict[tuple[str, str], float | None]


def _worst(attacks: Iterable[str], known: Known) -> str | None:
    tried = [of for of in attacks if known.get(("risk", of)) is not None]
    return max(tried, key=lambda of: (known.get(("risk low", of)) or 0.0, known["risk", of] or 0.0), default=None)


def _sentence(name: str, what: str, attack: str | None, known: Known) -> str:
    if attack is None:
        return f"{name}: whether an intruder could {what} was not measured."
    success, control, risk, low, high = (
        known.get((metric, attack)) or 0.0
        for metric in ("attack success", "control success", "risk", "risk low", "risk high")
    )
    return (
        f"{name}: tries to {what} with the synthetic table succeed in {success:.0%} of cases for people in the data and in "
        f"{control:.0%} for people who are not in it: a risk of {risk:.0%} (95% interval {low:.0%} to {high:.0%}) "
        "that comes of being in the data."
    )
