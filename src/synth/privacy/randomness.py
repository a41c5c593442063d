"""Randomness that nobody can foresee or repeat: ChaCha20, keyed by the operating system.

Noise and Poisson samples come from here and from nowhere else. The seeds of numpy, torch and Python have no effect on
it. ChaCha20 (RFC 8439) is a cryptographic generator: whoever sees part of its stream cannot tell the rest. A plain
generator such as numpy's can be rebuilt from a few hundred of its outputs, and the noise subtracted.
"""

from __future__ import annotations

import math
import os

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms
from numpy.typing import NDArray

from synth.errors import RunError

KEY_BYTES = 32
REKEY_BYTES = 1 << 34  # the cipher's 32-bit block counter would end after 2^38 bytes
BLOCK = 1 << 14  # pairs of normals at a time: their buffers stay in the cache


class Randomness:
    """A stream of random numbers that belongs to one process."""

    def __init__(self) -> None:
        self._start(os.urandom(KEY_BYTES))

    @classmethod
    def for_tests(cls, key: bytes) -> Randomness:
        """The same stream for the same key, 32 bytes. Never outside a test: known noise protects nobody."""
        randomness = cls.__new__(cls)
        randomness._start(key)
        return randomness

    def uniform(self, size: int) -> NDArray[np.float64]:
        """``size`` numbers strictly between 0 and 1, on the odd multiples of 2^-53."""
        numbers = (self._words(size) >> np.uint64(12)).astype(np.float64)
        numbers += 0.5  # exact: 52 bits and a half; with one bit more the last number would be rounded to 1
        numbers *= 2.0**-52
        return numbers

    def normal(self, size: int) -> NDArray[np.float64]:
        """``size`` standard normal numbers (Box and Muller 1958).

        The radius is made of 64 bits, so the tails end at sqrt(2 * 65 * ln 2) = 9.49 standard deviations, beyond
        which a true normal number falls with probability 2.3e-21: over 10^10 draws, 2.3e-11, far below any delta.
        """
        pairs = (size + 1) // 2
        numbers = np.empty((2, pairs))
        for start in range(0, pairs, BLOCK):
            sines, cosines = numbers[:, start : start + BLOCK]
            radius = self._radius(len(sines))
            angle = self.uniform(len(sines))
            angle *= 2 * math.pi
            np.multiply(radius, np.sin(angle, out=sines), out=sines)
            np.multiply(radius, np.cos(angle, out=cosines), out=cosines)
        return numbers.ravel()[:size]

    def bernoulli(self, size: int, rate: float) -> NDArray[np.bool_]:
        """``size`` independent coins, true with probability ``rate``, or up to 2^-64 less, never more."""
        if not 0 <= rate <= 1:
            raise RunError(f"A sample rate lies between 0 and 1, not at {rate}.")
        threshold = min(int(rate * 2.0**64), 2**64 - 1)
        return self._words(size) < np.uint64(threshold)

    def _radius(self, size: int) -> NDArray[np.float64]:
        radius = self._words(size).astype(np.float64)
        radius += 0.5  # never log 0
        radius *= 2.0**-64
        np.log(radius, out=radius)
        radius *= -2.0
        return np.sqrt(radius, out=radius)

    def _words(self, size: int) -> NDArray[np.uint64]:
        """``size`` words of 64 random bits."""
        if os.getpid() != self._process:
            # Two processes with one stream would release the same noise twice, and the difference would be bare.
            raise RunError("This randomness belongs to another process.", "Make a new one after a fork.")
        if self._left < 8 * size:
            self._start(self._stream.update(bytes(KEY_BYTES)))
        self._left -= 8 * size
        return np.frombuffer(self._stream.update(bytes(8 * size)), dtype=np.uint64)

    def _start(self, key: bytes) -> None:
        # A zero nonce is right: a key is used for one stream only.
        self._stream: CipherContext = Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).encryptor()
        self._left = REKEY_BYTES
        self._process = os.getpid()
