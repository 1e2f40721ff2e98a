"""Queueing disciplines (linux/pkt_sched.h) as pyroute2 0.9.7 does not have them, in its own notation.

Apart from `missing`: pyroute2's module of queues takes 20 ms to import.
"""

from __future__ import annotations

from typing import Any

from pyroute2.netlink import nla, nlmsg
from pyroute2.netlink.rtnl.tcmsg import sched_netem, sched_tbf, tcmsg

_NETEM, _TBF = sched_netem.options, sched_tbf.options


class tbf_options(nla):  # noqa: N801
    """Options of tbf with its burst in bytes, without the table of rates that old kernels needed."""

    nla_map = (
        *_TBF.nla_map,
        ("TCA_TBF_RATE64", "uint64"),
        ("TCA_TBF_PRATE64", "uint64"),
        ("TCA_TBF_BURST", "uint32"),
    )
    rtab, ptab = _TBF.rtab, _TBF.ptab

    class tbf_parms(nla):  # noqa: N801
        """TCA_TBF_PARMS: rate and limit."""

        fields = _TBF.tbf_parms.fields


class netem_options(nla):  # noqa: N801
    """Options of netem with its times in nanoseconds."""

    fields = _NETEM.fields
    nla_map = (
        *_NETEM.nla_map,
        ("TCA_NETEM_ECN", "uint32"),
        ("TCA_NETEM_RATE64", "uint64"),
        ("TCA_NETEM_PAD", "none"),
        ("TCA_NETEM_LATENCY64", "int64"),
        ("TCA_NETEM_JITTER64", "int64"),
    )
    netem_corr, netem_reorder = _NETEM.netem_corr, _NETEM.netem_reorder
    netem_corrupt, netem_rate = _NETEM.netem_corrupt, _NETEM.netem_rate


class queue_msg(nlmsg):  # noqa: N801
    """A message about a queueing discipline of netlab's kinds."""

    fields = tcmsg.fields
    nla_map = tuple(
        (name, form if name in ("TCA_UNSPEC", "TCA_KIND", "TCA_OPTIONS") else "hex")
        for name, form in tcmsg.nla_map
    )

    @staticmethod
    def get_options(message: Any, *_: Any, **__: Any) -> type[nla]:
        """Return the class of the message's options, as pyroute2 asks for it."""
        return {"tbf": tbf_options, "netem": netem_options}[message.get_attr("TCA_KIND")]
