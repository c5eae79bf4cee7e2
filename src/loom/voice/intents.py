"""What can be asked without a big model: examples of each intent, found by the likeness of sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SURE = 0.62
"""How alike a question and its nearest example have to be; below that the chat model answers."""

INTENTS: Mapping[str, Sequence[str]] = {
    "timer.set": (
        "set a timer for ten seconds", "set a timer for five minutes", "start a timer for one hour",
        "remind me in twenty minutes", "wake me up in half an hour", "set a timer", "timer three minutes",
        "count down from thirty seconds", "set an egg timer for six minutes", "remind me in an hour",
    ),
    "timer.left": (
        "how much time is left on the timer", "how long until the timer rings", "when does my timer go off",
        "is the timer still running", "which timers are running", "how many minutes are left on my timer",
    ),
    "timer.cancel": (
        "cancel the timer", "stop the timer", "delete all timers", "turn off the timer",
        "I don't need the timer anymore",
    ),
    "time": (
        "what time is it", "tell me the time", "what's the time now", "do you have the time", "how late is it",
    ),
    "date": (
        "what day is it today", "what is the date", "which day of the week is it", "what is today's date",
        "tell me the date", "what month is it", "what year is it",
    ),
    "door": (
        "who is at the door", "is somebody at the door", "did anybody come to the door", "who rang the bell",
        "is there someone at the front door", "do you see anybody outside",
    ),
    "folder": (
        "what arrived in the folder", "what is new in the folder", "did any files arrive", "which files came in",
        "is there a new document", "what was the last file in the folder", "any new files today",
    ),
    "light.on": (
        "turn on the light", "switch the lights on", "lights on please", "make it brighter in here",
        "turn on the kitchen light", "turn on the lamp in the bedroom",
    ),
    "light.off": (
        "turn off the light", "switch the lights off", "lights out", "make it dark", "turn off the kitchen light",
        "turn off the lamp in the bedroom",
    ),
    "stop": (
        "stop", "be quiet", "stop talking", "never mind", "cancel that", "shut up", "that's enough", "forget it",
    ),
    "repeat": (
        "say that again", "repeat that please", "what did you say", "pardon", "can you repeat that",
        "I didn't hear you",
    ),
    "thanks": ("thank you", "thanks a lot", "that was helpful", "great, thanks", "okay thank you"),
}  # fmt: skip

_TIMER = frozenset({"timer", "timers", "remind", "reminder", "wake", "countdown", "count", "alarm"})
_LIGHT = frozenset({"light", "lights", "lamp", "lamps"})

# A word of each of these sets must be in a question for it to be meant: likeness alone takes "turn up the heating"
# for a lamp, and setting a timer for cancelling one.
KEYS: Mapping[str, Sequence[frozenset[str]]] = {
    "timer.set": (_TIMER,),
    "timer.left": (_TIMER, frozenset({"left", "long", "when", "still", "running", "many", "remaining", "remain"})),
    "timer.cancel": (_TIMER, frozenset({"cancel", "stop", "delete", "off", "need", "clear", "remove", "end", "kill"})),
    "time": (frozenset({"time", "late", "clock"}),),
    "date": (frozenset({"day", "date", "month", "year", "today", "today's", "weekday"}),),
    "door": (frozenset({
        "door", "doorbell", "bell", "outside", "somebody", "someone", "anybody", "anyone", "visitor", "front",
    }),),
    "folder": (frozenset({"folder", "file", "files", "document", "documents", "inbox", "new", "arrived"}),),
    "light.on": (_LIGHT | {"brighter"}, frozenset({"on", "brighter", "make"})),
    "light.off": (_LIGHT | {"dark"}, frozenset({"off", "out", "dark"})),
}  # fmt: skip


def choose(text: str, ranked: Sequence[Mapping[str, object]]) -> str:
    """The intent of *text*: the first of *ranked* ({"label", "score"}) alike enough, with its key word; or ""."""
    words = {word.strip(".,!?;:") for word in text.lower().split()}
    for each in ranked:
        label, score = str(each["label"]), float(each["score"])  # type: ignore[arg-type]
        if score < SURE:
            return ""
        if label not in INTENTS:
            continue
        if all(keys & words for keys in KEYS.get(label, ())):
            return label
    return ""
