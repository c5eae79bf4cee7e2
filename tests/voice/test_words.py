"""Words: wake phrases left out, sentences, lengths of time, intents."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.voice import answers
from loom.voice.durations import duration, spoken
from loom.voice.intents import INTENTS, choose
from loom.voice.scribe import without
from loom.voice.sentences import Sentences

PHRASES = ("okay nabu", "hey jarvis", "alexa", "hey mycroft")


@pytest.mark.parametrize(
    ("heard", "question"),
    [
        ("Hey Jarvis, what time is it?", "what time is it?"),
        ("Okay, Nabu. Turn on the light.", "Turn on the light."),
        ("Ok Naboo, set a timer", "set a timer"),
        ("Jarvis what day is it", "what day is it"),
        ("What time is it?", "What time is it?"),
        ("Hey Jarvis.", ""),
        ("", ""),
        ("Alexander was a king", "Alexander was a king"),
        ("Hey there, who are you?", "Hey there, who are you?"),
    ],
)
def test_the_wake_phrase_is_no_part_of_the_question(heard, question):
    assert without(heard, PHRASES) == question


@given(st.text(max_size=200))
def test_what_is_left_was_said(text):
    assert text.strip().endswith(without(text, PHRASES).strip())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("set a timer for ten seconds", 10), ("a minute and a half", 90), ("one and a half minutes", 90),
        ("half an hour", 1800), ("an hour and a half", 5400), ("two and a half hours", 9000),
        ("twenty-five minutes", 1500), ("1 hour 20 minutes", 4800), ("a hundred and twenty seconds", 120),
        ("3 minutes and 30 seconds", 210), ("in an hour", 3600), ("set one timer for 5 minutes", 300),
        ("half a minute", 30), ("1.5 hours", 5400), ("a couple of minutes", 120), ("Set a timer for 10 seconds.", 10),
        ("what time is it", None), ("set a timer", None), ("", None), ("zero seconds", None), ("900000 days", None),
        ("the second door", None), ("a day", 86400),
    ],
)  # fmt: skip
def test_lengths_of_time(text, seconds):
    assert duration(text) == seconds


@given(st.integers(1, 86_400 * 30))
def test_a_length_that_is_spoken_is_understood(seconds):
    assert duration(spoken(seconds)) == seconds


@given(st.text(max_size=300))
def test_no_text_breaks_the_lengths(text):
    found = duration(text)
    assert found is None or 0 < found <= 366 * 86400


TEXTS = st.lists(
    st.sampled_from(["One.", "Two!", "And", "so", "on?", "Dr.", "\n", "x" * 400, "…", '"Yes."', "3.5"]),
    max_size=40,
)


@given(TEXTS, st.lists(st.integers(1, 30), max_size=30))
def test_sentences_are_the_same_whatever_the_pieces(words, sizes):
    text = " ".join(words)
    whole, pieces, start = Sentences(), Sentences(), 0
    at_once = [*whole.add(text), *whole.finish()]
    slowly: list[str] = []
    for size in sizes:
        slowly += pieces.add(text[start : start + size])
        start += size
    slowly += [*pieces.add(text[start:]), *pieces.finish()]
    assert " ".join(slowly).replace(" ", "") == "".join(text.split()) == "".join(at_once).replace(" ", "")
    assert all(len(each) <= 300 for each in at_once)


def test_a_sentence_comes_as_soon_as_it_is_complete():
    sentences = Sentences()
    assert sentences.add("Dr. Smith is here") == []
    assert sentences.add(". He") == ["Dr. Smith is here."]
    assert sentences.finish() == ["He"]


def test_every_example_is_its_own_intent():
    for label, texts in INTENTS.items():
        for text in texts:
            assert choose(text, [{"label": label, "score": 1.0}]) == label, text


def test_an_intent_needs_its_word_and_some_likeness():
    assert choose("turn up the heating", [{"label": "light.on", "score": 0.8}]) == ""
    assert choose("turn on the light", [{"label": "light.on", "score": 0.3}]) == ""
    assert choose("turn on the light", [{"label": None, "score": 0.4}]) == ""
    ranked = [{"label": "timer.cancel", "score": 0.9}, {"label": "timer.set", "score": 0.8}]
    assert choose("Set a timer for 15 seconds.", ranked) == "timer.set"


def test_without_a_model_words_in_common_do():
    assert choose("what time is it", answers.by_words("what time is it")) == "time"
    assert choose("tell me about whales", answers.by_words("tell me about whales")) == ""


def test_answers_are_sentences_that_a_voice_says_well():
    moment = dt.datetime(2026, 3, 1, 15, 5, tzinfo=dt.UTC)
    assert answers.clock("time", moment) == "It is 3:05 in the afternoon."
    assert answers.clock("date", moment) == "Today is Sunday, March 1, 2026."
    assert answers.left([], 0) == "No timer is running."
    assert answers.left([10_000, 5_000], 0) == "There are 5 seconds and 10 seconds left."
    assert answers.room("turn on the light in the living room") == "living room"
    assert answers.room("light please") == ""
