"""What the router decides, as a client sees it: headers, refusals, budgets; and that no header loosens anything."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loom import Confidentiality, Loom
from loom.errors import (
    BackendFailed,
    BudgetExceeded,
    ConfigError,
    Deferred,
    NotRedacted,
    Overloaded,
    RouteRefused,
)
from loom.models import Decision, Price
from loom.models.decision import Route
from loom.router.rules import Rule, When
from loom.web import Gateway, KeyFile, Settings, new_client
from loom.web.refusal import Refusal, refusal_of
from tests.web.conftest import Capable, says
from tests.web.raw import CHAT, HI, Raw


class Cloud(Capable):
    """Somebody else's machine, who bills each call."""

    location = "cloud"
    clearance = Confidentiality.PUBLIC
    price = Price(call=0.25)


def cloud() -> Cloud:
    return Cloud("chat", says, name="far")


async def test_the_decision_is_in_the_headers_and_in_the_body(serve: Any) -> None:
    async with serve(cloud()) as gateway, Raw(gateway) as raw:
        status, headers, body = await raw.post(CHAT, HI)
        decision = gateway._upstream._loom.router.decisions(headers["x-loom-decision"])
    assert status == 200
    assert (headers["x-loom-route"], headers["x-loom-backend"], headers["x-loom-cost"]) == (
        "cloud",
        "far",
        "0.25",
    )
    assert body["loom"] == {"decision": decision.id, "route": "cloud", "backend": "far", "cost": 0.25}


@pytest.mark.parametrize("stream", [True, False])
async def test_what_is_private_does_not_leave_and_the_client_is_told(serve: Any, stream: bool) -> None:
    backend = cloud()
    async with serve(backend) as gateway, Raw(gateway) as raw:
        status, headers, body = await raw.post(CHAT, {**HI, "stream": stream}, "x-loom-label: private")
    assert (status, body["error"]["type"]) == (403, "permission_error")
    assert "far" in body["error"]["message"]
    assert headers["x-loom-decision"]
    assert backend.requests == []


async def test_a_thread_that_was_private_stays_so(serve: Any) -> None:
    local, far = Capable("chat", says, name="near"), cloud()
    async with serve(local, far) as gateway, Raw(gateway) as raw:
        thread = "x-loom-thread: t1"
        assert (await raw.post(CHAT, HI, thread, "x-loom-label: private"))[0] == 200
        status, _, _ = await raw.post(CHAT, {**HI, "model": "cloud"}, thread, "x-loom-label: public")
        assert status == 403
        assert (await raw.post(CHAT, {**HI, "model": "cloud"}, "x-loom-thread: t2"))[0] == 200
    assert len(far.requests) == 1


@pytest.mark.parametrize(("model", "where"), [("cloud", "elsewhere"), ("local", "here")])
async def test_a_side_on_which_nobody_can_do_it_is_404(serve: Any, model: str, where: str) -> None:
    near, far = Capable("chat" if model == "local" else "embed", says, name="near"), cloud()
    far.tasks = frozenset({"embed" if model == "local" else "chat"})
    path, body = "/v1/embeddings", {"model": model, "input": "Hi"}
    async with serve(near, far) as gateway, Raw(gateway) as raw:
        status, _, answer = await raw.post(path, body)
    assert (status, answer["error"]["code"]) == (404, "no_backend")
    assert f"no backend {where} can do 'embed'" in answer["error"]["message"]


async def test_a_cost_that_is_capped_is_402(serve: Any) -> None:
    async with serve(cloud()) as gateway, Raw(gateway) as raw:
        status, _, body = await raw.post(CHAT, HI, "x-loom-max-cost: 0.1")
        assert (status, body["error"]["code"]) == (402, "cost")
        assert (await raw.post(CHAT, HI, "x-loom-max-cost: 0.3"))[0] == 200


async def test_headers_of_the_answer_hold_one_line_each(serve: Any) -> None:
    backend = Capable("chat", says, name="fake")
    async with serve(backend) as gateway, Raw(gateway) as raw:
        backend.name = "evil\r\nx-injected: yes"
        status, headers, _ = await raw.post(CHAT, HI)
    assert "x-injected" not in headers
    assert status in (200, 404, 500)


def keys_of(folder: Path, **clients: Any) -> dict[str, str]:
    file = KeyFile(folder / "gateway-keys.json")
    return {
        name: f"Authorization: Bearer {file.add(new_client(name, **more))}" for name, more in clients.items()
    }


@pytest.mark.blocks("the test writes a file of keys")
async def test_a_key_pays_from_its_own_budget_and_never_more(serve: Any, tmp_path: Path) -> None:
    keys = keys_of(tmp_path, poor={"budget": "1.0/day"}, other={"budget": "0.5/total"}, rich={})
    far = cloud()
    async with serve(far) as gateway:

        async def ask(key: str) -> int:
            async with Raw(gateway) as raw:
                status: int = (await raw.post(CHAT, HI, key))[0]
                return status

        answers = await asyncio.gather(*(ask(keys["poor"]) for _ in range(10)))
        assert sorted(answers) == [200] * 4 + [402] * 6
        assert [await ask(keys["other"]) for _ in range(3)] == [200, 200, 402]
        assert await ask(keys["rich"]) == 200
        assert {each.user for each in far.requests} == {"poor", "other", "rich"}
        async with Raw(gateway) as raw:
            status, _, body = await raw.post("/v1/messages", {**HI, "max_tokens": 5}, keys["poor"])
            assert (status, body["error"]["type"]) == (402, "billing_error")
            assert "key poor" in body["error"]["message"]
            more = ["x-loom-user: another", "x-loom-thread: t"]
            assert (await raw.post(CHAT, HI, keys["poor"], *more))[0] == 402


@pytest.mark.blocks("the test writes a file of keys")
@pytest.mark.parametrize(("budget", "again"), [("0.25/day", True), ("0.25/total", False)])
async def test_money_that_is_spent_comes_back_on_another_day_or_never(
    serve: Any, tmp_path: Path, budget: str, again: bool
) -> None:
    key = keys_of(tmp_path, poor={"budget": budget})["poor"]
    async with serve(cloud()) as gateway, Raw(gateway) as raw:
        assert (await raw.post(CHAT, HI, key))[0] == 200
        status, headers, _ = await raw.post(CHAT, HI, key)
        decision = gateway._upstream._loom.router.decisions(headers["x-loom-decision"])
    assert (status, headers["x-loom-route"], str(decision.route)) == (402, "drop", "drop")
    assert ("retry-after" in headers) is again
    assert 0 < int(headers.get("retry-after", 1)) <= 86_400


@pytest.mark.parametrize("stream", [True, False])
async def test_what_failed_says_what_was_decided(serve: Any, stream: bool) -> None:
    async with serve(Capable("chat", [BackendFailed("it is broken")], name="b")) as gateway:
        async with Raw(gateway) as raw:
            status, headers, _ = await raw.post(CHAT, {**HI, "stream": stream})
        decision = gateway._upstream._loom.router.decisions(headers["x-loom-decision"])
    assert (status, headers["x-loom-route"], decision.order) == (502, "local", ("b",))


@pytest.mark.blocks("the test writes a file of keys")
async def test_a_key_is_good_as_soon_as_it_is_made(serve: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("loom.web.keyring.LOOK_S", 1e9)
    first = keys_of(tmp_path, first={})["first"]
    async with serve() as gateway, Raw(gateway) as raw:
        assert (await raw.post(CHAT, HI, first))[0] == 200
        assert (await raw.post(CHAT, HI, "Authorization: Bearer loom-nobodys"))[0] == 401
        second = keys_of(tmp_path, second={})["second"]
        assert (await raw.post(CHAT, HI, second))[0] == 200


async def test_a_gateway_without_budgets_leaves_no_file(serve: Any, tmp_path: Path) -> None:
    async with serve(cloud()) as gateway, Raw(gateway) as raw:
        assert (await raw.post(CHAT, HI))[0] == 200
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []


@pytest.mark.blocks("the test writes a file of keys")
async def test_a_key_of_later_pays_from_its_own_budget_at_once(
    serve: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("loom.web.keyring.LOOK_S", 0.0)
    async with serve(cloud()) as gateway, Raw(gateway) as raw:
        keys = keys_of(tmp_path, late={"budget": "0.5/day"}, free={})
        answers = [(await raw.post(CHAT, HI, keys["late"]))[0] for _ in range(4)]
        assert answers == [200, 200, 402, 402]
        keys |= keys_of(tmp_path, latest={"budget": "0.25/total"})
        answers = [(await raw.post(CHAT, HI, keys[name]))[0] for name in ("latest", "latest", "late", "free")]
        assert answers == [200, 402, 402, 200]
        KeyFile(tmp_path / "gateway-keys.json").remove("free")
        bound = keys_of(tmp_path, free={"budget": "0.5/day"})["free"]
        assert [(await raw.post(CHAT, HI, bound))[0] for _ in range(3)] == [200, 200, 402]
    async with serve(cloud()) as gateway, Raw(gateway) as raw:
        assert [(await raw.post(CHAT, HI, key))[0] for key in (keys["latest"], bound)] == [402, 402]


@pytest.mark.blocks("the test writes a file of keys")
async def test_a_key_made_anew_goes_on_with_what_it_has_spent_of_the_new_amount(
    serve: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("loom.web.keyring.LOOK_S", 0.0)
    file = KeyFile(tmp_path / "gateway-keys.json")
    keys_of(tmp_path, desk={"budget": "100/day"})
    async with serve(cloud()) as gateway, Raw(gateway) as raw:
        for budget, wanted in (("0.3/day", [200, 402]), ("0.5/day", [200, 402]), ("0.3/total", [200, 402])):
            file.remove("desk")
            key = keys_of(tmp_path, desk={"budget": budget})["desk"]
            assert [(await raw.post(CHAT, HI, key))[0] for _ in wanted] == wanted, budget
        await gateway.close()
        budgets = gateway._upstream._loom.models._routing.budgets
        assert [(each.name, each.per, each.money) for each in budgets.limits] == [("key desk", (), 0.3)]


@pytest.mark.blocks("the test writes a file of keys")
async def test_a_key_is_not_served_where_nobody_counts_its_budget(
    serve: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    """A program that asked before it made its gateway: what it asks with has no budgets."""
    monkeypatch.setattr("loom.web.keyring.LOOK_S", 0.0)
    async with Loom(watchdog=None) as loom:
        loom.add_model(cloud())
        await loom.ask("chat", "Hello")
        made = await asyncio.to_thread(Gateway, loom, Settings(port=0), tmp_path)
        keys = keys_of(tmp_path, late={"budget": "1.0/day"}, free={})
        async with made as gateway, Raw(gateway) as raw:
            status, _, body = await raw.post(CHAT, HI, keys["late"])
            assert (await raw.post(CHAT, HI, keys["free"]))[0] == 200
        assert (status, body["error"]["code"]) == (503, "budget_unknown")
        with pytest.raises(ConfigError, match="before anybody is asked"):
            Gateway(loom, Settings(port=0), tmp_path)


@pytest.mark.blocks("the test writes a file of keys")
async def test_a_key_bounds_models_kinds_label_and_cost(serve: Any, tmp_path: Path) -> None:
    keys = keys_of(
        tmp_path,
        narrow={"models": ["near"], "kinds": ["chat"], "max_cost": 0.1},
        deep={"clearance": "private", "label": "sensitive"},
    )
    near, far = Capable("chat", says, name="near"), cloud()
    async with serve(near, far) as gateway, Raw(gateway) as raw:
        for model, wanted in (
            ("near", 200),
            ("far", 403),
            ("auto", 403),
            ("profile:best", 403),
            ("nobody", 404),
        ):
            assert (await raw.post(CHAT, {**HI, "model": model}, keys["narrow"]))[0] == wanted
        assert (await raw.get("/v1/models", keys["narrow"]))[0] == 403
        assert (await raw.post(CHAT, {**HI, "model": "near"}, keys["narrow"], "x-loom-label: private"))[
            0
        ] == 403
        assert near.requests[0].max_cost == 0.1
        assert (await raw.post(CHAT, HI, keys["deep"], "x-loom-label: public"))[0] == 200
        assert near.requests[-1].label.confidentiality is Confidentiality.SENSITIVE
        assert (await raw.post(CHAT, HI, keys["deep"], "x-loom-label: local-only"))[0] == 403
    assert far.requests == []


@pytest.mark.blocks("the test writes a file of keys")
async def test_a_profile_does_not_loosen_the_policy_unless_a_key_names_it(tmp_path: Path) -> None:
    keys = keys_of(tmp_path, plain={}, trusted={"models": ["auto", "profile:best"]})
    far = cloud()
    async with Loom(watchdog=None) as loom:
        loom.add_model(far)
        gateway = await asyncio.to_thread(Gateway, loom, Settings(port=0), tmp_path)
        async with gateway, Raw(gateway) as raw:
            loom.router.policy = loom.router.profiles["private"]
            assert (await raw.post(CHAT, HI, keys["plain"]))[0] == 403
            status, _, body = await raw.post(CHAT, HI, keys["plain"], "x-loom-profile: best")
            assert (status, body["error"]["code"]) == (403, "not_allowed")
            assert (await raw.post(CHAT, {**HI, "model": "profile:best"}, keys["plain"]))[0] == 403
            assert far.requests == []
            assert (await raw.post(CHAT, HI, keys["trusted"], "x-loom-profile: best"))[0] == 200
            loom.router.policy = loom.router.profiles["balanced"]
            assert (await raw.post(CHAT, HI, keys["plain"], "x-loom-profile: best"))[0] == 200
            loom.router.policy = replace(loom.router.policy, max_cost=0.5)
            assert (await raw.post(CHAT, HI, keys["plain"], "x-loom-profile: best"))[0] == 403


async def test_a_profile_does_not_put_aside_a_rule_or_a_bound_of_the_policy(serve: Any) -> None:
    far = cloud()
    none = Rule("none of it", When(), refuse=True)
    async with serve(far) as gateway, Raw(gateway) as raw:
        router = gateway._upstream._loom.router
        router.policy = replace(router.policy, rules=(none,))
        router.profiles["same"] = replace(router.profiles["best"], rules=(none,))
        router.profiles["later"] = replace(router.policy, rules=(Rule("first", When(), route="cloud"), none))
        for profile, code in (("best", "not_allowed"), ("later", "not_allowed"), ("same", "refused")):
            status, _, body = await raw.post(CHAT, HI, f"x-loom-profile: {profile}")
            assert (status, body["error"]["code"]) == (403, code)
        router.policy = replace(router.policy, rules=(), max_latency_ms=60_000.0)
        assert (await raw.post(CHAT, HI, "x-loom-profile: best"))[0] == 403
        assert far.requests == []


async def test_a_profile_that_is_none_is_400(serve: Any) -> None:
    async with serve() as gateway, Raw(gateway) as raw:
        assert (await raw.post(CHAT, HI, "x-loom-profile: bets"))[0] == 400
        assert (await raw.post(CHAT, {**HI, "model": "profile:bets"}))[0] == 404


async def test_a_backend_that_is_busy_is_passed_on_with_its_time(serve: Any) -> None:
    busy = Cloud("chat", [BackendFailed("slow down", status=429, retry_after=7.0)] * 2, name="far")
    async with serve(busy) as gateway, Raw(gateway) as raw:
        status, headers, body = await raw.post(CHAT, HI)
        assert (status, headers.get("retry-after")) == (429, "7"), body
        status, headers, body = await raw.post(CHAT, HI)  # now it is left alone
        assert (status, body["error"]["code"]) == (503, "deferred")
        assert 1 <= int(headers["retry-after"]) <= 7


def decided(rule: str) -> RouteRefused:
    return RouteRefused("no", Decision("d", "chat", Route.DROP, (), rule, "why"))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (decided("privacy.local_only"), 403, "privacy"), (decided("rule:night"), 403, "refused"),
        (decided("cost.budget"), 402, "budget_exceeded"), (decided("cost.cap"), 402, "cost"),
        (decided("context"), 400, "context_length_exceeded"), (decided("features"), 400, "unsupported"),
        (decided("expired"), 504, "timeout"), (decided("task"), 404, "no_backend"), (decided("new"), 404, "no_backend"),
        (Deferred("later", None, 3.0), 503, "deferred"), (NotRedacted("no"), 403, "privacy"),
        (BudgetExceeded("no", budget="b", kind="tokens"), 429, "budget_exceeded"),
        (BudgetExceeded("no", budget="b", kind="money", resets_ms=9_000), 402, "budget_exceeded"),
        (Overloaded("m", "q", 1), 503, "overloaded"), (TimeoutError(), 504, "timeout"),
        (BackendFailed("no", status=500), 502, "backend_failed"), (ValueError("secret"), 500, "internal_error"),
        (Refusal(418, "tea", "no"), 418, "tea"),
    ],
)  # fmt: skip
def test_each_error_has_its_status(error: Exception, status: int, code: str) -> None:
    refusal = refusal_of(error, 1_000)
    assert (refusal.status, refusal.code) == (status, code)
    assert "secret" not in str(refusal.openai())
    assert (refusal.retry_after is not None) == (
        status == 503 or getattr(error, "resets_ms", None) is not None
    )
    assert set(refusal.openai()["error"]) == {"message", "type", "param", "code"}
    assert set(refusal.anthropic()["error"]) == {"message", "type"}


@pytest.mark.blocks("the test writes a file of keys")
async def test_a_key_is_for_the_kinds_it_names(serve: Any, tmp_path: Path) -> None:
    keys = keys_of(tmp_path, reader={"kinds": ["embeddings", "models"]})
    async with serve() as gateway, Raw(gateway) as raw:
        status, _, body = await raw.post(CHAT, HI, keys["reader"])
        assert (status, body["error"]["code"]) == (403, "not_allowed")
        assert (await raw.get("/v1/models", keys["reader"]))[0] == 200


@pytest.mark.parametrize("data", [False, True])
@pytest.mark.blocks("the test writes a file of keys")
async def test_what_a_key_has_spent_outlives_the_process(tmp_path: Path, data: bool) -> None:
    key = keys_of(tmp_path, poor={"budget": "0.5/total"})["poor"]
    answers = []
    for _ in range(3):
        stored = {"data": str(tmp_path / "data")} if data else {}
        async with Loom(watchdog=None, **stored) as loom:  # type: ignore[arg-type]
            loom.add_model(cloud())
            async with Gateway(loom, Settings(port=0), tmp_path) as gateway, Raw(gateway) as raw:
                answers.append((await raw.post(CHAT, HI, key))[0])
    assert answers == [200, 200, 402]
