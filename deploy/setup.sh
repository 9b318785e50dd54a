#!/usr/bin/env bash
# Installs what a make target needs of the distribution, and only what is missing (Debian 12, Ubuntu 24.04).
#   deploy/setup.sh build     a C compiler and Python's venv: enough for the lab and for tests without root
#   deploy/setup.sh test      also what the kernel engine and real guests need
#   deploy/setup.sh bench     also Open vSwitch, to compare with
# Without root nothing is installed; one line says what will be missing.
set -euo pipefail

BUILD=()
TEST=(clang llvm libbpf1 libbpf-dev libelf-dev zlib1g-dev qemu-system-x86 busybox-static iproute2 ethtool iperf3 iputils-ping
	tshark lldpd tmux mosquitto freeradius libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients)
BENCH=(openvswitch-switch)
APT=(apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120)
export DEBIAN_FRONTEND=noninteractive

installed() { [[ $(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null) == ii* ]]; }

compiles() { echo '#include <stdio.h>' | "${CC:-cc}" -x c -fsyntax-only - 2>/dev/null; }

# Names of the packages that are not there, for the target given.
missing() {
	local wanted=("${BUILD[@]}") package
	compiles || wanted+=(gcc libc6-dev)
	python3 -c 'import venv, ensurepip' 2>/dev/null || wanted+=(python3 python3-venv)
	[[ $1 == build ]] || wanted+=("${TEST[@]}")
	[[ $1 != bench ]] || wanted+=("${BENCH[@]}")
	for package in "${wanted[@]}"; do installed "$package" || echo "$package"; done
}

# A daemon that comes with a package must not start: invoke-rc.d and deb-systemd-invoke ask this file first.
POLICY=/usr/sbin/policy-rc.d
forbid_daemons() {
	[[ ! -e $POLICY ]] || return 0
	printf '#!/bin/sh\nexit 101\n' >"$POLICY"
	chmod 755 "$POLICY"
	trap 'rm -f "$POLICY"' EXIT
}

# Nor at the next boot, if it was us who brought it.
disable_daemons() {
	local package units=()
	for package in "$@"; do
		case $package in
		openvswitch-switch | lldpd | mosquitto | freeradius) units+=("$package") ;;
		libvirt-daemon-system)
			units+=(libvirtd.service libvirtd.socket libvirtd-{ro,admin}.socket libvirt-guests.service
				virt{lock,log}d{,-admin}.socket)
			;;
		esac
	done
	if ((${#units[@]})) && command -v systemctl >/dev/null; then
		systemctl --quiet disable "${units[@]}" 2>/dev/null || true
	fi
}

install() {
	forbid_daemons
	echo "setup: installing $*"
	if ! apt-cache show "$@" >/dev/null 2>&1; then "${APT[@]}" update; fi
	"${APT[@]}" install -y --no-install-recommends "$@" >/dev/null || {
		"${APT[@]}" update
		"${APT[@]}" install -y --no-install-recommends "$@" >/dev/null
	}
	disable_daemons "$@"
}

without_root() {
	case $1 in
	build) echo "setup: not root: please install: ${*:2}" ;;
	test) echo "setup: not root: tests of the kernel engine are skipped; not installed here: ${*:2}" ;;
	bench) echo "setup: not root: only the parts of the bench that need no root are run; not installed here: ${*:2}" ;;
	esac
}

main() {
	local target=${1:?build, test or bench} packages
	if ! command -v dpkg-query >/dev/null; then
		echo "setup: neither Debian nor Ubuntu: needed here are a C compiler, Python 3.11 with venv, and for tests ${TEST[*]}"
		return
	fi
	mapfile -t packages < <(missing "$target")
	if ((EUID != 0)); then
		[[ $target == build && ${#packages[@]} -eq 0 ]] || without_root "$target" "${packages[@]:-nothing}"
	elif ((${#packages[@]})); then
		install "${packages[@]}"
	fi
}

main "$@"
