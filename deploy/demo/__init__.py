"""`make demo`: a busy month in the life of the company, in a running system, through its public REST API.

`story.py` tells it; `plan.py` decides what happens on which day, `people.py`, `work.py`, `days.py` and `accidents.py`
let it happen, `clock.py` lets time pass, `stage.py` shows it. Only a demonstration lets its clock be put forward:
docs/decisions/0029-a-clock-for-demonstrations.md.
"""
