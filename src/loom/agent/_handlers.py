"""What a handler is: the decorators that mark one, and the checks made before an agent runs."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from loom.bus import Overflow
from loom.errors import ConfigError, SignatureError
from loom.event import Event, QoS
from loom.event.topic import check_pattern

if TYPE_CHECKING:
    from loom.agent._schedule import Schedule

Start = Literal["now", "beginning"] | int
F = TypeVar("F", bound=Callable[..., Any])
MARK = "__loom_handlers__"


class Trigger(NamedTuple):
    """What wakes a handler and how its events are queued.

    A beat (``@every``, ``@at``, ``@cron``) has no pattern but a schedule; ``missed`` is what becomes of missed runs.
    """

    pattern: str = ""
    qos: QoS = QoS.BATCHED
    capacity: int | None = None
    overflow: Overflow | None = None
    types: frozenset[str] | None = None
    where: Callable[[Event], bool] | None = None
    group: str | None = None
    interrupts: bool = False
    timeout: float | None = None
    sample: int = 10
    aggregate: Callable[[Event, Event], Event] | None = None
    shed_at: int | None = None
    every: float | None = None
    schedule: Schedule | None = None
    missed: str = ""
    durable: bool = True
    start: Start = "now"


class Handler(NamedTuple):
    """One handler of an agent: its name, the function, the trigger, and how many arguments it takes after self."""

    name: str
    function: Callable[..., Any]
    trigger: Trigger
    arguments: int
    is_async: bool
    uses: tuple[str, ...] = ()


def on(
    pattern: str,
    *,
    qos: QoS = QoS.BATCHED,
    capacity: int | None = None,
    overflow: Overflow | None = None,
    types: str | list[str] | tuple[str, ...] | None = None,
    where: Callable[[Event], bool] | None = None,
    group: str | None = None,
    interrupts: bool = False,
    timeout: float | None = None,
    sample: int = 10,
    aggregate: Callable[[Event, Event], Event] | None = None,
    shed_at: int | None = None,
    durable: bool = True,
    start: Start = "now",
) -> Callable[[F], F]:
    """Call the decorated method (or function: then it is an agent by itself) for events on topics of *pattern*.

    The queue is the handler's own: *qos*, *capacity*, *overflow*, *shed_at*, *types*, *where* and *group* as in
    ``Bus.subscribe``. *interrupts* (REALTIME only) cancels and rolls back a slower step of the same agent that is
    running, which is run again afterwards. *timeout* in seconds ends a call that takes longer, as a failure.
    In a runtime with a store a BATCHED or BACKGROUND handler is a *durable* subscription: it goes on after a crash
    where it was. *start* says where one that is new begins: ``"now"``, ``"beginning"``, or after a sequence number.
    """
    check_pattern(pattern)
    if interrupts and QoS(qos) is not QoS.REALTIME:
        raise ConfigError(f"interrupts=True needs qos=QoS.REALTIME (pattern {pattern!r})")
    kept = None if types is None else frozenset([types] if isinstance(types, str) else types)
    trigger = Trigger(
        pattern,
        QoS(qos),
        capacity,
        overflow,
        kept,
        where,
        group,
        interrupts,
        timeout,
        sample,
        aggregate,
        shed_at,
        durable=durable,
        start=start,
    )
    return lambda function: _mark(function, trigger)


def every(seconds: float, *, missed: str = "skip", qos: QoS = QoS.BATCHED) -> Callable[[F], F]:
    """Call the decorated method each *seconds*, first after one interval; a beat that comes too early is merged.

    *missed* says what becomes of the runs that fell due while nothing ran: ``skip`` (none), ``once`` (one for the
    latest), ``coalesce`` (one that says how many), ``catch_up`` (each, in order). Raises ConfigError.
    """
    from loom.agent._schedule import every_schedule

    if not seconds > 0:
        raise ConfigError(f"@every needs more than 0 seconds, not {seconds!r}")
    return _beat(every_schedule(seconds), missed, qos, float(seconds))


def at(
    time_of_day: str, *, tz: str | None = None, missed: str = "once", qos: QoS = QoS.BATCHED
) -> Callable[[F], F]:
    """Call the decorated method every day at *time_of_day* (``"07:30"`` or ``"07:30:15"``) in the zone *tz*.

    *tz* is a name such as ``"Europe/Berlin"`` or ``"UTC"``; the machine's own zone unless said. A time that clocks
    skip is made up for right after the gap; one that they show twice counts once. *missed* as for ``every``. Raises
    ConfigError.
    """
    from loom.agent._schedule import at_schedule

    return _beat(at_schedule(time_of_day, tz), missed, qos)


def cron(
    line: str, *, tz: str | None = None, missed: str = "once", qos: QoS = QoS.BATCHED
) -> Callable[[F], F]:
    """Call the decorated method when a cron line says so (``"*/5 8-18 * * MON-FRI"``) in the zone *tz*.

    Five fields: minute, hour, day of the month, month, day of the week; also ``L``, ``LW``, ``MON#2``, ``5L``. *tz*
    and *missed* as for ``at``. A line whose minute or hour begins with ``*`` is a rhythm, and keeps to real time when
    clocks are set; any other names times of day, which fire once each day they are due. Raises ConfigError for a line
    that is wrong or never fires, MissingExtra without cronsim.
    """
    from loom.agent._schedule import cron_schedule

    return _beat(cron_schedule(line, tz), missed, qos)


def _beat(schedule: Schedule, missed: str, qos: QoS, every: float | None = None) -> Callable[[F], F]:
    from loom.agent._schedule import MOST_CAUGHT_UP, check_missed

    capacity = MOST_CAUGHT_UP if check_missed(missed) == "catch_up" else 1
    trigger = Trigger(qos=QoS(qos), capacity=capacity, every=every, schedule=schedule, missed=missed)
    return lambda function: _mark(function, trigger)


def _mark(function: F, trigger: Trigger) -> F:
    marks = [*getattr(function, MARK, ()), trigger]
    setattr(function, MARK, tuple(marks))
    return function


def handlers_of(cls: type) -> tuple[Handler, ...]:
    """The marked methods of an agent class in the order of definition; raises SignatureError."""
    found: dict[str, Callable[..., Any]] = {}
    for owner in reversed(cls.__mro__):
        for name, value in vars(owner).items():
            if hasattr(value, MARK):
                found[name] = value
            elif name in found and callable(value):
                del found[name]
    return tuple(
        h for name, f in found.items() for h in compile_handler(f, f"{cls.__qualname__}.{name}", method=True)
    )


def compile_handler(function: Callable[..., Any], name: str, *, method: bool) -> Iterator[Handler]:
    """One Handler for each mark of *function*."""
    arguments = count_arguments(function, name, "event, ctx", most=2, method=method)
    is_async = inspect.iscoroutinefunction(function)
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise SignatureError(
            f"{name} is a generator; make it a plain or async function that calls ctx.publish"
        )
    names = list(inspect.signature(function).parameters)[int(method) + 1 :]
    uses = tuple(capabilities_in(function, names[0])) if arguments > 1 and names else ()
    for number, trigger in enumerate(getattr(function, MARK)):
        yield Handler(
            name if not number else f"{name}#{number + 1}", function, trigger, arguments, is_async, uses
        )


def count_arguments(function: Callable[..., Any], name: str, wanted: str, *, most: int, method: bool) -> int:
    """How many positional arguments *function* takes after self; SignatureError unless it is between 1 and *most*."""
    kinds = inspect.Parameter
    parameters = list(inspect.signature(function).parameters.values())
    plain = [p for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    required = [p for p in parameters if p.kind is kinds.KEYWORD_ONLY and p.default is kinds.empty]
    needed = [p for p in plain if p.default is kinds.empty]
    low = 1 if method else 0
    if required or len(needed) > most + low or len(needed) < low:
        shown = f"(self, {wanted})" if method else f"({wanted})"
        written = f"{name}{inspect.signature(function)}"
        raise SignatureError(f"{written} cannot be called; write {name.split('.')[-1]}{shown}")
    variadic = any(p.kind is kinds.VAR_POSITIONAL for p in parameters)
    return most if variadic else min(len(plain) - low, most)


def capabilities_in(function: Callable[..., Any], ctx: str) -> Iterator[str]:
    """The names of actions that *function* calls by a literal, as in ``ctx.act("tts.speak", ...)``."""
    instructions = [i for i in dis.get_instructions(function) if i.opname not in _SILENT]
    for place, instruction in enumerate(instructions[1:-1], 1):
        on_ctx = _loads(instructions[place - 1], ctx)
        if on_ctx and instruction.opname.startswith(("LOAD_METHOD", "LOAD_ATTR")):
            first = instructions[place + 1]
            literal = first.opname == "LOAD_CONST" and isinstance(first.argval, str)
            if instruction.argval in ("act", "call") and literal and _is_whole(instructions[place + 2 :]):
                yield first.argval


_SILENT = ("CACHE", "PUSH_NULL", "EXTENDED_ARG", "COPY_FREE_VARS", "NOP", "RESUME", "NOT_TAKEN")
_MAKERS = ("BUILD_STRING", "BINARY_OP")


def _loads(instruction: dis.Instruction, name: str) -> bool:
    if not instruction.opname.startswith(("LOAD_FAST", "LOAD_DEREF")):
        return False  # its argument may be anything, an empty tuple for one
    names = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
    return bool(names[-1] == name)


def _is_whole(following: list[dis.Instruction]) -> bool:
    """Whether a literal that was just loaded reaches its call as it is, and is no part of a longer text."""
    height = 1
    for instruction in following:
        name, argument = instruction.opname, instruction.arg
        taken = (argument or 0) if name == "BUILD_STRING" else 2
        if name in _MAKERS and height - taken < 1:
            return False
        if height == 1 and name.startswith(("LOAD_METHOD", "LOAD_ATTR", "FORMAT", "CONVERT")):
            return False
        takes = argument if instruction.opcode >= dis.HAVE_ARGUMENT else None
        height += dis.stack_effect(instruction.opcode, takes, jump=False)
        if height < 1 or name.startswith(("POP_JUMP", "JUMP", "RETURN")):
            return True
    return True
