"""A machine's firewall, for the kernel's rules and for checks before there are any."""

from __future__ import annotations

from netlab.frozen import frozen


@frozen
class Firewall:
    """Unrequested traffic that is blocked and allowed; words as `all`, `icmp`, `tcp`, `tcp:80`.

    A port that is blocked by its number is shut, whatever opens it; then come exceptions, and then
    whole protocols. So it is with Windows' firewall: a rule that blocks, a rule that allows, the default.
    """

    blocks: tuple[str, ...] = ()
    allows: tuple[str, ...] = ()

    def lets_in(self, protocol: str, port: int) -> bool:
        """Return whether another machine reaches a program that listens on a port."""
        word = f"{protocol}:{port}"
        if word in self.blocks:
            return False
        is_allowed = not {protocol, word}.isdisjoint(self.allows)
        return is_allowed or {"all", protocol}.isdisjoint(self.blocks)


NO_FIREWALL = Firewall()


def port_of(word: str) -> str:
    """Return the port that a word names; empty for a whole protocol."""
    return word.partition(":")[2]
