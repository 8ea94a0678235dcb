#!/bin/bash
# A one-node Ceph with an S3 and STS gateway, on loopback only, in one folder: `ceph.sh up FOLDER PORT`, `ceph.sh down FOLDER`.
# `up` is idempotent and writes FOLDER/rgw.json for the tests. Data is thrown away by `down`.
set -euo pipefail

action="${1:?up or down}"
folder="${2:?folder}"
conf="$folder/ceph.conf"
pids="$folder/pids"
export CEPH_CONF="$conf"
export PATH="/usr/bin:/bin:/usr/sbin:/sbin:$PATH"

# Made-up keys of throw-away servers.
owner_key=DROVERTESTOWNER00001
owner_secret=droverTestOwnerSecretKey00000000000000001
other_key=DROVERTESTOTHER00001
other_secret=droverTestOtherSecretKey00000000000000001

# By its configuration: a number may be somebody else's by now.
is_alive() { [ -s "$pids/$1" ] && grep -qsF -- "$conf" "/proc/$(cat "$pids/$1")/cmdline"; }

wait_for() { # SECONDS COMMAND...
  local tries=$(($1 * 5))
  shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || { echo "Ceph did not come up: $*" >&2; return 1; }
    sleep 0.2
  done
}

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

start() { # NAME COMMAND...
  local name="$1"
  shift
  # In a session of its own, so that stopping the tests with Ctrl-C does not stop half of it.
  setsid "$@" >"$folder/log/$name.out" 2>&1 </dev/null &
  echo $! >"$pids/$name"
}

write_conf() {
  local port="$1" base=$((${1} + 2000))
  cat >"$conf" <<CONF
[global]
fsid = 0d7a1f52-6d2c-4c55-9d6e-00be0c0d0d0d
mon host = [v2:127.0.0.1:$base,v1:127.0.0.1:$((base + 1))]
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
# The gateway finds no usable method when this is "none".
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = $folder/keyring
run dir = $folder/run
admin socket = $folder/run/\$name.asok
pid file = $folder/run/\$name.pid
log file = $folder/log/\$name.log
crash dir = $folder/crash
log to stderr = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail warn = 1
mon data avail crit = 1
ms bind port min = $((base + 100))
ms bind port max = $((base + 299))
[mon.a]
mon data = $folder/mon.a
[mgr]
mgr data = $folder/mgr.\$id
mgr initial modules =
[osd]
osd data = $folder/osd.\$id
# Nothing of it need outlive the process: half the time of each request, and no waiting for a disk.
osd objectstore = memstore
memstore device bytes = 8589934592
osd memory target = 1073741824
osd max object name len = 2048
[client.rgw.a]
rgw data = $folder/rgw
rgw frontends = beast endpoint=127.0.0.1:$port tcp_nodelay=1
rgw dns name = 127.0.0.1
rgw thread pool size = 64
rgw enable usage log = false
rgw enable ops log = false
rgw dynamic resharding = false
rgw s3 auth use sts = true
rgw sts key = droverTestSts16b
rgw gc obj min wait = 5
rgw gc processor period = 10
CONF
}

make_monitor() {
  local base="$1" keys="$folder/keyring"
  monmaptool --create --clobber --fsid 0d7a1f52-6d2c-4c55-9d6e-00be0c0d0d0d \
    --addv a "[v2:127.0.0.1:$base,v1:127.0.0.1:$((base + 1))]" "$folder/monmap" >/dev/null
  ceph-authtool -C "$keys" --gen-key -n mon. --cap mon 'allow *' >/dev/null
  ceph-authtool "$keys" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' >/dev/null
  ceph-authtool "$keys" --gen-key -n mgr.x --cap mon 'allow profile mgr' --cap osd 'allow *' >/dev/null
  ceph-authtool "$keys" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap mgr 'allow profile osd' --cap osd 'allow *' >/dev/null
  ceph-authtool "$keys" --gen-key -n client.rgw.a --cap mon 'allow rw' --cap osd 'allow rwx' --cap mgr 'allow rw' >/dev/null
  ceph-mon -c "$conf" -i a --mkfs --monmap "$folder/monmap" --keyring "$keys"
}

admin() { radosgw-admin -c "$conf" -n client.rgw.a "$@"; }

make_users() {
  admin user info --uid owner >/dev/null 2>&1 ||
    admin user create --uid owner --display-name owner --access-key "$owner_key" --secret-key "$owner_secret" --max-buckets 10000 >/dev/null
  admin user info --uid other >/dev/null 2>&1 ||
    admin user create --uid other --display-name other --access-key "$other_key" --secret-key "$other_secret" --max-buckets 10000 >/dev/null
  admin caps add --uid owner --caps 'roles=*;user-policy=*' >/dev/null
  if ! admin role get --role-name migrator >/dev/null 2>&1; then
    admin role create --role-name migrator --assume-role-policy-doc \
      '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam:::user/other"]},"Action":["sts:AssumeRole"]}]}' >/dev/null
    admin role-policy put --role-name migrator --policy-name all --policy-doc \
      '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":"arn:aws:s3:::*"}]}' >/dev/null
  fi
}

up() {
  local port="$1" base=$((${1} + 2000))
  # What it held was in the memory of a process that is gone.
  if [ -f "$conf" ] && ! is_alive osd; then down; fi
  mkdir -p "$folder"/{mon.a,mgr.x,osd.0,rgw,run,log,crash} "$pids"
  ulimit -n 65536 2>/dev/null || true
  [ -f "$conf" ] || write_conf "$port"
  if ! is_alive mon; then
    [ -d "$folder/mon.a/store.db" ] || make_monitor "$base"
    start mon ceph-mon -c "$conf" -i a -f
    wait_for 120 port_answers "$base"
  fi
  is_alive mgr || start mgr ceph-mgr -c "$conf" -i x -f
  wait_for 120 ceph --connect-timeout 5 status
  if ! is_alive osd; then
    if [ ! -f "$folder/osd.0/whoami" ]; then
      local uuid
      uuid="$(cat /proc/sys/kernel/random/uuid)"
      ceph osd new "$uuid" 0 >/dev/null 2>&1
      ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$uuid" >"$folder/log/osd-mkfs.out" 2>&1
    fi
    start osd ceph-osd -c "$conf" -i 0 -f
    wait_for 240 sh -c 'ceph osd stat | grep -q "1 up"'
  fi
  if ! is_alive rgw; then
    start rgw radosgw -c "$conf" -n client.rgw.a -f
    wait_for 120 port_answers "$port"
  fi
  make_users
  cat >"$folder/rgw.json" <<JSON
{
  "endpoint": "http://127.0.0.1:$port",
  "accessKeyId": "$owner_key",
  "secretAccessKey": "$owner_secret",
  "otherAccessKeyId": "$other_key",
  "otherSecretAccessKey": "$other_secret",
  "openRoleArn": "arn:aws:iam:::role/migrator"
}
JSON
}

down() {
  for name in rgw osd mgr mon; do
    if is_alive "$name"; then kill -KILL "$(cat "$pids/$name")" 2>/dev/null || true; fi
  done
  rm -rf "$folder"
}

case "$action" in
  up) up "${3:?port}" ;;
  down) down ;;
  *) echo "up or down, not $action" >&2; exit 2 ;;
esac
