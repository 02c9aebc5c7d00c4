// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
package import Pool

/// One small process per server that outlives it: when the server ends, in whatever way, it removes what is left of
/// the server's members, and then the instance's files.
///
/// It is a shell that waits for the end of a pipe, in a session of its own; it costs under 1 MB and nothing else. It
/// holds the lock of the state directory until it is done, so that it never meets a successor's members. What it runs
/// is `janitor.sh`, whose text is in this program, so that an installed server is still one file.
package final class Janitor: Sendable {
    /// The process, for diagnosis.
    package let pid: Int32
    private let pipe: Int32

    /// Containers that no daemon knows of, so that the janitor has to end them itself.
    package struct Containers: Sendable {
        /// Removes those whose state is below `<state>/runc`.
        package var runcPath: String
        /// What they are in, below the mount of cgroup v2 or each of v1's; nothing else's.
        package var cgroup: String

        package init(runcPath: String, cgroup: String) {
            precondition(!cgroup.isEmpty, "without a name it would be all cgroups of the host")
            self.runcPath = runcPath
            self.cgroup = cgroup
        }
    }

    /// - Parameters:
    ///   - state: nothing outside it, and no other cgroup, is touched.
    ///   - containers: nil where the runtime's daemon has them.
    ///   - commands: further commands of the sweep, each a program and its arguments, run before anything is deleted;
    ///     for a runtime whose containers a daemon holds.
    package init(
        state: StateDirectory, containers: Containers? = nil, commands: [[String]] = []
    ) throws(RuntimeError) {
        var ends: [Int32] = [-1, -1]
        let made = berth_pipe(&ends)
        guard made == 0 else { throw systemFailure("pipe", -made) }
        defer { close(ends[0]) }
        var argv = [
            "/bin/sh", "-c", String(decoding: PackageResources.janitor_sh, as: UTF8.self), "berth-janitor", state.path,
            containers?.cgroup ?? "", containers?.runcPath ?? ":",
        ]
        for command in commands {
            argv.append(command.map(Self.quoted).joined(separator: " "))
        }
        do throws(RuntimeError) {
            pid = try Subprocess.spawn(argv, stdin: ends[0], stdout: -1, stderr: -1, keep: state.lock)
        } catch {
            close(ends[1])
            throw error
        }
        pipe = ends[1]
    }

    /// Ends the janitor, which first sweeps: after an orderly shutdown there is nothing for it to do.
    deinit {
        close(pipe)
        // Reaped here if it is quick, as it is without members, else by whoever adopts it.
        var status: Int32 = 0
        for _ in 0..<20 where waitpid(pid, &status, WNOHANG) == 0 { usleep(5000) }
    }

    /// Has the janitor end without a sweep: another is in its place.
    public func leave() {
        _ = write(pipe, "\n", 1)
    }

    private static func quoted(_ word: String) -> String {
        "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}
