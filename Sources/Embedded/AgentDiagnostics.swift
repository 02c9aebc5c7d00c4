// SPDX-License-Identifier: Apache-2.0

internal import CHost
internal import GatedLog
internal import Glibc
internal import Housekeeping
internal import Logging
package import Pool
internal import Synchronization

/// The standard error of members' agents: a file in memory for each, of limited size, which is logged when the member is gone.
package final class AgentDiagnostics: Sendable {
    /// Maximum bytes that are kept of one member.
    private static let bytes = 16 << 10

    private let files = Mutex<[MemberID: Int32]>([:])
    /// Limits log lines that programs can cause, in any number of containers.
    private let gate: LogGate

    init(_ logger: Logger) { gate = LogGate(logger) }

    /// A new file for a member, which stays this object's.
    package func open(_ member: MemberID) throws(RuntimeError) -> Int32 {
        let file = berth_bounded_file(Self.bytes)
        guard file >= 0 else { throw systemFailure("memfd_create", -file) }
        files.withLock { files in
            if let old = files.updateValue(file, forKey: member) { close(old) }
        }
        return file
    }

    /// The file of a member, for the program that takes this one's place.
    package func file(_ member: MemberID) -> Int32? { files.withLock { $0[member] } }

    /// Goes on with a member's file of another program.
    package func keep(_ file: Int32, _ member: MemberID) { files.withLock { $0[member] = file } }

    /// Closes the file of a create that failed: what it holds is in the error.
    package func drop(_ member: MemberID) {
        if let file = files.withLock({ $0.removeValue(forKey: member) }) { close(file) }
    }

    /// Logs and closes the file of a member that is gone.
    package func report(_ member: MemberID) {
        guard let file = files.withLock({ $0.removeValue(forKey: member) }) else { return }
        let said = Subprocess.tail(of: file)
        close(file)
        guard !said.isEmpty else { return }
        gate.log(
            .info, "a container's agent wrote to its standard error", burst: 10,
            metadata: ["member.id": "\(member)", "agent.stderr": "\(said)"])
    }

    func closeAll() {
        files.withLock { files in
            for file in files.values { close(file) }
            files = [:]
        }
    }

    deinit {
        files.withLock { files in
            for file in files.values { close(file) }
        }
    }
}
