"""The processes of one machine: the worker's supervisor, the demo starter, the set-up of `.venv`.

Nothing here is on the path of a request or of a task. `group` is what the others stand
on: a command whose whole process group ends when the process that started it ends.
"""
