// SPDX-License-Identifier: Apache-2.0

internal import CHost
internal import CLinux
internal import Glibc
internal import Synchronization

/// A program of the outside. (Foundation's `Process` has crashed in `run()` twice in long test runs.)
///
/// It has a session of its own, no blocked signals, and no descriptors but the three that it is given.
package final class ChildProcess: Sendable {
    package let pid: Int32
    private let ended = Mutex<Int32?>(nil)

    /// - Parameters:
    ///   - environment: added to this process's own.
    ///   - directory: where it starts; nil is here.
    ///   - input: its stdin; nil is /dev/null.
    ///   - output: its stdout; nil is this process's.
    ///   - errors: its stderr; nil is this process's.
    package init(
        _ path: String, _ arguments: [String], environment: [String: String] = [:], directory: String? = nil,
        input: Int32? = nil, output: Int32? = nil, errors: Int32? = nil
    ) throws(MissingPart) {
        let command = directory.map { ["/usr/bin/env", "-C", $0, path] } ?? [path]
        var words: [UnsafeMutablePointer<CChar>?] = (command + arguments).map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = Self.environment(with: environment).map { strdup($0) } + [nil]
        defer { for pointer in words + variables { free(pointer) } }
        let pid = berth_spawn(&words, &variables, input ?? -1, output ?? 1, errors ?? 2, -1)
        guard pid > 0 else { throw MissingPart("\(path): \(String(cString: strerror(-pid)))") }
        self.pid = pid
        watch()
    }

    /// Its exit code, 128+n for signal n, as a shell says it; nil while it runs.
    package var status: Int32? { ended.withLock { $0 } }

    package func signal(_ number: Int32) {
        ended.withLock { status in
            if status == nil { _ = kill(pid, number) }
        }
    }

    /// Blocks until it has ended.
    @discardableResult
    package func wait() -> Int32 {
        while true {
            if let status { return status }
            var info = siginfo_t()
            // It may be gone already, if the watching thread was first.
            _ = waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT)
            usleep(200)
        }
    }

    private func watch() {
        let context = Unmanaged.passRetained(self).toOpaque()
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<ChildProcess>.fromOpaque(context).takeRetainedValue().reap() }
                return nil
            }, context)
        precondition(code == 0, "no thread: \(String(cString: strerror(code)))")
        pthread_detach(thread)
    }

    /// The number is given back under the lock, so that no signal goes to another process that has it next.
    private func reap() {
        var info = siginfo_t()
        while waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR {}
        ended.withLock { ended in
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
            ended = status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
        }
    }

    private static func environment(with added: [String: String]) -> [String] {
        var variables: [String] = []
        var next = berth_environment()
        while let variable = next.pointee {
            let text = String(cString: variable)
            if added[String(text.prefix { $0 != "=" })] == nil { variables.append(text) }
            next += 1
        }
        return variables + added.map { "\($0.key)=\($0.value)" }
    }
}
