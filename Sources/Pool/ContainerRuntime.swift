// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// What the pool needs of Docker, runc, …: members made, members removed, leftovers found. Nothing more.
///
/// A runtime keeps no ledger of members: the pool does. Every call may be cancelled by cancelling its task,
/// and then returns soon.
package protocol ContainerRuntime: Sendable {
    /// "docker" or "runc", as in Stats and logs.
    var kind: String { get }

    /// Creates and starts a container in which berth-agent runs as PID 1, and returns the byte stream to it.
    /// Pulls the image when it is missing. Whether the agent really answers is for the caller to find out.
    ///
    /// A create that throws may leave something behind: the pool then calls `remove` until that succeeds.
    func create(_ member: MemberID, _ template: MemberTemplate) async throws(RuntimeError) -> MemberStream

    /// Removes all that `create` may have made for `member`: container, cgroup, mounts, files. Returns when it is
    /// confirmed gone. Idempotent: a member that is not there is gone.
    func remove(_ member: MemberID) async throws(RuntimeError)

    /// The members of this instance that exist in the runtime, in any state, whoever made them.
    func members() async throws(RuntimeError) -> [MemberID]

    /// Closes what the runtime holds open. Removes no members.
    func shutdown() async
}

/// A member's name, unique within an instance and over its restarts: at most 32 characters of `a-z`, `0-9` and `-`.
package struct MemberID: Hashable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// Why a runtime could not do what it was asked to.
package struct RuntimeError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The class of the cause, as the breaker keeps and Stats shows it.
    package enum Cause: String, Sendable, CaseIterable {
        case imageMissing = "image missing"
        case runtimeUnreachable = "runtime unreachable"
        case outOfMemory = "out of memory"
        case invalidConfiguration = "invalid configuration"
        case notReadyInTime = "not ready in time"
        case failed = "failed"
    }

    package var cause: Cause
    /// One line: what went wrong, in the runtime's own words where it has any.
    package var message: String
    /// The server's own process had no descriptors or memory for it, which is no fault of the runtime.
    package var isServersOwn: Bool

    package init(_ cause: Cause, _ message: String, isServersOwn: Bool = false) {
        self.cause = cause
        self.message = message
        self.isServersOwn = isServersOwn
    }

    /// - Parameter code: of a call of this process that failed.
    package init(_ cause: Cause, _ message: String, errno code: Int32) {
        self.init(cause, message, isServersOwn: Self.isShortage(code))
    }

    /// Whether a call of this process failed for want of descriptors or memory.
    package static func isShortage(_ code: Int32) -> Bool { [EMFILE, ENFILE, ENOMEM].contains(code) }

    package var description: String { "\(cause.rawValue): \(message)" }
}

/// Who programs of a member run as.
package struct MemberUser: Sendable, Equatable {
    package var uid: UInt32
    /// The names of it, and of the others that callers may ask for, in the member's /etc/passwd.
    package var names: [UInt32: String]

    package init(uid: UInt32, names: [UInt32: String] = [:]) {
        self.uid = uid
        self.names = names
    }
}

/// When an image is pulled.
package enum PullPolicy: String, Sendable, CaseIterable {
    /// When it is not there.
    case missing
    /// At every start and reload of a server.
    case always
    case never
}

/// What every member of a pool is made like. The defaults are the ones of `berth serve`.
package struct MemberTemplate: Sendable, Equatable {
    /// An image reference of the runtime; "host" is the host's own /usr, read-only (runc).
    package var image: String
    /// The very image that `image` meant when the server last looked, in the runtime's words; nil: nobody has looked.
    /// Members are made of it although a tag moves, and a pool whose image is another at a reload exchanges its members.
    package var imageIdentity: String?
    package var pull: PullPolicy
    /// "none", or a network's name in the runtime ("bridge", "host", …).
    package var network: String
    /// Memory limit in bytes, without swap.
    package var memoryBytes: Int64
    /// Processes and threads at most.
    package var processes: Int64
    /// CPU time per time, in thousandths of a CPU.
    package var milliCPUs: Int64
    /// Size of each tmpfs in bytes.
    package var tmpfsBytes: Int64
    /// The places that can be written to, each a tmpfs of its own, mode 1777, its user's own.
    package var tmpfsPaths: [String]
    /// Descriptors of a process at most.
    package var openFiles: Int64
    /// Who programs run as; nil: a user id of each member's own, from the pool's range.
    package var uid: UInt32?
    /// Who callers may have programs run as instead.
    package var allowedUIDs: [UInt32]

    package init(
        image: String = "python:3.9-slim", pull: PullPolicy = .missing, network: String = "none",
        memoryBytes: Int64 = 128 << 20, processes: Int64 = 128, milliCPUs: Int64 = 1000, tmpfsBytes: Int64 = 64 << 20,
        tmpfsPaths: [String] = ["/tmp", "/var/tmp", "/workspace"], openFiles: Int64 = 4096, uid: UInt32? = nil,
        allowedUIDs: [UInt32] = []
    ) {
        self.image = image
        self.pull = pull
        self.network = network
        self.memoryBytes = memoryBytes
        self.processes = processes
        self.milliCPUs = milliCPUs
        self.tmpfsBytes = tmpfsBytes
        self.tmpfsPaths = tmpfsPaths
        self.openFiles = openFiles
        self.uid = uid
        self.allowedUIDs = allowedUIDs
    }
}

extension MemberTemplate {
    /// Who programs run as, where nobody has chosen: no pool, no range.
    package static let standardUID: UInt32 = 1000

    /// Where programs start and keep what is theirs, unless told otherwise.
    package var home: String {
        tmpfsPaths.contains("/workspace") ? "/workspace" : tmpfsPaths.first ?? "/"
    }
}
