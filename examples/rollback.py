"""A step that fails leaves nothing: state and buffered effects are taken back, the event is tried again.

It prints:
    attempt 1 sees balance 10
    attempt 2 sees balance 10
    receipt: 3 spent
    balance 7
"""

import asyncio
import logging

from loom import Agent, Loom, Retry, action, on


@action("mail.receipt")
async def receipt(text: str) -> None:
    print("receipt:", text)


class Purse(Agent, retry=Retry(attempts=3, base=0.01)):
    balance: int = 10

    @on("purse.spend")
    async def spend(self, event, ctx):
        print("attempt", ctx.attempt, "sees balance", self.balance)
        self.balance -= event.payload
        ctx.act("mail.receipt", text=f"{event.payload} spent")
        if ctx.attempt == 1:
            raise ConnectionError("the bank did not answer")  # balance and receipt are as before


async def main():
    async with Loom() as loom:
        loom.add(receipt, Purse)
        await loom.publish("purse.spend", 3)
        await loom.idle()
        print("balance", loom.agent("Purse").instance.balance)


logging.getLogger("loom").setLevel(logging.ERROR)  # the failed attempt is logged as a warning
asyncio.run(main())
