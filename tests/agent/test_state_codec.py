"""State as JSON: what was kept comes back the same for every annotation, and what could not come back is refused."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom.agent._state import copier_of
from tests.agent.kept import ANNOTATIONS, codec_of, identity

RANDOM = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@RANDOM
@given(st.data())
def test_what_is_kept_comes_back_the_same_for_every_annotation(data: st.DataObject) -> None:
    annotation, values = data.draw(ANNOTATIONS)
    value = copier_of(annotation, "f0")(data.draw(values))
    codec = codec_of(annotation)
    kept = codec.encode((value,))
    again = json.loads(json.dumps(kept))
    assert identity(codec.decode(again)[0]) == identity(value)
    assert json.dumps(codec.encode((value,))) == json.dumps(kept)
    assert identity(again) == identity(kept)
