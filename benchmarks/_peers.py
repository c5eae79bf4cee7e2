"""Other libraries behind one small face: make a line from a publisher to handlers, send, wait until all was handled.

Each is used as its own documentation shows, with its defaults, and carries the same Loom Event where it can carry any
object. Loom and the bare loop have the same face, so that every side of a comparison runs the same code around it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks._bare import BATCH, BareQueue
from loom import Agent, Event, Loom, QoS, on

TOPIC = "reading"
Handler = Callable[[Any], Awaitable[None]]


class Line(Protocol):
    """From publishing to handlers: ``urgent`` is the topic index 0, bulk topics follow."""

    async def start(self, handlers: list[Handler]) -> None:
        """Begin to serve one handler for each topic."""
        ...

    async def send(self, topic: int, n: object) -> None:
        """Publish *n*, and let the loop run now and then."""
        ...

    def post(self, topic: int, n: object) -> None:
        """Publish *n* from a callback."""
        ...

    async def stop(self) -> None:
        """End everything; what is queued may be lost."""
        ...


def make(n: object) -> Event:
    return Event("reading", n, topic=TOPIC)


class Posting:
    """For publishers that never wait: the loop runs after each BATCH."""

    _sent = 0

    def post(self, topic: int, n: object) -> None:
        raise NotImplementedError

    async def send(self, topic: int, n: object) -> None:
        self.post(topic, n)
        self._sent += 1
        if not self._sent % BATCH:
            await asyncio.sleep(0)


class BareLine:
    """A deque with batch wake-up and a task for each topic, bounded by letting the loop run."""

    async def start(self, handlers: list[Handler]) -> None:
        self._queues: list[BareQueue[Event]] = [BareQueue() for _ in handlers]
        pairs = zip(self._queues, handlers, strict=True)
        self._tasks = [asyncio.create_task(self._serve(queue, handler)) for queue, handler in pairs]

    async def _serve(self, queue: BareQueue[Event], handler: Handler) -> None:
        while True:
            for event in await queue.take_all():
                await handler(event.payload)

    async def send(self, topic: int, n: object) -> None:
        await self._queues[topic].put(make(n))

    def post(self, topic: int, n: object) -> None:
        self._queues[topic].append(make(n))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class LoomLine:
    """An agent for each topic: the first REALTIME, the others as *bulk* says."""

    def __init__(self, urgent: QoS = QoS.BATCHED, bulk: QoS = QoS.BATCHED) -> None:
        self._qos = (urgent, bulk)

    async def start(self, handlers: list[Handler]) -> None:
        self._loom = Loom(drain=0.0)
        self._topics = [f"{TOPIC}.{number}" for number in range(len(handlers))]
        for number, handler in enumerate(handlers):
            self._loom.add(_agent(self._topics[number], handler, self._qos[number > 0], f"agent{number}"))
        await self._loom.start()

    async def send(self, topic: int, n: object) -> None:
        await self._loom.bus.publish(Event("reading", n, topic=self._topics[topic]))

    def post(self, topic: int, n: object) -> None:
        self._loom.bus.publish_nowait(Event("reading", n, topic=self._topics[topic]))

    async def stop(self) -> None:
        await self._loom.stop(0.0)


def _agent(topic: str, handler: Handler, qos: QoS, called: str) -> type[Agent]:
    class Peer(Agent, name=called):
        """Counts, and hands on to the handler of the benchmark."""

        handled: int = 0

        @on(topic, qos=qos)
        async def take(self, event: Event, ctx: Any) -> None:
            self.handled += 1
            await handler(event.payload)

    return Peer


class AiopubsubLine(Posting):
    """aiopubsub: a hub, a publisher, and an asynchronous listener for each topic. Its queues have no bound."""

    async def start(self, handlers: list[Handler]) -> None:
        import aiopubsub

        hub = aiopubsub.Hub()
        self._publisher = aiopubsub.Publisher(hub, "bench")
        self._keys = [aiopubsub.Key(TOPIC, str(number)) for number in range(len(handlers))]
        self._subscribers = []
        for number, (key, handler) in enumerate(zip(self._keys, handlers, strict=True)):
            subscriber = aiopubsub.Subscriber(hub, f"subscriber{number}")
            subscriber.add_async_listener(aiopubsub.Key("bench", *key), _with_key(handler))
            self._subscribers.append(subscriber)

    def post(self, topic: int, n: object) -> None:
        self._publisher.publish(self._keys[topic], make(n))

    async def stop(self) -> None:
        for subscriber in self._subscribers:
            await subscriber.remove_all_listeners()


def _with_key(handler: Handler) -> Callable[[object, Event], Awaitable[None]]:
    async def listen(key: object, event: Event) -> None:
        await handler(event.payload)

    return listen


class PyeeLine(Posting):
    """pyee: asynchronous listeners, which get a task for each event."""

    async def start(self, handlers: list[Handler]) -> None:
        from pyee.asyncio import AsyncIOEventEmitter

        self._emitter = AsyncIOEventEmitter()
        for number, handler in enumerate(handlers):
            self._emitter.on(f"{TOPIC}{number}", _with_event(handler))

    def post(self, topic: int, n: object) -> None:
        self._emitter.emit(f"{TOPIC}{topic}", make(n))

    async def stop(self) -> None:
        self._emitter.remove_all_listeners()


def _with_event(handler: Handler) -> Callable[[Event], Awaitable[None]]:
    async def listen(event: Event) -> None:
        await handler(event.payload)

    return listen


@dataclass
class Message:
    """autogen-core wants a dataclass or a pydantic model that it can write as JSON."""

    n: float


class AutogenLine:
    """autogen-core: a RoutedAgent for each topic in the single-threaded runtime. Its queue has no bound."""

    async def start(self, handlers: list[Handler]) -> None:
        from autogen_core import SingleThreadedAgentRuntime, TopicId, TypeSubscription

        self._runtime = SingleThreadedAgentRuntime()
        for number, handler in enumerate(handlers):
            await _autogen_agent(handler).register(
                self._runtime, f"agent{number}", _Describe(_autogen_agent(handler))
            )
            await self._runtime.add_subscription(TypeSubscription(f"{TOPIC}{number}", f"agent{number}"))
        self._topics = [TopicId(f"{TOPIC}{number}", "default") for number in range(len(handlers))]
        self._runtime.start()
        self._sent = 0
        self._posting: set[asyncio.Task[None]] = set()

    def post(self, topic: int, n: object) -> None:
        task = asyncio.get_running_loop().create_task(self.send(topic, n))
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    async def send(self, topic: int, n: object) -> None:
        await self._runtime.publish_message(Message(n), self._topics[topic])  # type: ignore[arg-type]
        self._sent += 1
        if not self._sent % BATCH:
            await asyncio.sleep(0)

    async def stop(self) -> None:
        await self._runtime.stop()


class _Describe:
    """A factory of agents, without a closure over a loop variable."""

    def __init__(self, cls: Any) -> None:
        self._cls = cls

    def __call__(self) -> Any:
        return self._cls("hands on to the handler of the benchmark")


_made: dict[Handler, Any] = {}


def _autogen_agent(handler: Handler) -> Any:
    from autogen_core import MessageContext, RoutedAgent, message_handler

    if handler in _made:
        return _made[handler]

    class Peer(RoutedAgent):  # type: ignore[misc]
        @message_handler  # type: ignore[untyped-decorator]
        async def take(self, message: Message, ctx: MessageContext) -> None:
            await handler(message.n)

    _made[handler] = Peer
    return Peer


class PykkaLine(Posting):
    """pykka: an actor, and so a thread, for each topic. Its handlers must not wait for the loop."""

    async def start(self, handlers: list[Handler]) -> None:
        self._actors = [_pykka_actor().start(handler) for handler in handlers]

    def post(self, topic: int, n: object) -> None:
        self._actors[topic].tell(make(n))

    async def stop(self) -> None:
        for actor in self._actors:
            actor.stop(block=False)
        for actor in self._actors:
            await asyncio.to_thread(actor.actor_stopped.wait)


def _pykka_actor() -> Any:
    import pykka

    class Peer(pykka.ThreadingActor):  # type: ignore[misc]
        use_daemon_thread = True

        def __init__(self, handler: Handler) -> None:
            super().__init__()
            self._handler = handler

        def on_receive(self, message: Event) -> None:
            coroutine: Any = self._handler(message.payload)
            try:
                coroutine.send(None)
            except StopIteration:
                return
            raise RuntimeError("the handler waited")

    return Peer
