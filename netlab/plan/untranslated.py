"""Packets that a NAT does not translate do not leave it: one rule for every NAT of a lab.

Linux translates what begins a connection, and what belongs to one. All else it lets pass as it is: an
echo reply that nobody asked for, a SYN-ACK, RST or FIN of no connection, an error about none. Programs
that translate (VMware's NAT device, VirtualBox's engine) throw it away, having no socket that it fits.
"""

from __future__ import annotations

UNTRANSLATED = "this NAT does not translate its source"
"""The comment of its rules."""


def drop_untranslated(source: str, *matches: str) -> str:
    """The last chain that packets meet, after translation. If they match, `source` has to be the NAT's own.

    `saddr . oif`: an address of the interface by which they leave; `saddr`: any of the machine's, which
    answers of a host with several cards have.
    """
    rules = "".join(
        f'\t\t{match} fib {source} type != local drop comment "{UNTRANSLATED}"\n'
        for match in matches
    )
    return f"""\
	chain leaving {{
		type filter hook postrouting priority srcnat + 1; policy accept;
{rules}	}}
"""
