"""What is made of a stream of sound."""

from hypothesis import given
from hypothesis import strategies as st

from loom.voice.listener import Began, Listener, Spoke, Woke

CHUNK = 0.08
QUIET, LOUD = [0.0] * 8, [0.9] * 8


def pcm(mark: int) -> bytes:
    return mark.to_bytes(2, "little") * 1280


def listen(*what: tuple[list[float], int, str], listener: Listener | None = None) -> list:
    """Feed runs of chunks: (values, how many, wake phrase at the end of the run)."""
    listener, noticed, number = listener or Listener(), [], 0
    for values, count, phrase in what:
        for n in range(count):
            noticed += listener.hear(number * CHUNK, pcm(number), values, phrase if n == count - 1 else "")
            number += 1
    return [*noticed, *listener.finish()]


def test_a_question_after_the_wake_phrase_is_cut_out():
    noticed = listen((QUIET, 12, ""), (LOUD, 8, "hey jarvis"), (LOUD, 12, ""), (QUIET, 12, ""))
    assert [type(each) for each in noticed] == [Began, Woke, Spoke]
    spoke = noticed[2]
    assert spoke.woken
    assert spoke.start < noticed[1].at < spoke.end
    first, last = int.from_bytes(spoke.pcm[:2], "little"), int.from_bytes(spoke.pcm[-2:], "little")
    assert 12 < first <= 20, "most of the phrase is left out"
    assert last >= 31, "the end of the question is in"


def test_without_the_wake_phrase_nothing_is_cut_out():
    noticed = listen((QUIET, 12, ""), (LOUD, 20, ""), (QUIET, 12, ""))
    assert [type(each) for each in noticed] == [Began, Spoke]
    assert noticed[1].pcm == b""
    assert not noticed[1].woken


def test_a_question_may_begin_a_while_after_the_phrase():
    noticed = listen((LOUD, 8, "alexa"), (QUIET, 20, ""), (LOUD, 20, ""), (QUIET, 12, ""))
    assert [type(each) for each in noticed] == [Woke, Began, Spoke, Began, Spoke] or [
        type(each) for each in noticed
    ] == [Began, Woke, Spoke, Began, Spoke]
    phrase, question = (each for each in noticed if isinstance(each, Spoke))
    assert phrase.pcm == b""
    assert question.woken
    assert question.pcm


def test_after_too_long_a_silence_the_phrase_is_forgotten():
    noticed = listen((LOUD, 8, "alexa"), (QUIET, 100, ""), (LOUD, 20, ""), (QUIET, 12, ""))
    assert not any(each.pcm for each in noticed if isinstance(each, Spoke))


def test_what_somebody_wants_to_understand_is_cut_out_without_a_phrase():
    listener = Listener()
    for n in range(4):
        listener.hear(n * CHUNK, pcm(n), LOUD)
    assert listener.want(1)
    assert not listener.want(2)
    [spoke] = listener.finish()
    assert spoke.pcm
    assert not spoke.woken
    assert not listener.want(1), "it is over"


def test_one_question_takes_one_phrase():
    noticed = listen((LOUD, 8, "alexa"), (LOUD, 12, ""), (QUIET, 12, ""), (LOUD, 20, ""), (QUIET, 12, ""))
    assert [bool(each.pcm) for each in noticed if isinstance(each, Spoke)] == [True, False]


RUNS = st.lists(
    st.tuples(st.sampled_from([QUIET, LOUD, []]), st.integers(1, 30), st.sampled_from(["", "", "alexa"])),
    max_size=12,
)


@given(RUNS, st.sets(st.integers(1, 6)))
def test_each_beginning_has_one_end(runs, wanted):
    listener, noticed, number = Listener(), [], 0
    for values, count, phrase in runs:
        for n in range(count):
            noticed += listener.hear(number * CHUNK, pcm(number % 30000), values, phrase if n == 0 else "")
            number += 1
            if listener.number in wanted:
                listener.want(listener.number)
    noticed += listener.finish()
    ends = [each for each in noticed if not isinstance(each, Woke)]
    assert [type(each) for each in ends] == [Began, Spoke] * (len(ends) // 2)
    assert [each.number for each in ends[::2]] == [each.number for each in ends[1::2]]
    assert all(bool(each.pcm) or not each.woken for each in ends if isinstance(each, Spoke))
