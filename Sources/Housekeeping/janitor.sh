#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Waits for the end of a server, then removes what is left of its members and of its files; see Janitor.swift.
#
# $1 state directory; $2 the members' cgroup, below the mount of v2 or each of v1's, or nothing; $3 runc; $4… commands.
# Standard input is a pipe that ends with the server, or brings a line; descriptor 3 the lock of the state directory.
#
# - The agents end by themselves when their streams end: up to 2 s for that, then force.
# - Mounts below the state directory are detached before anything is deleted: a bind mount must not be emptied.
trap '' INT TERM HUP QUIT PIPE
state=$1 group=$2 runc=$3
shift 3
cd /
# A word is no end: another janitor is in its place.
read -r _ && exit 0

# The members' cgroups, on v2 and in each hierarchy of v1; without a name there are none.
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

for command in "$@"; do timeout -k 1 5 sh -c "$command" 3>&-; done

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
    # Held until the end: a server that waits for it looks whether the file is still there, and makes another.
    case $(ls "$state") in
        '' | lock) rm -f "$state/lock" && rmdir "$state" 2>/dev/null ;;
    esac
fi
exit 0
