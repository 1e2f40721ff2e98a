"""Network namespaces, their kernel settings, and their files in /etc."""

from __future__ import annotations

from netlab.frozen import frozen
from netlab.plan.resources.base import InNamespace, Resource, with_oddities, with_text


@frozen
class Namespace(InNamespace):
    """A network namespace as `ip netns` shows it, with `lo` up."""

    oddities: tuple[str, ...] = ()
    """Findings in it that no plan has a resource for, in words; a plan wants none."""

    creation_order = 0
    alterable = ("oddities",)
    takes_a_name = True

    def __str__(self) -> str:
        return with_oddities(f"namespace {self.namespace}", self.oddities)

    def holds(self, resource: Resource) -> bool:
        """Return whether `resource` is in it."""
        return self.namespace in resource.namespaces


@frozen
class Sysctl(InNamespace):
    """A kernel setting below /proc/sys/net of a namespace."""

    key: str
    value: str
    optional: bool = False
    """Skip it where the kernel does not have the key."""
    usual: str = "0"
    """The kernel's own value, to which a number goes back when nobody wants it any more."""

    alterable = ("value", "optional", "usual")

    def __str__(self) -> str:
        condition = " (if there)" if self.optional else ""
        return f"sysctl {self.namespace} {self.key}={self.value}{condition}"

    @property
    def creation_order(self) -> int:
        """Its stage: a setting of one interface needs that; the others come before, to be inherited."""
        if self.key.startswith("net.netfilter."):
            return 9  # Connection tracking is loaded by the first rule that needs it.
        inherited = ".conf.all." in self.key or ".conf.default." in self.key
        return 5 if ".conf." in self.key and not inherited else 1

    def uses(self, namespace: str, interface: str) -> bool:
        """Return whether it is a setting of this interface."""
        return self.namespace == namespace and f".{interface}." in f".{self.key}."


@frozen
class EtcFile(InNamespace):
    """A file that programs in the namespace see in /etc (kept in /etc/netns/NAMESPACE)."""

    name: str
    text: str

    creation_order = 2
    alterable = ("text",)
    takes_a_name = True

    def __str__(self) -> str:
        return with_text(f"etc {self.namespace} {self.name}", self.text)
