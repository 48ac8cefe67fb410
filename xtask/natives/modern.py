"""Kinds of work that Python 2 can not read: see work.py."""


def delegating():
    def counting(n):
        yield from range(n)

    def through(inner):
        yield from inner

    return lambda: sum(through(through(counting(20000))))


def coroutines():
    import asyncio

    async def leaf(n):
        await asyncio.sleep(0)
        return n

    async def several():
        return await asyncio.gather(*[leaf(n) for n in range(200)])

    loop = asyncio.new_event_loop()
    return lambda: loop.run_until_complete(several())


def pydantic():
    import pydantic

    class Inner(pydantic.BaseModel):
        number: int

        @pydantic.field_validator("number")
        @classmethod
        def even(cls, value):
            return value & ~1

    class Outer(pydantic.BaseModel):
        name: str
        inners: list[Inner]

    return lambda: Outer.model_validate({"name": "x", "inners": [{"number": n} for n in range(100)]})
