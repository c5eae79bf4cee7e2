"""Words that decide what a short text means, and words that do not: English, with some German and Romance ones."""

from __future__ import annotations

_LIGHT = """
    a an the is are am be please kindly hey hi hello thanks thank just so well then also that this these those it its
    of what which how do does can could would you me i what's how's it's i'd like tell give show
    der die das ein eine ist sind bitte hallo le la les un une est sont el los las es il lo gli uno una
"""
_STARTS = """
    who whose when where why will shall should did was were has have had list explain describe write make play set turn
    switch start stop open close find search summarise summarize translate calculate compare define create add remove
    delete send call remind read say help i'm i'll we they he she my your our in on at if as for to and but or there let
    name get check order book tell whats wie wer wo wann warum welche kannst
"""
_COUNTS = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion half
    quarter third double triple twice once first second dozen couple few many several all both none every each some
    any most least only eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf zwanzig dreißig hundert
    tausend halb viertel deux trois quatre cinq sept huit neuf dix dos tres cuatro cinco seis siete ocho nueve diez
"""
_NEGATIONS = """
    not no never nor neither nobody nothing nowhere without except unless cannot hardly barely instead rather but
    nicht kein keine keinen keinem nie niemals ohne außer ne pas jamais sans nunca sin non mai senza
"""
_OPPOSITES = """
    on off up down out left right open opened close closed shut start started stop stopped begin end enable enabled
    disable disabled lock locked unlock unlocked increase decrease raise lower more less fewer before after above below
    over under inside outside to from with against into onto since until till during past next last previous former
    latter today tomorrow yesterday tonight now later early late morning noon afternoon evening night midnight am pm
    monday tuesday wednesday thursday friday saturday sunday january february march april may june july august
    september october november december spring summer autumn fall winter weekday weekend daily weekly monthly yearly
    min max minimum maximum best worst better worse high low higher highest lowest big small larger smaller largest
    smallest long short longer shorter hot cold warm cool warmer colder true false yes buy sell import export receive
    add remove delete keep old new oldest newest same different always sometimes often north south east west male
    female man woman boy girl mother father mum dad he him his she her hers my mine your yours we us our they them
    their who whom whose when where why did was were will must might should shall has have had red green blue yellow
    white black orange purple pink brown grey gray an aus auf zu ja nein links rechts heute morgen gestern mein dein
"""
LIGHT = frozenset(_LIGHT.split())
"""Words that may come and go."""
STARTS = LIGHT | frozenset(_STARTS.split())
"""Words that begin a sentence, and are no names because they begin with a capital."""
WEIGHTY = (frozenset(f"{_COUNTS} {_NEGATIONS} {_OPPOSITES}".split())) - LIGHT
"""Words that say how many, that it is not so, or which of two: they have to be there in both."""
BEFORE_NAMES = frozenset(
    {"in", "at", "to", "from", "for", "about", "with", "called", "named", "as", "by", "near", "into"}
)
"""Words before what is a name also without a capital."""
