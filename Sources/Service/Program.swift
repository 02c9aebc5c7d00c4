internal import Pool
internal import RPC
internal import Schema

/// An `Execute` request, checked: what to run, complete but for what the image adds.
struct Program {
    /// Where programs are looked for, and what else they can rely on, when neither image nor request says.
    static let defaults = [
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/workspace",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
    ]
    static let workingDirectory = "/workspace"

    let argv: [String]
    let env: [String: String]
    let cwd: String
    let uid: UInt32
    let stdin: [UInt8]
    let timeoutMilliseconds: UInt64
    let graceMilliseconds: UInt64
    /// Output sent to the caller and not acknowledged, in bytes; nil: no window.
    let window: UInt64?
    /// How long it goes on, and is kept, when nobody watches; nil: not at all.
    let resumable: Duration?
    let unwatched: Unwatched

    init(_ request: ExecuteRequest, _ limits: ServiceLimits) throws(RPCError) {
        guard let name = request.argv.first else {
            throw RPCError(.invalidArgument, "argv is empty: its first element is the program")
        }
        guard !name.isEmpty else { throw RPCError(.invalidArgument, "argv[0] is empty: it is the program") }
        guard request.lease.isEmpty || request.pool.isEmpty else {
            throw RPCError(.invalidArgument, "both lease and pool are given: a lease has its pool already")
        }
        guard request.cwd.isEmpty || request.cwd.hasPrefix("/") else {
            throw RPCError(.invalidArgument, "cwd \"\(request.cwd)\" is not absolute")
        }
        for name in request.env.keys where name.isEmpty || name.contains("=") {
            throw RPCError(.invalidArgument, "env has the name \"\(name)\": a name is not empty and has no \"=\"")
        }
        // To the kernel, this one means "no change", which would be root.
        guard request.uid != .max else { throw RPCError(.invalidArgument, "uid \(request.uid) is no user's") }
        window = try Program.window(request.windowBytes)
        let longest = limits.maxTimeout.wholeMilliseconds
        for (field, value) in [
            ("timeout_ms", request.timeoutMilliseconds), ("grace_ms", request.graceMilliseconds),
            ("resumable_ms", request.resumableMilliseconds),
        ]
        where UInt64(value) > longest {
            throw RPCError(.invalidArgument, "\(field) is \(value), more than the longest, \(longest)")
        }
        argv = request.argv
        env = request.env
        cwd = request.cwd.isEmpty ? Program.workingDirectory : request.cwd
        uid = request.uid == 0 ? limits.uid : request.uid
        stdin = request.stdin
        resumable = request.resumableMilliseconds == 0 ? nil : .milliseconds(request.resumableMilliseconds)
        unwatched = request.unwatched
        timeoutMilliseconds =
            request.timeoutMilliseconds == 0
            ? limits.defaultTimeout.wholeMilliseconds : UInt64(request.timeoutMilliseconds)
        graceMilliseconds =
            request.graceMilliseconds == 0 ? limits.defaultGrace.wholeMilliseconds : UInt64(request.graceMilliseconds)
    }

    /// A request's window_bytes, checked.
    static func window(_ bytes: UInt64) throws(RPCError) -> UInt64? {
        guard bytes == 0 || (64 << 10...1 << 20).contains(bytes) else {
            throw RPCError(
                .invalidArgument, "window_bytes is \(bytes): it is 65536 (64 KiB) to 1048576 (1 MiB), or 0 for none")
        }
        return bytes == 0 ? nil : bytes
    }

    /// As it is told: what is long is cut.
    var listedArgv: [String] {
        var left = 1024
        var listed: [String] = []
        for argument in argv {
            guard left > 0, listed.count < 64 else {
                listed.append("…")
                break
            }
            let length = min(argument.utf8.count, 256, left)
            listed.append(
                length == argument.utf8.count
                    ? argument : String(decoding: argument.utf8.prefix(length), as: UTF8.self) + "…")
            left -= length + 1
        }
        return listed
    }

    /// - Parameter image: the image's own environment, `NAME=value`; the request's goes before it, the defaults behind.
    func request(image: [String]) -> Agent.ExecuteRequest {
        var complete = Program.defaults
        for entry in image {
            guard let separator = entry.firstIndex(of: "=") else { continue }
            let name = String(entry[..<separator])
            // The agent's own home is root's.
            if name != "HOME" { complete[name] = String(entry[entry.index(after: separator)...]) }
        }
        complete.merge(env) { _, asked in asked }
        return Agent.ExecuteRequest(
            execution: 0, argv: argv, env: complete.map { "\($0)=\($1)" }, cwd: cwd, uid: uid, gid: uid, stdin: stdin,
            timeoutMilliseconds: timeoutMilliseconds, graceMilliseconds: graceMilliseconds)
    }
}
