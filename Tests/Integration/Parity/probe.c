/* SPDX-License-Identifier: Apache-2.0
 *
 * Tells all that a process can see of how it was started and where: lines "item<TAB>value", in no order that matters.
 * ParityTests run it in members of several runtimes and compare what it tells.
 *
 *   probe            tells it on standard output, as a program
 *   probe (as PID 1) tells it in /tmp/parity, as the agent, and stays until its stream ends; NAME is then the process's name
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static FILE *out;

/* One line, whatever is in the text. */
static void tell(const char *item, const char *text) {
    fprintf(out, "%s\t", item);
    for (; *text; text++) fputc(*text == '\n' ? ';' : *text == '\t' ? ' ' : *text, out);
    fputc('\n', out);
}

__attribute__((format(printf, 2, 3))) static void tellf(const char *item, const char *format, ...) {
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    tell(item, text);
}

/* The content of a file, or why there is none. */
static const char *content(const char *path) {
    static char text[65536];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return strerrorname_np(errno);
    size_t length = 0;
    ssize_t count;
    while (length < sizeof text - 1 && (count = read(file, text + length, sizeof text - 1 - length)) > 0) length += (size_t)count;
    text[length] = 0;
    close(file);
    return text;
}

static void tell_file(const char *kind, const char *path) {
    char item[512];
    snprintf(item, sizeof item, "%s %s", kind, path);
    tell(item, content(path));
}

static const char *link_target(const char *path) {
    static char target[4096];
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 0) return strerrorname_np(errno);
    target[length] = 0;
    return target;
}

/* What a name is, whose, and whether it opens. */
static void tell_entry(const char *kind, const char *path) {
    char item[1024], text[1024];
    struct stat info;
    snprintf(item, sizeof item, "%s %s", kind, path);
    if (lstat(path, &info) < 0) {
        tell(item, strerrorname_np(errno));
        return;
    }
    int length = snprintf(text, sizeof text, "mode %o owner %u:%u", info.st_mode, info.st_uid, info.st_gid);
    if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode))
        length += snprintf(text + length, sizeof text - (size_t)length, " device %u:%u", major(info.st_rdev), minor(info.st_rdev));
    if (S_ISLNK(info.st_mode)) {
        snprintf(text + length, sizeof text - (size_t)length, " to %.500s", link_target(path));
        tell(item, text);
        return;
    }
    for (int way = 0; way < 2; way++) {
        int file = open(path, (way ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        length += snprintf(text + length, sizeof text - (size_t)length, "%s%s", way ? " write " : " read ", file < 0 ? strerrorname_np(errno) : "ok");
        if (file >= 0 && !way && S_ISREG(info.st_mode)) {
            char byte;
            ssize_t count = read(file, &byte, 1);
            length += snprintf(text + length, sizeof text - (size_t)length, " (%s)", count < 0 ? strerrorname_np(errno) : count ? "content" : "empty");
        }
        if (file >= 0) close(file);
    }
    tell(item, text);
}

/* Names of a folder in one line, and each as an entry if wanted. */
static void tell_folder(const char *path, int entries) {
    struct dirent **found;
    char item[512], names[16384] = "";
    int count = scandir(path, &found, NULL, alphasort);
    snprintf(item, sizeof item, "names in %s", path);
    if (count < 0) {
        tell(item, strerrorname_np(errno));
        return;
    }
    for (int index = 0; index < count; index++) {
        const char *name = found[index]->d_name;
        int is_process = name[0] >= '0' && name[0] <= '9';
        if (strcmp(name, ".") && strcmp(name, "..") && !is_process) {
            strncat(names, name, sizeof names - strlen(names) - 2);
            strcat(names, " ");
            char full[1024];
            snprintf(full, sizeof full, "%s/%s", strcmp(path, "/") ? path : "", name);
            if (entries) tell_entry("entry", full);
        }
        free(found[index]);
    }
    free(found);
    tell(item, names);
}

/* Every setting below a folder that could be opened for writing. */
static int writable(const char *path, int depth) {
    DIR *folder = opendir(path);
    if (!folder) return 0;
    int count = 0;
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        char full[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(full, sizeof full, "%s/%s", path, entry->d_name);
        if (entry->d_type == DT_DIR && depth < 8) count += writable(full, depth + 1);
        if (entry->d_type != DT_REG) continue;
        int file = open(full, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
        if (file < 0) continue;
        close(file);
        count++;
        if (count <= 20) tell_entry("writable", full);
    }
    closedir(folder);
    return count;
}

static void tell_mounts(const char *file, const char *kind) {
    FILE *mounts = fopen(file, "re");
    char line[16384];
    if (!mounts) {
        tell(kind, strerrorname_np(errno));
        return;
    }
    int order = 0;
    while (fgets(line, sizeof line, mounts)) {
        /* 36 35 98:0 /root /point options optional… - type source options */
        char root[4096], point[4096], options[4096], type[256], source[4096], super[8192], item[4200];
        char *dash = strstr(line, " - ");
        if (!dash || sscanf(line, "%*d %*d %*s %4095s %4095s %4095s", root, point, options) != 3) continue;
        if (sscanf(dash + 3, "%255s %4095s %8191s", type, source, super) != 3) continue;
        const char *shared = strstr(line, " shared:"), *master = strstr(line, " master:");
        int is_shared = shared && shared < dash, is_slave = master && master < dash;
        snprintf(item, sizeof item, "%s %s", kind, point);
        tellf(item, "%s from %.1000s of %.500s, %s; %.1500s%s%s", type, root, source, options, super, is_shared ? " shared" : "",
              is_slave ? " slave" : "");
        order++;
    }
    fclose(mounts);
    char item[300];
    snprintf(item, sizeof item, "%s count", kind);
    tellf(item, "%d", order);
}

static void tell_status(const char *file, const char *kind) {
    FILE *status = fopen(file, "re");
    char line[4096], item[300];
    if (!status) {
        tell(kind, strerrorname_np(errno));
        return;
    }
    while (fgets(line, sizeof line, status)) {
        char *colon = strchr(line, ':');
        if (!colon) continue;
        *colon = 0;
        line[strcspn(line, "\n")] = 0;
        /* What changes all the time, or is of the whole machine. */
        if (!strncmp(line, "Vm", 2) || !strncmp(line, "Rss", 3) || strstr(line, "ctxt_switches") || strstr(line, "HugetlbPages") ||
            !strcmp(line, "SigQ") || !strcmp(line, "untag_mask"))
            continue;
        snprintf(item, sizeof item, "%s %.200s", kind, line);
        char *value = colon + 1 + strspn(colon + 1, " \t");
        value[strcspn(value, "\n")] = 0;
        tell(item, value);
    }
    fclose(status);
}

/* A call in a process of its own: an error's name, "ok", or how the process ended. */
static void tell_call(const char *item, long number, long a, long b, long c, long d, long e, long f) {
    static volatile int *result;
    if (!result) result = mmap(NULL, sizeof *result, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *result = -1;
    fflush(out);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGALRM, SIG_DFL);
        struct itimerval limit = {.it_value = {.tv_usec = 200000}};
        setitimer(ITIMER_REAL, &limit, NULL);
        pid_t own = getpid();
        long got = syscall(number, a, b, c, d, e, f);
        /* A process that the call has made may come here when the next call is tried. */
        if (getpid() == own) *result = got == -1 ? errno : 0;
        _exit(0);
    }
    if (child < 0) {
        tell(item, "could not be tried");
        return;
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (WIFSIGNALED(status)) tellf(item, "signal %d", WTERMSIG(status));
    else if (*result < 0) tellf(item, "exit %d", WEXITSTATUS(status));
    else tell(item, *result ? strerrorname_np(*result) : "ok");
}

/* Arguments of -1 are no address, no descriptor and no flags that a call knows. */
static void tell_calls(void) {
    char item[64];
    for (long number = 0; number <= 600; number++) {
        /* vfork shares this stack; sync waits for every disk of the machine. */
        if (number == SYS_sync) continue;
#ifdef SYS_vfork
        if (number == SYS_vfork) continue;
#endif
        snprintf(item, sizeof item, "call %ld", number);
        tell_call(item, number, -1, -1, -1, -1, -1, -1);
    }
    for (int bit = 7; bit < 32; bit++) {
        unsigned long flag = 1ul << bit;
        /* These share memory or the table of descriptors with a child that would use this stack. */
        if (flag & (CLONE_VM | CLONE_VFORK | CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS)) continue;
        snprintf(item, sizeof item, "clone flag %#lx", flag);
        tell_call(item, SYS_clone, (long)(flag | SIGCHLD), 0, 0, 0, 0, 0);
    }
    for (int family = 0; family < 46; family++)
        for (int type = 1; type <= 5; type++) {
            if (type == 4) continue;
            snprintf(item, sizeof item, "socket family %d type %d", family, type);
            tell_call(item, SYS_socket, family, type, 0, 0, 0, 0);
            snprintf(item, sizeof item, "socketpair family %d type %d", family, type);
            tell_call(item, SYS_socketpair, family, type, 0, -1, 0, 0);
        }
    int protocols[] = {1, 6, 17, 33, 58, 132, 255};
    for (size_t index = 0; index < sizeof protocols / sizeof *protocols; index++)
        for (int type = 1; type <= 3; type++) {
            snprintf(item, sizeof item, "socket inet type %d protocol %d", type, protocols[index]);
            tell_call(item, SYS_socket, AF_INET, type, protocols[index], 0, 0, 0);
        }
    unsigned long personalities[] = {0, 8, 0x20000, 0x20008, 0x40000, 0x400000, 0xffffffff};
    for (size_t index = 0; index < sizeof personalities / sizeof *personalities; index++) {
        snprintf(item, sizeof item, "personality %#lx", personalities[index]);
        tell_call(item, SYS_personality, (long)personalities[index], 0, 0, 0, 0, 0);
    }
#ifdef __x86_64__
    tell_call("x32 getpid", 0x40000000 + 39, 0, 0, 0, 0, 0, 0);
    tell_call("x32 beyond", 0x40000000 + 900, 0, 0, 0, 0, 0, 0);
#endif
    tell_call("unshare user", SYS_unshare, CLONE_NEWUSER, 0, 0, 0, 0, 0);
    tell_call("keyctl get session", SYS_keyctl, 0, -3, 0, 0, 0, 0);
    tell_call("chroot", SYS_chroot, (long)"/", 0, 0, 0, 0, 0);
    tell_call("setuid other", SYS_setuid, 12345, 0, 0, 0, 0, 0);
    tell_call("setgroups none", SYS_setgroups, 0, 0, 0, 0, 0, 0);
    tell_call("mlock a page", SYS_mlock, (long)out & ~4095l, 4096, 0, 0, 0, 0);
    tell_call("nice down", SYS_setpriority, PRIO_PROCESS, 0, -5, 0, 0, 0);
    tell_call("mknod device", SYS_mknodat, AT_FDCWD, (long)"/tmp/device", S_IFCHR | 0600, (long)makedev(1, 3), 0, 0);
}

static void tell_limits(void) {
    for (int which = 0; which < 16; which++) {
        char item[32];
        struct rlimit limit;
        snprintf(item, sizeof item, "rlimit %d", which);
        if (getrlimit((__rlimit_resource_t)which, &limit) < 0) tell(item, strerrorname_np(errno));
        else tellf(item, "%lld %lld", (long long)limit.rlim_cur, (long long)limit.rlim_max);
    }
    const char *files[] = {
        "memory/memory.limit_in_bytes", "memory/memory.memsw.limit_in_bytes", "memory/memory.kmem.tcp.limit_in_bytes",
        "memory/memory.kmem.limit_in_bytes", "memory/memory.soft_limit_in_bytes", "memory/memory.swappiness",
        "memory/memory.use_hierarchy", "pids/pids.max", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us",
        "cpu/cpu.shares", "cpuset/cpuset.cpus", "cpuset/cpuset.mems", "devices/devices.list", "freezer/freezer.state",
        "blkio/blkio.weight", "hugetlb/hugetlb.2MB.limit_in_bytes", "net_cls/net_cls.classid", "misc/misc.max", "rdma/rdma.max",
        "unified/cgroup.controllers", "unified/cgroup.type", "memory.max", "memory.high", "memory.low", "memory.swap.max",
        "memory.oom.group", "pids.max", "cpu.max", "cpu.weight", "cpuset.cpus.effective", "cgroup.controllers", "cgroup.type",
        "cgroup.subtree_control", "cgroup.max.depth", "io.weight",
    };
    for (size_t index = 0; index < sizeof files / sizeof *files; index++) {
        char path[256];
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s", files[index]);
        tell_file("limit", path);
    }
    tell_folder("/sys/fs/cgroup", 1);
    tell_file("file", "/proc/self/cgroup");
}

static void tell_network(void) {
    struct ifreq request = {0};
    strcpy(request.ifr_name, "lo");
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (ioctl(control, SIOCGIFFLAGS, &request) < 0) tell("lo flags", strerrorname_np(errno));
    else tellf("lo flags", "%#x", (unsigned)request.ifr_flags);
    if (ioctl(control, SIOCGIFADDR, &request) < 0) tell("lo address", strerrorname_np(errno));
    else tell("lo address", inet_ntoa(((struct sockaddr_in *)&request.ifr_addr)->sin_addr));
    close(control);
    tell_folder("/sys/class/net", 0);
    tell_file("file", "/proc/net/if_inet6");
    tell_file("file", "/proc/net/route");
    for (int version = 4; version <= 6; version += 2) {
        struct sockaddr_in old = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        struct sockaddr_in6 new = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
        struct sockaddr *address = version == 4 ? (struct sockaddr *)&old : (struct sockaddr *)&new;
        socklen_t length = version == 4 ? sizeof old : sizeof new;
        int server = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int client = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const char *item = version == 4 ? "connect 127.0.0.1" : "connect ::1";
        if (bind(server, address, length) < 0 || listen(server, 1) < 0 || getsockname(server, address, &length) < 0 ||
            connect(client, address, length) < 0)
            tell(item, strerrorname_np(errno));
        else tell(item, "ok");
        close(server);
        close(client);
    }
    int low = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    tell("bind port 80", bind(low, (struct sockaddr *)&address, sizeof address) < 0 ? strerrorname_np(errno) : "ok");
    close(low);
}

/* What this process was given, and not the file it writes to. */
static void tell_descriptors(int own) {
    for (int number = 0; number < 1024; number++) {
        char path[64], item[64];
        struct stat info;
        int flags = fcntl(number, F_GETFL);
        if (flags < 0 || number == own) continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", number);
        snprintf(item, sizeof item, "descriptor %d", number);
        fstat(number, &info);
        char target[256];
        snprintf(target, sizeof target, "%.200s", link_target(path));
        target[strcspn(target, "[")] = 0;
        tellf(item, "%s flags %#o close-on-exec %d mode %o", target, (unsigned)flags, fcntl(number, F_GETFD), info.st_mode);
    }
}

static void tell_process(char **argv) {
    struct utsname name;
    uname(&name);
    tell("hostname", name.nodename);
    tell("domain name", name.domainname);
    tellf("umask", "%o", umask(0));
    char place[4096];
    tell("working directory", getcwd(place, sizeof place) ? place : strerrorname_np(errno));
    tell("root", link_target("/proc/self/root"));
    tell("executable", link_target("/proc/self/exe"));
    for (int index = 0; argv[index]; index++) {
        char item[32];
        snprintf(item, sizeof item, "argument %d", index);
        tell(item, argv[index]);
    }
    for (char **variable = environ; *variable; variable++) {
        char item[256];
        size_t length = strcspn(*variable, "=");
        snprintf(item, sizeof item, "variable %.*s", (int)(length > 200 ? 200 : length), *variable);
        tell(item, *variable + length + ((*variable)[length] == '='));
    }
    int signal_number = 0;
    prctl(PR_GET_PDEATHSIG, &signal_number);
    tellf("parent death signal", "%d", signal_number);
    tellf("dumpable", "%d", prctl(PR_GET_DUMPABLE));
    tellf("keep capabilities", "%d", prctl(PR_GET_KEEPCAPS));
    tellf("secure bits", "%d", prctl(PR_GET_SECUREBITS));
    tellf("timer slack", "%d", prctl(PR_GET_TIMERSLACK));
    int subreaper = 0;
    prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
    tellf("subreaper", "%d", subreaper);
    tellf("speculation", "%d %d", prctl(PR_GET_SPECULATION_CTRL, 0, 0, 0, 0), prctl(PR_GET_SPECULATION_CTRL, 1, 0, 0, 0));
    tellf("huge pages disabled", "%d", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    tellf("personality", "%#x", (unsigned)personality(0xffffffff));
    tellf("leads its session", "%d", getsid(0) == getpid());
    tellf("leads its group", "%d", getpgid(0) == getpid());
    tellf("parent", "%d", getppid() > 1 ? 2 : getppid());
    errno = 0;
    tellf("nice", "%d", getpriority(PRIO_PROCESS, 0));
    tellf("scheduler", "%d", sched_getscheduler(0));
    tellf("io priority", "%ld", syscall(SYS_ioprio_get, 1, 0));
    for (int number = 1; number < 65; number++) {
        struct sigaction action;
        if (number == 32 || number == 33 || sigaction(number, NULL, &action) < 0 || action.sa_handler == SIG_DFL) continue;
        char item[32];
        snprintf(item, sizeof item, "signal %d", number);
        tell(item, action.sa_handler == SIG_IGN ? "ignored" : "handled");
    }
    const char *files[] = {
        "/proc/self/oom_score_adj", "/proc/self/loginuid", "/proc/self/sessionid", "/proc/self/coredump_filter",
        "/proc/self/timerslack_ns", "/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/setgroups", "/proc/self/attr/current",
        "/proc/1/oom_score_adj", "/proc/1/limits", "/proc/1/comm",
    };
    for (size_t index = 0; index < sizeof files / sizeof *files; index++) tell_file("file", files[index]);
    const char *kinds[] = {"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"};
    for (size_t index = 0; index < sizeof kinds / sizeof *kinds; index++) {
        char item[64], path[64];
        snprintf(item, sizeof item, "namespace %s", kinds[index]);
        snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[index]);
        tell(item, link_target(path));
    }
}

static void tell_files(void) {
    const char *paths[] = {
        "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
        "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
        "/proc/sysrq-trigger", "/proc/kmsg", "/proc/mtrr", "/proc/iomem", "/proc/kallsyms", "/proc/kpagecount", "/proc/modules",
        "/proc/config.gz", "/proc/vmallocinfo", "/proc/self/mem", "/proc/1/mem", "/proc/1/environ", "/proc/1/fd", "/proc/1/root",
        "/proc/1/cwd", "/proc/1/exe", "/proc/1/ns/mnt", "/sys/devices/virtual/powercap", "/sys/firmware", "/sys/kernel/debug",
        "/sys/kernel/security", "/sys/kernel/tracing", "/sys/fs/bpf", "/sys/module", "/sys/power/state", "/usr/local/etc",
        "/usr/local/var", "/.berth", "/.berth/agent", "/.berth/run", "/workspace", "/var/tmp", "/tmp", "/dev/shm", "/dev/mqueue",
        "/dev/pts/ptmx", "/dev/kmsg", "/dev/mem", "/dev/kvm", "/dev/fuse", "/dev/net/tun", "/run", "/home", "/root", "/var", "/srv",
    };
    for (size_t index = 0; index < sizeof paths / sizeof *paths; index++) tell_entry("path", paths[index]);
    const char *texts[] = {
        "/etc/passwd", "/etc/group", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/mtab",
        "/proc/sys/kernel/shmmax", "/proc/sys/kernel/shmall", "/proc/sys/kernel/msgmax", "/proc/sys/kernel/msgmnb",
        "/proc/sys/kernel/sem", "/proc/sys/fs/mqueue/queues_max", "/proc/sys/fs/mqueue/msg_max", "/proc/sys/kernel/hostname",
        "/proc/sys/kernel/domainname", "/proc/sys/kernel/yama/ptrace_scope", "/proc/sys/net/ipv4/ping_group_range",
        "/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/lo/disable_ipv6",
        "/proc/sys/net/ipv4/ip_local_port_range", "/proc/sys/user/max_user_namespaces",
    };
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++) tell_file("file", texts[index]);
    tell_folder("/", 1);
    tell_folder("/dev", 1);
    tell_folder("/dev/pts", 1);
    tell_folder("/dev/shm", 0);
    tell_folder("/dev/mqueue", 0);
    tell_folder("/etc", 0);
    tell_folder("/proc", 0);
    tell_folder("/sys", 0);
    tell_folder("/sys/kernel", 0);
    tell_folder("/sys/fs", 0);
    tellf("writable settings", "%d", writable("/proc/sys", 0));
    tellf("writable files of /sys", "%d", writable("/sys/kernel", 0) + writable("/sys/fs", 0) + writable("/sys/module", 6));
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
    tell("controlling terminal", terminal < 0 ? strerrorname_np(errno) : "ok");
    int master = open("/dev/ptmx", O_RDWR | O_CLOEXEC | O_NOCTTY);
    tell("new terminal", master < 0 ? strerrorname_np(errno) : "ok");
}

int main(int argc, char **argv) {
    (void)argc;
    int is_agent = getpid() == 1;
    out = is_agent ? fopen("/tmp/.parity", "we") : stdout;
    if (!out) return 1;
    tell_descriptors(is_agent ? fileno(out) : -1);
    tell_process(argv);
    tell_status("/proc/self/status", "status");
    if (!is_agent) tell_status("/proc/1/status", "status of 1");
    tell_mounts("/proc/self/mountinfo", "mount");
    tell_limits();
    tell_network();
    tell_files();
    tell_calls();
    tell("complete", "yes");
    if (fflush(out)) return 1;
    if (!is_agent) return 0;
    fclose(out);
    /* The test finds this process by its name, and the whole file under its own. */
    rename("/tmp/.parity", "/tmp/parity");
    prctl(PR_SET_DUMPABLE, 1);
#ifdef NAME
    prctl(PR_SET_NAME, NAME);
#endif
    struct pollfd stream = {.fd = 0};
    while (poll(&stream, 1, 1000) <= 0 || !(stream.revents & (POLLHUP | POLLERR | POLLNVAL))) {}
    return 0;
}
