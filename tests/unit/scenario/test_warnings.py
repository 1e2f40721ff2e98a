"""What a scenario is warned of before its lab runs: the exact sentences, and when there is none."""

from __future__ import annotations

from textwrap import dedent

import pytest

from netlab import lab
from netlab.errors import ScenarioError
from netlab.scenario.files import shipped
from netlab.scenario.loader import load_text

SUBNET = "choose another subnet, unless that is what you want to see"
GATEWAY = (
    "give the adapter that is to be taken the lowest `metric`, or the others `default: false`, unless that is"
    " what you want to see"
)


def warnings(text: str) -> list[str]:
    """What is warned of, without places and remedies."""
    return [warning.what for warning in source(text).warnings]


def source(text: str):
    return load_text(f"{dedent(text)}\nexpect: {{default: blocked}}\n".encode(), "x.yaml")


VPN = """
lans: {{company: {{subnet: {company}}}}}
host: {{nics: {{eth0: 192.168.1.100, vpn0: {{lan: company, address: {end}}}}}}}
vmnets: {{vmnet8: {{mode: nat, subnet: 172.16.50.0/24}}}}
vms: {{vm1: {{nics: [vmnet8]}}}}
"""
"""A VPN beside a NAT network."""


class TestOverlaps:
    def test_a_vpn_s_subnet_inside_of_a_vmnet_s(self):
        text = VPN.format(company="172.16.50.128/25", end="172.16.50.130")
        assert warnings(text) == [
            "vmnet8's 172.16.50.0/24 overlaps with the LAN company's 172.16.50.128/25:"
            " host sends 172.16.50.128/25 by vpn0, since that route is more specific than vmnet8's:"
            " VMs on vmnet8 with such addresses are not reached from host;"
            " VMs on vmnet8 take 172.16.50.128/25 for neighbours, and do not reach machines on the LAN"
            " company"
        ]
        assert source(text).warnings[0].fix == SUBNET

    def test_a_vmnet_s_subnet_inside_of_that_of_a_lan_behind_a_vpn(self):
        assert warnings(VPN.format(company="172.16.0.0/12", end="172.16.9.9")) == [
            "vmnet8's 172.16.50.0/24 overlaps with the LAN company's 172.16.0.0/12:"
            " host sends 172.16.50.0/24 by vmnet8, since that route is more specific than the LAN company's:"
            " machines on the LAN company with such addresses are not reached from host;"
            " VMs on vmnet8 take 172.16.50.0/24 for neighbours, and do not reach"
            " machines on the LAN company with such addresses"
        ]

    @pytest.mark.parametrize(
        ("route", "lost"),
        [("172.16.50.0/24", ""), ("172.16.50.0/25", " with such addresses")],
    )
    def test_a_vpn_that_takes_a_vmnet_s_route(self, route, lost):
        text = VPN.format(company="10.7.0.0/24", end=f"10.7.0.9, routes: [{route}]")
        assert warnings(text) == [
            f"host sends {route} by vpn0, since that VPN takes it from vmnet8's 172.16.50.0/24:"
            f" VMs on vmnet8{lost} are not reached from host"
        ]

    def test_what_a_full_tunnel_leaves_to_more_specific_routes_is_no_theft(self):
        tunnel = "10.7.0.9, default: true, routes: [172.16.0.0/12]"
        assert not warnings(VPN.format(company="10.7.0.0/24", end=tunnel))

    def test_a_vpn_that_has_another_subnet_is_no_overlap(self):
        assert warnings(VPN.format(company="172.16.51.0/24", end="172.16.51.9")) == []

    def test_a_vmnet_with_the_lan_s_subnet(self):
        (warning,) = warnings("""
            lan: {router: 192.168.1.10}
            host: {nics: {eth0: 192.168.1.100}}
            vmnets: {vmnet8: {mode: nat, subnet: 192.168.1.0/24}}
            vms: {vm1: {nics: [vmnet8]}}""")
        assert warning == (
            "vmnet8's 192.168.1.0/24 overlaps with the LAN's 192.168.1.0/24:"
            " host has routes to 192.168.1.0/24 by eth0 and by vmnet8, and takes the older one, after `up`"
            " that by eth0: VMs on vmnet8 are not reached from host;"
            " VMs on vmnet8 take 192.168.1.0/24 for neighbours, and do not reach machines on the LAN"
        )

    def test_a_card_that_waits_for_its_lease_comes_second(self):
        (warning,) = warnings("""
            lan: {router: 192.168.1.10}
            host: {nics: {eth0: {}}}
            vmnets: {vmnet1: {mode: hostonly, subnet: 192.168.1.0/24}}
            vms: {vm1: {nics: [vmnet1]}}""")
        assert warning == (
            "vmnet1's 192.168.1.0/24 overlaps with the LAN's 192.168.1.0/24:"
            " host has routes to 192.168.1.0/24 by vmnet1 and by eth0, and takes the older one, after `up`"
            " that by vmnet1: machines on the LAN are not reached from host"
        )

    def test_two_lans_of_one_machine(self):
        assert warnings("""
            lans: {office: {}}
            host: {nics: {eth0: 192.168.1.100, eth1: {lan: office, address: 192.168.1.101}}}
            vmnets: {vmnet0: {mode: bridged}}
            vms: {vm1: {nics: [vmnet0]}}""")[0] == (
            "the LAN office's 192.168.1.0/24 overlaps with the LAN's 192.168.1.0/24:"
            " host has routes to 192.168.1.0/24 by eth0 and by eth1, and takes the older one, after `up`"
            " that by eth0: machines on the LAN office are not reached from host"
        )

    def test_two_lans_that_no_machine_is_on_may_have_one_subnet(self):
        """As homes and offices do, each behind a router of its own."""
        assert (
            warnings("""
            lans: {office: {peers: {desk: 192.168.1.60}}}
            vmnets: {vmnet0: {mode: bridged}}
            vms: {vm1: {nics: [vmnet0]}}""")
            == []
        )

    def test_two_host_only_networks(self):
        """minikube's "VirtualBox is configured with multiple host-only adapters with the same IP"."""
        assert warnings("""
            vmnets: {vboxnet0: {mode: vbox-hostonly}, vboxnet1: {mode: vbox-hostonly}}
            vms: {vm1: {nics: [vboxnet0]}, vm2: {nics: [vboxnet1]}}""") == [
            "vboxnet1's 192.168.56.0/24 overlaps with vboxnet0's 192.168.56.0/24:"
            " host has routes to 192.168.56.0/24 by vboxnet0 and by vboxnet1, and takes the older one,"
            " after `up` that by vboxnet0: VMs on vboxnet1 are not reached from host"
        ]

    def test_a_host_only_network_inside_of_virtualbox_s_nat(self):
        """Vagrant's "dont create a private network IP on the same IP subnet as a NAT"."""
        (warning,) = warnings(
            """
            vmnets:
              nat: {mode: vbox-nat}
              private: {mode: hostonly, subnet: 10.0.2.0/24}
            vms:
              vm1: {nics: [nat, private]}
              vm2: {nics: [nat, private]}""".replace("private", "vmnet1")
        )
        assert warning == (
            "vmnet1's 10.0.2.0/24 overlaps with nat's 10.0.2.0/24:"
            " vm1 has routes to 10.0.2.0/24 by eth0 and by eth1, and takes the older one:"
            " VMs on vmnet1, or VMs on nat, are not reached from vm1 (likewise: vm2)"
        )

    def test_of_many_machines_some_are_named(self):
        vms = ", ".join(f"vm{number}: {{nics: [nat, vmnet1]}}" for number in range(1, 21))
        (warning,) = warnings(f"""
            vmnets: {{nat: {{mode: vbox-nat}}, vmnet1: {{mode: hostonly, subnet: 10.0.2.0/24}}}}
            vms: {{{vms}}}""")
        assert warning.endswith("from vm1 (likewise: vm2, vm3, vm4, vm5, vm6 and 14 more)")

    def test_networks_between_which_the_host_forwards(self):
        assert warnings("""
            lan: {subnet: 10.0.0.0/16}
            host: {nics: {eth0: 10.0.9.9}, forwards: [vmnet1, lan]}
            vmnets: {vmnet1: {mode: hostonly, subnet: 10.0.5.0/24}}
            vms: {vm1: {nics: [vmnet1]}}""") == [
            "vmnet1's 10.0.5.0/24 overlaps with the LAN's 10.0.0.0/16:"
            " host sends 10.0.5.0/24 by vmnet1, since that route is more specific than the LAN's:"
            " machines on the LAN with such addresses are not reached from host;"
            " VMs on vmnet1 take 10.0.5.0/24 for neighbours, and do not reach machines on the LAN with such"
            " addresses;"
            " machines on the LAN take 10.0.5.0/24 for neighbours, and do not reach VMs on vmnet1"
        ]

    def test_segments_between_which_a_vm_forwards(self):
        (warning,) = warnings("""
            segments: {seg1: {subnet: 10.9.0.0/24}, seg2: {subnet: 10.9.0.0/25}}
            vmnets: {}
            vms:
              fw:
                forwards: true
                nics: [{network: seg1, address: 10.9.0.1}, {network: seg2, address: 10.9.0.2}]""")
        assert warning == (
            "seg2's 10.9.0.0/25 overlaps with seg1's 10.9.0.0/24:"
            " fw sends 10.9.0.0/25 by eth1, since that route is more specific than seg1's:"
            " VMs on seg1 with such addresses are not reached from fw;"
            " VMs on seg1 take 10.9.0.0/25 for neighbours, and do not reach VMs on seg2;"
            " VMs on seg2 take 10.9.0.0/25 for neighbours, and do not reach VMs on seg1 with such addresses"
        )

    def test_segments_that_share_no_machine_may_have_one_subnet(self):
        assert (
            warnings("""
            segments: {seg1: {subnet: 10.9.0.0/24}, seg2: {subnet: 10.9.0.0/24}}
            vmnets: {}
            vms:
              a: {nics: [{network: seg1, address: 10.9.0.1}]}
              b: {nics: [{network: seg2, address: 10.9.0.1}]}""")
            == []
        )

    def test_a_hot_spot_and_a_vmnet(self):
        assert warnings("""
            host: {hotspot: {}}
            vmnets: {vmnet1: {mode: hostonly, subnet: 192.168.137.0/24}}
            vms: {vm1: {nics: [vmnet1]}}""") == [
            "vmnet1's 192.168.137.0/24 overlaps with the host's hot spot's 192.168.137.0/24:"
            " host has routes to 192.168.137.0/24 by vmnet1 and by hotspot, and takes the older one,"
            " after `up` that by vmnet1: machines on the host's hot spot are not reached from host"
        ]

    def test_ipv6_prefixes(self):
        text = """
            lan: {ipv6: "2001:db8:1::/64"}
            host: {nics: {eth0: 192.168.1.100}}
            vmnets:
              vmnet1: {mode: hostonly, subnet: 10.1.0.0/24, ipv6: "fd00:3::/64"}
              vmnet2: {mode: hostonly, subnet: 10.2.0.0/24, ipv6: "fd00:3::/64"}
              vmnet8: {mode: nat, subnet: 10.8.0.0/24, ipv6: "2001:db8:1::/64", adapter: {address: 10.8.0.9}}
            vms: {vm1: {nics: [vmnet1]}}"""
        assert warnings(text) == [
            "vmnet2's fd00:3::/64 overlaps with vmnet1's fd00:3::/64: host has routes to fd00:3::/64 by"
            " vmnet1 and by vmnet2, and takes the older one, after `up` that by vmnet1:"
            " VMs on vmnet2 are not reached from host",
            "vmnet8's 2001:db8:1::/64 overlaps with the LAN's 2001:db8:1::/64: host has routes to"
            " 2001:db8:1::/64 by vmnet8 and by eth0, and takes the older one, after `up` that by vmnet8:"
            " machines on the LAN are not reached from host;"
            " VMs on vmnet8 take 2001:db8:1::/64 for neighbours, and do not reach machines on the LAN",
        ]
        with pytest.raises(
            ScenarioError, match="2001:db8:1::1 is taken twice: by router and by the host"
        ):
            source(text.replace(", adapter: {address: 10.8.0.9}", ""))

    def test_adapters_that_are_off_make_no_routes(self):
        overlapping = """
            host: {{nics: {{eth0: 192.168.1.100}}}}
            vmnets: {{vmnet1: {{mode: hostonly, subnet: 192.168.1.128/25, adapter: {adapter}}}}}
            vms: {{vm1: {{nics: [vmnet1]}}}}"""
        assert len(warnings(overlapping.format(adapter="on"))) == 1
        assert warnings(overlapping.format(adapter="off")) == []
        assert warnings(overlapping.format(adapter="none")) == []

    def test_a_route_of_a_router_into_its_own_lan(self):
        text = """
            lan: {{peers: {{pc: 192.168.1.50}}, routes: {{{subnet}: 192.168.1.50}}}}
            vmnets: {{vmnet0: {{mode: bridged}}}}
            vms: {{vm1: {{nics: [vmnet0]}}}}"""
        assert warnings(text.format(subnet="192.168.0.0/16")) == []
        assert warnings(text.format(subnet="192.168.1.128/25")) == [
            "router sends 192.168.1.128/25 to 192.168.1.50, since that route is more specific than the LAN's"
            " 192.168.1.0/24: machines on the LAN with such addresses are not reached from router"
        ]
        for own in ("192.168.1.0/24", "203.0.113.0/24"):
            with pytest.raises(ScenarioError, match=f"the router has {own} itself"):
                source(text.format(subnet=own))


class TestDefaultRoutes:
    def test_two_networks_that_lease_a_gateway(self):
        text = """
            vmnets: {vmnet0: {mode: bridged}, vmnet8: {mode: nat, subnet: 10.0.0.0/24}}
            vms: {box: {nics: [vmnet8, vmnet0]}}"""
        assert warnings(text) == [
            "box has default routes by eth0 (vmnet8) and eth1 (vmnet0), and takes that by eth0, the first"
            " adapter: replies to what comes in by eth1 from other networks leave by eth0 (asymmetric)"
        ]
        assert source(text).warnings[0].fix == GATEWAY

    @pytest.mark.parametrize(
        ("first", "second", "races"),
        [
            ("vmnet8", "vmnet0", True),
            ("{network: vmnet8, address: 10.0.0.5, gateway: 10.0.0.2}", "vmnet0", True),
            ("{network: vmnet8, address: 10.0.0.5}", "vmnet0", False),
            ("vmnet1", "vmnet0", False),
            ("{network: vmnet8, connected: false}", "vmnet0", False),
            ("{network: vmnet8, released: true}", "vmnet0", False),
            ("vmnet8", "vmnet8", False),
        ],
    )
    def test_that_a_machine_has(self, first, second, races):
        text = f"""
            vmnets:
              vmnet0: {{mode: bridged}}
              vmnet1: {{mode: hostonly, subnet: 10.1.0.0/24}}
              vmnet8: {{mode: nat, subnet: 10.0.0.0/24}}
            vms: {{box: {{nics: [{first}, {second}]}}}}"""
        assert any("default routes" in warning for warning in warnings(text)) is races

    def test_the_plan_takes_the_one_that_the_warning_names(self):
        text = """
            vmnets: {vmnet0: {mode: bridged}, vmnet8: {mode: nat, subnet: 10.0.0.0/24}}
            vms:
              box:
                nics:
                  - {network: vmnet8, address: 10.0.0.5, gateway: 10.0.0.2}
                  - {network: vmnet0, address: 192.168.1.5, gateway: 192.168.1.1}"""
        plan = lab.prepare(source(text)).plan
        routes = [str(resource) for resource in plan.resources if "route x.box" in str(resource)]
        assert routes == [
            "route x.box 0.0.0.0/0 via 10.0.0.2",
            "route x.box 0.0.0.0/0 via 192.168.1.1 metric 1",
        ]

    def test_a_vm_that_serves_dhcp_leases_itself(self):
        text = """
            segments: {seg1: {subnet: 10.9.0.0/24}}
            vmnets: {vmnet1: {mode: hostonly, subnet: 10.1.0.0/24}, vmnet0: {mode: bridged}}
            vms:
              server: {nics: [{network: NETWORK, address: ADDRESS}], dhcp_server: true}
              box: {nics: [vmnet0, NETWORK]}"""
        served = text.replace("NETWORK", "seg1").replace("ADDRESS", "10.9.0.1")
        assert any("box has default routes" in warning for warning in warnings(served))
        either = text.replace("NETWORK", "vmnet1").replace("ADDRESS", "10.1.0.9")
        (warning,) = warnings(either)
        assert warning.startswith("2 DHCP servers answer on vmnet1"), (
            "VMware's server, which leases none, may be the first to answer"
        )

    def test_the_host_s_cards(self):
        assert warnings("""
            lans: {office: {subnet: 10.20.0.0/24}}
            host: {nics: {eth0: 192.168.1.100, wlan0: {lan: office}}}
            vmnets: {vmnet0: {mode: bridged}}
            vms: {vm1: {nics: [vmnet0]}}""") == [
            "host has default routes by eth0 (the LAN) and wlan0 (the LAN office), and takes that by eth0,"
            " the first adapter: replies to what comes in by wlan0 from other networks leave by eth0"
            " (asymmetric)"
        ]

    def test_a_gateway_typed_in_for_the_host_s_adapter(self):
        (warning,) = warnings("""
            vmnets: {vmnet8: {mode: nat, subnet: 10.0.0.0/24, adapter: {gateway: 10.0.0.2}}}
            vms: {vm1: {nics: [vmnet8]}}""")
        assert warning.startswith(
            "host has default routes by eth0 (the LAN) and vmnet8 (vmnet8), and takes"
        )

    def test_of_ipv6_where_ipv4_has_one(self):
        (warning,) = warnings("""
            lan: {ipv6: "2001:db8:1::/64", dhcp: false}
            vmnets: {vmnet0: {mode: bridged}, vmnet8: {mode: nat, subnet: 10.0.0.0/24, ipv6: on}}
            host: {nics: {eth0: 192.168.1.100}}
            vms: {box: {nics: [{network: vmnet0, address: 192.168.1.5}, vmnet8]}}""")
        assert warning == (
            "box has IPv6 default routes by eth0 (vmnet0) and eth1 (vmnet8), and takes that by eth0,"
            " the first adapter: replies to what comes in by eth1 from other networks leave by eth0"
            " (asymmetric)"
        )


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("intnet: {mode: vbox-internal, subnet: 10.9.0.0/24}", "it is switched off"),
        ("switch: {mode: hyperv-nat, subnet: 10.9.0.0/24}", "hyperv-nat has none"),
        ("vmnet1: {mode: hostonly, subnet: 10.9.0.0/24, dhcp: false}", "it is switched off"),
        ("vmnet5: {mode: custom, subnet: 10.9.0.0/24}", "it is switched off"),
        ("vmnet8: {mode: nat, subnet: 10.9.0.0/24, stopped: [dhcp]}", "it is stopped"),
        ("vboxnet0: {mode: vbox-hostonly, stopped: [dhcp]}", "it is stopped"),
        ("vmnet0: {mode: bridged}", "the router of lan serves no DHCP"),
    ],
)
def test_an_adapter_that_nobody_gives_an_address(network, reason):
    """One rule and one sentence, whoever might have served."""
    name = network.partition(":")[0]
    text = f"""
        lan: {{dhcp: false}}
        host: {{nics: {{eth0: 192.168.1.100}}}}
        vmnets: {{{network}}}
        vms: {{vm1: {{nics: [{name}]}}}}"""
    assert warnings(text) == [
        f"DHCP gives vm1 no address on eth0: no DHCP server answers on {name}: {reason}"
    ]
    static = text.replace(f"nics: [{name}]", f"nics: [{{network: {name}, address: 10.9.0.9}}]")
    if "10.9" in network:
        assert warnings(static) == []


def test_an_adapter_on_a_segment_has_no_address_and_the_host_s_card_neither():
    assert warnings("""
        lan: {dhcp: false}
        segments: {seg: {}}
        vmnets: {}
        vms: {vm1: {nics: [seg]}}""") == [
        "DHCP gives host no address on eth0: no DHCP server answers on lan: the router of lan serves no DHCP",
        "DHCP gives vm1 no address on eth0: no DHCP server answers on seg: a LAN segment has none",
    ]


def test_each_network_is_counted_for_itself_however_alike_their_subnets_are():
    overlapping = """
        lan: {router: 192.168.1.10}
        host: {nics: {eth0: 192.168.1.100}}
        vmnets:
          vmnet0: {mode: bridged}
          vmnet8: {mode: nat, subnet: 192.168.1.0/24, dhcp: {range: [192.168.1.128, 192.168.1.129]}}
        vms: {vm1: {nics: [vmnet0]}, vm2: {nics: [vmnet0]}, vm3: {nics: [vmnet8]}}"""
    assert not any("adapters ask DHCP" in warning for warning in warnings(overlapping))


def test_what_shipped_scenarios_are_warned_of(golden):
    lines = [
        str(warning).removeprefix(f"{file.parent}/")
        for name, file in shipped().items()
        for warning in lab.load(name).warnings
    ]
    golden("warnings.txt", "\n".join([*lines, ""]))
