"""A plan's resources created, read, altered and deleted.

`create`, `observe`, `apply` and `remove` walk over a lab; `drivers` finds the driver of each kind,
which is in a file of the same name as the kind's class in `netlab.plan.resources`.
"""
