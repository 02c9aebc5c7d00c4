// SPDX-License-Identifier: Apache-2.0

internal import AgentLink
internal import AgentSchema
internal import BerthRPC
internal import BerthSchema
internal import Pool

/// A checked `Execute` request: what to run, without the defaults of pool and image.
struct ProgramRequest {
    /// The server's default environment.
    static let environment = [
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
    ]
    static let terminalType = "xterm-256color"

    private let request: ExecuteRequest
    private let limits: ServiceLimits
    private let terminal: Agent.Terminal?
    let command: ProgramSource
    let timeoutMilliseconds: UInt64
    let graceMilliseconds: UInt64
    /// Maximum bytes of output sent to the caller and not acknowledged; nil is no window.
    let window: UInt64?
    /// How long it continues, and is kept, when nobody watches; nil is not at all.
    let resumable: Duration?
    var unwatched: Unwatched { request.unwatched }
    var keepsBackground: Bool { request.keepsBackground }

    /// - Throws: INVALID_ARGUMENT for the first thing that is wrong.
    init(_ request: ExecuteRequest, _ limits: ServiceLimits) throws(RPCError) {
        self.request = request
        self.limits = limits
        command = try ProgramSource(request)
        guard request.lease.isEmpty || request.pool.isEmpty else {
            throw RPCError(.invalidArgument, "both lease and pool are given: a lease has its pool already")
        }
        guard request.cwd.isEmpty || request.cwd.hasPrefix("/") else {
            throw RPCError(.invalidArgument, "cwd \"\(request.cwd)\" is not absolute")
        }
        for (index, entry) in request.envBytes.enumerated() {
            guard let separator = entry.firstIndex(of: UInt8(ascii: "=")), separator > 0, !entry.contains(0) else {
                throw RPCError(
                    .invalidArgument, "env_raw[\(index)] is not NAME=value, with a name and without a NUL byte")
            }
        }
        for name in request.env.keys where name.isEmpty || name.contains("=") {
            throw RPCError(.invalidArgument, "env has the name \"\(name)\": a name is not empty and has no \"=\"")
        }
        // To the kernel this id means "no change", and so would be root.
        guard request.uid != .max else { throw RPCError(.invalidArgument, "uid \(request.uid) is not a valid user id") }
        let longest = limits.maxTimeout.wholeMilliseconds
        for (field, value) in [
            ("timeout_ms", request.timeoutMilliseconds), ("grace_ms", request.graceMilliseconds),
            ("idle_timeout_ms", request.idleTimeoutMilliseconds), ("cpu_time_ms", request.cpuTimeMilliseconds),
            ("resumable_ms", request.resumableMilliseconds),
        ] where UInt64(value) > longest {
            throw RPCError(.invalidArgument, "\(field) is \(value), more than the longest, \(longest)")
        }
        if request.outputPolicy != .truncate, request.maxOutputBytes == 0 {
            throw RPCError(.invalidArgument, "output_policy is given without max_output_bytes, which it belongs to")
        }
        if request.unwatched != .runOn, request.resumableMilliseconds == 0 {
            throw RPCError(.invalidArgument, "unwatched is given without resumable_ms, which it belongs to")
        }
        window = try ProgramRequest.window(request.windowBytes)
        if let asked = request.terminal { terminal = try ProgramRequest.terminal(asked) } else { terminal = nil }
        resumable = request.resumableMilliseconds == 0 ? nil : .milliseconds(request.resumableMilliseconds)
        timeoutMilliseconds =
            request.timeoutMilliseconds == 0
            ? limits.defaultTimeout.wholeMilliseconds : UInt64(request.timeoutMilliseconds)
        graceMilliseconds =
            request.graceMilliseconds == 0 ? limits.defaultGrace.wholeMilliseconds : UInt64(request.graceMilliseconds)
    }

    /// - Parameter user: user of the container, if it is known already.
    /// - Throws: PERMISSION_DENIED if the request names a user that the pool does not allow.
    func checkUser(_ pool: ProgramDefaults, _ user: MemberUser?) throws(RPCError) {
        // Before there is a container, its user is known only if the configuration has one for all.
        let own = user?.uid ?? pool.uid
        guard request.uid != 0, request.uid != own, !pool.allowedUIDs.contains(request.uid) else { return }
        let others = pool.allowedUIDs.map { "\($0)" }.joined(separator: ", ")
        throw RPCError(
            .permissionDenied,
            "uid \(request.uid) is not for callers of this pool: leave it at 0"
                + (others.isEmpty ? ", or have the operator set allowed_uids" : ", or take one of \(others)"))
    }

    /// A request's window_bytes, checked.
    static func window(_ bytes: UInt64) throws(RPCError) -> UInt64? {
        guard bytes == 0 || (64 << 10...1 << 20).contains(bytes) else {
            throw RPCError(
                .invalidArgument, "window_bytes is \(bytes): it is 65536 (64 KiB) to 1048576 (1 MiB), or 0 for none")
        }
        return bytes == 0 ? nil : bytes
    }

    /// A terminal's size, checked.
    static func terminal(_ asked: Terminal) throws(RPCError) -> Agent.Terminal {
        for (field, value) in [("rows", asked.rows), ("columns", asked.columns)] where value > UInt16.max {
            throw RPCError(.invalidArgument, "terminal.\(field) is \(value), more than the maximum, \(UInt16.max)")
        }
        return Agent.Terminal(rows: asked.rows, columns: asked.columns, hidesInput: asked.hidesInput)
    }

    /// The agent's request. Settings of the request override the pool's, those override the image's, and those the server's.
    ///
    /// - Parameters:
    ///   - argv: the program and its arguments, in this pool.
    ///   - image: the image's environment.
    ///   - user: user of the container; nil if the runtime leaves that to the server.
    func request(argv: [SystemString], _ pool: ProgramDefaults, image: ImageEnvironment, user: MemberUser?)
        -> Agent.ExecuteRequest
    {
        let uid = request.uid == 0 ? user?.uid ?? pool.uid ?? limits.uid : request.uid
        var env = image.text
        for (name, value) in ProgramRequest.environment where env[name] == nil { env[name] = value }
        env["HOME"] = pool.home
        if terminal != nil, image.text["TERM"] == nil { env["TERM"] = ProgramRequest.terminalType }
        // The user's names, and not those of the image's own user.
        env["USER"] = user?.names[uid]
        env["LOGNAME"] = user?.names[uid]
        // Entries that are not UTF-8, by name. A program finds the first of two values of a name, so there must be only one.
        var raw = image.raw
        if !raw.isEmpty {
            for name in ["USER", "LOGNAME"] + pool.env.keys + request.env.keys { raw[Array(name.utf8)] = nil }
            for name in raw.keys {
                if let text = String(validating: name, as: UTF8.self) { env[text] = nil }
            }
        }
        env.merge(pool.env) { _, asked in asked }
        env.merge(request.env) { _, asked in asked }
        for entry in request.envBytes {
            let name = Array(entry.prefix { $0 != UInt8(ascii: "=") })
            if let text = String(validating: name, as: UTF8.self) { env[text] = nil }
            raw[name] = entry
        }
        var variables: [SystemString] = []
        variables.reserveCapacity(env.count + raw.count)
        for (name, value) in env { variables.append(SystemString("\(name)=\(value)")) }
        for entry in raw.values { variables.append(SystemString(entry)) }
        return Agent.ExecuteRequest(
            execution: 0, argv: argv, env: variables,
            cwd: request.cwd.isEmpty ? SystemString(pool.cwd) : request.cwd, uid: uid, gid: uid, stdin: request.stdin,
            timeoutMilliseconds: timeoutMilliseconds,
            graceMilliseconds: graceMilliseconds, keepsStdinOpen: request.keepsStdinOpen || terminal != nil,
            terminal: terminal, maxOutputBytes: request.maxOutputBytes,
            killsAtMaxOutput: request.outputPolicy == .kill,
            idleTimeoutMilliseconds: UInt64(request.idleTimeoutMilliseconds),
            cpuTimeMilliseconds: UInt64(request.cpuTimeMilliseconds), keepsBackground: request.keepsBackground,
            mergesOutput: request.mergesOutput, outputGraceMilliseconds: limits.outputGrace.wholeMilliseconds,
            outputGraceMaxMilliseconds: limits.maxOutputGrace.wholeMilliseconds,
            warmLanguage: command.warmLanguage(pool) ?? "")
    }
}
