"""T11: mistakes planted into a copy of the source, one at a time, and the tests that must fail for each.

A mutant is a piece of the source and what replaces it; the piece must stand there exactly once. The numbers of the rules are
those of the guarantee: 1 schema, 2 values outside it, 3 parameters, 4 loss, 5 Poisson sampling, 6 clipping and the cap,
7 nothing from the number of rows, 8 no choice by real loss, 9 extremes, 10 SQL, 11 zones, 12 noise, 13 accounting, 14 ledger,
15 paid once, 16 nothing told, 17 post-processing, 18 files, 19 without privacy.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
SECONDS = 300  # that the tests of one mutant may take
NO_FAILURES = (
    "ImportError",
    "ModuleNotFoundError",
    "SyntaxError",
    "NameError",
    "AttributeError",
)  # but a mutant that does not run at all

SENSITIVITY = "tests/privacy/test_sensitivity.py::"
NOISE = "tests/privacy/test_noise.py::"
CURATOR = "tests/privacy/test_curator.py::"
REPLAY = "tests/privacy/test_replay.py::test_neighbours_are_treated_alike"
CAP = "tests/privacy/test_replay.py::test_a_person_takes_part_with_no_more_rows_than_the_cap"
ACCOUNTING = "tests/privacy/test_accounting.py::"
LEDGER = "tests/privacy/test_ledger.py::"
STEP = "tests/privacy/test_one_step.py::"
RUN = "tests/privacy/test_one_run.py::"
PARTITION = "tests/privacy/test_partition.py::"
LOOKS = "tests/privacy/test_looks.py::"
DRAFT = "tests/test_draft.py::"
PAYMENT = "tests/privacy/test_payment.py::"
GENERATOR = "tests/test_generator.py::"
APART = "tests/test_people_apart.py::"
LINKED = "tests/privacy/test_linked_people.py::"
FAMILY = "tests/test_family.py::"
ZONE = "tests/test_private_zone.py::"
FORMATS = "tests/test_formats.py::"
NOT_PRIVATE = "tests/test_not_private.py::"
STORE = "tests/test_store.py::test_anything_else_is_refused"
HOLDOUT = "tests/test_holdout.py::"
PAID = "tests/privacy/test_paid_figures.py::"
BROKEN = "tests/test_errors.py::test_message"


@dataclass(frozen=True)
class Mutant:
    name: str
    rule: int
    file: str  # under src/synth
    old: str
    new: str
    tests: tuple[str, ...]  # pytest ids, at least one of which must fail


MUTANTS = (
    Mutant(
        "a categorical needs no values", 1, "project/spec.py",
        '= Field(\n        min_length=1, description="a list, or {file',
        '= Field(\n        default=("a", "b"), description="a list, or {file',
        (f"{BROKEN}[categorical_without_values]",),
    ),
    Mutant(
        "a number needs no bounds", 1, "project/spec.py",
        'bounds: tuple[int, int] = Field(description="[lowest, highest], public knowledge")',
        "bounds: tuple[int, int] = (0, 100)",
        (f"{BROKEN}[number_without_bounds]", f"{BROKEN}[many_at_once]"),
    ),
    Mutant(
        "the domain comes from the data", 1, "generator/rows.py",
        "sizes = [coding.size for coding in codings]",
        "sizes = [max(int(c.encode(self.__columns[c.column]).max(initial=0)), 0) + 1 for c in codings]",
        (f"{REPLAY}[0-a row each]",),
    ),
    Mutant(
        "codes outside the layout stay", 2, "generator/fit.py",
        "return np.clip(codes, 0, top) if outside else codes", "return codes",
        (f"{GENERATOR}test_codes_beyond_the_layout_count_as_the_nearest", f"{REPLAY}[0-a row each]"),
    ),
    Mutant(
        "a number is not clamped to its bounds", 2, "compiler/columns.py",
        "declare=clamp(name, literal(low), literal(last)),", "declare=name,",
        ("tests/test_golden.py::test_what_odd_values_become",),
    ),
    Mutant(
        "a row is held out by its place", 10, "compiler/prepare.py",
        'chosen.append(_in_part(table.holdout, table.part, [*texts, f"cast({alike} as varchar)"]))',
        """needed.append(_in_part(table.holdout, table.part, ['"#unit"']))""",
        (f"{HOLDOUT}test_a_row_that_is_a_unit_goes_by_its_own_values",),
    ),
    Mutant(
        "tables hold other people out", 10, "compiler/prepare.py",
        """needed.append(_in_part(table.holdout, table.part, ['"#unit"']))""",
        """needed.append(_in_part(table.holdout, table.part, [literal(table.name), '"#unit"']))""",
        (f"{HOLDOUT}test_every_row_is_in_one_part[stays]",),
    ),
    Mutant(
        "a column's type is guessed from its first rows", 2, "runtime/readers/function.py",
        'if kind.kind == "O":', 'if kind.kind == "none":',
        (f"{FORMATS}test_a_column_of_objects_is_text_whatever_its_first_rows_hold",),
    ),
    Mutant(
        "the encoder has no noise", 3, "privacy/mechanisms.py",
        "free = mask > 0", "free = (mask > 0) & (len(found) < 2)",
        (f"{NOISE}test_every_layer_of_a_gradient_has_noise_of_its_own",),
    ),
    Mutant(
        "the encoder learns past DP-SGD", 3, "generator/dp_sgd.py",
        "        return unit_gradients(network, columns, units, noise.reshape(len(units.sizes), -1).astype(np.float32))",
        "        found = unit_gradients(network, columns, units, noise.reshape(len(units.sizes), -1).astype(np.float32))\n"
        "        with torch.no_grad():\n"
        "            for weights, layer in zip(parameters[2:], found[2:], strict=True):\n"
        "                weights -= 1e-3 * torch.from_numpy(layer.gradients.T @ layer.inputs)\n"
        "        return found",
        (f"{REPLAY}[0-a latent]",),
    ),
    Mutant(
        "the loss looks at the batch", 4, "generator/network.py",
        "seen = torch.cat([features, columns.history(features, units)], dim=1)",
        "seen = torch.cat([features - features.mean(0), columns.history(features, units)], dim=1)",
        (f"{GENERATOR}test_factors_make_the_gradients_of_single_units",),
    ),
    Mutant(
        "shuffled batches", 5, "privacy/mechanisms.py",
        "return self._randomness.bernoulli(units, event.sample_rate)",
        "return self._randomness.uniform(units).argsort().argsort() < units * event.sample_rate",
        (f"{CURATOR}test_samples_are_poisson",),
    ),
    Mutant(
        "the sample rate comes from the number of rows", 5, "privacy/mechanisms.py",
        "return self._randomness.bernoulli(units, event.sample_rate)",
        "return self._randomness.bernoulli(units, min(1.0, 250 / max(units, 1)))",
        (f"{CURATOR}test_samples_are_poisson",),
    ),
    Mutant(
        "an empty batch is skipped", 5, "generator/rows.py",
        "        return self.__curator.gradient(event, self._factors(factors, chosen), masks, max_grad_norm)",
        "        if not len(chosen):\n"
        "            return [np.zeros(mask.shape) for mask in masks]\n"
        "        return self.__curator.gradient(event, self._factors(factors, chosen), masks, max_grad_norm)",
        (f"{REPLAY}[0-a row each]",),
    ),
    Mutant(
        "an empty batch gets no noise", 5, "privacy/mechanisms.py",
        "noise[free] = _lattice_noise(int(free.sum()), ",
        "noise[free] = total.any() * _lattice_noise(int(free.sum()), ",
        (f"{NOISE}test_the_noise_of_a_gradient_without_anybody",),
    ),
    Mutant(
        "a large batch is cut", 5, "generator/rows.py",
        "chosen = np.flatnonzero(self.__curator.poisson(event, units))",
        "chosen = np.flatnonzero(self.__curator.poisson(event, units))[:1000]",
        (f"{STEP}test_an_attacker_shows_most_of_the_claim_and_no_more",),
    ),
    Mutant(
        "no clip", 6, "privacy/mechanisms.py",
        "np.maximum(bound, 0) / np.maximum(norm, max_grad_norm)", "np.maximum(bound, 0) / max_grad_norm",
        (f"{SENSITIVITY}test_one_unit_moves_a_gradient_by_less_than_the_clipping_norm",),
    ),
    Mutant(
        "the room for rounding is not taken off", 6, "privacy/mechanisms.py",
        "bound = (1 - MARGIN) * GRADIENT_GRID - np.sqrt(room) / INPUT_GRID", "bound = GRADIENT_GRID - 0 * room",
        (f"{SENSITIVITY}test_a_unit_of_many_rows_stays_below_the_clipping_norm",),
    ),
    Mutant(
        "a person weighs more with every row", 6, "privacy/mechanisms.py",
        "return np.asarray(LATTICE // rows, dtype=np.int64)[place]",
        "return np.asarray(LATTICE // rows.clip(max=1), dtype=np.int64)[place]",
        (f"{SENSITIVITY}test_one_unit_moves_a_histogram_by_at_most_one_person",),
    ),
    Mutant(
        "a row is given a row of somebody else", 6, "compiler/prepare.py",
        """on parent."#unit" = rows."#unit" and parent."#position" =""", """on parent."#position" =""",
        (f"{LINKED}test_leaving_one_person_out_changes_nothing_of_any_other[moves]",),
    ),
    Mutant(
        "rows of others are counted below a row", 6, "compiler/prepare.py",
        """where child."#unit" = kept."#unit" and child."#parent" =""", """where child."#parent" =""",
        (f"{LINKED}test_leaving_one_person_out_changes_nothing_of_any_other[stays]",),
    ),
    Mutant(
        "rows below rows that are left out are counted", 6, "compiler/prepare.py",
        """ and child."#parent" = kept."#position\"""", "",
        (f"{FAMILY}test_a_parent_knows_the_kept_rows_below_it_and_a_row_knows_its_parent",),
    ),
    Mutant(
        "the cap of a table does not reach those below", 6, "compiler/prepare.py",
        'where "#position" <= {table.cap}\n\"\"\"', 'where "#position" <= {table.cap + 9 * bool(table.children)}\n\"\"\"',
        (f"{FAMILY}test_rows_without_a_parent_of_the_same_person_are_left_out",),
    ),
    Mutant(
        "rows without a parent use up the cap", 6, "compiler/prepare.py",
        "from read join {parent.kept} as parent", "from read left join {parent.kept} as parent",
        (f"{FAMILY}test_rows_without_a_parent_of_the_same_person_are_left_out",),
    ),
    Mutant(
        "one row above the cap is prepared", 6, "compiler/prepare.py",
        'where "#position" <= {table.cap}\norder by 1, 2', 'where "#position" <= {table.cap + 1}\norder by 1, 2',
        (f"{APART}test_the_cap_prefers_no_row",),
    ),
    Mutant(
        "one row above the cap is fitted", 6, "generator/fit.py",
        "np.minimum(np.diff(np.append(first, len(unit))), plan.cap)",
        "np.minimum(np.diff(np.append(first, len(unit))), plan.cap + 1)", (CAP,),
    ),
    Mutant(
        "other people's rows decide which rows are kept", 6, "compiler/prepare.py",
        """own_order = [f"sha256(concat_ws('|', {own_row}))",""",
        """own_order = [f"sha256(concat_ws('|', (select count(*) from kept), {own_row}))",""",
        (f"{APART}test_a_person_keeps_the_same_rows_among_others",),
    ),
    Mutant(
        "gradients are divided by the number of people", 7, "generator/dp_sgd.py",
        "torch.from_numpy(total / dp_sgd.expected_batch_units)",
        "torch.from_numpy(total / max(len(rows._PrivateRows__sizes), 1))", (f"{REPLAY}[0-a row each]",),
    ),
    Mutant(
        "people are counted without noise", 7, "generator/marginals.py",
        "max(population(first), 1.0)", "max(float(len(rows._PrivateRows__sizes)), 1.0)",
        (f"{REPLAY}[0-columns alone]",),
    ),
    Mutant(
        "as many rows as the source has", 7, "runtime/private_zone.py",
        '        return Rows(found.pop("#unit"),',
        '        object.__setattr__(self.model.plan, "rows", len(found["#unit"]))\n        return Rows(found.pop("#unit"),',
        (f"{PAYMENT}test_a_run_says_the_same_and_makes_as_many_rows_whatever_the_rows_are",),
    ),
    Mutant(
        "what rows do not add is not marked as theirs", 1, "draft.py",
        "(exact and not (first.empty and second.empty))", "bool(table.constraints)",
        (f"{DRAFT}test_what_rows_do_not_add_is_marked_as_theirs",),
    ),
    Mutant(
        "a list of values under another name of private rows", 1, "project/value_files.py",
        " or _is_one_of(path, place)", "", ("tests/test_value_files.py::test_a_list_that_is_no_public_one_is_refused[hard]",),
    ),
    Mutant(
        "a number as pandas keeps it", 2, "runtime/readers/function.py",
        "return f\"case when {whole} then cast(cast({column} as bigint) as varchar) else {text} end\"", "return text",
        (f"{FORMATS}test_one_row_does_not_decide_how_a_function_gives_the_others[a missing number]",),
    ),
    Mutant(
        "a draft of rows that two budgets know", 14, "draft.py",
        "        check_populations(self.project.root, source_tables(self.graph))\n", "",
        (f"{DRAFT}test_rows_of_two_populations_are_not_looked_at",),
    ),
    Mutant(
        "a delta of 1/n", 7, "compiler/price.py",
        "if delta < 1 / units:", "if delta < 1:", (f"{BROKEN}[delta_above_one_over_units]",),
    ),
    Mutant(
        "a delta above 1e-6 needs no reason", 7, "project/spec.py",
        "if self.delta > MAX_DELTA and not self.trust_delta:", "if self.delta > 1:", (f"{BROKEN}[delta_too_large]",),
    ),
    Mutant(
        "early stop by the real loss", 8, "generator/dp_sgd.py",
        "        totals = rows.gradient(DP_SGD, factors, masks, max_grad_norm)\n",
        "        everybody = rows._sequences(np.arange(len(rows._PrivateRows__sizes)))\n"
        "        no_noise = torch.zeros((len(everybody.sizes), network.shape.latent))\n"
        "        loss = float(network.loss(columns, everybody, no_noise)[0]) / max(len(everybody.sizes), 1)\n"
        "        if step and loss < 0.999 * last:\n"
        "            break\n"
        "        last = loss\n"
        "        totals = rows.gradient(DP_SGD, factors, masks, max_grad_norm)\n",
        (f"{REPLAY}[0-a row each]", f"{REPLAY}[1-a row each]"),
    ),
    Mutant(
        "the best checkpoint by the real loss", 8, "generator/dp_sgd.py",
        "        if (kept := step - dp_sgd.steps // 2) >= 0:\n",
        "        everybody = rows._sequences(np.arange(len(rows._PrivateRows__sizes)))\n"
        "        no_noise = torch.zeros((len(everybody.sizes), network.shape.latent))\n"
        "        loss = float(network.loss(columns, everybody, no_noise)[0]) / max(len(everybody.sizes), 1)\n"
        "        best = loss if step == 0 else min(best, loss)\n"
        "        if (kept := 0 if loss <= best else -1) >= 0:\n",
        (f"{REPLAY}[0-a row each]", f"{REPLAY}[1-a row each]"),
    ),
    Mutant(
        "NaN is summed", 9, "privacy/mechanisms.py",
        "out = ~sound[layer.unit]", "out = np.zeros(len(layer.unit), dtype=bool)",
        (f"{SENSITIVITY}test_ten_thousand_wild_units_stay_below_the_clipping_norm_and_come_close_to_it",),
    ),
    Mutant(
        "a warning tells that a row was extreme", 9, "privacy/mechanisms.py",
        'with np.errstate(all="ignore"):', 'with np.errstate(all="warn"):',
        (f"{SENSITIVITY}test_ten_thousand_wild_units_stay_below_the_clipping_norm_and_come_close_to_it",),
    ),
    Mutant(
        "a window may look at everybody", 10, "compiler/apart.py",
        'if not scope.divides(item.node["partitions"]):', "if False:", (f"{BROKEN}[apart_window]",),
    ),
    Mutant(
        "chance is a function of one row", 10, "compiler/apart.py",
        'elif kind == "FUNCTION" and name not in allowed:', 'elif kind == "FUNCTION" and name in functions.ORDERED:',
        (f"{BROKEN}[apart_random]", f"{BROKEN}[apart_now]"),
    ),
    Mutant(
        "chance may be selected", 10, "compiler/apart.py",
        'elif kind == "FUNCTION" and name not in functions.PER_ROW:', 'elif kind == "FUNCTION" and name in functions.ORDERED:',
        (f"{BROKEN}[apart_random]",),
    ),
    Mutant(
        "rows that an order does not tell apart come as they lie", 10, "compiler/apart.py",
        "for part in parts]", "for part in groups]",
        ("tests/test_apart.py::test_rows_that_tie_are_told_apart_by_all_that_they_have",),
    ),
    Mutant(
        "a value that cannot be read fails the run", 9, "compiler/total.py",
        "return node if _safe(node) else _tried(node)", "return node",
        ("tests/test_apart.py::test_no_value_of_a_row_fails_a_run",),
    ),
    Mutant(
        "what is to be tried is computed before", 9, "runtime/private_zone.py",
        """run("set disabled_optimizers = 'common_subexpressions,statistics_propagation'")""", "pass",
        ("tests/test_apart.py::test_no_value_of_a_row_fails_a_run",),
    ),
    Mutant(
        "a stray quotation mark swallows other people's lines", 10, "runtime/readers/lines.py",
        "delim=chr(1), quote='', escape=''", "delim=chr(1), quote='\\\"', escape=''",
        (f"{ZONE}test_a_line_moves_no_other_line",),
    ),
    Mutant(
        "a row is below a row of somebody else", 10, "compiler/prepare.py",
        """_BELOW = 'parent."#unit" = read."#unit" and parent."#key" =""", """_BELOW = 'parent."#key" =""",
        ("tests/test_apart.py::test_linked_tables_keep_people_apart",),
    ),
    Mutant(
        "where each row is a unit tables are linked by their rows' places", 10, "compiler/foreign_keys.py",
        "elif not unit:", "elif False:", (f"{BROKEN}[foreign_key_of_rows_that_are_people]",),
    ),
    Mutant(
        "a public model reads a source", 11, "graph/dag.py",
        "        for source, table in asked.sources:\n            fix =", "        for source, table in ():\n            fix =",
        (f"{BROKEN}[public_reads_a_source]",),
    ),
    Mutant(
        "four fifths of the noise", 12, "privacy/mechanisms.py",
        "noise *= stddev", "noise *= 0.8 * stddev",
        (f"{NOISE}test_the_noise_of_a_histogram", f"{NOISE}test_the_noise_of_a_gradient_without_anybody"),
    ),
    Mutant(
        "four fifths of the noise, seen by an attacker", 12, "privacy/mechanisms.py",
        "noise *= stddev", "noise *= 0.8 * stddev", (f"{STEP}test_an_attacker_shows_most_of_the_claim_and_no_more",),
    ),
    Mutant(
        "hardly any noise, seen in a whole fit", 12, "privacy/mechanisms.py",
        "noise *= stddev", "noise *= 0.1 * stddev", (f"{RUN}test_an_attacker_shows_no_more_of_a_fit_than_it_claims",),
    ),
    Mutant(
        "noise from a seed", 12, "privacy/randomness.py",
        "self._start(os.urandom(KEY_BYTES))", "self._start(bytes(KEY_BYTES))", (f"{NOISE}test_no_seed_has_an_effect",),
    ),
    Mutant(
        "noise from numpy", 12, "privacy/mechanisms.py",
        "noise = randomness.normal(size)", "noise = np.random.standard_normal(size)",
        (f"{NOISE}test_no_seed_has_an_effect",),
    ),
    Mutant(
        "samples from numpy", 12, "privacy/mechanisms.py",
        "return self._randomness.bernoulli(units, event.sample_rate)", "return np.random.random(units) < event.sample_rate",
        (f"{CURATOR}test_no_seed_moves_a_sample",),
    ),
    Mutant(
        "noise of latents from a seed", 12, "generator/dp_sgd.py",
        "noise = randomness.normal(len(units.sizes) * network.shape.latent)",
        "noise = np.random.default_rng(0).standard_normal(len(units.sizes) * network.shape.latent)",
        (f"{NOISE}test_the_noise_of_latents_is_foreseen_by_no_seed",),
    ),
    Mutant(
        "two processes repeat the noise", 12, "privacy/randomness.py",
        "if os.getpid() != self._process:", "if self._process < 0:", (f"{NOISE}test_a_fork_cannot_repeat_the_noise",),
    ),
    Mutant(
        "noise off the lattice", 12, "privacy/mechanisms.py",
        "return np.rint(noise, out=noise)", "return noise",
        (f"{NOISE}test_noise_is_whole_before_it_is_added_so_that_the_sum_is_exact",),
    ),
    Mutant(
        "what is released is as fine as float64", 12, "privacy/mechanisms.py",
        "return np.rint(noisy / step) * step", "return noisy",
        (f"{NOISE}test_what_is_released_is_no_finer_than_the_noise_is",),
    ),
    Mutant(
        "a distance over many tables has the noise of one", 12, "privacy/mechanisms.py",
        "stddev = noise_multiplier * LATTICE * len(candidates)", "stddev = noise_multiplier * LATTICE",
        (f"{PAID}test_the_noise_is_as_declared",),
    ),
    Mutant(
        "half of the noise of a choice", 12, "privacy/mechanisms.py",
        "(2 / epsilon * LATTICE)", "(1 / epsilon * LATTICE)", (f"{CURATOR}test_a_choice_follows_the_exponential_mechanism",),
    ),
    Mutant(
        "epsilon is rounded down", 13, "privacy/accounting.py",
        "return math.ceil(bound * 10**DECIMALS) / 10**DECIMALS if", "return math.floor(bound * 100) / 100 if",
        (f"{ACCOUNTING}test_a_gaussian_costs_what_mathematics_says",),
    ),
    Mutant(
        "noise is rounded down", 13, "privacy/accounting.py",
        "return _noise(high.place)", "return _noise(low.place)",
        (f"{ACCOUNTING}test_calibration_finds_the_least_noise_of_four_digits",),
    ),
    Mutant(
        "steps of one kind are paid for once", 13, "privacy/accounting.py",
        "steps[_Step(event.sample_rate, event.noise_multiplier)] += event.steps",
        "steps[_Step(event.sample_rate, event.noise_multiplier)] = event.steps",
        (f"{ACCOUNTING}test_equal_things_have_equal_prices",),
    ),
    Mutant(
        "half of the sample rate is paid for", 13, "privacy/accounting.py",
        "event = dp_accounting.PoissonSampledDpEvent(rate, event)",
        "event = dp_accounting.PoissonSampledDpEvent(rate / 2, event)", (f"{ACCOUNTING}test_the_textbook_figure",),
    ),
    Mutant(
        "a choice at half of its price", 13, "privacy/accounting.py",
        "return 2 * NormalDist().inv_cdf(1 / (1 + math.exp(-epsilon / 2)))",
        "return NormalDist().inv_cdf(1 / (1 + math.exp(-epsilon / 2)))",
        (f"{ACCOUNTING}test_a_selection_costs_what_the_worst_of_its_kind_needs",),
    ),
    Mutant(
        "a step has less noise than its event", 13, "privacy/mechanisms.py",
        "return noisy_gradient(batches, masks, max_grad_norm, event.noise_multiplier, self._randomness)",
        "return noisy_gradient(batches, masks, max_grad_norm, 0.9 * event.noise_multiplier, self._randomness)",
        (f"{CURATOR}test_noise_comes_from_the_event",),
    ),
    Mutant(
        "releases beyond the plan", 13, "privacy/mechanisms.py",
        "if self._spent[event.name] >= _releases(event):", "if self._spent[event.name] > _releases(event):",
        (f"{CURATOR}test_releases_are_counted_and_never_exceed_the_plan",),
    ),
    Mutant(
        "releases short of the plan", 13, "generator/fit.py",
        "    curator.check_spent()\n", "",
        ("tests/privacy/test_replay.py::test_a_fit_that_leaves_out_a_planned_step_is_no_generator",),
    ),
    Mutant(
        "a run believes the price in a file", 13, "runtime/runner.py",
        '            raise RunError(\n                f"the plan of {model.name} costs epsilon',
        '            RunError(\n                f"the plan of {model.name} costs epsilon',
        (f"{PAYMENT}test_a_plan_that_costs_more_than_it_says_is_not_run",),
    ),
    Mutant(
        "the cap is not enforced", 14, "privacy/ledger.py",
        "if receipt.epsilon_spent_after > budget.epsilon:", "if receipt.epsilon_spent_after > 10 * budget.epsilon:",
        (f"{LEDGER}test_above_the_cap_nothing_is_written_and_the_refusal_says_everything",),
    ),
    Mutant(
        "a model is charged by itself", 14, "privacy/ledger.py",
        "_cost((*before, entry), budget))", "_cost((entry,), budget))",
        (f"{LEDGER}test_a_reservation_is_priced_written_and_counted",),
    ),
    Mutant(
        "an entry may be changed", 14, "privacy/chain.py",
        "if hash_here != hash_of(hash_before, body):", "if not hash_here:", (f"{LEDGER}test_changes_are_found_by_every_method",),
    ),
    Mutant(
        "rows are read before the budget is reserved", 14, "runtime/runner.py",
        "        self._check_price(model", "        zone.prepare(), self._check_price(model",
        (f"{PAYMENT}test_rows_are_used_only_after_their_budget_is_reserved",),
    ),
    Mutant(
        "a generator is reused over other rows", 15, "privacy/ledger.py",
        "if source_digest in (None, e.source_digest)]", "]",
        (f"{LEDGER}test_an_unchanged_plan_over_an_unchanged_source_is_found",),
    ),
    Mutant(
        "a generator is reused that was changed on disk", 15, "runtime/paid.py",
        "folder_digest(path) != spent.generator_digest", "not folder_digest(path)",
        (f"{PAYMENT}test_a_generator_is_reused_only_as_it_was_paid_for",),
    ),
    Mutant(
        "rows that changed under way are fitted", 15, "runtime/runner.py",
        "if digested is not None and not zone.unchanged(*digested):", "if digested is not None and not digested:",
        (f"{PAYMENT}test_a_source_that_changes_while_it_is_read_is_not_fitted",),
    ),
    Mutant(
        "what is done to a file before its digest is not seen", 15, "runtime/private_zone.py",
        "self._stamped() == self._stamps and self.digest(key) == digest", "self.digest(key) == digest",
        (f"{PAYMENT}test_a_source_that_changes_while_it_is_read_is_not_fitted",),
    ),
    Mutant(
        "the progress tells how many people there are", 16, "generator/fit.py",
        'during("marginals")(0, 1)', 'during("marginals")(0, len(codes.unit))', (f"{REPLAY}[0-columns alone]",),
    ),
    Mutant(
        "what a source's function prints is heard", 16, "runtime/private_zone.py",
        "with silenced(self.internal), private_errors", "with private_errors",
        (f"{FORMATS}test_what_a_function_prints_stays_in_the_private_zone",),
    ),
    Mutant(
        "the console tells how many values were odd", 16, "runtime/runner.py",
        "shown = os.path.relpath(path, self.root)", 'shown = f"{os.path.relpath(path, self.root)} {text}"',
        (f"{PAYMENT}test_a_run_says_the_same_and_makes_as_many_rows_whatever_the_rows_are",),
    ),
    Mutant(
        "an error quotes a cell", 16, "runtime/duckdb_errors.py",
        'f"{doing}: {what} ({name})"', 'f"{doing}: {what} ({name}: {error})"',
        (f"{ZONE}test_the_words_of_duckdb_about_a_row_stay_private",),
    ),
    Mutant(
        "anybody may read the private words of DuckDB", 16, "runtime/duckdb_errors.py",
        "os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600", "os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644",
        (f"{ZONE}test_the_words_of_duckdb_about_a_row_stay_private",),
    ),
    Mutant(
        "a generator keeps somebody's row", 17, "generator/fit.py",
        "generator = Generator(\n        plan.model,", "generator = Generator(\n        str([c[:1] for c in codes.columns]),",
        (f"{REPLAY}[0-columns alone]",),
    ),
    Mutant(
        "noisy tables are repaired by real rows", 17, "privacy/mechanisms.py",
        "        return noisy_histogram(cells, weights, size, event.noise_multiplier, self._randomness)",
        "        noisy = noisy_histogram(cells, weights, size, event.noise_multiplier, self._randomness)\n"
        "        return noisy * (_lattice_histogram(cells, weights, size) > 0)",
        (f"{STEP}test_an_attacker_shows_most_of_the_claim_and_no_more",),
    ),
    Mutant(
        "a file that nobody expects is loaded", 18, "generator/store.py",
        "if names != [DESCRIPTION, WEIGHTS]:", "if not {DESCRIPTION, WEIGHTS} <= set(names):", (f"{STORE}[another file]",),
    ),
    Mutant(
        "weights of any shape are loaded", 18, "generator/store.py",
        "if {name: array.shape for name, array in weights.items()} != expected:", "if not weights:",
        (f"{STORE}[another shape]", f"{STORE}[unknown weight]"),
    ),
    Mutant(
        "a model without privacy has a name like any other", 19, "graph/dag.py",
        'return NOT_PRIVATE + name if config.privacy == "none" and zone != "private" else name', "return name",
        (f"{NOT_PRIVATE}test_the_plan_promises_nothing_and_its_noise_protects_nobody",),
    ),
    Mutant(
        "nobody is told that a model is not private", 19, "api.py",
        """return f"{UNPROTECTED} Here: {', '.join(names)}." if names else \"\"""", 'return ""',
        (f"{NOT_PRIVATE}test_every_command_says_it_in_red_and_only_of_what_is_meant",),
    ),
    Mutant(
        "a run takes what was drafted from rows", 1, "api.py",
        "if drafted := unreviewed(self.graph, read):", "if drafted := []:",
        (f"{DRAFT}test_a_run_takes_no_draft_that_nobody_reviewed",),
    ),
    Mutant(
        "a draft from rows bears no mark", 1, "drafting/fill.py",
        "replace(told_by, drafted=exact)", "replace(told_by, drafted=False)",
        (f"{DRAFT}test_what_a_draft_says_is_true_of_its_rows",),
    ),
    Mutant(
        "a list has no threshold", 12, "privacy/mechanisms.py",
        "found = (persons > least_persons(event)) & ", "found = (persons > 0) & ",
        (f"{PARTITION}test_a_value_of_one_unit_comes_through_as_rarely_as_delta_says",),
    ),
    Mutant(
        "the threshold of a list forgets the person", 12, "privacy/mechanisms.py",
        "return 1 + event.noise_multiplier * tail", "return event.noise_multiplier * tail",
        (f"{PARTITION}test_the_threshold_is_a_person_and_the_tail_of_the_noise",),
    ),
    Mutant(
        "a list looks at one row more", 6, "privacy/mechanisms.py",
        "kept[order] = place < most", "kept[order] = place <= most",
        (f"{PARTITION}test_rows_of_a_unit_that_lie_apart_are_counted_together",),
    ),
    Mutant(
        "a paid look takes one row more", 6, "drafting/ask.py",
        "order by {order}) <= {self.most_rows}", "order by {order}) <= {self.most_rows + 1}",
        (f"{LOOKS}test_a_person_takes_part_with_no_more_rows_than_the_cap",),
    ),
    Mutant(
        "values of one unit cost no delta", 13, "privacy/accounting.py",
        "return math.fsum(e.count * e.delta for e", "return 0 * math.fsum(e.count * e.delta for e",
        (f"{PARTITION}test_a_list_costs_what_mathematics_says",),
    ),
    Mutant(
        "a look reads before it reserves", 14, "runtime/looks.py",
        "            self._check_cap(", "            _Rows(zone, look)\n            self._check_cap(",
        (f"{LOOKS}test_a_look_reserves_before_it_reads",),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    mutant: Mutant
    killed_by: str  # the test that failed; empty where none did
    said: str  # what happened instead


def problems(mutants: Sequence[Mutant] = MUTANTS) -> list[str]:
    """Mutants whose text does not stand in the source exactly once."""
    found = []
    for mutant in mutants:
        path = ROOT / "src" / "synth" / mutant.file
        times = path.read_text(encoding="utf-8").count(mutant.old) if path.exists() else 0
        if times != 1:
            found.append(f"{mutant.name}: its text stands {times} times in {mutant.file}")
    return found


def run(mutants: Sequence[Mutant] = MUTANTS) -> Iterator[Outcome]:
    """Each mutant by itself, after all tests have passed over a copy without any. ``RuntimeError`` where they have not."""
    if wrong := problems(mutants):
        raise RuntimeError("\n".join(wrong))
    with tempfile.TemporaryDirectory(prefix="synth-mutants-") as temporary:
        copy = Path(temporary) / "src"
        shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
        every = list(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
        failed, said = _pytest(copy, every, Path(temporary), SECONDS * 4)
        if failed or said:
            raise RuntimeError(f"without any mutant: {failed} {said}")
        for mutant in mutants:
            path = copy / "synth" / mutant.file
            sound = path.read_text(encoding="utf-8")
            path.write_text(sound.replace(mutant.old, mutant.new), encoding="utf-8")
            killed_by, said = _pytest(copy, list(mutant.tests), Path(temporary), SECONDS)
            path.write_text(sound, encoding="utf-8")
            yield Outcome(mutant, killed_by, said or ("" if killed_by else "it survived"))


def _pytest(source: Path, tests: list[str], folder: Path, seconds: float) -> tuple[str, str]:
    """The first test that failed, if one did; and what went wrong where it is neither that nor a pass of all."""
    report = folder / "report.xml"
    report.unlink(missing_ok=True)
    environment = os.environ | {
        "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
    }  # fmt: skip
    environment.pop("SYNTH_AUDIT", None)
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", f"--junitxml={report}", *tests]
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return "", f"its tests took more than {seconds:g} seconds"
    if done.returncode not in (0, 1) or not report.exists():
        return "", f"pytest could not run its tests: {done.stdout[-300:]}"
    for case in ElementTree.parse(report).iter("testcase"):
        for kind in ("failure", "error"):
            if (found := case.find(kind)) is not None:
                what = found.get("message", "")
                if kind == "error" or what.startswith(NO_FAILURES):
                    return "", f"it does not run at all: {what[:200]}"
                return f"{Path(case.get('classname', '').replace('.', '/')).name}::{case.get('name')}", ""
    return "", ""
