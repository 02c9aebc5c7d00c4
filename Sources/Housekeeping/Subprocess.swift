// SPDX-License-Identifier: Apache-2.0

internal import CHost
internal import Glibc
package import Pool

/// Runs programs and waits for their end. For threads that may block.
package enum Subprocess {
    /// The PATH of every tool, so that tools are found in the same places on every host.
    package static let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    package struct Outcome {
        /// The wait status: 0 is success.
        package var status: Int32
        /// What the program wrote to standard output and standard error, unless they were redirected; at most the last
        /// 4 KiB.
        package var output: String
    }

    /// Runs a program and waits for its end. On a time-out or cancellation, the program and its children are killed.
    /// - Parameter seconds: the time-out.
    package static func run(
        _ argv: [String], stdin: Int32 = -1, stdout: Int32 = -1, stderr: Int32 = -1, environment: [String] = [],
        seconds: Int32, _ cancellation: Cancellation
    ) throws(RuntimeError) -> Outcome {
        try cancellation.check()
        let capture = berth_memory_file()
        guard capture >= 0 else { throw systemFailure("memfd_create", -capture) }
        defer { close(capture) }
        let pid = try spawn(
            argv, environment: environment, stdin: stdin, stdout: stdout >= 0 ? stdout : capture,
            stderr: stderr >= 0 ? stderr : capture)
        var status: Int32 = 0
        switch berth_wait(pid, cancellation.descriptor, seconds * 1000, &status) {
        case 0: return Outcome(status: status, output: tail(of: capture))
        case -ECANCELED: throw RuntimeError(.failed, "\(name(argv)) was cancelled")
        case -ETIME: throw RuntimeError(.notReadyInTime, "\(name(argv)) did not end within \(seconds) s")
        case let code: throw systemFailure(name(argv), -code)
        }
    }

    /// Starts a program without waiting for it.
    /// - Parameter keep: a descriptor that becomes the program's descriptor 3; -1: none.
    /// - Returns: its process id.
    package static func spawn(
        _ argv: [String], environment: [String] = [], stdin: Int32, stdout: Int32, stderr: Int32, keep: Int32 = -1
    ) throws(RuntimeError) -> Int32 {
        var arguments: [UnsafeMutablePointer<CChar>?] = argv.map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] =
            (["PATH=\(path)", "HOME=/root", "LC_ALL=C"] + environment).map { strdup($0) } + [nil]
        defer { for pointer in arguments + variables { free(pointer) } }
        let pid = berth_spawn(&arguments, &variables, stdin, stdout, stderr, keep)
        guard pid > 0 else {
            throw RuntimeError(
                .runtimeUnreachable, "\(argv.first ?? "") can't be run: \(String(cString: strerror(-pid)))",
                isServersOwn: -pid == EAGAIN || RuntimeError.isShortage(-pid))
        }
        return pid
    }

    /// The last `limit` bytes of a file. Only its last 64 KiB are read, up to the first NUL in them.
    package static func tail(of descriptor: Int32, limit: Int = 4096) -> String {
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        var end = off_t(0)
        var info = stat()
        if fstat(descriptor, &info) == 0 { end = info.st_size }
        let start = max(0, end - off_t(bytes.count))
        let count = max(0, pread(descriptor, &bytes, bytes.count, start))
        return String(decoding: bytes.prefix(count).prefix { $0 != 0 }.suffix(limit), as: UTF8.self)
    }

    /// The full path of a tool, which is searched in the server's PATH and then in `path`; nil if it is not found.
    package static func find(_ tool: String) -> String? {
        if tool.contains("/") { return access(tool, X_OK) == 0 ? tool : nil }
        let inherited = getenv("PATH").map { String(cString: $0) } ?? ""
        for directory in "\(inherited):\(path)".split(separator: ":") where directory.hasPrefix("/") {
            let candidate = "\(directory)/\(tool)"
            if access(candidate, X_OK) == 0 { return candidate }
        }
        return nil
    }

    private static func name(_ argv: [String]) -> String { argv.prefix(1).joined() }
}
