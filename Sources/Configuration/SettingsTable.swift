internal import Pool

/// Every setting there is.
public enum SettingsTable {
    /// Of the whole server, but for `pools`.
    public static var server: [Setting] { serverTable.entries.map(\.setting) }
    /// Of each pool.
    public static var pool: [Setting] { poolTable.entries.map(\.setting) }

    static let poolName = ValueKind<String>.string("1 to 64 of a-z, A-Z, 0-9, \".\", \"_\" and \"-\"") { name in
        name.utf8.count <= 64
            && name.unicodeScalars.allSatisfy {
                $0.isASCII && ($0.properties.isAlphabetic || "0123456789._-".unicodeScalars.contains($0))
            }
    }

    static let serverTable: SettingTable<ServerConfiguration> = {
        var table = SettingTable(standard: ServerConfiguration())
        table.add(
            "listen", \.listen, .list(.string("HOST:PORT or unix:PATH")),
            "Where to listen; port 0 takes a free one", needsRestart: true)
        table.add(
            "insecure", \.insecure, .boolean,
            "Listen on other addresses than loopback: whoever reaches them may run programs here", needsRestart: true)
        table.add(
            "socket_mode", \.socketMode, ValueKind<UInt32>.socketMode.or("auto"),
            "Permissions of a unix socket: whoever may write to it may run programs; auto is 0600, or 0660 with "
                + "socket_group", needsRestart: true)
        table.add(
            "socket_group", \.socketGroup, ValueKind<String>.string("a group's name or number").or("auto"),
            "Group of a unix socket; auto is the server's own", needsRestart: true)
        table.add(
            "runtime", \.runtime, .word,
            "What containers run on; auto takes Docker if it is there with the images, else runc", needsRestart: true)
        table.add(
            "docker_host", \.dockerHost,
            ValueKind<String>.string("unix://PATH, tcp://HOST:PORT or ssh://USER@HOST").or("auto"),
            "The Docker engine; auto is what docker itself would take ($DOCKER_HOST, its context), else the first socket "
                + "that answers: /var/run/docker.sock, docker.sock or podman/podman.sock in $XDG_RUNTIME_DIR",
            needsRestart: true)
        table.add(
            "agent", \.agent, ValueKind<String>.string("a path").or("auto"),
            "The berth-agent binary; auto is the one beside berth",
            needsRestart: true)
        table.add(
            "instance", \.instance,
            ValueKind<String>.string("1 to 32 of a-z, 0-9 and \"-\"") { name in
                name.utf8.count <= 32 && !name.hasPrefix("-")
                    && name.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
            }.or("auto"),
            "Names this server's containers, unique among the servers of a host; auto is from the port",
            needsRestart: true)
        table.add(
            "state_dir", \.stateDirectory, ValueKind<String>.string("a directory").or("auto"),
            "Where it keeps sockets and bundles; auto is /run/berth", needsRestart: true)
        table.add("log_format", \.logFormat, .word, "The log's format", needsRestart: true)
        table.add("log_level", \.logLevel, .word, "The least severe level that is logged", needsRestart: true)
        table.add(
            "max_connections", \.maxConnections, .integer(1...1_000_000), "Connections at most", needsRestart: true)
        table.add(
            "drain_time", \.drainTime, .duration, "How long running programs may go on after SIGTERM",
            needsRestart: true)
        table.add(
            "execution_timeout", \.executionTimeout, .durationOverZero, "How long a program may run that does not say",
            needsRestart: true)
        table.add(
            "execution_grace", \.executionGrace, .durationOverZero,
            "How long a program has between TERM and KILL that does not say", needsRestart: true)
        table.add(
            "output_grace", \.outputGrace, .duration,
            "How long what a program has left, and still holds its output, may be silent before it is killed",
            needsRestart: true)
        table.add(
            "max_output_grace", \.maxOutputGrace, .duration,
            "How long in all what a program has left may go on writing to its output", needsRestart: true)
        table.add(
            "max_execution_timeout", \.maxExecutionTimeout, .durationOverZero,
            "The longest time-out and grace that a caller may ask for", needsRestart: true)
        addCallers(&table)
        table.add(
            "uid", \.uid, ValueKind<UInt32>.uid.or("auto"),
            "The user id of programs; auto is one of each container's own, from uids", needsRestart: true)
        table.add(
            "uids", \.uids, .uids,
            "User ids for containers, at least as many as there may be containers, and nobody else's on this host",
            needsRestart: true)
        addFleet(&table)
        return table
    }()

    /// What callers may hold of the server.
    private static func addCallers(_ table: inout SettingTable<ServerConfiguration>) {
        table.add(
            "held_memory", \.heldMemoryBytes, .size(atLeast: 16 << 20),
            "Memory of the server that is held for callers: requests that wait, unfinished frames, queues, output",
            needsRestart: true)
        table.add(
            "held_memory_per_client", \.heldMemoryPerClientBytes, ValueKind<Int64>.size(atLeast: 8 << 20).or("auto"),
            "What of it one client may have, on all its connections; auto is a half", needsRestart: true)
        table.add(
            "max_executions", \.maxExecutions, .integer(1...64),
            "Programs and file operations at a time in one lease", needsRestart: true)
        table.add(
            "max_watchers", \.maxWatchers, .integer(1...10_000), "Streams that watch one execution at a time",
            needsRestart: true)
        table.add(
            "unread_time", \.unreadTime, .durationOverZero,
            "How long the output of a program that has ended is held for a client that does not read it",
            needsRestart: true)
    }

    private static func addFleet(_ table: inout SettingTable<ServerConfiguration>) {
        table.add(
            "max", \.max, ValueKind<Int>.integer(1...1_000_000).or("auto"),
            "Containers of all pools together at most; auto is 300, or the max of the largest pool if that is more")
        table.add(
            "memory_budget", \.memoryBudgetBytes, ValueKind<Int64>.size(atLeast: 8 << 20).or("auto"),
            "Memory limits of all containers together; auto is 80 % of what is available at start")
        table.add(
            "tick", \.fleet.tick, .durationOverZero, "How long the maintenance task sleeps at most: the safety net")
        table.add("max_waiters", \.fleet.maxWaiters, .integer(0...1_000_000), "Acquires in one pool's line at most")
        table.add("default_wait", \.fleet.defaultWait, .duration, "How long an acquire waits that does not say")
        table.add("max_wait", \.fleet.maxWait, .duration, "How long an acquire may wait at most")
        table.add(
            "connection_grace", \.fleet.connectionGrace, .duration,
            "How long a lease outlives the connection that acquired it")
        table.add(
            "max_per_client", \.fleet.maxPerClient, ValueKind<Int>.integer(1...1_000_000).or("unlimited"),
            "Leases and waiting acquires of one client together at most")
        table.add(
            "max_removals", \.fleet.maxConcurrentRemovals, .integer(1...1000), "Containers being removed at a time")
        table.add(
            "remove_timeout", \.fleet.removeTimeout, .durationOverZero,
            "How long one attempt to remove a container may take")
        table.add("max_resets", \.fleet.maxConcurrentResets, .integer(1...10_000), "Resets under way at a time")
        table.add("max_pings", \.fleet.maxConcurrentPings, .integer(1...10_000), "Health pings under way at a time")
    }

    static let poolTable: SettingTable<PoolSettings> = {
        var table = SettingTable(standard: PoolSettings())
        table.add(
            "image", \.image, ValueKind<String>.string("a reference, host, or a directory").or("auto"),
            "The image; host is the host's own /usr, read-only (runc); auto is python:3.9-slim, and host on runc")
        table.add(
            "pull", \.pool.template.pull, .word,
            "When the image is pulled: if it is missing, always (at start and at SIGHUP), or never")
        table.add(
            "network", \.pool.template.network, .string("none, or a network's name in the runtime"),
            "The containers' network")
        table.add(
            "memory", \.pool.template.memoryBytes, .size(atLeast: 8 << 20), "Memory of a container, without swap")
        table.add(
            "processes", \.pool.template.processes, .count(2...1_000_000), "Processes and threads of a container")
        table.add("cpus", \.pool.template.milliCPUs, .milliCPUs, "CPUs of a container")
        table.add("tmpfs", \.pool.template.tmpfsBytes, .size(atLeast: 4096), "Size of each tmpfs of a container")
        table.add(
            "tmpfs_paths", \.pool.template.tmpfsPaths,
            .list(.string("an absolute path") { $0.hasPrefix("/") && $0 != "/" }),
            "The places that programs can write to; HOME is /workspace, or the first of them")
        table.add(
            "open_files", \.pool.template.openFiles, .count(64...1_048_576),
            "Descriptors of a process of a container at most")
        table.add("size", \.pool.sizing, .sizing, "Containers kept warm")
        table.add(
            "max", \.pool.max, .integer(1...100_000),
            "Containers of the pool at most, those leased and those being removed included")
        table.add(
            "batch", \.pool.batch, .integer(1...1000), "Containers created in a row before other work is looked at")
        table.add("backoff", \.pool.backoff, .duration, "How long nothing is created after a create that failed")
        table.add("create_timeout", \.pool.createTimeout, .durationOverZero, "A create that takes longer has failed")
        table.add("lease", \.pool.leaseTime, .durationOverZero, "How long a lease lasts without use")
        addLives(&table)
        addPrograms(&table)
        return table
    }()

    private static func addPrograms(_ table: inout SettingTable<PoolSettings>) {
        table.add(
            "env", \.programs.env, .environment,
            "Variables of programs, over those of the image and under those of the request")
        table.add(
            "cwd", \.programs.cwd, ValueKind<String>.string("an absolute path") { $0.hasPrefix("/") }.or("auto"),
            "The working directory of programs that do not say; auto is /workspace, or the first of tmpfs_paths")
        table.add(
            "uid", \.programs.uid, ValueKind<UInt32>.uid.or("auto"),
            "The user id of programs; auto is the server's")
        table.add(
            "allowed_uids", \.programs.allowedUIDs, .uids,
            "User ids that callers may ask for instead, each of which all containers then share")
        table.add("languages", \.programs.languages, .languages, "What runs code of a language")
    }

    private static func addLives(_ table: inout SettingTable<PoolSettings>) {
        table.add(
            "reuse", \.pool.reuse, .reuse,
            "What becomes of a released container: destroyed (never), or reset, proven clean and used again (reset)")
        table.add(
            "max_uses", \.pool.maxUses, ValueKind<Int>.integer(1...1_000_000_000).or("unlimited"),
            "Leases after which a container is retired (reuse: reset)")
        table.add(
            "reset_timeout", \.pool.resetTimeout, .durationOverZero,
            "A reset not proven by then has failed (reuse: reset)")
        table.add(
            "max_age", \.pool.maxAge, ValueKind<Duration>.durationOverZero.or("never"),
            "Age at which a container is retired once no lease is on it")
        table.add(
            "age_jitter", \.pool.ageJitter, .fraction,
            "Fraction of max_age by which containers are retired earlier, each at a time of its own")
        table.add(
            "max_idle", \.pool.maxIdle, ValueKind<Duration>.durationOverZero.or("never"),
            "Idle time after which a container is retired")
        table.add(
            "min_life", \.pool.minLife, .duration,
            "A container that dies unused before has died young: two in a row count as a failed create")
        table.add(
            "health_interval", \.pool.healthInterval, ValueKind<Duration>.durationOverZero.or("never"),
            "How often an idle container is asked whether it is well")
        table.add(
            "ping_timeout", \.pool.pingTimeout, .durationOverZero,
            "A container that has not answered by then is retired")
        table.add(
            "surplus_interval", \.pool.surplusInterval, .durationOverZero,
            "Time between the retirements of idle containers that demand no longer needs (adaptive size)")
    }
}
