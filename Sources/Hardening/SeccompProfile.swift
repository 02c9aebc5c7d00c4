// SPDX-License-Identifier: Apache-2.0

/// The system calls that programs may make, the same on every runtime: an allow-list close to Docker's default profile for
/// a container without capabilities, for the native architecture alone, and without what costs the host something that a
/// container's limits do not count.
///
/// As JSON it is both the `linux.seccomp` of an OCI configuration and what an engine takes as `seccomp=`; `SeccompProgram`
/// is the same for the kernel. What is not named fails with EPERM: mounting, namespaces, modules, keys, clocks, eBPF,
/// io_uring, swapping, …
///
/// `vmsplice` is not named: programs hardly use it, and what it puts into a pipe stays the memory of who wrote it, which is
/// how several faults of the kernel were used.
package struct SeccompProfile: Encodable, Sendable {
    enum Comparison: String, Encodable, Sendable {
        case equal = "SCMP_CMP_EQ"
        /// The bits of `value` are those of `valueTwo`.
        case maskedEqual = "SCMP_CMP_MASKED_EQ"
    }

    struct Argument: Encodable, Sendable {
        var index: UInt32
        var value: UInt64
        var valueTwo: UInt64 = 0
        var op = Comparison.equal
    }

    enum Action: String, Encodable, Sendable {
        case allow = "SCMP_ACT_ALLOW"
        case errno = "SCMP_ACT_ERRNO"
    }

    struct Rule: Encodable, Sendable {
        var names: [String]
        var action = Action.allow
        var errnoRet: UInt32?
        var args: [Argument]?
    }

    private(set) var defaultAction = Action.errno
    private(set) var defaultErrnoRet: UInt32 = 1
    private(set) var architectures: [SeccompArchitecture]
    private(set) var syscalls: [Rule]

    /// CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET: no new namespaces.
    private static let namespaceFlags: UInt64 = 0x7E02_0000
    /// What programs for other Unixes and debuggers ask for; ADDR_NO_RANDOMIZE and the like are refused.
    private static let personalities: [UInt64] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xFFFF_FFFF]
    private static let unix: UInt64 = 1
    private static let netlink: UInt64 = 16
    /// AF_INET and AF_INET6, with the protocols that a container of its own network has a use for: the default, TCP and
    /// UDP. The memory of both is counted. Not ICMP, which opens ping sockets, and nothing that loads a module.
    private static let networkFamilies: [UInt64] = [2, 10]
    private static let protocols: [UInt64] = [0, 6, 17]

    /// - Parameters:
    ///   - allowsInotify: false where files are shared with the host or other containers, whose use it shows.
    ///   - architecture: that of the programs. This one alone: with the 32-bit and x32 tables that Docker adds, compiling the
    ///     filter took 25 ms more of each create with runc, for programs that containers of ours hardly hold. Those are
    ///     killed by SIGSYS.
    package init(allowsInotify: Bool = true, architecture: SeccompArchitecture? = SeccompArchitecture.native) {
        architectures = architecture.map { [$0] } ?? []
        var names = Self.allowed.split(whereSeparator: \.isWhitespace).map(String.init)
        var missing = Self.notImplemented
        if !allowsInotify {
            missing += ["inotify_init", "inotify_init1"]
        } else {
            names += ["inotify_init", "inotify_init1"]
        }
        syscalls = [
            Rule(names: names),
            Rule(names: missing, action: .errno, errnoRet: 38),
            Rule(
                names: ["clone"], args: [Argument(index: 0, value: Self.namespaceFlags, op: .maskedEqual)]),
            // Sockets of other families are refused. AF_VSOCK reaches the hypervisor past every network namespace, and what
            // waits in netlink sockets, 400 KB in each, is memory that no limit counts.
            Rule(names: ["socket", "socketpair"], args: [Argument(index: 0, value: Self.unix)]),
            // EOPNOTSUPP, with which libzmq goes on without the list of interfaces that it asks for; with EPERM it aborts.
            Rule(
                names: ["socket"], action: .errno, errnoRet: 95,
                args: [Argument(index: 0, value: Self.netlink)]),
        ]
        for family in Self.networkFamilies {
            for number in Self.protocols {
                syscalls.append(
                    Rule(
                        names: ["socket"], args: [Argument(index: 0, value: family), Argument(index: 2, value: number)])
                )
            }
        }
        for value in Self.personalities {
            syscalls.append(Rule(names: ["personality"], args: [Argument(index: 0, value: value)]))
        }
    }

    /// ENOSYS, for which callers have another way. clone3: its flags are out of a filter's sight, and the C library falls
    /// back to clone. io_setup: what it takes counts against one limit of the whole machine.
    private static let notImplemented = ["clone3", "io_setup"]

    /// Names that an architecture doesn't know are skipped by the runtime.
    private static let allowed = """
        _llseek _newselect accept accept4 access adjtimex alarm arch_prctl arm_fadvise64_64
        arm_sync_file_range bind breakpoint brk cacheflush cachestat capget capset chdir chmod chown chown32
        clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
        clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3
        epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
        epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64
        fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl
        fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64
        fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait
        futex_waitv futex_wake futimesat get_robust_list get_thread_area getcpu getcwd getdents getdents64
        getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername
        getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32
        getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr
        inotify_add_watch inotify_rm_watch ioctl ioprio_get ioprio_set ipc kill
        landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link
        linkat listen listxattr llistxattr lremovexattr lseek lsetxattr lstat lstat64 madvise
        map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock
        mlock2 mlockall mmap mmap2 modify_ldt mprotect mq_getsetattr mq_notify mq_open mq_timedreceive
        mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv
        msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat open openat openat2
        pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll
        ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease process_vm_readv
        process_vm_writev pselect6 pselect6_time64 ptrace pwrite64 pwritev pwritev2 read readahead readlink
        readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr rename
        renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask
        rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
        sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
        sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity
        sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop
        semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list
        set_thread_area set_tid_address set_tls setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32
        setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32
        setresuid setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr shmat
        shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn splice stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range
        sync_file_range2 syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun
        timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
        timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask
        uname unlink unlinkat utime utimensat utimensat_time64 utimes vfork wait4 waitid waitpid
        write writev
        """
}
