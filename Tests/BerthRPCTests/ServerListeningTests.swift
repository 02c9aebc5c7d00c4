// SPDX-License-Identifier: Apache-2.0

import BerthRPC
import BerthWire
import Glibc
import NIOCore
import NIOPosix
import Testing
import TestSupport

@Suite struct ServerListeningTests {
    private let group = MultiThreadedEventLoopGroup.singleton

    @Test("a port in use is ALREADY_EXISTS, in the system's words")
    func portInUse() async throws {
        try await withServer { _, port, _ in
            let other = RPCServer(group: group, service: TestService())
            await #expect(
                throws: RPCError(.alreadyExists, "cannot listen on 127.0.0.1:\(port): Address already in use")
            ) {
                try await other.listen(host: "127.0.0.1", port: port)
            }
            await other.close()
        }
    }

    @Test("a unix socket serves, and its file goes when listening stops")
    func unixSocket() async throws {
        try await withSocketPath { path in
            let service = TestService()
            let server = RPCServer(group: group, service: service)
            try await server.listen(unixSocket: path)
            let client = try await ClientConnection.connect(unixSocket: path, group: group)
            try await client.hello()
            #expect(service.log == ["opened unix"])
            await server.stopListening()
            #expect(access(path, F_OK) != 0)
            try await client.hello()
            await server.close()
            #expect(try await client.closed.get() == .closedByPeer)
            #expect(service.log == ["opened unix", "closed"])
        }
    }

    @Test("what a dead server left is replaced; a live server's socket and other files are not")
    func leftovers() async throws {
        try await withSocketPath { path in
            let dead = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            let status = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(dead, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            #expect(status == 0)
            close(dead)
            let server = RPCServer(group: group, service: TestService())
            try await server.listen(unixSocket: path)
            let other = RPCServer(group: group, service: TestService())
            await #expect(
                throws: RPCError(.alreadyExists, "cannot listen on \(path): a server listens there already")
            ) {
                try await other.listen(unixSocket: path)
            }
            await server.close()
            let file = open(path, O_CREAT | O_WRONLY, 0o600)
            close(file)
            await #expect(throws: RPCError(.alreadyExists, "cannot listen on \(path): Address already in use")) {
                try await other.listen(unixSocket: path)
            }
            #expect(access(path, F_OK) == 0)
            await other.close()
        }
    }

    @Test("a path too long for a unix socket is an INVALID_ARGUMENT that says so")
    func longPath() async throws {
        let server = RPCServer(group: group, service: TestService())
        let path = "/tmp/" + String(repeating: "x", count: 200)
        await #expect(
            throws: RPCError(.invalidArgument, "cannot listen on \(path): the path has more than 107 bytes")
        ) {
            try await server.listen(unixSocket: path)
        }
        await server.close()
    }

    @Test("a closed server has no connections, no listener and takes no new one")
    func closing() async throws {
        let service = TestService()
        let server = RPCServer(group: group, service: service)
        let port = try await server.listen(host: "127.0.0.1", port: 0).port ?? 0
        let clients = try (0..<20).map { _ in try RawClient(port: port) }
        for client in clients { try client.request("Silent", id: 1) }
        try await service.wait(for: "holding 1", count: 20)
        await server.close()
        #expect(service.log.count { $0 == "cancelled 1 cancelled" } == 20)
        #expect(service.log.count { $0 == "closed" } == 20)
        #expect(server.connectionCount == 0)
        for client in clients { #expect(try client.receiveIfAny() == nil) }
        #expect(throws: NeverHappened.self) { try RawClient(port: port) }
        await #expect(throws: RPCError(.unavailable, "the server is closed")) {
            try await server.listen(host: "127.0.0.1", port: 0)
        }
    }

    @Test("a connection that its service closes within a call is cancelled and closed")
    func closedByService() async throws {
        try await withServer { service, port, _ in
            let client = try RawClient(port: port)
            try client.send(frame(1, id: 1, requestBody("Hello")) + frame(1, id: 3, requestBody("Close")))
            #expect(try client.receive().header.streamID == 1)
            #expect(try client.receiveIfAny() == nil)
            try await service.wait(for: "closed")
        }
    }

    private func withSocketPath(_ body: (String) async throws -> Void) async throws {
        let path = "/tmp/berth-rpc-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).sock"
        defer { unlink(path) }
        try await body(path)
    }
}
