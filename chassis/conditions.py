"""Words by which a process says how it is, and that others look for."""

#: So begins what a process says of itself that has started well and goes on when a person has done something.
WAITING_FOR_PERSON = "waiting for a person"
