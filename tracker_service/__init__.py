"""The task tracker: tasks, who has them, and the runs that give all open ones new assignees.

Owns tasks and reassignments; keeps a replica of people.
Publishes task_created, task_updated, task_assigned, task_completed, reassignment_finished, and
reassignment_requested to itself. Consumes auth's user events, billing's task_priced and its own
reassignment_requested.
"""
