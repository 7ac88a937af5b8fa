"""Nearly equal trajectories: MinHash (datasketch), bands on disk, then exact overlap.

datasketch's own LSH index keeps everything in Python objects, gigabytes for a file of 2 GB; so the
bands go to a `KeyLog`, signatures to a file, and few pairs are read again and compared exactly.
With 8 bands of 8, a pair with overlap 0.95 is a candidate with probability 0.9998, one with 0.5
with 0.03.
"""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from goldsmith.data.defects.keys import KeyLog
from goldsmith.tasks.transcript import Transcript

PERMUTATIONS, BANDS = 64, 8
ROWS = PERMUTATIONS // BANDS
WORDS = 3
"""Words of one shingle."""
SLACK = 0.15
"""How far below the threshold an estimate may be; its standard error is at most 0.06."""
MAX_EXACT = 5000
"""Pairs that are read again; beyond, the estimate decides."""
MAX_WORDS = 4000

Overlap = Callable[[int, int], float]


def shingles(transcript: Transcript) -> set[bytes]:
    """What the trajectory says: prompt, sights and steps by three words; lore is shared by many."""
    parts = [transcript.prompt, transcript.first_observation]
    for turn in transcript.turns:
        parts += [turn.step.action, turn.observation]
    words = " ".join(parts).encode("utf-8", "surrogatepass").split()[:MAX_WORDS]
    return {b" ".join(words[i : i + WORDS]) for i in range(max(1, len(words) - WORDS + 1))}


def jaccard(one: set[bytes], other: set[bytes]) -> float:
    """Share of shingles that both have."""
    return len(one & other) / len(one | other)


class NearDuplicates:
    """Collects signatures, then yields the pairs that are alike."""

    def __init__(self) -> None:
        from datasketch import MinHash

        self._minhash = MinHash(PERMUTATIONS, seed=1, hashfunc=zlib.crc32)
        self._bands = KeyLog()
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - kept until close

    def add(self, number: int, transcript: Transcript) -> None:
        """Take in record `number`; numbers count from 0 without a gap."""
        self._minhash.clear()
        self._minhash.update_batch(shingles(transcript))
        signature = np.asarray(self._minhash.hashvalues, dtype="<u4")
        self._file.write(signature.tobytes())
        for band in range(BANDS):
            rows = signature[band * ROWS : (band + 1) * ROWS].tobytes()
            key = hashlib.blake2b(rows, digest_size=8, salt=bytes([band])).digest()
            self._bands.add(key, number)

    def pairs(self, threshold: float, overlap: Overlap) -> Iterator[tuple[int, int]]:
        """(later, earlier) records whose overlap is at least `threshold`, each later one once."""
        self._file.flush()
        if not self._file.tell():
            return
        signatures = np.memmap(self._file, dtype="<u4", mode="r").reshape(-1, PERMUTATIONS)
        found = bytearray(len(signatures))
        exact = 0
        for later, earlier, estimate in self._candidates(signatures):
            if found[later] or estimate < threshold - SLACK:
                continue
            exact += 1
            if (overlap(later, earlier) if exact <= MAX_EXACT else estimate) >= threshold:
                found[later] = 1
                yield later, earlier

    def _candidates(self, signatures: Any) -> Iterator[tuple[int, int, float]]:
        """Each record of a band's bucket with the bucket's first and with the one before it."""
        for numbers in self._bands.groups():
            for before, number in pairwise(numbers):
                for earlier in {numbers[0], before}:
                    estimate = float(np.mean(signatures[number] == signatures[earlier]))
                    yield number, earlier, estimate

    def close(self) -> None:
        """Give the disk space back."""
        self._bands.close()
        self._file.close()
