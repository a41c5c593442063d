"""A listener for tests that keeps the notes of a build."""

from __future__ import annotations

from synth.runtime.listener import Listener


class Heard(Listener):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)
