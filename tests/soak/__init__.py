"""`make soak`: the whole product at work on PostgreSQL while everything around it fails.

`plan` says what there is and what goes wrong when, out of a seed; `world` makes it; `people` and
`broker` live in it; `faults` carries the plan out; `judge` looks at what is left of it all.
"""
