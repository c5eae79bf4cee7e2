"""The kinds of papers that a desk tells apart: prose by examples of what it says, the others by their form."""

from __future__ import annotations

KINDS: dict[str, list[str]] = {
    "invoice": [
        "invoice number, total amount payable, VAT, payment due within 30 days",
        "bill for parts and labour",
    ],
    "recipe": [
        "ingredients: flour, butter, two eggs; bake in the oven",
        "chop the onion, fry it and let it simmer",
    ],
    "letter": [
        "Dear Sir or Madam, I am writing to you about ... Yours sincerely",
        "Dear Anna, thank you for your letter",
    ],
    "meeting notes": ["minutes of the meeting, present, agenda, decisions and action items for the team"],
    "contract": [
        "agreement between the parties, term, notice period, liability, termination in writing",
        "membership agreement: begins on, costs a month, cancelled with notice, nobody is liable",
    ],
    "article": [
        "researchers found in a new study that",
        "an encyclopedia article about animals, history or science",
    ],
    "instructions": [
        "how to repair it, step by step: first loosen the screw, then turn",
        "manual, set-up guide",
    ],
    "documentation": [
        "reference manual of a program or a programming language: statements, options, configuration, what is promised",
        "design of software: modules, events, queues, protocols and how they work together",
        "read me: how to install the software, what it does, its API and its limits",
    ],
    "plan": [
        "plan for the next weeks: week 1, week 2, training schedule",
        "project schedule with milestones",
    ],
    "list": ["packing list: socks, boots, passport, toothbrush", "shopping list: milk, eggs, bread, onions"],
    "appointment": [
        "your appointment at the doctor is on Thursday at 8:40",
        "invitation to an event, date and place",
    ],
    "log": ["2026-01-01 12:00:00 ERROR connection refused, retrying", "INFO started server on port 8080"],
}
_FORMS = {"table": "table", "data": "data", "code": "code", "picture": "picture"}


def by_form(form: str) -> str:
    """The kind of a file whose form says enough; ``text`` for any other."""
    return _FORMS.get(form, "text")
