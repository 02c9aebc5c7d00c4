// SPDX-License-Identifier: Apache-2.0

import AgentLink
import BerthRPC
import CHost
import Configuration
import Embedded
import FoundationEssentials
import Housekeeping
import NIOCore
import Pool
import Service

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The state of a server, for the program that takes its place in the same process. What is open goes over as descriptors.
struct CarriedServer: Codable, Sendable {
    /// Raise it with each change that an earlier program would not understand, or whose absence a later one would not.
    static let version: UInt32 = 1
    /// The variable that names the descriptor of the state.
    static let variable = BERTH_STATE_DESCRIPTOR

    /// The process that it is for.
    var pid: Int32
    var runtime: String
    var instance: String
    var directory: String
    var lock: Int32
    var janitor: Int32
    var janitorPipe: Int32
    var users: ClosedRange<UInt32>?
    var usersDescriptor: Int32?
    /// Of this the tokens of tenants' leases are made; nil without tenants.
    var secret: [UInt8]?
    /// What members may use together, as found when none was there.
    var memoryBudgetBytes: Int64
    /// Where it listens, in the order of the settings.
    var addresses: [String]
    var listeners: [RPCServer.CarriedListener] = []
    var monitoring: Int32?
    /// Processes that end with the program before.
    var helpers: [Int32] = []
    /// When callers began to wait, in nanoseconds of the monotonic clock.
    var began: Int64 = 0
    var fleet = CarriedFleet()
    var agents: [CarriedAgent] = []
    var containers: [CarriedContainer] = []
    var service = CarriedService()
    var connections: [CarriedConnection] = []

    /// All that must stay open.
    var descriptors: [Int32] {
        [lock, janitorPipe] + [usersDescriptor, monitoring].compactMap(\.self) + listeners.map(\.descriptor)
            + agents.map(\.link.descriptor) + containers.flatMap { [$0.process, $0.diagnostics].compactMap(\.self) }
            + connections.map(\.descriptor)
    }
}

// MARK: As bytes

extension CarriedServer {
    private static let magic = Array("berth server\n".utf8)

    /// A word that begins each state, the version, the length of the text, the text (JSON), the block of bytes.
    /// - Returns: all before the block, and the block, which may be large.
    func encoded() throws -> (head: ByteBuffer, block: ByteBuffer) {
        let block = CarriedBytes.Block()
        let encoder = JSONEncoder()
        encoder.userInfo[CarriedBytes.block] = block
        let text = try encoder.encode(self)
        var bytes = ByteBuffer(bytes: Self.magic)
        bytes.writeInteger(Self.version)
        bytes.writeInteger(UInt64(text.count))
        bytes.writeBytes(text)
        return (bytes, block.all)
    }

    /// - Throws: `Failure` that says why it can't be read.
    init(decoding bytes: ByteBuffer) throws {
        var bytes = bytes
        guard bytes.readBytes(length: Self.magic.count) == Self.magic, let version = bytes.readInteger(as: UInt32.self)
        else { throw Failure("this is not the state of a server") }
        guard version == Self.version else {
            throw Failure("the state has version \(version), and this program reads version \(Self.version)")
        }
        guard let count = bytes.readInteger(as: UInt64.self), count <= bytes.readableBytes,
            let text = bytes.readBytes(length: Int(count))
        else { throw Failure("the state is cut off") }
        let decoder = JSONDecoder()
        decoder.userInfo[CarriedBytes.block] = CarriedBytes.Block(bytes.slice())
        do {
            self = try decoder.decode(CarriedServer.self, from: Data(text))
        } catch {
            throw Failure("the state can't be read: \(error)")
        }
    }

    /// The state in a file in memory.
    init(from descriptor: Int32) throws {
        guard berth_is_sealed(descriptor) == 1 else {
            throw Failure("descriptor \(descriptor) is not the state of a server")
        }
        var info = stat()
        guard fstat(descriptor, &info) == 0 else { throw Failure("the state: \(String(cString: strerror(errno)))") }
        var bytes = ByteBuffer()
        bytes.reserveCapacity(Int(info.st_size))
        while bytes.readableBytes < info.st_size {
            let offset = bytes.readableBytes
            let count = bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: Int(info.st_size) - offset) { room in
                max(0, pread(descriptor, room.baseAddress, Int(info.st_size) - offset, off_t(offset)))
            }
            guard count > 0 else { throw Failure("the state is cut off") }
        }
        try self.init(decoding: bytes)
    }

    /// The state that the program before has left for this one; nil if there was none.
    static func received() throws -> CarriedServer? {
        guard let text = getenv(variable).map({ String(cString: $0) }) else { return nil }
        unsetenv(variable)
        guard let descriptor = Int32(text), descriptor > 2 else { return nil }
        defer { close(descriptor) }
        let carried = try CarriedServer(from: descriptor)
        guard carried.pid == getpid() else { throw Failure("the state is for process \(carried.pid)") }
        for descriptor in carried.descriptors { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        return carried
    }
}

// MARK: Whether it can be gone on with

extension CarriedServer {
    /// What this program says if it could go on with a state.
    static let yes = "berth: can go on with this state"

    /// Whether this program, with these settings, could go on with the state.
    /// - Throws: `Failure` with the reason why not.
    func check(_ settings: ServerSettings) throws {
        let configuration = settings.configuration
        guard configuration.runtime == .auto || configuration.runtime.rawValue == runtime else {
            throw Failure("the runtime is \(configuration.runtime.rawValue) now, and its containers are of \(runtime)")
        }
        // One that is named for its process keeps that process.
        guard settings.instanceName == instance || settings.instanceName.hasPrefix("pid-") else {
            throw Failure("the instance is \(settings.instanceName) now, and was \(instance)")
        }
        let base = configuration.stateDirectory ?? StateDirectory.defaultBase
        guard "\(base)/\(instance)" == directory else {
            throw Failure("the state directory is \(base)/\(instance) now, and was \(directory)")
        }
        if settings.tls == nil, listeners.contains(where: \.hasTLS) { throw Failure("there is no tls any more") }
        guard configuration.tenants.isEmpty == (secret == nil) else {
            throw Failure("tenants have come, or all have gone, which takes a restart")
        }
        let agent = try AgentBinary.find(configuration.agent)
        guard runtime != "native" || LauncherBinary.find(agent: agent) != nil else {
            throw Failure("berth-launcher is not beside \(agent)")
        }
    }
}
