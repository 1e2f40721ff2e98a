"""Situations from public threads that no shipped scenario shows, with what one finds in them.

Each is a scenario whose rules and facts say it; what is not named there is not measured.
"""

from __future__ import annotations

import pytest

from netlab import lab
from netlab.scenario.loader import load_text

HOME = "lan: {peers: {pc: 192.168.1.50}}\nhost: {nics: {eth0: 192.168.1.100}"
NAT = "vmnets: {vmnet8: {mode: nat, subnet: 10.0.0.0/24"
SITUATIONS = {
    "a host firewall that eats DHCP: NixVirt 91, nixpkgs 9067": f"""
{HOME}, firewall: [udp:67]}}
vmnets: {{virbr0: {{mode: libvirt-nat}}}}
vms: {{vm1: {{nics: [virbr0]}}}}
expect:
  rules: [{{from: vm1, by: dhcp, is: blocked, because: firewall, at: host}}]
  facts: [{{on: vm1, lease: none}}]
""",
    "a VPN inside of the switch's subnet: WSL 4246": f"""
{HOME.replace("eth0: 192.168.1.100", "eth0: 192.168.1.100, vpn0: {lan: company, address: 192.168.243.242}")}}}
lans: {{company: {{subnet: 192.168.243.240/29}}}}
vmnets: {{wsl: {{mode: hyperv-default, subnet: 192.168.243.0/24}}}}
vms: {{ubuntu: {{nics: [{{network: wsl, address: 192.168.243.243, gateway: 192.168.243.1}}]}}}}
expect:
  rules:
    - {{from: host, to: ubuntu, is: blocked, because: wrong-segment, at: host}}
    - {{from: ubuntu, to: internet, is: blocked, because: no-return-path, at: host}}
    - {{from: '*', to: '*', as: any}}
  facts: [{{on: host, route: {{to: 192.168.243.243, interface: vpn0}}}}]
""",
    "clones with one machine-id: bento 1062, UTM 6980": f"""
{HOME}}}
{NAT}}}}}
vms: {{vm1: {{nics: [vmnet8]}}, vm2: {{copy_of: vm1, nics: [vmnet8]}}}}
expect:
  rules: [{{from: vm1, by: dhcp, dhcp: {{servers: 1, address: 10.0.0.128}}}}]
  facts:
    - {{on: vm*, unique: [mac]}}
    - {{on: vm*, unique: [machine-id], holds: false}}
    - {{on: vm*, unique: [address], holds: false}}
""",
    "a private network in the NAT's subnet: vagrant 4430": f"""
{HOME}}}
vmnets: {{nat: {{mode: vbox-nat}}, private: {{mode: vbox-hostonly, subnet: 10.0.2.0/24}}}}
vms: {{box: {{nics: [nat, {{network: private, address: 10.0.2.50}}]}}}}
expect:
  facts:
    - {{on: box@nat-box, lease: {{address: 10.0.2.15}}}}
    - {{on: box, route: {{to: 10.0.2.2, interface: eth1}}}}
""",
    "every node has 10.0.2.15: flannel 535, kubespray 1981": f"""
{HOME}}}
vmnets: {{nat: {{mode: vbox-nat}}, only: {{mode: vbox-hostonly}}}}
vms: {{node1: {{nics: [nat, only]}}, node2: {{nics: [nat, only]}}}}
expect:
  rules: [{{from: node1, to: node2@only, by: [icmp, tcp], as: node1@only}}, {{from: '*', to: '*', as: any}}]
  facts:
    - {{on: node*, address: 10.0.2.15/24}}
""",
    "a forward to an address that nobody has: a thread of 2010": f"""
{HOME}}}
{NAT}, nat: {{forwards: {{tcp: {{3389: '10.0.0.130:3389'}}}}}}}}}}
vms: {{w2k3: {{nics: [vmnet8]}}}}
expect:
  rules:
    - {{from: pc, to: host, by: 'tcp:3389', is: blocked, because: arp-unanswered, at: vmnet8-nat}}
""",
    "the host's adapter is off, and .2 answers: gns3-server 2421": f"""
{HOME}}}
{NAT}, adapter: off}}}}
vms: {{vm1: {{nics: [vmnet8]}}}}
expect:
  rules:
    - {{from: vm1, to: internet, as: router, through: vmnet8-nat}}
    - {{from: '*', to: '*', as: any}}
""",
    "the home router has no way back: cloud-hypervisor 4881": f"""
{HOME}}}
vmnets: {{virbr1: {{mode: libvirt-route, subnet: 192.168.4.0/24}}}}
vms: {{guest: {{nics: [virbr1]}}}}
expect:
  rules:
    - {{from: guest, to: internet, is: dropped, because: no-return-path}}
    - {{from: pc, to: guest, is: dropped, because: not-forwarding, at: internet}}
    - {{from: '*', to: '*', as: any}}
""",
    "a nested guest without promiscuous mode: pipework 149, lxd 2248": """
host: {nics: {eth0: 192.168.1.100}}
vmnets: {vmnet0: {mode: bridged, promiscuous: false}}
segments: {inner: {}}
vms: {pve: {nics: [vmnet0, inner], bridges: true}, container: {nics: [inner]}}
expect:
  rules: [{from: container, by: dhcp, is: blocked, because: no-return-path, at: vmnet0}]
  facts: [{on: container, lease: none}]
""",
    "the wrong card, and no address: a guide of VMware Server 2, page 268": """
lans: {empty: {subnet: 10.7.0.0/24, dhcp: false}}
host: {nics: {eth0: 192.168.1.100, eth1: {lan: empty, address: 10.7.0.9}}}
vmnets: {vmnet0: {mode: bridged, nic: eth1}}
vms: {vm1: {nics: [vmnet0]}}
expect:
  rules: [{from: vm1, by: dhcp, is: blocked, because: dhcp-no-offer}]
  facts: [{on: vm1, lease: none}]
""",
    "two host-only networks with one subnet: minikube 3870": f"""
{HOME}}}
vmnets:
  one: {{mode: vbox-hostonly, subnet: 192.168.99.0/24}}
  two: {{mode: vbox-hostonly, subnet: 192.168.99.0/24}}
vms: {{a: {{nics: [one]}}, b: {{nics: [two]}}}}
expect:
  facts: [{{on: [a, b], lease: {{address: 192.168.99.0/24}}}}]
""",
    "Docker's own network in the guest is the company's LAN: for-win 231": """
lan: {subnet: 172.17.0.0/16, router: 172.17.0.1, peers: {pc: 172.17.0.50}}
host: {nics: {eth0: 172.17.0.100}}
vmnets: {vmnet8: {mode: nat, subnet: 10.0.0.0/24}}
segments: {docker0: {subnet: 172.17.0.0/16}}
vms: {vm1: {nics: [vmnet8, {network: docker0, address: 172.17.0.1}], forwards: true}}
expect:
  rules: [{from: vm1, to: pc, is: blocked, because: wrong-segment, at: vm1}, {from: '*', to: '*', as: any}]
""",
}


@pytest.mark.parametrize("text", SITUATIONS.values(), ids=SITUATIONS.keys())
def test_a_situation_is_as_people_find_it(text):
    with lab.running(lab.prepare(load_text(text.encode(), "s.yaml"), "situation")) as running:
        facts = [fact.failure for fact in lab.facts(running)]
        first = [pair for pair in running.expectations if pair.rule and pair.rule.seen_as != "any"]
        results = lab.verify(running, expectations=first) if first else []
    assert first or facts
    assert [failure for failure in facts if failure] == []
    assert [result.failure for result in results if result.failure] == []
