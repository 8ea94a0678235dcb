#!/bin/sh
# Installs the real servers that the tests meet, from Debian packages. Safe to repeat. Needs root (or sudo).
set -eu

packages="radosgw ceph-mon ceph-osd ceph-mgr ceph-common openssl"
missing=""
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -z "$missing" ]; then
  echo "Everything the tests use is installed."
  exit 0
fi

as_root=""
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null 2>&1 || { echo "Installing$missing needs root. Run this again as root." >&2; exit 2; }
  as_root="sudo"
fi

# Debian's packages start services of their own; the tests start theirs on loopback with settings of their own.
policy=/usr/sbin/policy-rc.d
made_policy=""
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
  $as_root chmod +x "$policy"
  made_policy=1
fi
trap '[ -z "$made_policy" ] || $as_root rm -f "$policy"' EXIT

echo "Installing$missing"
$as_root apt-get -o DPkg::Lock::Timeout=300 update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends $missing >/dev/null
