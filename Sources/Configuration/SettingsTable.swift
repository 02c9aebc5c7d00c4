// SPDX-License-Identifier: Apache-2.0

internal import Pool

/// The table of all settings.
package enum SettingsTable {
    /// Settings of the whole server, without `pools`.
    package static var server: [Setting] { serverTable.entries.map(\.setting) }
    /// Settings of each pool.
    package static var pool: [Setting] { poolTable.entries.map(\.setting) }

    static let poolName = ValueKind<String>.string("1 to 64 of a-z, A-Z, 0-9, \".\", \"_\" and \"-\"") { name in
        name.utf8.count <= 64
            && name.unicodeScalars.allSatisfy {
                $0.isASCII && ($0.properties.isAlphabetic || "0123456789._-".unicodeScalars.contains($0))
            }
    }

    static let serverTable: SettingTable<ServerConfiguration> = {
        var table = SettingTable(standard: ServerConfiguration())
        table.add(
            "listen", \.listen, .list(.string("HOST:PORT, tls://HOST:PORT or unix:PATH")),
            "Addresses to listen on; port 0 takes a free one", needsRestart: true)
        table.add(
            "insecure", \.insecure, .boolean,
            "Listen on other addresses than loopback without TLS and tokens: whoever reaches them may run programs here",
            needsRestart: true)
        addTLS(&table)
        addAccess(&table)
        table.add(
            "http", \.http, ValueKind<String>.string("HOST:PORT").or("off"),
            "Address for a dashboard, /metrics (Prometheus), /livez and /readyz over HTTP", needsRestart: true)
        table.add(
            "socket_mode", \.socketMode, ValueKind<UInt32>.socketMode.or("auto"),
            "Permissions of a unix socket: whoever may write to it may run programs; auto is 0600, or 0660 with "
                + "socket_group", needsRestart: true)
        table.add(
            "socket_group", \.socketGroup, ValueKind<String>.string("a group's name or number").or("auto"),
            "Group of a unix socket; auto is the server's own", needsRestart: true)
        table.add(
            "runtime", \.runtime, .word,
            "Container runtime; auto takes Docker if it runs and has or can pull the images, else native, else runc; "
                + "podman is Docker's way with Podman; kubernetes makes pods in a cluster (docs/kubernetes.md)",
            needsRestart: true)
        table.add(
            "limits", \.limits, .word,
            "What native and runc do where a pool's memory, processes or cpus can't be limited, as for an ordinary user "
                + "without a delegated cgroup: not start, or go on without those limits and say so", needsRestart: true)
        table.add(
            "docker_host", \.dockerHost,
            ValueKind<String>.string("unix://PATH, tcp://HOST:PORT or ssh://USER@HOST").or("auto"),
            "Address of the Docker engine; auto is what docker itself uses ($DOCKER_HOST, its context), else the first "
                + "socket that answers: /var/run/docker.sock, docker.sock or podman/podman.sock in $XDG_RUNTIME_DIR; with the "
                + "runtime podman $CONTAINER_HOST, else podman/podman.sock in $XDG_RUNTIME_DIR or /run",
            needsRestart: true)
        addKubernetes(&table)
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
            "Name of this server in the names of its containers, unique on the host; auto is made from the port",
            needsRestart: true)
        table.add(
            "state_dir", \.stateDirectory, ValueKind<String>.string("a directory").or("auto"),
            "Directory for sockets and bundles; auto is /run/berth", needsRestart: true)
        table.add("log_format", \.logFormat, .word, "Log format", needsRestart: true)
        table.add("log_level", \.logLevel, .word, "Least severe level that is logged", needsRestart: true)
        table.add(
            "max_connections", \.maxConnections, .integer(1...1_000_000), "Maximum number of connections",
            needsRestart: true)
        table.add(
            "drain_time", \.drainTime, .duration, "Time that running programs have to end after SIGTERM",
            needsRestart: true)
        table.add(
            "execution_timeout", \.executionTimeout, .durationOverZero,
            "Time-out of a program, used when the request sets none",
            needsRestart: true)
        table.add(
            "execution_grace", \.executionGrace, .durationOverZero,
            "Time between TERM and KILL, used when the request sets none", needsRestart: true)
        table.add(
            "output_grace", \.outputGrace, .duration,
            "Maximum silence of a process that holds a program's output after its exit; then that process is killed",
            needsRestart: true)
        table.add(
            "max_output_grace", \.maxOutputGrace, .duration,
            "Maximum total time for which processes that a program left running may write its output after its exit",
            needsRestart: true)
        table.add(
            "max_execution_timeout", \.maxExecutionTimeout, .durationOverZero,
            "Maximum time-out and grace that a request may set", needsRestart: true)
        addCallers(&table)
        table.add(
            "uid", \.uid, ValueKind<UInt32>.uid.or("auto"),
            "User id of programs; auto gives each container one of its own, from uids", needsRestart: true)
        table.add(
            "uids", \.uids, .uids,
            "Range of user ids for containers: at least as many as the maximum number of containers, used by nothing else on this host",
            needsRestart: true)
        addFleet(&table)
        return table
    }()

    private static func addTLS(_ table: inout SettingTable<ServerConfiguration>) {
        let file = ValueKind<String>.string("a file in PEM").or("off")
        table.add(
            "tls.certificate", \.tlsCertificate, file,
            "The server's certificate, followed by those between it and an authority; with it, TCP addresses speak TLS",
            needsRestart: true)
        table.add("tls.key", \.tlsKey, file, "The certificate's private key", needsRestart: true)
        table.add(
            "tls.client_ca", \.tlsClientAuthorities, file,
            "Authorities from which a client's certificate must come; off asks clients for none", needsRestart: true)
    }

    /// Limits on what callers may hold of the server.
    private static func addCallers(_ table: inout SettingTable<ServerConfiguration>) {
        table.add(
            "held_memory", \.heldMemoryBytes, .size(atLeast: 16 << 20),
            "Maximum server memory held for callers: waiting requests, unfinished frames, queues, output",
            needsRestart: true)
        table.add(
            "held_memory_per_client", \.heldMemoryPerClientBytes, ValueKind<Int64>.size(atLeast: 8 << 20).or("auto"),
            "Maximum share of held_memory for one client, over all its connections; auto is half", needsRestart: true)
        table.add(
            "max_executions", \.maxExecutions, .integer(1...64),
            "Maximum number of programs and file operations in flight in one lease", needsRestart: true)
        table.add(
            "max_connects", \.maxConnects, .integer(0...256),
            "Maximum number of connections (Connect) into the container at a time in one lease", needsRestart: true)
        table.add(
            "max_watchers", \.maxWatchers, .integer(1...10_000), "Maximum number of streams that watch one execution",
            needsRestart: true)
        table.add(
            "max_contexts", \.maxContexts, .integer(0...32),
            "Maximum number of contexts, interpreters that keep their state, in one lease", needsRestart: true)
        table.add(
            "max_display", \.maxDisplayBytes, ValueKind<Int64>.size(64 << 10...3 << 20),
            "Maximum size of one display of a piece of code; a larger form is left out, and its size is reported",
            needsRestart: true)
        table.add(
            "unread_time", \.unreadTime, .durationOverZero,
            "Time for which unread output is held after the program has ended",
            needsRestart: true)
    }

    private static func addFleet(_ table: inout SettingTable<ServerConfiguration>) {
        table.add(
            "max", \.max, ValueKind<Int>.integer(1...1_000_000).or("auto"),
            "Maximum number of containers of all pools together; auto is 300, or the max of the largest pool if that is more"
        )
        table.add(
            "memory_budget", \.memoryBudgetBytes, ValueKind<Int64>.size(atLeast: 8 << 20).or("auto"),
            "Maximum sum of all containers' memory limits; auto is 80 % of the memory available at start")
        table.add(
            "tick", \.fleet.tick, .durationOverZero,
            "Maximum time between two runs of the maintenance task, which other events wake earlier")
        table.add(
            "max_waiters", \.fleet.maxWaiters, .integer(0...1_000_000),
            "Maximum length of one pool's queue of waiting acquires")
        table.add(
            "default_wait", \.fleet.defaultWait, .duration,
            "Time that an acquire waits for a container, used when the request sets none")
        table.add("max_wait", \.fleet.maxWait, .duration, "Maximum time that an acquire may wait")
        table.add(
            "connection_grace", \.fleet.connectionGrace, .duration,
            "Time for which a lease outlives the connection that acquired it")
        table.add(
            "max_per_client", \.fleet.maxPerClient, ValueKind<Int>.integer(1...1_000_000).or("unlimited"),
            "Maximum number of leases and waiting acquires of one client, together")
        table.add(
            "max_removals", \.fleet.maxConcurrentRemovals, .integer(1...1000), "Maximum number of removals in flight")
        table.add(
            "remove_timeout", \.fleet.removeTimeout, .durationOverZero,
            "Time-out of one attempt to remove a container")
        table.add("max_resets", \.fleet.maxConcurrentResets, .integer(1...10_000), "Maximum number of resets in flight")
        table.add(
            "max_pings", \.fleet.maxConcurrentPings, .integer(1...10_000), "Maximum number of health pings in flight")
    }

    static let poolTable: SettingTable<PoolSettings> = {
        var table = SettingTable(standard: PoolSettings())
        table.add(
            "image", \.image, ValueKind<String>.string("a reference, host, or a directory").or("auto"),
            "Image; host is the host's own /usr, read-only (native and runc only); auto is python:3.9-slim with Docker and "
                + "Kubernetes, else host"
        )
        table.add(
            "pull", \.pool.template.pull, .word,
            "When to pull the image: if it is missing, always (at start and at SIGHUP), or never")
        table.add(
            "runtime_name", \.pool.template.runtimeName, ValueKind<String>.runtimeName.or("auto"),
            "Low-level runtime of the containers, such as runsc (gVisor) or kata: the name that the Docker engine has for it, "
                + "or a RuntimeClass; auto is the usual one (Docker and Kubernetes only)")
        table.add(
            "network", \.pool.template.network,
            .string("none, or a network's name in the runtime (Kubernetes: cluster)"),
            "Network of the containers")
        table.add(
            "memory", \.pool.template.memoryBytes, .size(atLeast: 8 << 20), "Memory limit of a container, without swap")
        table.add(
            "processes", \.pool.template.processes, .count(2...1_000_000),
            "Maximum number of processes and threads in a container")
        table.add("cpus", \.pool.template.milliCPUs, .milliCPUs, "CPU limit of a container")
        table.add("tmpfs", \.pool.template.tmpfsBytes, .size(atLeast: 4096), "Size of each tmpfs of a container")
        table.add(
            "tmpfs_paths", \.pool.template.tmpfsPaths, .writablePaths,
            "Directories that programs can write to; HOME is /workspace, or the first of them")
        table.add(
            "open_files", \.pool.template.openFiles, .count(64...1_048_576),
            "Maximum number of descriptors of one process")
        table.add("size", \.pool.sizing, .sizing, "Containers kept warm")
        table.add(
            "max", \.pool.max, .integer(1...100_000),
            "Maximum number of containers of the pool, including those leased and those being removed")
        table.add(
            "batch", \.pool.batch, .integer(1...1000),
            "Number of containers created in a row before the maintenance task looks at other work")
        table.add("backoff", \.pool.backoff, .duration, "Time without creates after a failed one")
        table.add("create_timeout", \.pool.createTimeout, .durationOverZero, "Time-out of a create")
        table.add("lease", \.pool.leaseTime, .durationOverZero, "Time after which an unused lease ends")
        addLives(&table)
        addPrograms(&table)
        return table
    }()

    private static func addPrograms(_ table: inout SettingTable<PoolSettings>) {
        table.add(
            "env", \.programs.env, .environment,
            "Environment variables of programs; they override the image's, and the request's override them")
        table.add(
            "cwd", \.programs.cwd, ValueKind<String>.string("an absolute path") { $0.hasPrefix("/") }.or("auto"),
            "Working directory, used when the request sets none; auto is /workspace, or the first of tmpfs_paths")
        table.add(
            "uid", \.programs.uid, ValueKind<UInt32>.uid.or("auto"),
            "User id of programs; auto is the server's setting")
        table.add(
            "allowed_uids", \.programs.allowedUIDs, .uids,
            "User ids that a request may set; programs of all containers share them")
        table.add("languages", \.programs.languages, .languages, "Commands that run code, by language")
        table.add(
            "interpreters", \.programs.interpreters, .interpreters,
            "Interpreters that start, and import modules, before a container is ready; code of their language, and contexts, "
                + "are then forked from them")
    }

    private static func addLives(_ table: inout SettingTable<PoolSettings>) {
        table.add(
            "reuse", \.pool.reuse, .reuse,
            "What happens to a released container: it is destroyed (never), or reset, proven clean and used again (reset)"
        )
        table.add(
            "max_uses", \.pool.maxUses, ValueKind<Int>.integer(1...1_000_000_000).or("unlimited"),
            "Maximum number of leases of one container, after which it is retired (reuse: reset)")
        table.add(
            "reset_timeout", \.pool.resetTimeout, .durationOverZero,
            "Time-out of a reset and its proof (reuse: reset)")
        table.add(
            "max_age", \.pool.maxAge, ValueKind<Duration>.durationOverZero.or("never"),
            "Maximum age of a container; it is retired once it is not leased")
        table.add(
            "age_jitter", \.pool.ageJitter, .fraction,
            "Maximum fraction of max_age by which a container is retired earlier, random for each")
        table.add(
            "max_idle", \.pool.maxIdle, ValueKind<Duration>.durationOverZero.or("never"),
            "Maximum idle time of a container, after which it is retired")
        table.add(
            "min_life", \.pool.minLife, .duration,
            "Minimum life: two containers in a row that die unused earlier count as a failed create")
        table.add(
            "health_interval", \.pool.healthInterval, ValueKind<Duration>.durationOverZero.or("never"),
            "Time between two health pings of an idle container")
        table.add(
            "ping_timeout", \.pool.pingTimeout, .durationOverZero,
            "Time-out of a health ping, after which the container is retired")
        table.add(
            "surplus_interval", \.pool.surplusInterval, .durationOverZero,
            "Time between two retirements of idle containers that demand no longer needs (adaptive size)")
    }
}
