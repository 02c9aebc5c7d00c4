#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Waits for the end of a server, then removes its remaining members and its files; see Janitor.swift.
#
# $1: state directory. $2: the cgroup of the members, relative to the mount of v2 or to each mount of v1, or empty.
# $3: runc. $4…: commands to run before anything is deleted.
# Standard input is a pipe that ends with the server, or brings a line. Descriptor 3 is the lock of the state directory.
#
# - Agents end when their connection does. The janitor waits up to 2 s for that, then kills them.
# - Mounts below the state directory are detached before anything is deleted: a bind mount must not be emptied.
trap '' INT TERM HUP QUIT PIPE
state=$1 group=$2 runc=$3
shift 3
cd /
# A line, instead of the end of the pipe, means that another janitor has taken over.
read -r _ && exit 0

# The cgroups of the members, in v2 and in each hierarchy of v1. Without a name, there are none.
cgroups() {
    [ -n "$group" ] || return 0
    for cgroup in /sys/fs/cgroup/"$group"/*/ /sys/fs/cgroup/*/"$group"/*/; do [ -d "$cgroup" ] && echo "$cgroup"; done
}

processes() {
    [ -n "$group" ] || return 0
    cat /sys/fs/cgroup/"$group"/*/cgroup.procs /sys/fs/cgroup/*/"$group"/*/cgroup.procs 2>/dev/null
}

i=0
while [ $i -lt 20 ] && [ -n "$(processes)" ]; do
    sleep 0.1
    i=$((i + 1))
done

for command in "$@"; do timeout -k 1 9 sh -c "$command" 3>&-; done

i=0
while [ $i -lt 40 ]; do
    for process in $(processes); do kill -9 "$process" 2>/dev/null; done
    for container in "$state"/runc/*/; do
        [ -d "$container" ] || continue
        timeout -k 1 3 "$runc" --root "$state/runc" delete --force "$(basename "$container")" 3>&-
    done
    for cgroup in $(cgroups); do find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null; done
    [ -z "$(cgroups)" ] && break
    sleep 0.1
    i=$((i + 1))
done
[ -n "$group" ] && rmdir /sys/fs/cgroup/"$group" /sys/fs/cgroup/*/"$group" 2>/dev/null

while read -r _ mount _; do
    case $mount in "$state"/*) umount -l "$mount" ;; esac
done </proc/mounts
if ! grep -q " $state/" /proc/mounts; then
    rm -rf "$state/members" "$state/runc" "$state/roots"
    # The lock is held until the end. A server that waits for it checks whether the file still exists, and otherwise
    # makes a new one.
    case $(ls "$state") in
        '' | lock) rm -f "$state/lock" && rmdir "$state" 2>/dev/null ;;
    esac
fi
exit 0
