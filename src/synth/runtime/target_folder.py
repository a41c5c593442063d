"""The folder target/: what compiling and running leave behind, as files a person can read."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from synth.artifacts.catalog import Catalog
from synth.artifacts.compiled import Compiled, Manifest
from synth.artifacts.constraint_graph import constraint_graph
from synth.artifacts.forecast import FitRecord
from synth.artifacts.freshness import FreshnessReport
from synth.artifacts.looks import Answers
from synth.artifacts.plan import NOT_PRIVATE, Artifact
from synth.artifacts.results import Results, SuiteResult
from synth.files import write_whole

A = TypeVar("A", bound=Artifact)
_COMPILED = ("compiled", "plans", "expectations")
_KEPT = ("generators", "drafts", "unprotected.key", "release")  # again: it costs, holds others out, has another digest
_ODDITIES = ".oddities.json"  # what a fit left out of a table, which only another fit would tell again
_MANIFEST = "manifest.json"
_WHOLE = "compiled.json"
_DIGEST = "compiled.sha256"  # of what was compiled, and of all that was made of it
_RESULTS = "run_results.json"
_FRESHNESS = "sources.json"
_BOOKMARK = "ledger_bookmark.json"  # cannot be made again: like the ledger, never removed


class TargetFolder:
    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def internal(self) -> Path:
        """The private zone."""
        return self.path / "internal"

    @property
    def docs(self) -> Path:
        return self.path / "docs"

    @property
    def data_docs(self) -> Path:
        return self.docs / "data_docs"

    @property
    def releases(self) -> Path:
        return self.path / "release"

    def experiments(self, public: bool) -> Path:
        """Of rows of people within the private zone."""
        return (self.path if public else self.internal) / "experiments"

    @property
    def calibrations(self) -> Path:
        return self.path / "calibrations.json"

    @property
    def costs(self) -> Path:
        return self.path / "costs.json"

    @property
    def ledger_bookmark(self) -> Path:
        return self.path / _BOOKMARK

    def generator(self, name: str) -> Path:
        return self.path / "generators" / name

    def generators(self) -> list[Path]:
        """Those that were paid for."""
        found = sorted(path for path in (self.path / "generators").glob("*") if path.is_dir())
        return [path for path in found if not path.name.startswith(NOT_PRIVATE)]

    def write_fit_record(self, generator: str, record: FitRecord) -> None:
        """Beside the folder of a generator, which holds nothing but the generator."""
        self._write(f"generators/{generator}.json", _json(record))

    def fit_record(self, generator: str) -> FitRecord | None:
        """None where there is none that can be read: a run writes it anew."""
        return _read(FitRecord, self.path / "generators" / f"{generator}.json")

    def answers(self, fingerprint: str) -> Path:
        """The noisy answers from which metadata were drafted."""
        return self.path / "drafts" / f"{fingerprint}.json"

    def write_answers(self, fingerprint: str, answers: Answers) -> None:
        self._write(f"drafts/{fingerprint}.json", _json(answers))

    def write_compiled(self, compiled: Compiled, inputs: str, own: bool = False) -> None:
        """The compiled project: the same bytes each time, and nothing of an earlier one left over.

        ``inputs``: a digest of what was compiled, by which ``holds`` knows it again; ``own``: for the eyes of who writes it
        alone, since nobody has reviewed what was read off rows.
        """
        wanted = dict(_files(compiled))
        contents = {name: text.encode() for name, text in wanted.items()}
        with self._alone():
            self._remove_all_but(wanted)
            for name, text in wanted.items():
                self._write(name, text, own)
            self._write(_DIGEST, _digest(inputs, contents | self._contents([self.calibrations.name])), own)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Where another process compiles into the folder, it ends first. File systems without locks do without."""
        self.path.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.path, os.O_RDONLY)
        try:
            with suppress(OSError):
                fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def holds(self, inputs: str) -> bool:
        """Whether what lies here was compiled of these inputs, file for file."""
        kept = (_content(f"{self.path}/{_DIGEST}") or b"").decode(errors="replace")
        if not kept.startswith(_digest_of_inputs(inputs)):  # then nothing else need be read
            return False
        walked = [name for kind in _COMPILED for name in self._names(kind)]
        found = self._contents([_MANIFEST, _WHOLE, self.calibrations.name, *walked])
        return kept == _digest(inputs, found) and found.keys() >= set(walked)

    def _names(self, folder: str) -> Iterator[str]:
        for here, _, names in os.walk(self.path / folder):
            inner = os.path.relpath(here, self.path)
            yield from (f"{inner}/{name}" for name in names)

    def _contents(self, names: Iterable[str]) -> dict[str, bytes]:
        """Of those that there are."""
        found = ((name, _content(f"{self.path}/{name}")) for name in names)
        return {name: content for name, content in found if content is not None}

    def _remove_all_but(self, wanted: Container[str]) -> None:
        """Files of an earlier compilation, and the folders that are then empty."""
        for kind in _COMPILED:
            for name in self._names(kind):
                if name not in wanted:
                    os.unlink(self.path / name)
            for here, _, _ in os.walk(self.path / kind, topdown=False):
                if not os.listdir(here):
                    os.rmdir(here)

    def compiled(self, locations: Mapping[str, str]) -> Compiled | None:
        """The compiled project as it was written here, to be shown and never to be run: whoever edits it can say anything.

        ``locations``: where sources lie, by name; they stay out of every file.
        """
        try:
            found = json.loads((self.path / _WHOLE).read_bytes())
            for of in (found, *found["synthetic"].values()):
                for source in of["sources"]:
                    source["location"] = locations[source["name"]]
            return Compiled.model_validate(found)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None

    def write_catalog(self, catalog: Catalog) -> None:
        self._write("catalog.json", catalog.model_dump_json(indent=1, by_alias=True) + "\n")

    def write_freshness(self, report: FreshnessReport, file: Path | None = None) -> None:
        """``file``: in place of the folder's own."""
        write_whole(file or self.path / _FRESHNESS, _json(report))

    def freshness(self) -> FreshnessReport | None:
        return _read(FreshnessReport, self.path / _FRESHNESS)

    def write_results(self, results: Results, known: Container[str]) -> None:
        """``known``: ids of the expectations that there are. A table that was not made anew keeps what else was judged of it."""
        self._write(_RESULTS, _json(results))
        made = {result.model for result in results.results}
        for suite in results.suites:
            kept = () if suite.model in made else self.suites({suite.model})
            before = {r.expectation.id: r for old in kept for r in old.results if r.expectation.id in known}
            judged = {r.expectation.id: r for r in suite.results}
            whole = suite.model_copy(update={"results": tuple((before | judged).values())})
            self._write(f"validations/{suite.model}.json", _json(whole))

    def results(self) -> Results | None:
        """Of the last run; None where there are none that this version reads."""
        return _read(Results, self.path / _RESULTS)

    def manifest(self) -> Manifest | None:
        return _read(Manifest, self.path / _MANIFEST)

    def suites(self, names: Container[str]) -> list[SuiteResult]:
        """The last validation of every table that is still in the project."""
        found = []
        for path in sorted((self.path / "validations").glob("*.json")):
            suite = _read(SuiteResult, path)  # None: written by another version; the next test writes it anew
            if suite and suite.model in names:
                found.append(suite)
        return found

    def clean(self, everything: bool, databases: Iterable[Path]) -> list[str]:
        """Removes what can be made again for nothing; with ``everything`` also generators, bundles and the ``databases``.

        Names that begin with a dot are not of synth's making.
        """
        removed, found = [], [database.resolve() for database in databases]

        def holds_one(path: Path) -> bool:
            """Whether a database lies there, or its log."""
            return any(one.is_relative_to(path.with_name(path.name.removesuffix(".wal")).resolve()) for one in found)

        for path in (path for path in _inside(self.path) if path.name != _BOOKMARK and not path.name.startswith(".")):
            if everything or not (path.name in _KEPT or path == self.internal or holds_one(path)):
                _remove(path)
                removed.append(path.name)
            elif path.name == "generators":
                removed += _remove_unpaid(path)
            elif path == self.internal:
                kept = (inner for inner in _inside(path) if inner.name.endswith(_ODDITIES) or holds_one(inner))
                for inner in sorted({*_inside(path)}.difference(kept)):
                    _remove(inner)
                    removed.append(f"{path.name}/{inner.name}")
        return removed

    def oddities(self, model: str) -> Path:
        """Exact counts of what a fit could not read or left out: private."""
        return self.internal / f"{model}{_ODDITIES}"

    def _write(self, name: str, text: str, own: bool = False) -> None:
        """Whole or not at all."""
        path, mode = f"{self.path}/{name}", 0o600 if own else 0o666
        if _content(path) != text.encode() or (os.stat(path).st_mode ^ mode & ~_umask()) & 0o077:
            write_whole(path, text, mode)


def _umask() -> int:
    """Which cannot be read without being set."""
    found = os.umask(0o077)
    os.umask(found)
    return found


def _digest(inputs: str, contents: Mapping[str, bytes]) -> str:
    """Of the inputs, and of all that was made of them: a line each."""
    digest = hashlib.sha256()
    for name in sorted(contents):
        digest.update(f"\n{name} {len(contents[name])}\n".encode() + contents[name])
    return f"{_digest_of_inputs(inputs)}{digest.hexdigest()}\n"


def _digest_of_inputs(inputs: str) -> str:
    return hashlib.sha256(inputs.encode()).hexdigest() + "\n"


def _content(path: str) -> bytes | None:
    """None where there is none that can be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return None


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _remove(path: Path) -> None:
    """A file, a link, or a folder and all that is in it."""
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _remove_unpaid(generators: Path) -> list[str]:
    """Those made without differential privacy: fitting them again spends nothing."""
    found = sorted(generators.glob(f"{NOT_PRIVATE}*"))
    for path in found:
        _remove(path)
    return [f"{generators.name}/{path.name}" for path in found]


def _files(compiled: Compiled) -> Iterator[tuple[str, str]]:
    for name, model in compiled.synthetic.items():
        yield f"plans/{name}.json", _json(model.plan)
        if model.constraints:
            yield f"plans/{name}.svg", constraint_graph(model)
        for step in ("prepare", "oddities", "restore", "land"):
            yield f"compiled/{name}/{step}.sql", getattr(model, f"{step}_sql")
        if model.evaluated:
            yield f"compiled/{name}/held_out.sql", model.evaluated.held_out_sql
        for view in model.views:
            yield f"compiled/models/{view.name}.sql", f"{view.sql.rstrip()}\n"
    for name, public in compiled.public.items():
        yield f"compiled/models/{name}.sql", public.sql
    for name, expectations in compiled.expectations.items():
        listed = ",\n".join(e.model_dump_json(indent=1, exclude={"sql"}) for e in expectations)
        yield f"expectations/{name}.json", f"[\n{listed}\n]\n"
        for expectation in expectations:
            yield f"compiled/{name}/expectations/{Path(expectation.sql_path).name}", expectation.sql
    for name, test in compiled.tests.items():
        yield f"compiled/tests/{name}.sql", test.sql
    for unit in compiled.unit_tests.values():
        text = ";\n\n".join([*unit.setup, unit.expectation.sql])
        yield f"compiled/unit_tests/{Path(unit.expectation.sql_path).name}", f"{text.rstrip()};\n"
    yield _MANIFEST, _json(compiled.manifest)
    yield _WHOLE, compiled.model_dump_json() + "\n"


def _read(kind: type[A], path: Path) -> A | None:
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _json(value: Artifact) -> str:
    return value.model_dump_json(indent=1) + "\n"
