// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_LAUNCHER_PROTOCOL_H
#define BERTH_LAUNCHER_PROTOCOL_H

#include <stdint.h>

// One launcher makes the members of one template. It is a child of the server, with one end of a SEQPACKET socket as
// descriptor 3, and ends with that socket.
//
//   server                           launcher
//   SETUP                       →    makes its tree
//                               ←    READY, or FAILED
//   CREATE, two descriptors     →    makes a member
//                               ←    CREATED with a pidfd, or FAILED
//
// A message is a header and items, each a head and its bytes, without padding. Both ends are from the same build, and
// the version says so. New kinds of requests get new numbers: a launcher answers FAILED to what it does not know.
//
// All that decides what a member can reach comes with SETUP: paths of the host, mounts, limits, the filter. A request
// has a name, a user id, the content of files whose names are known, and descriptors, but no path.

#define BERTH_LAUNCHER_VERSION 2U
#define BERTH_LAUNCHER_SOCKET 3
#define BERTH_LAUNCHER_MAX_MESSAGE (192U << 10)
#define BERTH_LAUNCHER_MAX_CGROUPS 16
// How many members one launcher makes at the same time; more requests wait in the socket.
#define BERTH_LAUNCHER_MAX_PENDING 32

enum berth_launcher_kind {
    BERTH_LAUNCHER_SETUP = 1,
    BERTH_LAUNCHER_READY,
    BERTH_LAUNCHER_CREATE,
    BERTH_LAUNCHER_CREATED,
    BERTH_LAUNCHER_FAILED,
};

struct berth_launcher_header {
    uint32_t version;
    uint32_t kind;
    // The request's number, which its answer repeats.
    uint64_t number;
};

struct berth_launcher_item {
    uint32_t tag;
    uint32_t length;
};

enum berth_launcher_tag {
    // SETUP. Strings end with NUL.
    BERTH_ITEM_TREE = 1,  // a directory of the host on which the tree is mounted, in the launcher's own namespace
    BERTH_ITEM_SOURCE,    // a file or directory of the host, at /s/0, /s/1 … of the tree, read-only
    BERTH_ITEM_CGROUP,    // berth_launcher_cgroup, and the path of the members' parent
    BERTH_ITEM_LIMIT,     // berth_launcher_limit, a file's name in the member's cgroup, and what is written to it
    BERTH_ITEM_LAYER,     // name of a file, such as etc/passwd, that each member has for itself, in /l of the tree
    BERTH_ITEM_STEP,      // berth_launcher_step, and the strings target, source, type and data
    BERTH_ITEM_RLIMIT,    // berth_launcher_rlimit
    BERTH_ITEM_CAPABILITIES,  // uint64_t, a mask
    BERTH_ITEM_FILTER,        // an array of sock_filter
    BERTH_ITEM_ARGUMENT,
    BERTH_ITEM_VARIABLE,
    BERTH_ITEM_NETWORK,  // without content: the member has a network of its own
    BERTH_ITEM_ROOTLESS,  // without content: the server is in the user namespace of an ordinary user

    // CREATE
    BERTH_ITEM_NAME,  // the name of the member, its host name and its cgroups'
    BERTH_ITEM_USER,  // uint32_t, who owns the writable places
    BERTH_ITEM_FILE,  // the content of a LAYER, in the same order

    // CREATED
    BERTH_ITEM_PID,  // uint32_t, as the launcher sees it

    // FAILED
    BERTH_ITEM_STEP_NAME,  // what was being done
    BERTH_ITEM_ERROR,      // uint32_t, an errno; 0 if the member was killed while it was made
};

struct berth_launcher_cgroup {
    uint32_t kind;
};

enum berth_launcher_cgroup_kind {
    BERTH_CGROUP_UNIFIED = 1,  // cgroup v2: members are cloned into it
    BERTH_CGROUP_OWN,          // a hierarchy of v1 in which each member has its own cgroup
    BERTH_CGROUP_SHARED,       // a hierarchy of v1 in which all members are in the parent
};

struct berth_launcher_limit {
    uint32_t cgroup;  // in the order of the CGROUP items
    // Not every kernel has the file, and those without have nothing to limit.
    uint32_t is_optional;
};

struct berth_launcher_rlimit {
    uint32_t resource;
    uint32_t reserved;
    uint64_t value;
};

// One step of making a member's file systems. Targets begin with a slash, at the root of the member.
struct berth_launcher_step {
    uint32_t kind;
    uint32_t flags;   // MS_…
    uint32_t number;  // a mode, for STEP_DEVICE a major number too: major << 16 | minor
    uint32_t reserved;
};

enum berth_launcher_step_kind {
    BERTH_STEP_MOUNT = 1,  // type, source, data, flags
    BERTH_STEP_PLACE,      // the same, with uid= and gid= of the member's user added to the data
    BERTH_STEP_BIND,       // source is a path of the tree; flags hold for this mount
    BERTH_STEP_ENTER,      // the member's root becomes the root, the tree is gone
    BERTH_STEP_DIRECTORY,  // number is the mode
    BERTH_STEP_LINK,       // source is where it leads
    BERTH_STEP_DEVICE,     // a character device with mode 0666
    BERTH_STEP_MASK,       // hides a file or directory, if there is one
    BERTH_STEP_READ_ONLY,  // makes a directory or file read-only, if there is one
    BERTH_STEP_REMOUNT,    // changes the flags of a mount
    BERTH_STEP_HOST_DEVICE,  // source is a device in the tree, target its place before ENTER
};

// Places in the launcher's tree.
#define BERTH_TREE_ROOT "/r"    // the member's root is mounted here before ENTER
#define BERTH_TREE_LAYER "/l"   // the member's own files
#define BERTH_TREE_EMPTY "/e"   // an empty directory
#define BERTH_TREE_SOURCES "/s"
#define BERTH_TREE_SYSTEM "/y"   // the host's proc and sysfs, if the server is rootless

#endif
