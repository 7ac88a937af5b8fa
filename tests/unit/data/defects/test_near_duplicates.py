"""Nearly equal transcripts are found among many others, and only those."""

from random import Random

from goldsmith.data.defects.near_duplicates import NearDuplicates, jaccard, shingles
from goldsmith.tasks.transcript import Transcript

WORDS = [f"w{number}" for number in range(200)]


def test_planted_pairs_are_found_and_nothing_else():
    rng = Random(0)
    texts = [" ".join(rng.choices(WORDS, k=150)) for _ in range(300)]
    planted = {300 + number: number * 7 for number in range(30)}
    texts += [texts[number] + " more" for number in planted.values()]
    transcripts = [Transcript(text, (), "") for text in texts]
    near = NearDuplicates()
    for number, transcript in enumerate(transcripts):
        near.add(number, transcript)

    def overlap(one, other):
        return jaccard(shingles(transcripts[one]), shingles(transcripts[other]))

    assert dict(near.pairs(0.95, overlap)) == planted
    near.close()


def test_half_equal_transcripts_are_no_duplicates():
    near = NearDuplicates()
    words = " ".join(WORDS)
    near.add(0, Transcript(words, (), ""))
    near.add(1, Transcript(words[: len(words) // 2], (), ""))
    assert not list(near.pairs(0.95, lambda one, other: 0.5))
    near.close()
