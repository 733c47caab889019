"""Figures of an account: computed once from sessions, inventory and what the broker tells.

`tally` adds sessions up and knows no database; `counting` reads sessions and replaces the rows
of whole periods; `counting_task` says which periods, and when. `disks` and `elasticity` look at
the inventory once a day and every quarter of an hour.
"""
