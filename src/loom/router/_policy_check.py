"""Whether a policy can be followed: its values, its rules, and what contradicts itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from loom.errors import ConfigError
from loom.event import Confidentiality
from loom.router.policy import SHARES, WORDS, Policy
from loom.router.rules import ALWAYS, Rule

LIMITS = ("max_cost", "max_latency_ms")
FLAGS = ("private_local", "remote")
SERVERS = ("openai", "anthropic", "vllm")
"""Models that are elsewhere unless they say otherwise."""
ROUTES = ("", "auto", "local", "cloud")


def check_policy(policy: Policy, backends: Sequence[str] | None) -> None:
    """Raise ConfigError for the first thing that is wrong with *policy*; *backends* are those there are."""
    for what in (*_values(policy), *_rules(policy, backends), *_contradictions(policy), *_unreached(policy)):
        raise ConfigError(what)


def check_places(policy: Policy, models: Mapping[str, object]) -> None:
    """Raise ConfigError for a rule that asks only those elsewhere for what may not leave; *models* are tables."""
    for rule in policy.rules:
        if not rule.backends or not leads_away(rule, models):
            continue
        asks = f"{named(rule)} asks {', '.join(rule.backends)}, which is not on this device"
        if not policy.remote:
            raise ConfigError(f"{asks}, but {at(policy, 'remote')}: nothing may leave")
        if (rule.when.label or 0) >= Confidentiality.LOCAL_ONLY:
            raise ConfigError(f"{asks}, for local-only data; it never leaves this device")


def leads_away(rule: Rule, models: Mapping[str, object]) -> bool:
    """Whether *rule* asks nobody on this device, as far as the tables of *models* say."""
    if rule.backends:
        return all(_elsewhere(models.get(name)) for name in rule.backends)
    return rule.route == "cloud"


def _elsewhere(table: object) -> bool:
    """Whether what a project file says of a model puts it on another machine."""
    if not isinstance(table, Mapping):
        return False
    return bool(table.get("location", "cloud" if table.get("use") in SERVERS else "local") != "local")


def at(policy: Policy, setting: str) -> str:
    """Where *setting* was written, and what it says, as messages begin."""
    line = policy.lines.get(setting, "")
    value = getattr(policy, setting)
    if setting == "max_latency_ms" and line and isinstance(value, int | float):
        setting, value = "max_latency", value / 1000  # as the file has it
    shown = str(value).lower() if isinstance(value, bool) else f"{value!r:.60}"
    whose = " (of its profile)" if line and line == policy.lines.get("name") else ""
    return f"{line}: {setting} = {shown}{whose}" if line else f"{setting} = {shown}"


def _values(policy: Policy) -> Iterator[str]:
    for name in SHARES:
        value = getattr(policy, name)
        if not (name == "escalate" and value is None) and not _is_number(value, 1.0):
            yield f"{at(policy, name)}: it must be a number from 0 to 1"
    for name, words in WORDS.items():
        value = getattr(policy, name)
        if value not in words:
            near = get_close_matches(str(value), words, 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(words)}"
            yield f"{at(policy, name)}: {hint}"
    for name in LIMITS:
        value = getattr(policy, name)
        if value is not None and not _is_number(value, float("inf")):
            yield f"{at(policy, name)}: it must be a number, 0 or more"
    for name in FLAGS:
        if not isinstance(getattr(policy, name), bool):
            yield f"{at(policy, name)}: it must be true or false"


def _is_number(value: object, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


def _rules(policy: Policy, backends: Sequence[str] | None) -> Iterator[str]:
    for rule in policy.rules:
        if rule.route not in ROUTES:
            near = get_close_matches(rule.route, ROUTES[1:], 1)
            hint = f"did you mean {near[0]!r}?" if near else "use auto, local or cloud, or name backends"
            yield f"{named(rule)}: no route {rule.route!r}; {hint}"
        for name in rule.backends if backends is not None else ():
            if name not in backends:  # type: ignore[operator]  # not None, see above
                near = get_close_matches(name, backends or (), 1)
                hint = (
                    f"did you mean {near[0]!r}?"
                    if near
                    else f"there are {', '.join(backends or ()) or 'none'}"
                )
                yield f"{named(rule)}: no backend {name!r}; {hint}"
        does = [word for word, value in (("refuse", rule.refuse), ("backends", rule.backends)) if value]
        does += ["route"] if rule.route not in ROUTES[:2] else []
        if len(does) > 1:
            yield f"{named(rule)}: it says {' and '.join(does)}; a rule does one of them"


def named(rule: Rule) -> str:
    """*rule* as messages name it, with its line."""
    return f"{rule.line}: rule {rule.name!r}" if rule.line else f"rule {rule.name!r}"


def _contradictions(policy: Policy) -> Iterator[str]:
    written = policy.lines
    if policy.name == "private" and policy.remote:
        profile = f"{written['name']}: " if "name" in written else ""
        yield (
            f"{at(policy, 'remote')} contradicts {profile}profile 'private', which lets nothing leave; "
            "give it another name"
        )
    if not policy.remote and policy.without_cloud == "defer":
        yield _both(
            policy, "remote", "without_cloud", "nothing may leave, so what is deferred waits for ever"
        )
    if policy.hybrid == "off" and policy.escalate is not None:
        yield _both(policy, "hybrid", "escalate", "nothing is escalated where nothing is hybrid")
    if policy.hybrid in ("speculative", "hedged") and policy.escalate is not None:
        yield _both(policy, "hybrid", "escalate", "only a cascade escalates")
    if "band" in written and "hybrid" in written and policy.hybrid == "off" and policy.band > 0:
        yield _both(policy, "hybrid", "band", "a band is where both are asked, and hybrid is off")
    if not policy.remote and "hybrid" in written and "remote" in written and policy.hybrid != "off":
        yield _both(policy, "remote", "hybrid", "nothing may leave, so there is no second backend to ask")
    for rule in policy.rules:
        if not policy.remote and rule.route == "cloud":
            yield f"{named(rule)} sends to the cloud, but {at(policy, 'remote')}: nothing may leave"
        if rule.route == "cloud" and (rule.when.label or 0) >= Confidentiality.LOCAL_ONLY:
            yield f"{named(rule)} sends local-only data to the cloud; it never leaves this device"


def _both(policy: Policy, one: str, other: str, why: str) -> str:
    return f"{at(policy, one)} contradicts {at(policy, other)}: {why}; take one of them out"


def _unreached(policy: Policy) -> Iterator[str]:
    """Rules that a rule before them leaves nothing for."""
    for place, rule in enumerate(policy.rules):
        for before in policy.rules[:place]:
            if before.name == rule.name:
                yield f"{named(rule)} and {named(before)} have one name; give one of them another"
            elif before.when in (ALWAYS, rule.when):
                yield f"{named(rule)} is never reached: {named(before)} holds whenever it does, and comes first"
