// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
package import Pool

/// A small process that outlives the server: when the server ends, for whatever reason, it removes the remaining
/// members of the server and then the files of its instance.
///
/// It is a shell that waits for the end of a pipe, in a session of its own, and needs less than 1 MB. It holds the lock
/// of the state directory until it is done, so that it never meets the members of the next server. The text of its
/// script, `janitor.sh`, is part of this program, so that an installed server is still one file.
package final class Janitor: Sendable {
    /// The process id, for diagnosis.
    package let pid: Int32
    /// With whose end the janitor begins. The program that takes this one's place goes on with it.
    package let pipe: Int32

    /// Containers that no daemon manages, so that the janitor has to remove them itself.
    package struct Containers: Sendable {
        /// Path of the runc that removes the containers whose state is in `<state>/runc`; nil if there are none.
        package var runcPath: String?
        /// The cgroup that holds only these containers, relative to the mount of cgroup v2 or to each mount of v1.
        package var cgroup: String

        package init(runcPath: String?, cgroup: String) {
            precondition(!cgroup.isEmpty, "an empty name would stand for all cgroups of the host")
            self.runcPath = runcPath
            self.cgroup = cgroup
        }
    }

    /// - Parameters:
    ///   - state: the directory to sweep. The janitor deletes nothing outside of it, except for the cgroup of
    ///     `containers`.
    ///   - containers: nil if a daemon of the runtime manages them.
    ///   - commands: further commands, each a program and its arguments, which run before anything is deleted. They are
    ///     for runtimes whose containers a daemon manages.
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

    /// Goes on with the janitor of the program whose place this one has taken.
    package init(goingOn pid: Int32, pipe: Int32) {
        self.pid = pid
        self.pipe = pipe
    }

    /// Closes the pipe: the janitor sweeps and ends. After an orderly shutdown it finds nothing to do.
    deinit {
        close(pipe)
        // Without members the janitor ends at once, and is reaped here; otherwise init reaps it later.
        var status: Int32 = 0
        for _ in 0..<20 where waitpid(pid, &status, WNOHANG) == 0 { usleep(5000) }
    }

    /// Ends the janitor without a sweep, because another one has taken its place.
    public func leave() {
        _ = write(pipe, "\n", 1)
    }

    private static func quoted(_ word: String) -> String {
        "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}
