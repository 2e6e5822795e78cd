#!/bin/sh
# A Python for aarch64 that qemu-user can run, from Debian's packages, unpacked into a folder: nothing is installed.
# Needs Debian's apt-get and dpkg-deb. Usage: scripts/arm64_python.sh FOLDER
set -eu
made="$1.$$"
trap 'rm -rf "$made"' EXIT
mkdir -p "$made/apt/lists/partial" "$made/apt/archives/partial" "$made/root"
made=$(cd "$made" && pwd)
: >"$made/apt/status" # no package counts as installed, so all that Python needs is fetched
apt() {
  apt-get -qq -o Dir::State="$made/apt" -o Dir::State::status="$made/apt/status" -o Dir::Cache="$made/apt" \
    -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Install-Recommends=false \
    -o APT::Sandbox::User= -o Debug::NoLocking=1 "$@"
}
apt update
apt -y --download-only install python3.11 libstdc++6 >/dev/null
for package in "$made"/apt/archives/*.deb; do dpkg-deb -x "$package" "$made/root"; done
rm -rf "$made/apt" "$1"
mv "$made/root" "$1"
