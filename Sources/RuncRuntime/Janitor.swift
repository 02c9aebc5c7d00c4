internal import CLinux
internal import Glibc
public import Pool

/// One small process per server that outlives it: when the server ends, in whatever way, it removes what is left of
/// the server's members, and then the instance's files.
///
/// It is a shell that waits for the end of a pipe, in a session of its own; it costs under 1 MB and nothing else. It
/// holds the lock of the state directory until it is done, so that it never meets a successor's members.
public final class Janitor: Sendable {
    /// The process, for diagnosis.
    public let pid: Int32
    private let pipe: Int32

    /// - Parameters:
    ///   - state: nothing outside it, and no cgroup but the instance's, is touched.
    ///   - runcPath: removes the containers whose state is below `<state>/runc`.
    ///   - commands: further commands of the sweep, each a program and its arguments, run before anything is deleted;
    ///     for a runtime whose containers a daemon holds.
    public init(
        state: StateDirectory, instance: String, runcPath: String? = nil, commands: [[String]] = []
    ) throws(RuntimeError) {
        var ends: [Int32] = [-1, -1]
        guard berth_runc_pipe(&ends) == 0 else { throw RuntimeError(.failed, "pipe: \(lastError())") }
        defer { close(ends[0]) }
        var argv = [
            "/bin/sh", "-c", Self.script, "berth-janitor", state.path,
            Cgroups(instance: instance, stateDirectory: state.path).parent, runcPath ?? ":",
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

    private static func quoted(_ word: String) -> String {
        "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }

    /// $1 state directory, $2 the members' cgroup, below the mount of v2 or each of v1's, $3 runc, $4… commands.
    ///
    /// - The agents end by themselves when their streams end: up to 2 s for that, then force.
    /// - Mounts below the state directory are detached before anything is deleted: a bind mount must not be emptied.
    private static let script = #"""
        trap '' INT TERM HUP QUIT PIPE
        state=$1 group=$2 runc=$3
        shift 3
        cd / && read -r _
        all() { for g in /sys/fs/cgroup/"$group"/*/ /sys/fs/cgroup/*/"$group"/*/; do [ -d "$g" ] && echo "$g"; done; }
        alive() { for g in $(all); do [ -n "$(cat "$g/cgroup.procs" 2>/dev/null)" ] && return 0; done; return 1; }
        i=0
        while [ $i -lt 20 ] && alive; do sleep 0.1; i=$((i + 1)); done
        for command in "$@"; do timeout -k 1 5 sh -c "$command" 3>&-; done
        i=0
        while [ $i -lt 40 ]; do
            for g in $(all); do
                for p in $(cat "$g/cgroup.procs" 2>/dev/null); do kill -9 "$p" 2>/dev/null; done
            done
            for d in "$state"/runc/*/; do
                [ -d "$d" ] && timeout -k 1 3 "$runc" --root "$state/runc" delete --force "$(basename "$d")" 3>&-
            done
            for g in $(all); do find "$g" -depth -type d -exec rmdir {} + 2>/dev/null; done
            [ -z "$(all)" ] && break
            sleep 0.1
            i=$((i + 1))
        done
        rmdir /sys/fs/cgroup/"$group" /sys/fs/cgroup/*/"$group" 2>/dev/null
        while read -r _ mount _; do
            case $mount in "$state"/*) umount -l "$mount" ;; esac
        done </proc/mounts
        if ! grep -q " $state/" /proc/mounts; then
            rm -rf "$state/members" "$state/runc" "$state/roots"
            # Held until the end: a server that waits for it looks whether the file is still there, and makes another.
            [ -z "$(ls "$state" | grep -vx lock)" ] && rm -f "$state/lock" && rmdir "$state" 2>/dev/null
        fi
        exit 0
        """#
}
