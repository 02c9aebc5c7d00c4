// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Who has started this process and wants to know how it is: systemd, for a unit with Type=notify.
///
/// Each message is one datagram, see sd_notify(3). One that can't be sent within a second is lost: a manager that does not
/// read holds no server up.
package struct ServiceManager: Sendable {
    /// The path of its socket; "@" in front stands for a name without a file.
    let socket: String
    /// The manager ends a server from which it has heard nothing for this time; nil: it does not look.
    package let watchdog: Duration?

    /// That of this process; nil if nobody has asked to be told.
    package static var current: ServiceManager? {
        ServiceManager(
            socket: text("NOTIFY_SOCKET"), watchdogMicroseconds: text("WATCHDOG_USEC"), watched: text("WATCHDOG_PID"))
    }

    /// - Parameter watched: the process that WATCHDOG_USEC is meant for; nil: whoever reads it.
    init?(socket: String?, watchdogMicroseconds: String? = nil, watched: String? = nil) {
        guard let socket, socket.hasPrefix("/") || socket.hasPrefix("@"), socket.utf8.count < 108 else { return nil }
        self.socket = socket
        let isMeant = watched.map { $0 == "\(getpid())" } ?? true
        watchdog = watchdogMicroseconds.flatMap { Int64($0) }
            .flatMap { $0 > 0 && isMeant ? .microseconds($0) : nil }
    }

    /// - Parameter status: what `systemctl status` shows, one line.
    package func tellReady(_ status: String) { tell("READY=1\nSTATUS=\(status)") }

    /// Until the next `tellReady`.
    package func tellReloading() {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        tell("RELOADING=1\nMONOTONIC_USEC=\(Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000)")
    }

    /// - Parameter limit: how long it takes at most, so that the manager waits as long, whatever its own limit is.
    package func tellStopping(within limit: Duration) {
        let (seconds, attoseconds) = limit.components
        let microseconds = seconds * 1_000_000 + attoseconds / 1_000_000_000_000
        tell("STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=\(microseconds)")
    }

    /// To be called at least as often as `watchdog` says. Never blocks.
    package func tellAlive() { tell("WATCHDOG=1", isPatient: false) }

    private func tell(_ message: String, isPatient: Bool = true) {
        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var patience = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var path = Array(socket.utf8)
        if path.first == UInt8(ascii: "@") { path[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        // Without a zero at the end, which would be a part of a name without a file.
        let length = socklen_t(MemoryLayout<sa_family_t>.size + path.count)
        let flags = Int32(MSG_NOSIGNAL) | (isPatient ? 0 : Int32(MSG_DONTWAIT))
        let bytes = Array(message.utf8)
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, bytes, bytes.count, flags, $0, length)
            }
        }
    }

    private static func text(_ variable: String) -> String? { getenv(variable).map { String(cString: $0) } }
}
