"""A forgotten tenant is in no object, whoever was sealing meanwhile and wherever it crashed."""

import time

import orjson
import pytest

from goldsmith.errors import StoreError
from goldsmith.serving.traces import segments
from goldsmith.serving.traces.archive import Choice, read
from goldsmith.serving.traces.forget import bury, forget, held
from goldsmith.serving.traces.sealer import seal_segment


def names(store):
    return sorted(record["request_id"] for record in read(store, Choice()))


def tenants_in_objects(store):
    """Every tenant of whom the store holds a line, named by a manifest or not."""
    return {
        orjson.loads(line)["tenant"]
        for key, _ in segments.objects(store)
        for line in segments.unpack(store, key).splitlines()
    }


def gone(store, tombstone):
    told = {}
    forget(store, tombstone, told=lambda key, count: told.update({key: count}))
    return told


def test_only_that_tenants_traces_go(store, segment, trace):
    sealed = seal_segment(store, segment(trace("a"), trace("b", tenant="other"), trace("c")))
    tombstone = bury(store, "acme")
    assert gone(store, tombstone) == {sealed.key: 2}
    assert names(store) == ["b"] and tenants_in_objects(store) == {"other"}
    after = segments.read_tagged(store, sealed.key)[0]
    assert after.forgotten == (tombstone.key,) and not list(held(store, "acme"))


def test_a_segment_of_one_tenant_is_left_without_an_object(store, segment, trace):
    sealed = seal_segment(store, segment(trace("a")))
    gone(store, bury(store, "acme"))
    assert not list(segments.objects(store)) and names(store) == []
    assert segments.read_tagged(store, sealed.key)[0].records == 0


def test_a_local_log_is_sealed_without_a_forgotten_tenant(store, segment, trace):
    path = segment(trace("a"), trace("b", tenant="other"))
    gone(store, bury(store, "acme"))
    seal_segment(store, path)
    assert tenants_in_objects(store) == {"other"}


def test_what_is_forgotten_never_reaches_the_store(store, segment, trace, monkeypatch):
    path = segment(trace("a"), trace("b", tenant="other"))
    bury(store, "acme")
    written, create = [], store.create
    monkeypatch.setattr(store, "create", lambda key, data: (written.append(key), create(key, data)))
    seal_segment(store, path)
    assert len(written) == 2, "one object and its manifest"


def test_what_a_crash_left_before_the_tombstone_is_swept_away(store, segment, trace):
    path = segment(trace("a"), trace("b", tenant="other"))

    class Killed:
        def __getattr__(self, name):
            return getattr(store, name)

        def create(self, key, data):
            if key.endswith(".json"):
                raise StoreError("killed")
            store.create(key, data)

    with pytest.raises(StoreError, match="killed"):
        seal_segment(Killed(), path)
    assert "acme" in tenants_in_objects(store)
    bury(store, "acme")
    seal_segment(store, path)
    assert tenants_in_objects(store) == {"other"}


def test_a_rewritten_object_that_is_lost_is_made_again_from_the_local_log(store, segment, trace):
    path = segment(trace("a"), trace("b", tenant="other"))
    sealed = seal_segment(store, path)
    gone(store, bury(store, "acme"))
    store.delete(segments.read_tagged(store, sealed.key)[0].object)
    store.delete(sealed.object)
    seal_segment(store, path)
    assert names(store) == ["b"]


def test_what_a_tenant_asks_later_is_kept(store, segment, trace):
    bury(store, "acme", before=time.time() - 60)
    seal_segment(store, segment(trace("old", at=time.time() - 120), trace("new")))
    assert names(store) == ["new"]


class Meanwhile:
    """A store whose manifest's creation is followed at once by somebody else's deed."""

    def __init__(self, store, deed):
        self._store, self._deed = store, deed

    def __getattr__(self, name):
        method = getattr(self._store, name)
        if name != "create":
            return method

        def create(key, data):
            method(key, data)
            if key.endswith(".json") and "forgotten" not in key and self._deed:
                deed, self._deed = self._deed, None
                deed()

        return create


def test_a_tombstone_that_comes_while_sealing_is_honoured(store, segment, trace):
    path = segment(trace("a"), trace("b", tenant="other"))
    seal_segment(Meanwhile(store, lambda: bury(store, "acme")), path)
    assert tenants_in_objects(store) == {"other"} and names(store) == ["b"]


def test_a_collector_lost_before_its_manifest_leaves_nothing_of_the_tenant(store, segment, trace):
    path = segment(trace("a"), trace("b", tenant="other"))
    lines = [orjson.dumps(trace("a")), orjson.dumps(trace("b", tenant="other"))]
    segments.write_object(store, path.stem, lines, forgotten=())
    gone(store, bury(store, "acme"))
    assert tenants_in_objects(store) == {"other"} and names(store) == ["b"]
    seal_segment(store, path)
    assert tenants_in_objects(store) == {"other"} and names(store) == ["b"]


@pytest.mark.parametrize("at", [1, 2, 3])
def test_forgetting_can_be_done_again_after_a_crash(store, segment, trace, at):
    seal_segment(store, segment(trace("a"), trace("b", tenant="other")))
    tombstone = bury(store, "acme")
    left = [at]

    class Crashing:
        def __getattr__(self, name):
            method = getattr(store, name)

            def counted(*arguments, **options):
                left[0] -= name in ("create", "replace", "delete")
                if left[0] == 0:
                    raise StoreError("killed")
                return method(*arguments, **options)

            return counted if callable(method) else method

    with pytest.raises(StoreError, match="killed"):
        gone(Crashing(), tombstone)
    gone(store, tombstone)
    assert tenants_in_objects(store) == {"other"} and names(store) == ["b"]
