# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# A node for tests: a Debian tree with systemd, journald and D-Bus, booted with systemd-nspawn. It is sourced by scripts that
# print TAP:
#
#   tree_make          copies the Debian tree, with what is needed to play the kubelet
#   tree_put_rkt PATH  puts the stand-in of $build, or $RKT, into it as the rkt
#   node_boot          boots it; node COMMAND... then runs a command on it
#   is RESULT NAME     one test; tests_end tells how many there were, and exits
#
# $build is a build folder. $NODE_TREE keeps the Debian tree from run to run. If the node cannot be had, it fails and says why.
#
# A real rkt as $RKT needs systemd-nspawn in that tree, and its images stage1-host.aci and stage1-fly.aci beside it.

set -u -o pipefail
source=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
work=$(mktemp -d /var/tmp/gantry-node.XXXXXX)
tree=$work/tree
base=${NODE_TREE:-$work/base}
packages=systemd,systemd-container,dbus,libuv1,libdbus-1-3,libjansson4,libinih1,libsmartcols1,libcurl3-gnutls,libcap-ng0,crun,busybox-static,jq
nspawn='' leader=''

bail() {
    echo "Bail out! $*"
    exit 99
}

cleanup() {
    if [ -n "$nspawn" ] && kill -0 "$nspawn" 2>/dev/null; then
        kill -TERM "$nspawn"
        for _ in $(seq 100); do kill -0 "$nspawn" 2>/dev/null || break; sleep 0.1; done
        kill -KILL "$nspawn" 2>/dev/null
        wait "$nspawn" 2>/dev/null
    fi
    rm -rf --one-file-system "$work"
}
trap cleanup EXIT

n=0 failed=0
is() { # is RESULT DESCRIPTION [LOG]
    n=$((n + 1))
    if [ "$1" = 0 ]; then
        echo "ok $n - $2"
    else
        [ -z "${3:-}" ] || sed 's/^/# /' "$3"
        echo "not ok $n - $2"
        failed=$((failed + 1))
    fi
}
tests_end() {
    echo "1..$n"
    exit $((failed > 0))
}

# The tree. Its mirror is the one that this machine's own apt uses.

make_base() {
    local codename mirror
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
        awk -v c="$codename" '$2 == c && $3 == "main" { print $1; exit }')
    [ -n "$mirror" ] || bail "apt has no mirror of $codename"
    debootstrap --variant=minbase --include="$packages" "$codename" "$base.new" "$mirror" >"$work/debootstrap.log" 2>&1 || {
        sed 's/^/# /' "$work/debootstrap.log" | tail -n 20
        bail "debootstrap failed"
    }
    mv "$base.new" "$base"
}

tree_make() {
    [ "$(id -u)" = 0 ] || bail "this needs root"
    [ -d "$base" ] || make_base
    cp -a "$base" "$tree" || bail "the tree cannot be copied"
    install -D -m 755 "$source/contrib/make-busybox-aci" "$tree/usr/local/bin/make-busybox-aci"
    install -d "$tree/root/traces" "$tree/var/lib/rkt" "$tree/var/log/journal"
    cp "$source"/tests/replay/traces/kubelet-1.9/*.json "$tree/root/traces/"
    cp "$source/tests/node/kubelet" "$tree/usr/local/bin/kubelet"
    echo node >"$tree/etc/hostname"
}

tree_put_rkt() {
    install -D -m 755 "${RKT:-$build/contrib/rkt-standin/rkt-standin}" "$tree$1" || bail "there is no rkt"
    [ -n "${RKT:-}" ] || return 0
    cp "${RKT%/*}"/stage1-{host,fly}.aci "$tree${1%/*}/" || bail "there are no stage1 images beside $RKT"
    [ -x "$tree/usr/bin/systemd-nspawn" ] || bail "$base has no systemd-nspawn, which rkt needs"
}

# The boot, in a mount namespace of its own. Where cgroups are of version 1 and systemd is not pid 1, nspawn wants to find each
# controller of the kernel mounted; so it gets a /sys/fs/cgroup with those that are there and those that are missing.

mount_controllers() {
    local new=$work/cgroup controllers entry
    mkdir -p "$new" && mount -t tmpfs -o mode=755 tmpfs "$new"
    for entry in /sys/fs/cgroup/*; do
        if [ -L "$entry" ]; then
            cp -P "$entry" "$new/"
        else
            mkdir "$new/${entry##*/}" && mount --bind "$entry" "$new/${entry##*/}"
        fi
    done
    # A line for each hierarchy: its controllers, with commas. Hierarchy 0 is none yet.
    awk '!/^#/ && $4 == 1 { if ($2 == 0) print $1; else h[$2] = h[$2] (h[$2] ? "," : "") $1 }
        END { for (i in h) print h[i] }' /proc/cgroups | while read -r controllers; do
        [ -e "$new/${controllers%%,*}" ] && continue
        mkdir "$new/$controllers" && mount -t cgroup -o "$controllers" cgroup "$new/$controllers"
        case $controllers in
        *,*) for entry in ${controllers//,/ }; do ln -s "$controllers" "$new/$entry"; done ;;
        esac
    done
    mount --move "$new" /sys/fs/cgroup
}

boot() {
    if [ "$(stat -f -c %T /sys/fs/cgroup)" = tmpfs ] && [ "$(cat /proc/1/comm)" != systemd ]; then
        mount_controllers
        export SYSTEMD_NSPAWN_USE_CGNS=no
    fi
    exec systemd-nspawn -D "$tree" --boot --private-network --register=no --keep-unit --capability=all \
        --console=pipe
}
export -f mount_controllers
export -f boot
export tree work

node() {
    nsenter -t "$leader" --all env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"
}

node_boot() {
    unshare --mount --propagation private bash -c boot </dev/null >"$work/boot.log" 2>&1 &
    nspawn=$!
    for _ in $(seq 300); do
        kill -0 "$nspawn" 2>/dev/null || break
        leader=$(cat "/proc/$nspawn/task/$nspawn/children" 2>/dev/null | awk '{ print $1 }')
        [ -n "$leader" ] && [ "$(cat "/proc/$leader/comm" 2>/dev/null)" = systemd ] &&
            nsenter -t "$leader" --all systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded' && break
        sleep 0.2
    done
    node systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded' || {
        sed 's/^/# /' "$work/boot.log" | tail -n 30
        bail "the node does not boot"
    }
}

# What tests need of it.

until_true() { # waits at most 20 seconds
    for _ in $(seq 200); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    return 1
}
journal() { node journalctl --quiet -o json "$@"; }
has_entry() { [ -n "$(journal "$@")" ]; }
message_id() { awk -v name="$1" '$2 == name && length($1) == 32 { print $1 }' "$source/man/gantryd.8.scd"; }
pod() { node gantryctl --json explain "$1"; }
gantryd_pid() { node systemctl show -P MainPID gantryd.service; }

# What pods need, and what the kubelet does with them (tests/node/kubelet).

fetch_image() {
    node sh -c 'make-busybox-aci /root/busybox.aci &&
        /usr/libexec/gantry/rkt --insecure-options=image fetch --full /root/busybox.aci >/root/image'
    [ -z "${RKT:-}" ] || node sh -c 'rkt --insecure-options=image fetch "$(dirname "$(command -v rkt)")/stage1-fly.aci"' >/dev/null
}
serve_pods() { # the kubelet's /pods is a file, which knows one pod: "parts", with two subPaths
    node sh -c 'mkdir -p /root/www && cat >/root/www/pods' <<'EOF'
{"kind": "PodList", "apiVersion": "v1", "items": [{"metadata": {"name": "parts", "namespace": "default", "uid": "parts"},
 "spec": {"volumes": [{"name": "scratch", "emptyDir": {}}], "containers": [
  {"name": "front", "volumeMounts": [{"name": "scratch", "mountPath": "/data/a", "subPath": "one/two"}]},
  {"name": "side", "volumeMounts": [{"name": "scratch", "mountPath": "/data/a", "subPath": "one/two", "readOnly": true},
   {"name": "scratch", "mountPath": "/all"}]}]}}]}
EOF
    node sh -c 'busybox httpd -p 127.0.0.1:10255 -h /root/www >/dev/null 2>&1 </dev/null'
}
restart() { # restart TRACE POD: one launch, from prepare to end
    local uuid
    uuid=$(node kubelet prepare "$1" "$2") || return 1
    node kubelet start "$1" "$2" "$uuid" || return 1
    until_true has_entry "MESSAGE_ID=$(message_id exit)" "GANTRY_RKT_UUID=$uuid" && echo "$uuid"
}
held() { # held POD: a prepare is refused as it should be
    node kubelet prepare crash-loop "$1" >"$work/held.out" 2>"$work/held.err"
    [ $? = 254 ] && [ ! -s "$work/held.out" ] && grep -qE "^Back-off [0-9ms]+ restarting failed container=bad pod=$1_default\($1\)$" "$work/held.err"
}

# A Varlink client that knows nothing of gantry: a call, as JSON, and the reply to it.

varlink() {
    node perl -MIO::Socket::UNIX -e '
        my $socket = IO::Socket::UNIX->new(Peer => "/run/gantry/io.gantry.Node") or die "connect: $!\n";
        print $socket "$ARGV[0]\0";
        $/ = "\0";
        defined(my $reply = <$socket>) or die "no reply\n";
        chomp $reply;
        print $reply;' "$1"
}
