"""Is a cluster fit for our work? Each check says in words what is missing, and what to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Literal

from goldsmith.cluster.client import KINDS, Client, Object
from goldsmith.cluster.environment import CREDENTIALS, SIGNING_KEY, secret_data
from goldsmith.cluster.pipelines import healthz
from goldsmith.cluster.pytorchjob import CAPACITY_LABEL, node_selector
from goldsmith.config.cluster import ClusterConfig, Pool
from goldsmith.errors import ClusterError, GoldsmithError
from goldsmith.store.object_store import ObjectStore
from goldsmith.store.probe import probe

OLDEST = (1, 31)
PREREQUISITES = "install it as manifests/prerequisites/README.md says"
RIGHTS = (
    *(("PyTorchJob", verb) for verb in ("get", "list", "watch", "create", "patch", "delete")),
    *(("Job", verb) for verb in ("get", "list", "watch", "create", "patch", "delete")),
    ("Pod", "get"),
    ("Pod", "list"),
    ("Pod/log", "get"),
    ("Event", "list"),
)
"""What the account of the steps must be able to do in the namespace."""

Check = Callable[[], str]
"""Says what is right; raises what is wrong."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check."""

    check: str
    verdict: Literal["ok", "note", "wrong"]
    message: str

    def to_json(self) -> dict[str, str]:
        """As `--json` answers."""
        return asdict(self)


class _Note(Exception):
    """Something that is worth knowing and stops nothing."""


def preflight(
    cluster: ClusterConfig, client: Client, store: ObjectStore, *, kfp_url: str
) -> Iterator[Finding]:
    """Every check in turn; `kfp_url` is the pipeline API as seen from here."""
    checks: dict[str, Check] = {
        "kubernetes": partial(_version, client),
        "training operator": partial(_serves, client, "PyTorchJob", "the training operator"),
        "workflows": partial(_serves, client, "Workflow", "Argo Workflows"),
        "kserve": partial(_optional, client, "InferenceService", "KServe, to serve models"),
        "pipelines": partial(_pipelines, kfp_url, cluster.kfp.server),
        "store": partial(probe, store),
        "accounts": partial(_accounts, client, cluster),
        "rights": partial(_rights, client, cluster),
        "signing key": partial(_secret, client, cluster.signing_secret, (SIGNING_KEY,)),
    }
    if secret := cluster.store.credentials_secret:
        checks["store's secret"] = partial(_secret, client, secret, CREDENTIALS)
    if cluster.queue:
        checks["queue"] = partial(_queue, client, cluster.queue)
    if name := cluster.priority_class:
        checks["priority class"] = partial(_exists, client, "PriorityClass", name)
    for tier in cluster.hardware:
        checks[f"nodes for {tier}"] = partial(_nodes, client, cluster, tier)
    for name, check in checks.items():
        yield look(name, check)


def look(name: str, check: Check) -> Finding:
    """The finding of one check."""
    try:
        return Finding(name, "ok", check())
    except _Note as note:
        return Finding(name, "note", str(note))
    except GoldsmithError as error:
        return Finding(name, "wrong", str(error))


def _version(client: Client) -> str:
    major, minor = client.version()
    if (major, minor) < OLDEST:
        raise ClusterError(f"Kubernetes {major}.{minor}", fix="use 1.31 or newer")
    return f"Kubernetes {major}.{minor} at {client.server}"


def _serves(client: Client, kind: str, what: str) -> str:
    if not client.serves(kind):
        raise ClusterError(f"{what} is not installed", why=_crd(kind), fix=PREREQUISITES)
    return f"serves {KINDS[kind].plural} {KINDS[kind].api}"


def _optional(client: Client, kind: str, what: str) -> str:
    if not client.serves(kind):
        raise _Note(f"no {what}: {_crd(kind)}")
    return f"serves {KINDS[kind].plural} {KINDS[kind].api}"


def _crd(kind: str) -> str:
    return f"there is no CRD {KINDS[kind].plural}.{KINDS[kind].group}"


def _pipelines(url: str, level: str) -> str:
    """Kubeflow Pipelines answers, and is as new as the configuration says."""
    tag = str(healthz(url).get("tag_name", ""))
    if _numbers(tag) < _numbers(level):
        raise ClusterError(
            f"Kubeflow Pipelines is {tag}",
            why=f"kfp.server says {level}",
            fix='set kfp.server: "2.0"',
        )
    if _numbers(tag) < (2, 18):
        raise _Note(f"Kubeflow Pipelines {tag} at {url}; before 2.18.1 it has known holes (CVEs)")
    return f"Kubeflow Pipelines {tag or 'of an unknown version'} at {url}"


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version; what has none is the newest."""
    parts = version.lstrip("v").split(".")[:2]
    return tuple(int(part) for part in parts) if all(p.isdigit() for p in parts) else (99,)


def _accounts(client: Client, cluster: ClusterConfig) -> str:
    accounts = cluster.service_accounts
    for name in (accounts.pipeline, accounts.trainer):
        _exists(client, "ServiceAccount", name)
    return f"{accounts.pipeline} and {accounts.trainer}"


def _exists(client: Client, kind: str, name: str) -> str:
    if not client.get(kind, name):
        raise ClusterError(
            f"there is no {kind} {name} in namespace {client.namespace}",
            fix="helm install goldsmith charts/goldsmith",
        )
    return name


def _secret(client: Client, name: str, keys: tuple[str, ...]) -> str:
    if not name:
        raise _Note("none is named: every step signs with a key of its own")
    secret_data(client, name, keys)
    return f"Secret {name} has {', '.join(keys)}"


def _queue(client: Client, queue: str) -> str:
    _serves(client, "LocalQueue", "Kueue")
    return _exists(client, "LocalQueue", queue)


def _rights(client: Client, cluster: ClusterConfig) -> str:
    """The steps' account may do what the launcher does; asked for it, or else for oneself."""
    account = cluster.service_accounts.pipeline
    user = f"system:serviceaccount:{cluster.namespace}:{account}"
    try:
        missing = [right for right in RIGHTS if not _may(client, *right, user=user)]
    except ClusterError as error:
        if error.status != 403:
            raise
        user = "this account"
        missing = [right for right in RIGHTS if not _may(client, *right, user="")]
    if missing:
        words = ", ".join(f"{verb} {kind}" for kind, verb in missing)
        raise ClusterError(f"{user} may not {words}", fix="helm upgrade goldsmith charts/goldsmith")
    return f"{user} may run jobs and read their pods"


def _may(client: Client, kind: str, verb: str, *, user: str) -> bool:
    """Whether a user, or else we, may do something in the namespace."""
    name, _, part = kind.partition("/")
    place = KINDS[name]
    asked: Object = {
        "namespace": client.namespace,
        "group": place.group,
        "resource": place.plural,
        "subresource": part,
        "verb": verb,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview" if user else "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked} | ({"user": user} if user else {}),
    }
    return bool(client.create(review)["status"]["allowed"])


def _nodes(client: Client, cluster: ClusterConfig, tier: str) -> str:
    """There are nodes of the tier's pool, of each capacity that it asks for, or will be."""
    hardware = cluster.hardware[tier]  # type: ignore[index]  # of a Tier
    pool = cluster.pools[hardware.pool]
    capacities = {hardware.master_capacity}
    if hardware.nodes > 1:
        capacities.add(hardware.worker_capacity)
    try:
        nodes = client.list("Node")
    except ClusterError as error:
        if error.status == 403:
            raise _Note("this account may not list nodes") from None
        raise
    found, missing = [], []
    for capacity in sorted(capacities):
        wanted = node_selector(pool, capacity)
        fit = [node for node in nodes if _fits(node, wanted, pool)]
        words = f"{wanted.get(CAPACITY_LABEL, 'any')} {hardware.pool}"
        found.append(f"{len(fit)} x {words}")
        if not fit:
            missing.append(f"{words} ({', '.join(f'{k}={v}' for k, v in wanted.items()) or 'any'})")
    if not missing:
        return ", ".join(found)
    if client.serves("NodePool") and (pools := client.list("NodePool")):
        names = ", ".join(entry["metadata"]["name"] for entry in pools)
        raise _Note(f"no node now: {'; '.join(missing)}; Karpenter may make them: {names}")
    raise ClusterError(
        f"no node for {'; '.join(missing)}",
        fix=f"add nodes with these labels, or change pools.{hardware.pool}",
    )


def _fits(node: Object, wanted: dict[str, str], pool: Pool) -> bool:
    """Whether a node has the labels, and GPUs where the pool has them."""
    labels = node["metadata"].get("labels", {})
    gpus = int(node.get("status", {}).get("allocatable", {}).get("nvidia.com/gpu", 0))
    return wanted.items() <= labels.items() and gpus >= pool.accelerators
