"""What an evaluation plan asks for beyond fidelity: its tasks, their fairness, and attacks on every table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from synth.artifacts.evaluation import EvaluationPlan, Prediction, PythonTask, Section, Survival
from synth.evaluation.copies import copies, copying_check
from synth.evaluation.fairness import fairness
from synth.evaluation.inference import inference
from synth.evaluation.linkability import linkability
from synth.evaluation.membership import membership
from synth.evaluation.prediction import OF_NUMBERS
from synth.evaluation.singling_out import singling_out
from synth.evaluation.survival import survival
from synth.evaluation.tasks import prediction, python
from synth.evaluation.world import Measure

Asked = tuple[Section, str, Measure]

ATTACKS: tuple[Asked, ...] = (
    ("attacks", "exact copies", copies),
    ("attacks", "copying check (DCR)", copying_check),
    ("attacks", "singling out", singling_out),
    ("attacks", "linkability", linkability),
    ("attacks", "inference", inference),
    ("attacks", "membership inference", membership),
)


def measures_of(plan: EvaluationPlan, functions: Mapping[str, Callable[..., Any]]) -> tuple[Asked, ...]:
    """``functions``: of each Python task the loaded function, by ``PythonTask.function``."""
    return (*_tasks(plan, functions), *ATTACKS)


def _tasks(plan: EvaluationPlan, functions: Mapping[str, Callable[..., Any]]) -> Iterator[Asked]:
    for task in plan.tasks:
        if isinstance(task, PythonTask):
            yield "tasks", f"task {task.name}", python(task, functions[task.function])
        elif isinstance(task, Survival):
            yield "survival", f"survival {task.name}", survival(task)
        elif isinstance(task, Prediction):
            yield "tasks", f"task {task.name}", prediction(task)
            if plan.protected and task.metric not in OF_NUMBERS:
                yield "fairness", f"fairness of {task.name}", fairness(task, plan.protected)
