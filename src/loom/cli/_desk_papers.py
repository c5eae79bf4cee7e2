"""The papers of `loom demo desk`: a dozen documents of its own, and questions whose answers are known."""

from __future__ import annotations

from typing import NamedTuple


class Known(NamedTuple):
    """A question, the file that answers it (``""``: none does), and a word of the right passage."""

    question: str
    name: str
    word: str = ""


PAPERS: dict[str, str] = {
    "invoice-2219.txt": """\
Invoice 2219

Blue Heron Plumbing, 14 Mill Lane
To: Mrs Okafor, 3 Orchard Street
Date: 4 March 2026

Replaced the kitchen mixer tap and one shut-off valve.
Labour, two hours: 96.00
Parts: 58.40
Total: 154.40, payable within 30 days to the account below.

Warranty on the valve: two years from the date of this invoice.
""",
    "lentil-soup.md": """\
# Red lentil soup

For four people, about 35 minutes.

## Ingredients
- 250 g red lentils
- 2 carrots, 1 onion, 3 cloves of garlic
- 1 teaspoon cumin, 1 litre of vegetable stock
- juice of half a lemon

## Method
Fry the onion and the garlic in olive oil until they are soft. Add the cumin and the carrots, stir for two minutes.
Pour in the lentils and the stock and let it simmer for 20 minutes.
Blend half of it, and season with the lemon juice at the very end.
""",
    "meeting-2026-03-09.md": """\
# Notes of the team meeting, 9 March

Present: Amara, Jonas, Priya. Excused: Tomasz.

- The release moves from the 20th to the 27th of March, because the translation is late.
- Priya takes over the customer survey from Tomasz.
- The office on the second floor is painted in April; everybody works from home that week.

Action: Jonas asks the printer for a quote for 500 brochures by Friday.
""",
    "letter-landlord.txt": """\
Dear Mr Lindqvist,

thank you for your call last Tuesday. As I said on the phone, the heating in the bedroom has not worked since the
first frost in November, and the room does not get warmer than 14 degrees.

Please send somebody to repair the radiator before the end of the month. Otherwise I will lower the rent
by fifteen percent, as the tenants' association advised me.

Yours sincerely,
Eleni Marinou
""",
    "tides.py": '''\
"""Predict the height of the tide from its harmonic constituents."""

import math

M2_PERIOD_HOURS = 12.4206012


def height(hours, amplitude, phase):
    """Height above mean sea level in metres, some hours after high water at the reference port."""
    return amplitude * math.cos(2 * math.pi * hours / M2_PERIOD_HOURS - phase)


def high_waters(start, count):
    """The next times of high water, in hours."""
    return [start + number * M2_PERIOD_HOURS for number in range(count)]
''',
    "plants.csv": """\
plant,place,water every (days),last watered
Monstera,living room,7,2026-03-02
Basil,kitchen window,1,2026-03-08
Cactus,study,28,2026-02-14
Fern,bathroom,3,2026-03-07
""",
    "router.json": """\
{
  "device": "wifi router in the hall",
  "network": "Kastanie",
  "channel": 11,
  "guest_network": {"enabled": true, "name": "Kastanie-Guest", "expires": "2026-06-30"},
  "firmware": "4.2.1"
}
""",
    "swifts.html": """\
<!doctype html>
<html><head><title>The flight of swifts</title><style>p { color: black }</style></head>
<body>
<h1>The flight of swifts</h1>
<p>The common swift spends ten months of the year in the air without landing.
It eats, drinks and even sleeps on the wing.</p>
<p>Researchers in Lund fitted birds with tiny data loggers and found that some of them
did not come down once between two breeding seasons.</p>
<script>console.log("nobody reads this")</script>
</body></html>
""",
    "running-plan.md": """\
# Half marathon in twelve weeks

Weeks 1 to 4: three runs a week, the long one of 10 kilometres on Sunday.
Weeks 5 to 8: add intervals on Wednesday, six times 800 metres with two minutes of rest.
Weeks 9 to 11: the long run grows to 18 kilometres.
Week 12: rest, two easy runs, then the race on Saturday.

Replace the shoes after 700 kilometres.
""",
    "contract-gym.txt": """\
Membership agreement, Fit & Fern Studio

1. The membership begins on 1 February 2026 and costs 39 euros a month.
2. It can be cancelled in writing with a notice of six weeks to the end of a quarter.
3. The member may pause the membership for up to three months a year in the case of illness or pregnancy.
4. The studio is not liable for valuables left in the lockers.
""",
    "bicycle-repair.txt": """\
How to true a bicycle wheel

Turn the bicycle upside down and spin the wheel slowly past the brake pads. Where the rim comes close to the left pad,
tighten the spokes that lead to the right side of the hub by a quarter of a turn, and loosen those of the left side.
Never turn a nipple by more than half a turn at once.
""",
    "packing-list.txt": """\
Packing list for the hut in the mountains

sleeping bag, head torch with spare batteries, water filter, first aid kit
boots, rain jacket, wool hat, two pairs of socks
passport and the key of the hut: it hangs behind the cellar door
""",
}
LATER: dict[str, str] = {
    "dentist.txt": """\
Your next appointment at the dental practice of Dr Silva is on Thursday, 16 April at 8:40.
Please bring your insurance card. Cancel at least 24 hours before.
""",
    "allotment.md": """\
# Allotment garden, plot 27

The water is turned on again on 28 March. The hedge must not be higher than 1.25 metres.
Compost is delivered to the gate on the first Saturday in April.
""",
}
BROKEN: dict[str, bytes] = {
    "scan.pdf": b"%PDF-1.7\n1 0 obj <<>> endobj",
    "backup.bin": bytes(range(256)) * 8,
    "half.json": b'{"name": "this was still being wri',
    "empty.txt": b"",
}
KNOWN: tuple[Known, ...] = (
    Known("How much do I have to pay the plumber?", "invoice-2219.txt", "154.40"),
    Known("How long does the lentil soup simmer?", "lentil-soup.md", "20 minutes"),
    Known("When is the release now?", "meeting-2026-03-09.md", "27th"),
    Known("What is wrong with the heating in the bedroom?", "letter-landlord.txt", "14 degrees"),
    Known("Which function predicts the height of the tide?", "tides.py", "height"),
    Known("How often does the cactus need water?", "plants.csv", "28"),
    Known("What is the name of the guest wifi?", "router.json", "Kastanie-Guest"),
    Known("Where do swifts sleep?", "swifts.html", "wing"),
    Known("How far is the longest run before the race?", "running-plan.md", "18 kilometres"),
    Known("With how much notice can I cancel the gym?", "contract-gym.txt", "six weeks"),
    Known("How do I straighten a bent bicycle wheel?", "bicycle-repair.txt", "spokes"),
    Known("Where is the key of the hut?", "packing-list.txt", "cellar door"),
)
KNOWN_LATER: tuple[Known, ...] = (
    Known("When do I have to see the dentist?", "dentist.txt", "16 April"),
    Known("When is the water in the garden turned on?", "allotment.md", "28 March"),
)
UNKNOWN: tuple[Known, ...] = (
    Known("Who won the chess championship in 1972?", ""),
    Known("What is the boiling point of tungsten?", ""),
    Known("How do I apply for a fishing licence in Norway?", ""),
)
