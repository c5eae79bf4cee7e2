"""What a project file says of the router: its policy and profiles, budgets, cache, learning, and what redacts. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path as File
from typing import Any

from loom.errors import ConfigError
from loom.privacy.detectors import CORE, EXTRA
from loom.router._policy_check import check_places, leads_away
from loom.router._rule_tables import read_rules
from loom.router.budget import Limit, clocks, read_limits
from loom.router.facts import EMPTY, empty
from loom.router.policy import WORDS, Policy
from loom.router.profiles import DEFAULT, PROFILES, profile_of

FILE = ".loom/router.json"
"""Where a project without a store keeps what must not be forgotten, below its folder."""
Path = tuple[str, ...]
At = Callable[[Path], str]
"""Where a key of the file stands, as ``loom.toml:7``."""

MOST_OF_A_CACHE = 10**12
"""Seconds, entries and bytes that a cache may be told."""
NUMBER = (int, float)
SETTINGS: dict[str, type | tuple[type, ...]] = {
    "threshold": NUMBER, "band": NUMBER, "hybrid": str, "escalate": NUMBER, "unknown": NUMBER, "without_cloud": str,
    "prefer": str, "max_cost": NUMBER, "max_latency": NUMBER, "redact": str, "private_local": bool, "remote": bool,
    "rules": list,
}  # fmt: skip
"""What a policy says in a project file; *max_latency* in seconds."""
TABLE: dict[str, type | tuple[type, ...]] = {
    "profile": str, **SETTINGS, "budgets": dict, "cache": (bool, dict), "learned": bool, "detectors": list,
    "zone": (str, int, float),
    "profiles": dict, "import": dict,
}  # fmt: skip
CACHE: dict[str, type | tuple[type, ...]] = {
    "ttl": NUMBER, "entries": int, "size": int, "largest": int, "sampled": bool, "semantic": bool, "threshold": NUMBER,
}  # fmt: skip
IMPORT: dict[str, type | tuple[type, ...]] = {"file": str, "recipe": str, "backends": dict, "embed": bool}
TYPES = {
    str: "text in quotes", int: "a whole number", NUMBER: "a number", bool: "true or false", list: "a list",
    (str, int, float): "a name or a number", dict: "a table", (bool, dict): "true, false or a table",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """The router of a runtime: the *policy* to begin with, *profiles* by name, *limits* of its budgets.

    *cache*: the settings of one, None without; *learned*: it learns whom to ask; *detectors*: who finds what is hidden
    before it leaves; *imported*: the policy of another router to take over (``file``, ``recipe``, ``backends``,
    ``embed``). *offset*: the seconds that the clocks on which days of budgets begin are ahead of UTC at a Unix second.
    *counted*: there may be limits later, if there are none yet. *file*: where a runtime without a store keeps what was
    spent and learned, None: in memory; *folder*: from where other files are looked for.
    """

    policy: Policy = PROFILES[DEFAULT]
    profiles: Mapping[str, Policy] = field(default_factory=lambda: dict(PROFILES))
    limits: tuple[Limit, ...] = ()
    cache: Mapping[str, Any] | None = None
    learned: bool = False
    detectors: tuple[str, ...] = ("core",)
    imported: Mapping[str, Any] = field(default_factory=empty)
    offset: Callable[[int], int] = field(default_factory=lambda: clocks("UTC"))
    counted: bool = False
    file: File | None = None
    folder: File = File()

    def beside(self, folder: File, stored: bool) -> Settings:
        """The same for a project in *folder*: what must be kept is *stored*, or in a file of the router's own there."""
        kept = self.learned or self.counted or bool(self.limits)
        return replace(self, folder=folder, file=folder / FILE if kept and not stored else None)


def read_settings(table: Mapping[str, Any], at: At, backends: Collection[str] | None = None) -> Settings:
    """The settings in *table*; *backends* are the names of the models that rules may use, or their tables by name.

    Raises ConfigError with the line and the nearest name; of two that contradict each other it names both lines.
    """
    _check_keys(table, TABLE, ("router",), at)
    own = table.get("profiles", {})
    profiles = dict(PROFILES)
    for name, values in own.items():
        _check_keys(values, {"profile": str, **SETTINGS}, ("router", "profiles", name), at)
        profiles[name] = _policy(values, ("router", "profiles", name), at, profiles, backends)
    policy = _policy(table, ("router",), at, profiles, backends)
    models = backends if isinstance(backends, Mapping) else EMPTY
    profiles = {name: _bound(each, policy, table, models).check() for name, each in profiles.items()}
    profiles[policy.name] = policy  # what the file says of the profile it begins with stays so
    return Settings(
        policy, profiles, _limits(table.get("budgets", {}), at), _cache(table.get("cache", False), at),
        table.get("learned", False), _detectors(table, at), _imported(table.get("import", EMPTY), at),
        _offset(table.get("zone", "UTC"), at),
    )  # fmt: skip


def _check_keys(values: object, known: Mapping[str, Any], path: Path, at: At) -> None:
    """Raise ConfigError unless *values* is a table with some of the *known* keys, each of its type."""
    name = ".".join(path)
    if not isinstance(values, Mapping):
        raise ConfigError(f"{at(path)}: {name} must be a table, not {_shown(values)}")
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f"{at((*path, key))}: no key {key!r} in [{name}]; {nearest(key, known)}")
        wanted = known[key]
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted in (int, NUMBER)):
            what = f"{name}.{key} must be {TYPES[wanted]}, not {_shown(value)}"
            raise ConfigError(f"{at((*path, key))}: {what}")


def nearest(word: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    """Advice about a name that does not exist."""
    near = get_close_matches(word, known, 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none'}"


def _policy(
    values: Mapping[str, Any],
    path: Path,
    at: At,
    profiles: Mapping[str, Policy],
    backends: Collection[str] | None,
) -> Policy:
    """The profile that *values* begin with, and what they say themselves."""
    base = _profile(values, path, at, profiles)
    name = base.name if len(path) == 1 else path[-1]
    said = {
        key: value for key, value in values.items() if key in SETTINGS and key not in ("rules", "max_latency")
    }
    lines = {each.name: at((*path, "profile")) for each in fields(Policy) if _differs(base, each.name)}
    lines |= {key: at((*path, key)) for key in values if key in SETTINGS}
    if "profile" in values:
        lines["name"] = at((*path, "profile"))
    if "max_latency" in values:
        said["max_latency_ms"] = values["max_latency"] * 1000
        lines["max_latency_ms"] = lines.pop("max_latency")
    rules = read_rules(values["rules"], path, at) if "rules" in values else base.rules
    for key, words in WORDS.items():
        if key in said and said[key] not in words:
            raise ConfigError(
                f"{lines[key]}: {'.'.join(path)}.{key} is {_shown(said[key])}; {nearest(said[key], words)}"
            )
    policy = replace(base, **said, rules=rules, name=name, lines=lines)
    policy.check(None if backends is None else tuple(backends))
    if isinstance(backends, Mapping):
        check_places(policy, backends)
    return policy


def _bound(profile: Policy, policy: Policy, table: Mapping[str, Any], models: Mapping[str, object]) -> Policy:
    """*profile* within what [router] itself says: naming another profile must not loosen that.

    Where nothing leaves nobody follows a rule that asks others than this device: such requests stay here.
    """
    rules = [each for each in policy.rules if profile.remote or not leads_away(each, models)]
    tighter: dict[str, Any] = {"rules": (*rules, *profile.rules)} if "rules" in table else {}
    for name, key in (("max_cost", "max_cost"), ("max_latency", "max_latency_ms")):
        if name in table:
            own = getattr(profile, key)
            tighter[key] = getattr(policy, key) if own is None else min(own, getattr(policy, key))
    if table.get("redact") == "always":
        tighter["redact"] = "always"
    if table.get("private_local"):
        tighter["private_local"] = True
    if table.get("remote") is False:
        tighter |= {"remote": False, "without_cloud": "local"}
    return replace(profile, **tighter)


def _differs(base: Policy, name: str) -> bool:
    return name not in ("name", "lines") and bool(getattr(base, name) != getattr(Policy(), name))


def _profile(values: Mapping[str, Any], path: Path, at: At, profiles: Mapping[str, Policy]) -> Policy:
    try:
        return profile_of(values.get("profile", DEFAULT), profiles)
    except ConfigError as error:
        raise ConfigError(f"{at((*path, 'profile'))}: {error}") from None


def _limits(table: Mapping[str, Any], at: At) -> tuple[Limit, ...]:
    found: list[Limit] = []
    for name, values in table.items():
        try:
            found += read_limits({name: values})
        except ConfigError as error:
            keys = values if isinstance(values, Mapping) else ()
            told = str(error)
            key = next(
                (each for each in keys if f".{each} " in told or f".{each}:" in told or repr(each) in told),
                None,
            )
            path = ("router", "budgets", name) if key is None else ("router", "budgets", name, key)
            raise ConfigError(f"{at(path)}: {told}") from None
    return tuple(found)


def _cache(value: object, at: At) -> Mapping[str, Any] | None:
    if isinstance(value, bool):
        return EMPTY if value else None
    path = ("router", "cache")
    _check_keys(value, CACHE, path, at)
    assert isinstance(value, Mapping)
    for key, each in value.items():
        most = 1 if key == "threshold" else MOST_OF_A_CACHE
        if not isinstance(each, bool) and not 0 < each <= most:
            bound = f"at most {most:,}" if each > most else "more than 0"
            raise ConfigError(f"{at((*path, key))}: router.cache.{key} must be {bound}, not {_shown(each)}")
    return value


def _offset(zone: str | float, at: At) -> Callable[[int], int]:
    try:
        return clocks(zone)
    except ConfigError as error:
        raise ConfigError(f"{at(('router', 'zone'))}: {error}") from None


def _detectors(table: Mapping[str, Any], at: At) -> tuple[str, ...]:
    """Their names; who they are is found out when they are made, for some need packages."""
    names = table.get("detectors", ["core"])
    path = ("router", "detectors")
    wrong = [each for each in names if not isinstance(each, str)]
    if wrong:
        raise ConfigError(f"{at(path)}: router.detectors must be a list of names, not {_shown(wrong[0])}")
    known = ("core", *CORE, *EXTRA)
    for each in names:
        if each not in known:
            raise ConfigError(f"{at(path)}: there is no detector {each!r:.60}; {nearest(each, known)}")
    if not names:
        redact = (
            f"; {at(('router', 'redact'))} says redact = {table['redact']!r}" if "redact" in table else ""
        )
        raise ConfigError(
            f"{at(path)}: router.detectors is empty, so nothing would be found to redact{redact}; leave it out for all "
            "of the core"
        )
    return tuple(names)


def _imported(values: Mapping[str, Any], at: At) -> Mapping[str, Any]:
    if not values:
        return EMPTY
    path = ("router", "import")
    _check_keys(values, IMPORT, path, at)
    if "file" not in values:
        raise ConfigError(f"{at(path)}: [router.import] needs file = ...; see: loom models import --help")
    for name, asked in values.get("backends", {}).items():
        if not isinstance(asked, list) or not asked or not all(isinstance(each, str) for each in asked):
            where = at((*path, "backends", name))
            raise ConfigError(
                f"{where}: {name!r} must be a list of models, or of local, cloud or refuse, not {_shown(asked)}"
            )
    return values


def _shown(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
