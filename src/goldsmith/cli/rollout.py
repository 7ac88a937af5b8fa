"""`goldsmith operate rollout`: keeps what the cluster serves at what the aliases say."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from goldsmith.cli.options import (
    DryRunOption,
    JsonOption,
    StoreOption,
    answer,
    say,
    store_at,
    table,
)
from goldsmith.cli.place import NamespaceOption
from goldsmith.cluster.client import PATIENCE_S, connect
from goldsmith.cluster.rollout import POLL_S, Rollout, TierState, next_change
from goldsmith.config.serving import load_serving

ServingOption = Annotated[Path, typer.Option("--config", help="The ServingConfig of the release.")]
OnceOption = Annotated[bool, typer.Option("--once", help="Do one step and end.")]


def operate_rollout(
    config: ServingOption,
    store: StoreOption = None,
    namespace: NamespaceOption = "",
    poll_s: Annotated[float, typer.Option("--poll-s", help="Between two looks.")] = POLL_S,
    heartbeat: Annotated[
        Path | None, typer.Option("--heartbeat", help="A file that is touched at each look.")
    ] = None,
    once: OnceOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make each tier serve its live version, one tier at a time, for ever or once."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    client = connect(namespace, patience_s=0.0 if once or dry_run else PATIENCE_S)
    rollout = Rollout(client, store_at(store), load_serving(config).tiers)
    if not (once or dry_run):
        rollout.run(poll_s=poll_s, heartbeat=heartbeat)
    states = rollout.look()
    change = next_change(states) if dry_run else rollout.step()
    if as_json:
        changed = change.to_json() if change else None
        answer({"tiers": [s.to_json() for s in states], "change": changed, "dry_run": dry_run})
    else:
        _say_states(states, change, dry_run=dry_run)


def _say_states(states: list[TierState], change: TierState | None, *, dry_run: bool) -> None:
    rows = [[s.tier, s.live, s.told, s.phase, s.why] for s in states]
    say(table(("tier", "live", "named", "pods", "why"), rows))
    if change:
        word = "would be" if dry_run else "is"
        say(f"{change.tier}: {change.live} {word} named instead of {change.told or 'none'}")
