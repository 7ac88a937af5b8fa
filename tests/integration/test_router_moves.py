"""A request leaves a replica that is down only for one that it has not tried."""

from __future__ import annotations

import asyncio

from tests.fixtures.fake_engine import Fault
from tests.fixtures.router import engine, running_router, until


def test_a_request_waits_for_its_last_replica_instead_of_failing() -> None:
    """Both replicas are starved for a moment, one after the other, and come back."""

    async def run() -> None:
        two = {"gold": [engine("gold"), engine("gold")]}
        async with running_router(two, router={"hedge_share": 0.0}) as router:
            fakes, fleet = router.engines["gold"], router.core.fleet
            for fake in fakes:
                fake.fault = Fault("slow", delay_s=1.0)
            asked = asyncio.create_task(router.chat())
            await until(lambda: any(fake.generated() for fake in fakes))
            first, second = sorted(fakes, key=lambda fake: -len(fake.generated()))
            fleet.probed(fleet.replicas[first.url], False)
            await until(lambda: bool(second.generated()))
            fleet.probed(fleet.replicas[first.url], True)
            fleet.probed(fleet.replicas[second.url], False)
            assert (await asked).status == 200
            assert len(first.generated()) == 1

    asyncio.run(run())
