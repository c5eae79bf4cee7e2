"""An OpenAPI file as capabilities: against a real server, and with files and arguments that mean harm."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.adapters._openapi_request import make_request
from loom.adapters._openapi_schema import Check
from loom.adapters._openapi_spec import Document, operations
from loom.adapters.openapi import openapi
from loom.errors import ActionFailed, ConfigError, EgressRefused
from tests.adapters.fault_server import Asked, FaultServer, project, reply

PET = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 20},
        "kind": {"enum": ["cat", "dog"]},
        "age": {"type": ["integer", "null"], "minimum": 0, "exclusiveMaximum": 40},
        "friends": {"type": "array", "maxItems": 3, "items": {"$ref": "#/components/schemas/Pet"}},
    },
}
SPEC: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "servers": [{"url": "https://{where}.example.org/v1/", "variables": {"where": {"default": "api"}}}],
    "paths": {
        "/pets": {
            "get": {
                "operationId": "listPets",
                "summary": "All pets",
                "parameters": [
                    {"$ref": "#/components/parameters/limit"},
                    {"name": "tag", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                    {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                    {"name": "Authorization", "in": "header", "required": True, "schema": {"type": "string"}},
                ],
            },
            "post": {
                "operationId": "addPet",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
                },
            },
        },
        "/pets/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"operationId": "getPet"},
            "delete": {},
            "put": {"operationId": "photo", "requestBody": {"required": True, "content": {"image/png": {}}}},
        },
    },
    "components": {
        "schemas": {"Pet": PET},
        "parameters": {
            "limit": {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}}
        },
    },
}


def document(spec: Any = SPEC) -> Document:
    return Document(json.dumps(spec).encode())


def named(spec: Any = SPEC) -> dict[str, Any]:
    return {operation.name: operation for operation in operations(document(spec))[0]}


def made(name: str, **arguments: Any) -> Any:
    return make_request(document(), "https://api.example.org/v1", named()[name], arguments)


def test_operations_become_capabilities_and_what_cannot_be_called_is_named(tmp_path: Path) -> None:
    (tmp_path / "pets.json").write_text(json.dumps(SPEC))
    adapter = openapi("pets", tmp_path, file="pets.json", allow=["api.example.org"])
    found = {action.name: action for action in adapter.actions()}
    assert set(found) == {"pets.listPets", "pets.addPet", "pets.getPet", "pets.delete_pets_id"}
    assert [found[f"pets.{n}"].idempotent for n in ("listPets", "getPet", "addPet", "delete_pets_id")] == [
        True,
        True,
        False,
        False,
    ]
    assert set(adapter.left_out) == {"photo"}
    assert found["pets.listPets"].description == "All pets"
    assert found["pets.listPets"].schema["properties"]["limit"] == {"type": "integer"}
    assert found["pets.addPet"].schema["required"] == ["body"]
    assert [
        a.name
        for a in openapi(
            "p", tmp_path, file="pets.json", allow=["*.example.org"], operations=["get*"]
        ).actions()
    ] == ["p.getPet"]


def test_arguments_go_where_they_belong() -> None:
    request = made("listPets", limit=5, tag=["a b", "c&d"], **{"X-Trace": "t"})
    assert request.url == "https://api.example.org/v1/pets?limit=5&tag=a+b&tag=c%26d"
    assert request.headers["X-Trace"] == "t"
    request = made("addPet", body={"name": "Tom", "friends": [{"name": "Kim"}]})
    assert (request.method, json.loads(request.body)["name"]) == ("POST", "Tom")
    assert made("getPet", id="a/b?c#d é").url == "https://api.example.org/v1/pets/a%2Fb%3Fc%23d%20%C3%A9"


@given(st.text())
def test_a_path_argument_never_leaves_its_place(text: str) -> None:
    try:
        url = made("getPet", id=text).url
    except ActionFailed:
        assert text in ("", ".", "..")
        return
    except UnicodeEncodeError:
        raise AssertionError("not an error of ours") from None
    parts = urlsplit(url)
    assert (parts.netloc, parts.query, parts.fragment) == ("api.example.org", "", "")
    assert parts.path.count("/") == 3


@given(
    st.dictionaries(
        st.sampled_from(["limit", "tag"]), st.integers(0, 100) | st.lists(st.text(max_size=5), max_size=3)
    )
)
def test_query_arguments_stay_apart(arguments: dict[str, Any]) -> None:
    try:
        pairs = parse_qsl(urlsplit(made("listPets", **arguments).url).query, keep_blank_values=True)
    except ActionFailed:
        return
    assert [v for k, v in pairs if k == "tag"] == arguments.get("tag", [])
    assert len(pairs) == ("limit" in arguments) + len(arguments.get("tag", []))


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("listPets", {"limit": "5"}, "limit must be integer"),
        ("listPets", {"limit": True}, "limit must be integer"),
        ("listPets", {"limit": 101}, "out of range"),
        ("listPets", {"tag": [1]}, r"tag\[0\] must be string"),
        ("getPet", {"id": ".."}, "leads to another path"),
        ("addPet", {}, "body must be object"),
        ("addPet", {"body": {}}, "needs 'name'"),
        ("addPet", {"body": {"name": ""}}, "length 0"),
        ("addPet", {"body": {"name": "x" * 21}}, "length 21"),
        ("addPet", {"body": {"name": "x", "kind": "cow"}}, "must be one of"),
        ("addPet", {"body": {"name": "x", "age": 40}}, "out of range"),
        ("addPet", {"body": {"name": "x", "age": 1.5}}, "must be integer or null"),
        ("addPet", {"body": {"name": "x", "more": 1}}, "has no 'more'"),
        ("addPet", {"body": {"name": "x", "friends": [{"name": "y", "friends": [{}]}]}}, "needs 'name'"),
        ("addPet", {"body": {"name": "x", "friends": [{"name": "y"}] * 4}}, "length 4"),
    ],
)
def test_arguments_that_do_not_fit_are_named(name: str, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ActionFailed, match=says):
        made(name, **arguments)


def test_headers_hide_nothing() -> None:
    with pytest.raises(EgressRefused):
        made("listPets", **{"X-Trace": "a\r\nHost: evil"})


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 3}]}, ["a", 3], [2, None]),
        ({"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 5}]}, [1, 5.5], [5, "a"]),
        ({"allOf": [{"type": "integer"}, {"maximum": 5}]}, [5], [6, 1.5]),
        ({"type": "string", "nullable": True}, [None, "a"], [1]),
        ({"type": "number", "minimum": 1, "exclusiveMinimum": True}, [1.1], [1, float("nan"), float("inf")]),
        ({"const": 1}, [1], [True, 2]),
        (
            {"type": "object", "additionalProperties": {"type": "integer"}},
            [{}, {"a": 1}],
            [{"a": "b"}, {1: 1}],
        ),
        (False, [], [1]),
        (True, [1], []),
        ({"type": [[], 5, "object"], "required": [[], {}, "a"]}, [{"a": 1}], [{}, 1]),
        ({"type": "mystery", "pattern": "(a+)+$"}, ["a" * 50 + "!"], []),
    ],
)
def test_schemas(schema: Any, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert Check(document()).fault(schema, value, "it") == ""
    for value in bad:
        assert Check(document()).fault(schema, value, "it")


def test_schemas_that_go_round_or_explode_end() -> None:
    circle = {"a": {"$ref": "#/components/schemas/b"}, "b": {"$ref": "#/components/schemas/a"}}
    deep = {"c": {"allOf": [{"$ref": "#/components/schemas/c"}]}}
    wide = {f"w{n}": {"allOf": [{"$ref": f"#/components/schemas/w{n + 1}"}] * 10} for n in range(30)}
    known = document(
        {
            **SPEC,
            "components": {
                **SPEC["components"],
                "schemas": {**circle, **deep, **wide, "w30": {}, "Pet": PET},
            },
        }
    )
    for name in ("a", "c", "w0"):
        with pytest.raises(ActionFailed, match="cannot be checked"):
            Check(known).fault({"$ref": f"#/components/schemas/{name}"}, 1, "it")


WORDS = ["type", "enum", "items", "properties", "required", "anyOf", "minimum", "$ref", "maxLength", "const"]
SCHEMAS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(WORDS), inner),
    max_leaves=10,
)


@given(SCHEMAS, st.sampled_from([1, "a", None, [1], {"a": 1}, True, 1.5]))
def test_any_schema_of_a_stranger_gives_a_verdict(schema: Any, value: Any) -> None:
    try:
        Check(document()).fault(schema, value, "it")
    except ActionFailed:
        return


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"openapi: 3.0.0", "convert YAML"),
        (b"[]", "version 3"),
        (b'{"swagger": "2.0"}', "version 3"),
        (b"[" * 100_000, "convert"),
        (b" " * 8_388_609, "over the limit"),
        (json.dumps({**SPEC, "x": {"$ref": "https://evil.org/x.json"}}).encode(), "leads out"),
        (json.dumps({**SPEC, "x": {"$ref": "other.json#/a"}}).encode(), "leads out"),
        (json.dumps({**SPEC, "x": [0] * 500_001}).encode(), "too large"),
    ],
)
def test_files_that_mean_harm_are_refused(content: bytes, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Document(content)


@pytest.mark.parametrize(
    "item",
    [
        {"/x/{id}": {"get": {}}},
        {"x": {"get": {}}},
        {"/x": {"get": {"parameters": [{"name": "a", "in": "cookie", "required": True}]}}},
        {"/x": {"get": {"parameters": [{"in": "query"}]}}},
        {"/x": {"get": {"parameters": [{"$ref": "#/nowhere"}]}}},
        {"/x": {"get": {"parameters": [{"name": "a", "in": "query", "style": "pipeDelimited"}]}}},
        {"/x": {"get": {"parameters": 5, "requestBody": {"required": True}}}},
    ],
)
def test_an_operation_that_cannot_be_called_is_left_out_with_a_reason(item: Any) -> None:
    found, left_out = operations(document({**SPEC, "paths": item}))
    assert found == []
    assert len(left_out) == 1


@pytest.mark.parametrize("paths", [None, [], {"/x": None}, {"/x": {"get": 5}}, {"/x": {"$ref": "#/info"}}])
def test_files_without_operations_have_none(paths: Any) -> None:
    assert operations(document({**SPEC, "paths": paths})) == ([], {})


def test_two_operations_of_one_name_and_names_in_two_places() -> None:
    twice = {"/a": {"get": {"operationId": "x"}, "post": {"operationId": "x"}}}
    with pytest.raises(ConfigError, match="two operations called 'x'"):
        operations(document({**SPEC, "paths": twice}))
    both = {
        "/a/{n}": {
            "get": {"operationId": "x", "parameters": [{"name": "n", "in": p} for p in ("path", "query")]}
        }
    }
    assert [p.argument for p in named({**SPEC, "paths": both})["x"].parameters] == ["path_n", "query_n"]


def test_the_server_of_a_file_is_nobody_until_it_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "pets.json").write_text(json.dumps(SPEC))
    (tmp_path / "pets.yaml").write_text("openapi: 3.0.0")
    (tmp_path / "none.json").write_text(json.dumps({**SPEC, "paths": {}}))
    for settings, says in (
        ({"file": "pets.json"}, "not on the allow-list"),
        ({"file": "pets.yaml"}, "YAML"),
        ({"file": "gone.json"}, "cannot be read"),
        ({"file": "none.json", "url": "https://x.org"}, "no operation"),
        ({"file": "pets.json", "url": "ftp://x"}, "set url"),
        ({"file": "pets.json", "url": "https://x.org/?a=1"}, "no query"),
    ):
        with pytest.raises(ConfigError, match=says):
            openapi("pets", tmp_path, **settings)  # type: ignore[arg-type]


async def test_one_block_of_a_project_file_calls_a_real_server(tmp_path: Path) -> None:
    async def echo(asked: Asked, writer: asyncio.StreamWriter) -> None:
        told = {"method": asked.method, "path": asked.path, "body": asked.body.decode()}
        writer.write(reply(200, json.dumps(told), content_type="application/json"))

    await asyncio.to_thread((tmp_path / "pets.json").write_text, json.dumps(SPEC))
    async with FaultServer(echo) as server:
        text = f'[actions.pets]\nuse = "openapi"\nfile = "pets.json"\nurl = "{server.url}/v1"\n'
        loom = await project(tmp_path, text)
        async with loom:
            found = await loom.call("pets.getPet", id="7/8")
            assert found["body"] == {"method": "GET", "path": "/v1/pets/7%2F8", "body": ""}
            found = await loom.call("pets.addPet", body={"name": "Tom"})
            assert json.loads(found["body"]["body"]) == {"name": "Tom"}
            for arguments in ({"id": 5}, {"other": 1}):
                with pytest.raises(ActionFailed):
                    await loom.call("pets.getPet", **arguments)
