// SPDX-License-Identifier: Apache-2.0

internal import CHost
internal import CLinux
internal import Glibc
internal import Synchronization

/// A program of the host. (`Process` of Foundation has crashed in `run()` twice in long test runs.)
///
/// It has its own session, no blocked signals, and only the three given descriptors.
package final class ChildProcess: Sendable {
    package let pid: Int32
    private let ended = Mutex<Int32?>(nil)

    /// - Parameters:
    ///   - environment: variables to add to the environment of this process.
    ///   - directory: its working directory; nil: that of this process.
    ///   - input: its stdin; nil: /dev/null.
    ///   - output: its stdout; nil: that of this process.
    ///   - errors: its stderr; nil: that of this process.
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

    /// Its exit code, 128+n for signal n; nil while it runs.
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
            // The watching thread may have reaped it already.
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

    /// It is reaped under the lock, so that no signal goes to another process that gets the same pid.
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
