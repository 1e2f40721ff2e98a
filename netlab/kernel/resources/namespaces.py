"""Drivers of network namespaces, their kernel settings, and their files in /etc."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from netlab.kernel import files
from netlab.kernel.namespaces import netns
from netlab.kernel.process import services
from netlab.kernel.resources import strays
from netlab.kernel.resources.base import Context, Driver, LabState
from netlab.kernel.rundir import RunDirectory
from netlab.plan.resources import EtcFile, Namespace, Sysctl


class NamespaceDriver(Driver[Namespace]):
    """Creates namespaces with `lo` up, and undoes what no plan has a resource for."""

    deletes_without_namespace = True

    def create(self, resource: Namespace, context: Context) -> None:
        context.pool.create(resource.namespace)

    def read(self, resource: Namespace, lab: LabState) -> Namespace:
        return replace(resource, oddities=lab.of(resource).oddities)

    def alter(self, old: Namespace, new: Namespace, context: Context) -> None:
        strays.undo(context.netlink(new))

    def delete(self, resource: Namespace, context: Context) -> None:
        namespace = resource.namespace
        context.pool.forget(namespace)
        services.end_inside(namespace)
        netns.unlink_etc([namespace])
        # Whole: a machine of that name that comes again is linked where its folder is made.
        shutil.rmtree(context.run.etc(namespace), ignore_errors=True)
        netns.delete(namespace)


class SysctlDriver(Driver[Sysctl]):
    """Writes kernel settings."""

    def create(self, resource: Sysctl, context: Context) -> None:
        context.pool.set(resource)

    def read(self, resource: Sysctl, lab: LabState) -> Sysctl | None:
        absent = resource.value if resource.optional else None
        value = lab.of(resource).settings.get(resource.key, absent)
        if value == resource.value:
            return resource
        return None if value is None else replace(resource, value=value)

    def delete(self, resource: Sysctl, context: Context) -> None:
        if resource.value != resource.usual:
            # Back to what a new namespace has, where a plan's switches are off.
            context.pool.set(replace(resource, value=resource.usual, optional=True))

    def settings(self, resource: Sysctl) -> Iterable[Sysctl]:
        return (resource,)


class EtcFileDriver(Driver[EtcFile]):
    """Writes files that programs in a namespace see in /etc."""

    deletes_without_namespace = True

    def create(self, resource: EtcFile, context: Context) -> None:
        if not netns.can_have_etc(resource.name):
            return
        folder = context.run.etc(resource.namespace)
        if not netns.shows_etc(resource.namespace, folder):  # It is the first.
            files.make_folder(Path(folder))
            netns.link_etc(resource.namespace, folder)
        files.write(f"{folder}/{resource.name}", resource.text)

    def read(self, resource: EtcFile, lab: LabState) -> EtcFile | None:
        text = etc_text(lab.run, resource.namespace, resource.name)
        if text is None:
            return None if netns.can_have_etc(resource.name) else resource
        return resource if text == resource.text else replace(resource, text=text)

    def alter(self, old: EtcFile, new: EtcFile, context: Context) -> None:
        if netns.can_have_etc(new.name):
            files.write(f"{context.run.etc(new.namespace)}/{new.name}", new.text)

    def delete(self, resource: EtcFile, context: Context) -> None:
        folder = context.run.etc(resource.namespace)
        files.remove(f"{folder}/{resource.name}")
        if not netns.shows_etc(resource.namespace, folder):
            netns.unlink_etc([resource.namespace])


def etc_text(run: RunDirectory, namespace: str, name: str) -> str | None:
    """The text that programs in the namespace see in /etc, if that is netlab's own file."""
    folder = run.etc(namespace)
    return files.read(f"{folder}/{name}") if netns.shows_etc(namespace, folder) else None
