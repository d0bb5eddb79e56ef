"""What comes in from outside, read in one place by REST, pages and the command line.

    text.py      what people write: what is text, what can be seen, which way it runs
    days.py      days that a company can have
    amounts.py   money that a person types
    bodies.py    JSON, and the blueprint whose requests are read by it
    sent.py      query strings and forms of pages, by the schemas of REST
    fields.py    marshmallow fields for all of this

`chassis.paging` reads cursors. Text, days and amounts are pure: the rules of the services stand on them, too.
"""
