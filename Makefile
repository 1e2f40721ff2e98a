# make up      install what is missing, start the NAT lab, test it
# make test    install what is missing, run every check
# make bench   measure
# make help    the rest

.DEFAULT_GOAL := help
SHELL := /bin/bash
# Without --norc, bash reads bashrc when sshd is its ancestor, as in `vagrant ssh -c make`.
.SHELLFLAGS := --norc -euo pipefail -c
.ONESHELL:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
# As root in the user's tree: leave no files there that the user cannot delete.
AS_ROOT := $(SUDO) env PYTHONDONTWRITEBYTECODE=1
LINK := /usr/local/bin

# What the system must have, by purpose. `make setup` installs it with apt.
PACKAGES_PYTHON := python3 python3-venv
PACKAGES_LAB := dnsmasq-base busybox libnftables1
# What hints and documents tell people to type on a node.
PACKAGES_TYPED := iproute2 nftables procps iputils-ping curl bind9-dnsutils tcpdump conntrack iperf3 hostname
PACKAGES_TOOLS := ca-certificates traceroute openssh-client tshark graphviz librsvg2-bin
PACKAGES := $(PACKAGES_PYTHON) $(PACKAGES_LAB) $(PACKAGES_TYPED) $(PACKAGES_TOOLS)
# Only for `make test`: shells that complete commands.
PACKAGES_SHELLS := zsh fish
# Only for `make test`: the firewalls before nftables, whose rules are found too where they are there.
PACKAGES_LEGACY := iptables arptables ebtables
# Only for `make test` and `make page`: any Chromium, to test the page in (110 MB to download, 360 MB on disk).
PACKAGES_BROWSER := chromium
# Only for `make pictures`: Chinese letters.
PACKAGES_PICTURES := $(PACKAGES_BROWSER) fonts-wqy-microhei
# Only for `make vm-test` and `make vagrant-test`.
PACKAGES_VM := mmdebstrap debian-archive-keyring qemu-system-x86 qemu-utils e2fsprogs openssh-client rsync
# Only for `make bare-test`.
PACKAGES_BARE := mmdebstrap debian-archive-keyring slirp4netns rsync
PACKAGES_VAGRANT := vagrant vagrant-libvirt libvirt-daemon libvirt-daemon-system libvirt-clients iptables \
    slirp4netns $(if $(wildcard /run/systemd/system),,libvirt-daemon-system-sysv)
# Only for `make guard`: a C compiler, for the floor that netlab is measured from.
PACKAGES_FLOOR := gcc libc6-dev
# Only for `make bench`: who netlab is compared with.
PACKAGES_BENCH := mininet bridge-utils $(PACKAGES_FLOOR)
SUITE ?= bookworm

.PHONY: help setup up down test lint unit messages kernel page pictures pages docs guard language bench soak test-versions vm-test vagrant-test bare-test uninstall clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 15

setup: system $(VENV)/installed link ## install what is missing; a second run installs nothing

.PHONY: system link
system:
	@if ! command -v apt-get >/dev/null; then
	    for program in dnsmasq busybox $(PYTHON); do
	        PATH=$$PATH:/usr/sbin:/sbin command -v $$program >/dev/null || lacking="$${lacking-} $$program"
	    done
	    [ -z "$${lacking-}" ] && exit 0
	    echo "This is not Debian or Ubuntu, and I do not find:$$lacking. Install, then run this again:"
	    echo "  Python 3.11 or later with venv and pip   to run netlab"
	    echo "  dnsmasq                                  DHCP and DNS servers of the lab"
	    echo "  busybox with udhcpc, httpd and ip        DHCP client of the VMs, web server of the lab's Internet"
	    echo "  libnftables (libnftables.so.1)           NAT and firewalls"
	    echo "  ip, nft, ss, sysctl, ping, curl, dig, tcpdump, conntrack        to look around in the lab"
	    echo "  tshark, dot, rsvg-convert, iperf3, ssh                          some tests use them"
	    exit 1
	fi
	missing=()
	for package in $(PACKAGES); do
	    [ "$$(dpkg-query -W -f='$${db:Status-Status}' $$package 2>/dev/null)" = installed ] && continue
	    # Any busybox with these applets will do: Ubuntu's busybox-static conflicts with busybox.
	    [ $$package = busybox ] && busybox --list 2>/dev/null | grep -cxE 'udhcpc|httpd|ip' | grep -qx 3 && continue
	    # Ubuntu has Chromium as a snap, which cannot read /tmp: Google's will do, and CI machines have it.
	    [ $$package = chromium ] && command -v google-chrome >/dev/null && continue
	    missing+=($$package)
	done
	[ $${#missing[@]} -eq 0 ] && exit 0
	if [ -n "$(SUDO)" ] && ! command -v sudo >/dev/null; then
	    echo "Missing: $${missing[*]}. Run this as root, or install sudo."
	    exit 1
	fi
	echo "installing $${missing[*]}"
	$(SUDO) apt-get update -qq
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-remove $${missing[@]} >/dev/null

$(VENV)/installed: pyproject.toml | system
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "netlab needs Python 3.11 or later, not " + sys.version.split()[0])'
	echo "installing netlab's Python packages into $(VENV)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	$(BIN)/python -m compileall -q netlab
	touch $@

link: $(VENV)/installed
	@for name in netlab vmnetlab; do
	    target="$$(pwd -P)/$(BIN)/$$name"
	    link="$(LINK)/$$name"
	    [ "$$(readlink "$$link" 2>/dev/null)" = "$$target" ] && continue
	    # Another checkout's link has `vmnetlab` beside its target; anything else is not ours.
	    if [ -e "$$link" ] && [ ! -x "$$(dirname "$$(readlink -f "$$link")")/vmnetlab" -o ! -L "$$link" ]; then
	        echo "$$link is another program: it stays; use vmnetlab"
	        continue
	    fi
	    $(SUDO) ln -sfn "$$target" "$$link"
	done

up: setup ## start the NAT lab, show it, test it
	@$(AS_ROOT) $(BIN)/netlab status nat >/dev/null 2>&1 || $(AS_ROOT) $(BIN)/netlab up nat >/dev/null
	$(AS_ROOT) $(BIN)/netlab status nat
	echo
	$(AS_ROOT) $(BIN)/netlab verify nat
	echo
	echo "Try next:"
	netlab="$(addsuffix $() ,$(SUDO))netlab"
	echo "  $$netlab shell vm1                                     a root shell on vm1: ip route, ping, tcpdump"
	echo "  $$netlab exec vm1 -- curl http://www.example.com/      as whom the Internet sees vm1"
	echo "  $$netlab up three-modes                                bridged, NAT and host-only side by side"

down: ## end all labs
	@$(AS_ROOT) $(BIN)/netlab down --all

test: PACKAGES += $(PACKAGES_BROWSER) $(PACKAGES_FLOOR) $(PACKAGES_SHELLS) $(PACKAGES_LEGACY)
test: setup lint unit kernel page guard ## every check: lint, types, unit, golden, kernel, scenarios, the page, speed

lint: $(VENV)/installed ## ruff and mypy
	@$(BIN)/ruff check netlab tests
	$(BIN)/ruff format --check --quiet netlab tests
	$(BIN)/mypy

unit: $(VENV)/installed ## tests without root or kernel, in seconds
	@$(BIN)/pytest tests/unit

kernel: PACKAGES += $(PACKAGES_SHELLS) $(PACKAGES_LEGACY)
kernel: setup ## tests on real namespaces, as root
	@$(AS_ROOT) tests/apart.sh $(BIN)/pytest tests/kernel tests/scenarios tests/commands

messages: $(VENV)/installed ## collect texts for people, update and compile their catalogues (NEW=de: begin one)
	@$(BIN)/python -m tests.catalogues $(NEW)

page: PACKAGES += $(PACKAGES_BROWSER)
page: setup ## the page, in headless Chromium
	@$(BIN)/pytest tests/page

pictures: PACKAGES += $(PACKAGES_PICTURES)
pictures: setup ## take the screenshots in docs/images anew
	@$(AS_ROOT) $(BIN)/python -m tests.page.pictures

pages: $(VENV)/installed ## write the documents that are made of the program anew
	@$(BIN)/netlab schema > scenarios/schema.json
	$(BIN)/netlab schema --markdown > docs/reference/format.md
	$(BIN)/python -m tests.generated_pages

docs: $(VENV)/installed ## the site of the documents, in site/; every link is checked
	@$(BIN)/python -c 'import material' 2>/dev/null || $(BIN)/pip install --quiet --disable-pip-version-check --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

bench: PACKAGES += $(PACKAGES_BENCH)
bench: setup ## netlab beside Mininet, `ip -batch` and C, 3 to 1,000 VMs: half an hour
	@$(BIN)/python -c 'import matplotlib' 2>/dev/null || $(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python -m compileall -q netlab
	$(AS_ROOT) $(BIN)/python -m tests.bench $(BENCH)

guard: PACKAGES += $(PACKAGES_FLOOR)
guard: setup ## whether netlab has become slower beside C and the bare interpreter: half a minute
	@$(BIN)/python -m compileall -q netlab
	$(AS_ROOT) $(BIN)/python -m tests.bench guard --json /dev/null --against docs/bench.json

language: $(VENV)/installed ## count names, docstrings, imports and sizes that make netlab hard to read
	@$(BIN)/python -m tests.language

soak: setup ## the matrix of three-modes 1,000 times under full load: 8 minutes
	@$(AS_ROOT) $(BIN)/python tests/bench/soak.py

test-versions: $(VENV)/installed ## unit tests with the lowest and the newest versions that pyproject.toml allows
	@$(BIN)/python -m tests.versions

vm-test: PACKAGES += $(PACKAGES_VM)
vm-test: setup ## what another kernel may do otherwise, on Debian's own, in a VM (SUITE=trixie: Debian 13; TESTS=all: every test)
	@$(AS_ROOT) $(BIN)/python -m tests.vm --suite $(SUITE) --tests "$(TESTS)"

vagrant-test: PACKAGES += $(PACKAGES_VM) $(PACKAGES_VAGRANT)
vagrant-test: setup ## the Vagrantfile, with a box made here
	@$(AS_ROOT) $(BIN)/python -m tests.vm.vagrant

bare-test: PACKAGES += $(PACKAGES_BARE)
bare-test: setup ## make up, README and make test on a Debian with nothing installed, as root and with sudo (SUITE=…, TESTS=…, BY=…)
	@$(AS_ROOT) $(BIN)/python -m tests.vm.bare --suite $(SUITE) --tests "$(TESTS)" --by $(BY)

uninstall: ## remove the links and the virtual environment (system packages stay)
	@for name in netlab vmnetlab; do
	    [ "$$(readlink "$(LINK)/$$name" 2>/dev/null)" != "$$(pwd -P)/$(BIN)/$$name" ] || $(SUDO) rm "$(LINK)/$$name"
	done
	rm -rf $(VENV)

clean: ## remove caches, and the disks of vm-test and vagrant-test
	@[ ! -d /var/cache/netlab ] || $(SUDO) rm -rf /var/cache/netlab
	rm -rf vm-results site .mypy_cache .ruff_cache dist build
	find netlab tests -name __pycache__ -prune -exec rm -rf {} +
