"""An imported policy as the router takes it: rules, and the signal that they look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

from loom.errors import ConfigError
from loom.models import ModelRequest
from loom.router.rules import Rule, When
from loom.router.vllm_import.deciding import Decider, Embed
from loom.router.vllm_import.reading import Choice, Imported, read_policies

SIGNAL = "decision"
ROUTES = ("local", "cloud")
REFUSE = "refuse"


def load_policy(file: Path, recipe: str = "") -> Imported:
    """The policy *recipe* out of *file*, its only one if none is named; raises ConfigError, MissingExtra."""
    from loom.router.vllm_import._yaml import read_yaml

    try:
        found = read_policies(read_yaml(file))
    except ConfigError as error:
        raise ConfigError(str(error) if str(file) in str(error) else f"{file}: {error}") from None
    if not recipe and len(found) == 1:
        return next(iter(found.values()))
    if recipe in found:
        return found[recipe]
    near = get_close_matches(recipe, found, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(found)}"
    raise ConfigError(
        f"{file}: recipe {recipe!r} is not in it; {hint}" if recipe else f"{file}: say which: {hint}"
    )


def rules_of(imported: Imported, backends: Mapping[str, Sequence[str]]) -> tuple[Rule, ...]:
    """A rule for each decision, which holds when the signal ``decision`` names it.

    *backends* says who is asked for a decision: names of models, or ``local``, ``cloud`` or ``refuse`` alone. One that
    is not there refuses if the file does so itself, else it has the models that the file names. Raises ConfigError for
    a name that is no decision, and for a decision that leads nowhere.
    """
    names = [choice.name for choice in imported.choices]
    for name in backends:
        if name not in names:
            near = get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
            raise ConfigError(f"policy {imported.name!r} has no decision {name!r}; {hint}")
    return tuple(_rule(imported.name, choice, backends.get(choice.name)) for choice in imported.choices)


def _rule(policy: str, choice: Choice, wanted: Sequence[str] | None) -> Rule:
    name = f"{policy}.{choice.name}"
    when = When(signals=MappingProxyType({SIGNAL: (choice.name,)}))
    if wanted is None and choice.refuses:
        wanted = [REFUSE]
    asked = tuple(choice.models if wanted is None else wanted)
    if asked == (REFUSE,):
        return Rule(name, when, refuse=True, why=choice.about or f"the imported policy refuses {choice.name}")
    if len(asked) == 1 and asked[0] in ROUTES:
        return Rule(name, when, route=asked[0], why=choice.about)
    if not asked:
        raise ConfigError(
            f"decision {choice.name!r} of {policy!r} names no model; say who is asked: "
            f'{choice.name} = ["local"], ["cloud"], ["refuse"] or names of models'
        )
    return Rule(name, when, asked, why=choice.about)


class ImportedSignals:
    """The signals of an imported policy for each request: ``decision``, and on how much that is unknown it hangs."""

    def __init__(self, imported: Imported, embed: Embed | None = None) -> None:
        self._decider = Decider(imported, embed)

    async def __call__(self, request: ModelRequest) -> Mapping[str, Any]:
        """The signals of *request*; raises what comparing texts raises."""
        met = await self._decider.decide(request)
        if met.choice is None:
            return {"decision_unknown": len(met.unknown)}
        return {SIGNAL: met.choice.name, "decision_unknown": len(met.unknown)}
