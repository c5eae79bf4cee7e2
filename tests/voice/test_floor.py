"""Whose turn it is, decided."""

from hypothesis import example, given
from hypothesis import strategies as st

from loom.voice.floor import (
    Began,
    Calls,
    Floor,
    Heard,
    Hold,
    Open,
    Resume,
    Said,
    Sounds,
    TakeDown,
    decide,
    is_echo,
    meaningful,
)

SPEECH = st.sampled_from(["a", "b", "c"])
HAPPENS = st.one_of(
    st.builds(Began, SPEECH),
    st.builds(Heard, SPEECH, st.sampled_from(["", "um", "stop it", "one two three four"]), st.booleans()),
    st.builds(Sounds, st.integers(1, 4), st.just("one two three four")),
    st.builds(Said, st.integers(1, 4)),
    st.just(Calls()),
)


@given(st.lists(HAPPENS, max_size=60))
@example([Sounds(1, "well"), Began("a"), Heard("a", "um", False)])
def test_who_is_held_is_released_and_nobody_is_held_twice(script):
    floor, held = Floor(), False
    for what in script:
        floor, commands = decide(floor, what)
        for command in commands:
            if isinstance(command, Hold):
                assert not held
                held = True
            elif isinstance(command, Resume):
                assert held
                held = False
        assert held == bool(floor.held)


@given(st.lists(HAPPENS, max_size=60))
def test_turns_are_numbered_and_only_what_is_going_on_is_taken_down(script):
    floor, opened = Floor(), 0
    for what in script:
        going_on = {floor.asked, floor.speaking} - {0}
        floor, commands = decide(floor, what)
        for command in commands:
            if isinstance(command, TakeDown):
                assert command.turn in going_on
            if isinstance(command, Open):
                assert command.turn > opened
                opened = command.turn
                assert not any(isinstance(each, TakeDown) for each in commands[commands.index(command) :])


@given(st.lists(HAPPENS, max_size=60), SPEECH, st.sampled_from(["", "um", "Hm."]), st.booleans())
def test_without_words_nothing_is_taken_down(script, speech, text, woken):
    floor = Floor()
    for what in script:
        floor, _ = decide(floor, what)
    _, commands = decide(floor, Heard(speech, text, woken))
    assert all(isinstance(command, Resume) for command in commands)


def test_speech_that_began_just_before_the_end_is_an_interruption_still():
    floor = Floor()
    for what in (Sounds(1, "well"), Began("a"), Said(1)):
        floor, commands = decide(floor, what)
    assert commands == [Resume()]
    _, commands = decide(floor, Heard("a", "and tomorrow", False))
    assert [type(command) for command in commands] == [Open]


@given(st.permutations([Sounds(1, "well"), Sounds(1, "then"), Said(1)]))
def test_a_turn_that_has_ended_is_not_taken_down_in_whatever_order_that_is_told(told):
    floor, _ = decide(Floor(), Heard("a", "what time is it", True))
    for what in told:
        floor, _ = decide(floor, what)
    _, commands = decide(floor, Heard("b", "and the date", True))
    assert commands == [Open(2, "and the date")]


def test_a_turn_that_was_taken_down_does_not_speak_again():
    floor, _ = decide(Floor(), Heard("a", "what time is it", True))
    floor, commands = decide(floor, Heard("b", "and the date", True))
    assert TakeDown(1) in commands
    floor, _ = decide(floor, Sounds(1, "it is"))
    assert floor.speaking == 0


def test_fillers_are_no_words():
    assert meaningful("Um, hm... Oh?") == []
    assert meaningful("Um, no!") == ["no"]


def test_its_own_voice_is_an_echo_and_a_short_answer_is_not():
    said = "The sea is deep and it is blue"
    assert is_echo(meaningful("see is deep and it is"), said)
    assert not is_echo(meaningful("is the moon made of cheese"), said)
    assert not is_echo(["the", "sea"], said), "two words may well be an answer"
