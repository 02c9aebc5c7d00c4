// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// What the pool needs from Docker, runc, …: creating members, removing them, and listing what exists.
///
/// A runtime keeps no ledger of members: the pool does. Every call can be cancelled by cancelling its task, and must then
/// return soon.
public protocol ContainerRuntime: Sendable {
    /// "docker", "podman", "native", "runc" or "kubernetes", as in Stats and logs.
    var kind: String { get }

    /// Creates and starts a container in which berth-agent runs as PID 1, and returns the byte stream to it.
    /// Pulls the image if it is missing. The caller checks that the agent answers.
    ///
    /// A create that throws may leave something behind: the pool then calls `remove` until that succeeds.
    func create(_ member: MemberID, _ template: MemberTemplate) async throws(RuntimeError) -> MemberStream

    /// Removes everything that `create` may have made for `member`: container, cgroup, mounts, files. Returns when all of it
    /// is confirmed gone. Idempotent: an unknown member is gone.
    func remove(_ member: MemberID) async throws(RuntimeError)

    /// The members of this instance that exist in the runtime, in any state, also those of an earlier server.
    func members() async throws(RuntimeError) -> [MemberID]

    /// Tells of members that the runtime takes back, from now on: each as soon as it is known, once or more.
    func watchEvictions(_ told: @escaping @Sendable (MemberID, Eviction) -> Void)

    /// Closes what the runtime holds open. Removes no members.
    func shutdown() async
}

extension ContainerRuntime {
    public func watchEvictions(_ told: @escaping @Sendable (MemberID, Eviction) -> Void) {}
}

/// A member is taken back by whoever owns the machines: its node is drained, somebody has deleted its pod.
public struct Eviction: Sendable, Equatable {
    /// One line: why.
    public var message: String
    /// How long what runs in it may go on; nil is until the member ends by itself, or its lease does.
    public var grace: Duration?

    public init(_ message: String, grace: Duration? = nil) {
        self.message = message
        self.grace = grace
    }
}

/// A member's name, unique within an instance and over its restarts: at most 32 characters of `a-z`, `0-9` and `-`.
public struct MemberID: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}

/// Why a call of a runtime failed.
public struct RuntimeError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kind of the cause, as in Stats.
    public enum Cause: String, Sendable, CaseIterable {
        case imageMissing = "image missing"
        case runtimeUnreachable = "runtime unreachable"
        case outOfMemory = "out of memory"
        case invalidConfiguration = "invalid configuration"
        case notReadyInTime = "not ready in time"
        case failed = "failed"
    }

    public var cause: Cause
    /// One line: what went wrong, in the runtime's own words if it gave any.
    public var message: String
    /// Whether the server's own process lacked descriptors or memory, which is not the runtime's fault.
    public var isServersOwn: Bool

    public init(_ cause: Cause, _ message: String, isServersOwn: Bool = false) {
        self.cause = cause
        self.message = message
        self.isServersOwn = isServersOwn
    }

    /// - Parameter code: the errno of a system call of this process.
    public init(_ cause: Cause, _ message: String, errno code: Int32) {
        self.init(cause, message, isServersOwn: Self.isShortage(code))
    }

    /// Whether a system call of this process failed because descriptors or memory ran out.
    public static func isShortage(_ code: Int32) -> Bool { [EMFILE, ENFILE, ENOMEM].contains(code) }

    public var description: String { "\(cause.rawValue): \(message)" }
}

/// The user that programs of a member run as.
public struct MemberUser: Sendable, Equatable {
    public var uid: UInt32
    /// Names in the member's /etc/passwd: of this user, and of the others that callers may ask for.
    public var names: [UInt32: String]

    public init(uid: UInt32, names: [UInt32: String] = [:]) {
        self.uid = uid
        self.names = names
    }
}

/// When an image is pulled.
public enum PullPolicy: String, Sendable, CaseIterable, Codable {
    /// When it is missing.
    case missing
    /// At every start and reload of a server.
    case always
    case never
}

/// How every member of a pool is created. The defaults are those of `berth serve`.
public struct MemberTemplate: Sendable, Equatable, Codable {
    /// An image reference of the runtime; "host" is the host's own /usr, read-only (runc).
    public var image: String
    /// The image that `image` referred to when the server last looked, as the runtime identifies it; nil if it has not
    /// looked. Members are created from it even if a tag moves. If it is another one at a reload, the pool rolls.
    public var imageIdentity: String?
    public var pull: PullPolicy
    /// The low-level runtime of the containers: the name that a Docker engine has for it ("runsc", "kata"), or a
    /// RuntimeClass of a cluster; nil is the usual one.
    public var runtimeName: String?
    /// "none", or a network's name in the runtime ("bridge", "host", …).
    public var network: String
    /// Memory limit in bytes, without swap.
    public var memoryBytes: Int64
    /// Maximum number of processes and threads.
    public var processes: Int64
    /// CPU limit in thousandths of a CPU.
    public var milliCPUs: Int64
    /// Size of each tmpfs in bytes.
    public var tmpfsBytes: Int64
    /// The writable places, each a tmpfs of its own with mode 1777 that belongs to the user.
    public var tmpfsPaths: [String]
    /// Maximum number of descriptors of a process.
    public var openFiles: Int64
    /// User id of programs; nil gives each member a user id of its own, from the pool's range.
    public var uid: UInt32?
    /// User ids that callers may choose instead.
    public var allowedUIDs: [UInt32]
    /// Interpreters that have started, and imported what they should, before a member is ready.
    public var interpreters: [WarmInterpreter] = []

    public init(
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

/// An interpreter that forks the programs of its language.
public struct WarmInterpreter: Sendable, Equatable, Codable {
    public var language: String
    /// The program: a path, or a name that is looked up in PATH.
    public var path: String
    /// Modules that it imports.
    public var preload: [String]
    /// Code that it runs after that; empty is none.
    public var warmup: String
    /// The pool's variables for programs.
    public var env: [String: String]

    public init(
        language: String, path: String, preload: [String] = [], warmup: String = "", env: [String: String] = [:]
    ) {
        self.language = language
        self.path = path
        self.preload = preload
        self.warmup = warmup
        self.env = env
    }
}

extension MemberTemplate {
    /// User id of programs if neither the pool nor a range sets one.
    public static let standardUID: UInt32 = 1000

    /// Default working directory and home of programs.
    public var home: String {
        tmpfsPaths.contains("/workspace") ? "/workspace" : tmpfsPaths.first ?? "/"
    }
}
