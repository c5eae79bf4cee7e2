"""The how-to page on timers is code that runs."""

import re
from pathlib import Path

PAGE = Path(__file__).parent.parent.parent / "docs" / "how-to" / "timers.md"


def test_every_example_of_the_page_runs_and_every_test_in_it_passes() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, object] = {"__name__": "page"}
    exec(compile("\n".join(blocks), str(PAGE), "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) == 3
    for test in tests:
        assert callable(test)
        test()
