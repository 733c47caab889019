"""The end of an account (R155, Q1): staff ask for it, a durable task does it.

`request` is what staff do: from that moment the account is nobody's in the portal, nothing new
begins, and what is under way stops. `deleting` removes what there is of it at the clouds, where
that was chosen, through the ordinary deletions of backups. `forgetting` removes its rows, and
keeps the types of data that outlive an account. `workflow` is the task, and the purge's last
step, which takes away what is left of the account itself with the last of these records.
"""
