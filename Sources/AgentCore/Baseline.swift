// SPDX-License-Identifier: Apache-2.0

internal import CAgent
internal import Glibc

/// The state of the container before its first program, and how to restore it.
///
/// Nothing is taken for granted: after removing, the agent checks that everything is gone. If there is something that it
/// cannot check, resets are impossible from the start.
final class Baseline {
    private let mounts: [UInt8]
    private let places: [Place]
    private let devices: [Device]
    private let own: berth_own_state
    private var sockets: [String: Int]
    private var hasRunPrograms = false

    /// How long to wait for what the kernel frees some time after the last process has ended, for example deleted files, and
    /// sockets that were sent over sockets.
    private static let settling: UInt64 = 200_000_000

    /// Records the state of the container. It must be called as process 1, before any program runs.
    init() throws(Unprovable) {
        guard getpid() == 1 else { throw Unprovable("the agent is not process 1 of a container") }
        guard let table = readAll(path: Baseline.mountTable), let all = Mount.all(in: table) else {
            throw Unprovable("\(Baseline.mountTable) cannot be read")
        }
        mounts = table
        places = try Baseline.places(in: all)
        devices = all.filter(\.isWritable).compactMap(Device.init(mount:))
        guard all.contains(where: { $0.type == "mqueue" }) else {
            throw Unprovable("no mqueue is mounted, so that POSIX message queues cannot be seen")
        }
        guard berth_has_ipc() == 0 else { throw Unprovable("IPC objects are there from the start, or cannot be seen") }
        // Podman's own filter lets programs use them.
        guard berth_can_use_keyrings() == 0 || (berth_refuse_keyrings() == 0 && berth_can_use_keyrings() == 0) else {
            throw Unprovable("programs may use the kernel's keyrings")
        }
        own = Baseline.ownState()
        sockets = Baseline.socketCounts()
    }

    /// Must be called before a program runs: whatever created the container may have held sockets in it when the agent began.
    func beforeProgram() {
        guard !hasRunPrograms else { return }
        hasRunPrograms = true
        sockets.merge(Baseline.socketCounts(), uniquingKeysWith: min)
    }

    private static let mountTable = "/proc/self/mountinfo"

    private static func places(in mounts: [Mount]) throws(Unprovable) -> [Place] {
        var places: [Place] = []
        for mount in mounts where mount.isWritable && !isClosed(mount.path) {
            switch mount.type {
            case "proc":
                // Processes, and settings that the runtime has made read-only.
                continue
            case "tmpfs", "mqueue", "devpts":
                var status = stat()
                guard lstat(mount.path, &status) == 0 else { throw Unprovable("\(mount.path): \(lastErrorWords())") }
                switch status.st_mode & S_IFMT {
                case S_IFDIR: places.append(try Place(path: mount.path))
                case S_IFCHR: continue  // /dev/null over a file that is to be hidden
                default: throw Unprovable("\(mount.path) is a file that can be written to")
                }
            case "devtmpfs" where Device(mount: mount) != nil:
                // Rootless engines may not make devices, and mount the host's own.
                continue
            default:
                throw Unprovable("\(mount.path) can be written to and is not in memory, but \(mount.type)")
            }
        }
        return places
    }

    /// Whether it is a file of root that nobody else may write to. Programs never run as root, nor with its capabilities.
    private static func isClosed(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && status.st_uid == 0 && getuid() == 0
            && status.st_mode & 0o022 == 0
    }

    /// Ends everything but the agent, removes what programs have left, and checks that.
    /// - Parameter deadline: in terms of `monotonicNow`.
    func restore(sparing zygotes: [pid_t] = [], users: Set<UInt32> = [], deadline: UInt64) throws(Unprovable) {
        try Baseline.endAll(but: zygotes, users, deadline: deadline)
        // This frees memory, which the following steps may need.
        try emptyPlaces(deadline: deadline)
        try Baseline.expect(berth_remove_ipc(deadline), "IPC objects could not be removed")
        let settled = min(deadline, monotonicNow() + Baseline.settling)
        Baseline.collectSockets()
        while let difference = try difference(sparing: zygotes, users, deadline: settled) {
            guard monotonicNow() < settled else { throw Unprovable(difference) }
            usleep(500)
            Baseline.collectSockets()
        }
    }

    /// Sockets that were sent over each other, and files in them, are freed when the kernel collects garbage; it does when a
    /// unix socket is closed.
    private static func collectSockets() {
        let socket = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        if socket >= 0 { close(socket) }
    }

    private static func expect(_ result: Int32, _ words: String) throws(Unprovable) {
        guard result == 0 else { throw Unprovable("\(words): \(String(cString: strerror(-result)))") }
    }

    /// Removes what has been written since the start.
    func emptyPlaces(deadline: UInt64) throws(Unprovable) {
        for place in places { try place.restore(deadline: deadline) }
    }

    private static func endAll(but zygotes: [pid_t], _ users: Set<UInt32>, deadline: UInt64) throws(Unprovable) {
        let result =
            zygotes.isEmpty
            ? berth_end_all_others(deadline)
            : berth_end_all_but(zygotes, Int32(zygotes.count), Array(users), Int32(users.count), deadline)
        try expect(result, "processes are left")
    }

    private func difference(
        sparing zygotes: [pid_t], _ users: Set<UInt32>, deadline: UInt64
    ) throws(Unprovable) -> String? {
        // Again: this finds a process that came from outside meanwhile.
        try Baseline.endAll(but: zygotes, users, deadline: deadline)
        guard readAll(path: Baseline.mountTable) == mounts else { return "the mounts have changed" }
        for place in places {
            if let difference = try place.difference() { return difference }
        }
        for device in devices where Device(path: device.path) != device {
            return "\(device.path) is not the device that it was"
        }
        guard berth_has_ipc() == 0 else { return "IPC objects are left, or cannot be seen" }
        var then = own
        var now = Baseline.ownState()
        guard berth_is_same_state(&then, &now) != 0 else { return "limits or priorities of the agent have changed" }
        // Each zygote and the agent have the ends of one.
        let left = Baseline.socketCounts().filter { name, count in
            count > (sockets[name] ?? 0) + (name == "sockets: used" ? 2 * zygotes.count : 0)
        }
        guard left.isEmpty else {
            return "sockets are left: \(left.map { "\($0.value) \($0.key)" }.sorted().joined(separator: ", "))"
        }
        return nil
    }

    private static func ownState() -> berth_own_state {
        var state = berth_own_state()
        berth_get_own_state(&state)
        return state
    }

    /// The number of sockets of the network namespace by kind, including those in TIME_WAIT, without what the kernel counts
    /// for the whole machine.
    private static func socketCounts() -> [String: Int] {
        ["/proc/self/net/sockstat", "/proc/self/net/sockstat6"].reduce(into: [:]) { counts, path in
            let text = String(decoding: readAll(path: path) ?? [], as: UTF8.self)
            counts.merge(Baseline.counts(in: text)) { first, _ in first }
        }
    }

    static func counts(in text: String) -> [String: Int] {
        var counts: [String: Int] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            for (name, value) in zip(words.dropFirst(), words.dropFirst(2))
            where ["used", "inuse", "tw"].contains(name) {
                counts["\(words[0]) \(name)"] = Int(value)
            }
        }
        return counts
    }
}
