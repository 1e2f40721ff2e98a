"""What a machine's firewall lets in, whoever asks: rules of the kernel, or a check before there are any."""

from __future__ import annotations

from netlab.frozen import frozen


@frozen
class Firewall:
    """What does not come in, unless the machine asked for it; words as `all`, `icmp`, `tcp`, `tcp:80`.

    A port that is blocked by its number is shut, whatever opens it; then come exceptions, and then
    whole protocols. So it is with Windows' firewall: a rule that blocks, a rule that allows, the usual.
    """

    blocks: tuple[str, ...] = ()
    allows: tuple[str, ...] = ()

    def lets_in(self, protocol: str, port: int) -> bool:
        """Whether somebody elsewhere may call a program that waits there."""
        own = f"{protocol}:{port}"
        if own in self.blocks:
            return False
        return not {protocol, own}.isdisjoint(self.allows) or {"all", protocol}.isdisjoint(
            self.blocks
        )


NO_FIREWALL = Firewall()


def port_of(word: str) -> str:
    """The port that a word names; empty for a whole protocol."""
    return word.partition(":")[2]
