"""A view shows a text without its disguises, and every span of it leads back to where it came from."""

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from loom.privacy.view import View, plain, views

disguised = st.lists(
    st.text(max_size=3)
    | st.sampled_from(
        [
            "\u200b",
            "\u00ad",
            "４",
            "%40",
            "&#64;",
            "\\u0040",
            "%C3%A9",
            "&amp;#64;",
            "%2540",
            "é",
            "\u2011",
            "\u00a0",
        ]
    ),
    max_size=10,
).map("".join)


@given(disguised)
def test_spans_lead_back_into_the_text_in_order(text: str) -> None:
    for view in views(View(text)):
        last = 0
        for at in range(len(view.text)):
            start, end = view.span(at, at + 1)
            assert 0 <= start < end <= len(text)
            assert start >= last or view.span(at - 1, at) == (start, end)
            last = start
        if view.text:
            whole = view.span(0, len(view.text))
            assert whole[0] <= whole[1] <= len(text)


def test_disguises_come_off() -> None:
    for text in (
        "４１１１",
        "4\u200b111",
        "4\u00ad111",
        "４\u20601１1",
        "%34111",
        "&#52;111",
        "&#x34;111",
        "\\u0034111",
        "%2534111",
        "&amp;#52;111",
        "①".replace("①", "4") + "111",
        "٤١١١",
    ):
        assert views(View(text))[-1].text == "4111", text
    assert plain("Ｂｏｂ\u200b\u2011X\u00a0Y") == "bob-x y"


def test_characters_of_several_bytes_are_decoded_whole() -> None:
    for text in ("密码是", "用户@例子.公司", "é€😀é", "４"):
        assert views(View(quote(text)))[-1].text == View(text).folded().text
    assert plain("bob\ud800@example.com") == "bob@example.com"


def test_a_span_takes_all_of_an_escape_and_nothing_beside_it() -> None:
    text = "a\u200bb%40c\u200bd"
    view = views(View(text))[-1]
    assert view.text == "ab@cd"
    assert [text[slice(*view.span(at, at + 1))] for at in range(5)] == ["a", "b", "%40", "c", "d"]
    assert text[slice(*view.span(1, 4))] == "b%40c"
