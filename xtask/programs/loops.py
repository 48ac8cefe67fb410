"""Coroutines: `loops.py asyncio|uvloop|trio`."""

import sys

from work import work


async def left_1(sleep):
    await left_2(sleep)


async def left_2(sleep):
    for _ in range(10000):
        work(1)
        await sleep(0)


async def right_1(sleep):
    await right_2(sleep)


async def right_2(sleep):
    for _ in range(10000):
        work(1)
        await sleep(0)


if sys.argv[1] == "trio":
    import trio

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(left_1, trio.sleep)
            nursery.start_soon(right_1, trio.sleep)

    trio.run(main)
else:
    import asyncio

    if sys.argv[1] == "uvloop":
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

    async def main():
        await asyncio.gather(left_1(asyncio.sleep), right_1(asyncio.sleep))

    asyncio.run(main())
print("done")
