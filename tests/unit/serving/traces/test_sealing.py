"""A segment is sealed once, whatever crashes in between, and read back without duplicates."""

import pytest

from goldsmith.errors import IntegrityError, StoreError
from goldsmith.serving.traces import archive, segments
from goldsmith.serving.traces.archive import Choice
from goldsmith.serving.traces.sealer import seal_segment


def names(store, **choice):
    return [record["request_id"] for record in archive.read(store, Choice(**choice))]


class Crashing:
    """A store that dies at the n-th write or deletion."""

    def __init__(self, store, at):
        self._store, self._left = store, at

    def __getattr__(self, name):
        method = getattr(self._store, name)
        if name not in ("create", "replace", "delete"):
            return method

        def counted(*arguments, **options):
            self._left -= 1
            if self._left == 0:
                raise StoreError("killed")
            return method(*arguments, **options)

        return counted


def test_a_sealed_segment_is_described_and_read_back(store, segment, trace):
    sealed = seal_segment(store, segment(trace("a"), trace("b", tenant="other", tier="bronze")))
    assert sealed.tenants == {"acme": 1, "other": 1} and sealed.tiers == {"gold": 1, "bronze": 1}
    assert names(store) == ["a", "b"]
    assert list(segments.manifests(store)) == [sealed.key]
    assert sealed.object.startswith(sealed.key.removesuffix(".json"))


@pytest.mark.parametrize("at", [1, 2])
def test_a_crash_while_sealing_loses_and_doubles_nothing(store, segment, trace, at):
    path = segment(trace("a"), trace("b"))
    with pytest.raises(StoreError, match="killed"):
        seal_segment(Crashing(store, at), path)
    assert seal_segment(store, path) == seal_segment(store, path)
    assert names(store) == ["a", "b"] and len(list(segments.objects(store))) == 1


def test_what_was_sent_twice_is_read_once(store, segment, trace):
    assert seal_segment(store, segment(trace("a"), trace("b"), trace("a"))).records == 2
    seal_segment(store, segment(trace("b"), trace("c")))
    assert sorted(names(store)) == ["a", "b", "c"]


def test_one_damaged_bit_is_told(store, segment, trace, tmp_path):
    sealed = seal_segment(store, segment(trace("a")))
    path = tmp_path / "store" / sealed.object
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="damaged"):
        names(store)


@pytest.mark.parametrize("damage", ["gone", "torn", "empty"])
def test_a_damaged_object_is_mended_while_the_local_segment_is_there(
    store, segment, trace, tmp_path, damage
):
    path = segment(trace("a"))
    file = tmp_path / "store" / seal_segment(store, path).object
    file.unlink() if damage == "gone" else file.write_bytes(
        file.read_bytes()[:-9] if damage == "torn" else b""
    )
    seal_segment(store, path)
    assert names(store) == ["a"]


def test_choices_narrow_what_is_read(store, segment, trace):
    seal_segment(
        store,
        segment(trace("a", consent=True), trace("b", tenant="other"), trace("c", tier="bronze")),
    )
    assert names(store, tenant="acme") == ["a", "c"]
    assert names(store, tier="bronze") == ["c"]
    assert names(store, consented=True) == ["a"]
    assert names(store, day="1999-01-01") == []


def test_tail_gives_the_last_ones_in_order(store, segment, trace):
    for start in range(0, 9, 3):
        seal_segment(store, segment(*(trace(f"r{start + n}") for n in range(3))))
    order = names(store)
    assert [r["request_id"] for r in archive.tail(store, Choice(), count=4)] == order[-4:]
    assert [r["request_id"] for r in archive.tail(store, Choice(), count=99)] == order


def test_stats_count_by_tenant_and_tier(store, segment, trace):
    seal_segment(store, segment(trace("a", at=2e9), trace("b", tenant="other", at=3e9)))
    found = archive.stats(store, Choice())
    assert (found.records, found.segments, found.first_at, found.last_at) == (2, 1, 2e9, 3e9)
    assert found.tenants == {"acme": 1, "other": 1} and found.tiers == {"gold": 2}
