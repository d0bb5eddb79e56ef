"""One timeline of what a request or a job set off, over all services: docs/decisions/0031-one-timeline.md.

steps.py     what one service knows of it
story.py     what all of them know, put together: pure
diagram.py   the same as a sequence diagram: its geometry
api.py       REST under /api/v1/trace
"""
