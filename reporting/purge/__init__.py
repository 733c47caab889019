"""Taking away what is too old (R142 to R156, Q1), a batch at a time.

`rules` says which rows go with which type of data; `batches` takes one batch of them away;
`portions` does one batch of a type and remembers how far it came; `workflow` is the daily task
that goes through all types, and the tick that starts it. Each batch is a transaction of its own,
together with the note of how far it came: whoever is killed has lost a batch at most.
"""
