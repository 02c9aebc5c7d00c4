// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import BerthSchema
import Foundation
import NIOPosix
import Pool
import Service
import Testing
import TestSupport

/// A directory that programs of the pool may write to. It is removed with this object.
private final class SharedDirectory {
    let path = "/tmp/berth-files-\(UUID().uuidString.prefix(8))"

    init() throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: path)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? [] }
}

/// Calls for files as they are on the wire.
private struct RawFiles {
    private let rpc: ClientConnection

    init(_ address: ServerAddress) async throws {
        guard case .tcp(let host, let port) = address else { throw MissingPart("a TCP address") }
        rpc = try await ClientConnection.connect(
            host: host, port: port, group: MultiThreadedEventLoopGroup.singleton)
    }

    func close() { rpc.close() }

    func write(_ request: WriteFileRequest) async throws(BerthError) -> WriteFileResponse {
        do throws(RPCError) {
            return try await rpc.unary(
                service: PoolService.name, method: "WriteFile", request, returning: WriteFileResponse.self)
        } catch {
            throw BerthError(BerthError.Code(rawValue: error.code.rawValue), error.message)
        }
    }
}

@Suite("Calls about files")
struct FileTests {
    @Test("a file that takes many calls arrives whole, and comes back through a small window")
    func roundTrip() async throws {
        let directory = try SharedDirectory()
        try await TestServer.with { _, client in
            let lease = try await client.acquire()
            let bytes = (0..<3_000_001).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 7) }
            let path = "\(directory.path)/a/b"
            try await client.writeFile(path, bytes, in: lease, mode: 0o600, createsParents: true)
            let content = client.readFile(path, in: lease, window: 64 << 10)
            #expect(try await content.collect() == bytes)
            #expect(content.info?.size == 3_000_001)
            #expect(content.info?.mode == 0o600)
            #expect(try await client.readFile(path, in: lease, offset: 5, length: 3).collect() == Array(bytes[5..<8]))
            #expect(try await client.readFile(path, in: lease, length: 0).collect() == [])
            try await client.writeFile("\(directory.path)/empty", [], in: lease)
            #expect(try await client.readFile("\(directory.path)/empty", in: lease).collect() == [])
            let entries = try await client.list(directory.path, in: lease)
            #expect(entries.map(\.name) == ["a", "empty"])
            #expect(entries.map(\.uid) == [1000, 1000])
            try await client.remove("\(directory.path)/a", in: lease, recursive: true)
            #expect(directory.names == ["empty"])
        }
    }

    @Test("an archive goes out and in again")
    func archives() async throws {
        let directory = try SharedDirectory()
        try await TestServer.with { _, client in
            let lease = try await client.acquire()
            _ = try await client.run(
                Command(
                    shell: "mkdir -p in/d; head -c 700000 /dev/zero > in/z; ln -s z in/l; echo x > in/d/x",
                    cwd: directory.path), in: lease)
            let archive = try await client.readArchive("\(directory.path)/in", in: lease).collect()
            #expect(try await client.writeArchive(into: "\(directory.path)/out", archive, in: lease) == 3)
            let diff = try await client.run(
                Command(shell: "diff -r in out && readlink out/l", cwd: directory.path), in: lease)
            #expect(diff.text == "z\n")
            let refused = await refusal {
                _ = try await client.writeArchive(into: "\(directory.path)/no", [1, 2], in: lease)
            }
            #expect(refused?.code == .invalidArgument)
        }
    }

    @Test("what fails is the call's error, with the file in it, also when it comes in pieces")
    func errors() async throws {
        let directory = try SharedDirectory()
        try await TestServer.with { _, client in
            let lease = try await client.acquire()
            let nowhere = "\(directory.path)/nowhere"
            func expect(_ code: BerthError.Code, _ words: String, _ body: () async throws -> Void) async {
                let error = await refusal(body)
                #expect(error?.code == code, "\(words): \(String(describing: error))")
                #expect(error?.message.contains(words) == true, "\(String(describing: error))")
            }
            await expect(.notFound, nowhere) { _ = try await client.readFile(nowhere, in: lease).collect() }
            await expect(.notFound, nowhere) { _ = try await client.readArchive(nowhere, in: lease).collect() }
            await expect(.notFound, nowhere) { _ = try await client.list(nowhere, in: lease) }
            await expect(.notFound, nowhere) { try await client.remove(nowhere, in: lease) }
            await expect(.notFound, nowhere) { try await client.writeFile("\(nowhere)/x", [1], in: lease) }
            let large = [UInt8](repeating: 0, count: 1_000_000)
            await expect(.notFound, nowhere) { try await client.writeFile("\(nowhere)/x", large, in: lease) }
            await expect(.failedPrecondition, "directory") {
                try await client.writeFile(directory.path, [1], in: lease)
            }
            await expect(.permissionDenied, "/proc") {
                try await client.writeFile("/proc/self/comm", [1], in: lease)
            }
            await expect(.invalidArgument, "absolute") { _ = try await client.list("x", in: lease) }
            await expect(.invalidArgument, "mode") {
                try await client.writeFile("/tmp/x", [1], in: lease, mode: 0o10000)
            }
            await expect(.notFound, "lease") { _ = try await client.list("/tmp", in: Lease(token: "x")) }
            #expect(directory.names == [])
        }
    }

    @Test("I43, H40: files are looked at, made, renamed and changed, and each refusal has its reason")
    func paths() async throws {
        let directory = try SharedDirectory()
        try await TestServer.with { _, client in
            let lease = try await client.acquire()
            let here = directory.path
            func expect(_ code: BerthError.Code, _ reason: BerthError.Reason, _ body: () async throws -> Void) async {
                let error = await refusal(body)
                #expect(error?.code == code, "\(reason): \(String(describing: error))")
                #expect(error?.reason == reason, "\(String(describing: error))")
            }
            try await client.makeDirectory("\(here)/d", in: lease, mode: 0o750)
            await expect(.failedPrecondition, .alreadyExists) { try await client.makeDirectory("\(here)/d", in: lease) }
            try await client.makeDirectory("\(here)/d/e/f", in: lease, createsParents: true)
            try await client.makeDirectory("\(here)/d/e/f", in: lease, createsParents: true)
            await expect(.notFound, .noSuchFile) { try await client.makeDirectory("\(here)/x/y", in: lease) }
            try await client.writeFile("\(here)/a", [1, 2, 3], in: lease)
            await expect(.failedPrecondition, .notADirectory) {
                try await client.makeDirectory("\(here)/a/b", in: lease)
            }
            let info = try await client.stat("\(here)/d", in: lease)
            #expect([info.type == .directory, info.mode == 0o750, info.name == "\(here)/d"] == [true, true, true])
            #expect(try await client.stat("\(here)/a", in: lease).size == 3)
            try await client.changeMode("\(here)/a", to: 0o440, in: lease)
            #expect(try await client.stat("\(here)/a", in: lease).mode == 0o440)
            // As open(2) would, although the directory would allow to replace it.
            await expect(.permissionDenied, .notPermitted) { try await client.writeFile("\(here)/a", [9], in: lease) }
            #expect(try await client.readFile("\(here)/a", in: lease).collect() == [1, 2, 3])
            try await client.changeMode("\(here)/a", to: 0o640, in: lease)
            try await client.writeFile("\(here)/a", [4], in: lease)

            try await client.writeFile("\(here)/b", [5], in: lease)
            await expect(.failedPrecondition, .alreadyExists) {
                try await client.rename("\(here)/a", to: "\(here)/b", in: lease, neverReplaces: true)
            }
            try await client.rename("\(here)/a", to: "\(here)/b", in: lease)
            #expect(try await client.readFile("\(here)/b", in: lease).collect() == [4])
            await expect(.notFound, .noSuchFile) { _ = try await client.stat("\(here)/a", in: lease) }
            await expect(.failedPrecondition, .isADirectory) {
                try await client.rename("\(here)/b", to: "\(here)/d", in: lease)
            }
            await expect(.failedPrecondition, .directoryNotEmpty) { try await client.remove("\(here)/d", in: lease) }
            await expect(.failedPrecondition, .isADirectory) { try await client.writeFile("\(here)/d", [1], in: lease) }
            await expect(.permissionDenied, .outside) { try await client.writeFile("/proc/self/comm", [1], in: lease) }
            await expect(.invalidArgument, .nameTooLong) {
                _ = try await client.stat("/tmp/" + String(repeating: "x", count: 300), in: lease)
            }
            await expect(.invalidArgument, .badArchive) {
                try await client.writeArchive(into: "\(here)/d", [UInt8](repeating: 7, count: 1024), in: lease)
            }
        }
    }

    @Test("I43: what the user may read is read anywhere, the kernel's files too, and nothing is written there")
    func readAnywhere() async throws {
        let directory = try SharedDirectory()
        try await TestServer.with { _, client in
            let lease = try await client.acquire()
            let passwd = try Data(contentsOf: URL(fileURLWithPath: "/etc/passwd"))
            #expect(try await Data(client.readFile("/etc/passwd", in: lease).collect()) == passwd)
            try FileManager.default.createSymbolicLink(
                atPath: "\(directory.path)/out", withDestinationPath: "/etc/passwd")
            #expect(try await Data(client.readFile("\(directory.path)/out", in: lease).collect()) == passwd)
            #expect(try await client.stat("\(directory.path)/out", in: lease).type == .symbolicLink)
            #expect(try await client.stat("\(directory.path)/out", in: lease, followsLink: true).type == .regular)
            #expect(try await client.list("/etc", in: lease).contains { $0.name == "passwd" })
            let version = try await client.readFile("/proc/version", in: lease).collect()
            #expect(String(decoding: version, as: UTF8.self).hasPrefix("Linux"))
            #expect(
                await refusal { _ = try await client.readFile("/etc/shadow", in: lease).collect() }?.reason
                    == .notPermitted)
            let refused = await refusal { try await client.writeFile("\(directory.path)/out", [1], in: lease) }
            // All of the root is a place here, which it is in no container.
            #expect(refused?.reason == .notPermitted, "\(refused?.message ?? "it was written")")
            #expect(
                await refusal { _ = try await client.readFile("/dev/null", in: lease).collect() }?.reason == .notAFile)
        }
    }

    @Test("E27: names that are no UTF-8 are written, listed, read and removed as they are")
    func names() async throws {
        let directory = try SharedDirectory()
        try await TestServer.with { _, client in
            let lease = try await client.acquire()
            let name: [UInt8] = [0x62, 0xe9, 0xff]
            let path = SystemString(Array("\(directory.path)/".utf8) + name)
            try await client.writeFile(path, [1], in: lease)
            let listed = try await client.list(directory.path, in: lease)
            #expect(listed.map(\.name) == [SystemString(name)])
            #expect(listed.map(\.name.description) == ["b\u{fffd}\u{fffd}"])
            #expect(try await client.readFile(path, in: lease).collect() == [1])
            #expect(try await client.stat(path, in: lease).name == path)
            let other = SystemString(path.bytes + [0xfe])
            try await client.rename(path, to: other, in: lease)
            try await client.remove(other, in: lease)
            #expect(directory.names == [])
            #expect(
                await refusal { _ = try await client.stat(SystemString(Array("/tmp/a".utf8) + [0, 0xff]), in: lease) }?
                    .message == "path_raw holds a NUL byte")
        }
    }

    @Test("calls of an upload may be repeated, may not leave gaps, and those of another lease do not know it")
    func uploads() async throws {
        let directory = try SharedDirectory()
        try await TestServer.with(PoolConfiguration(size: 2)) { server, client in
            let lease = try await client.acquire()
            let other = try await client.acquire()
            let raw = try await RawFiles(server.address)
            let path = "\(directory.path)/f"
            let first = try await raw.write(
                WriteFileRequest(lease: lease.token, path: SystemString(path), data: Array("abc".utf8), hasMore: true))
            #expect(first.offset == 3)
            #expect(first.upload.count >= 32)
            func next(_ text: String, _ offset: UInt64, more: Bool = true, lease token: String? = nil) async throws
                -> UInt64
            {
                try await raw.write(
                    WriteFileRequest(
                        lease: token ?? lease.token, data: Array(text.utf8), hasMore: more, upload: first.upload,
                        offset: offset)
                ).offset
            }
            #expect(try await next("def", 3) == 6)
            #expect(try await next("def", 3) == 6)
            #expect(try await next("efgh", 4) == 8)
            #expect(await refusal { _ = try await next("x", 9) }?.code == .failedPrecondition)
            #expect(await refusal { _ = try await next("x", 8, lease: other.token) }?.code == .notFound)
            #expect(directory.names == [])
            #expect(try await next("i", 8, more: false) == 9)
            #expect(try await next("i", 8, more: false) == 9)
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "abcdefghi")
            #expect(try await client.readFile(path, in: lease).collect() == Array("abcdefghi".utf8))
            try await client.release(lease)
            #expect(await refusal { _ = try await next("i", 8, more: false) }?.code == .notFound)
            raw.close()
        }
    }

    @Test("an upload that nobody goes on with is given up after 60 s, and its lease is free to end")
    func idle() async throws {
        let directory = try SharedDirectory()
        let clock = ManualClock()
        try await TestServer.with(clock: clock) { server, client in
            let lease = try await client.acquire()
            let raw = try await RawFiles(server.address)
            let path = "\(directory.path)/f"
            let first = try await raw.write(
                WriteFileRequest(lease: lease.token, path: SystemString(path), data: [1], hasMore: true))
            func again() async -> BerthError? {
                await refusal {
                    _ = try await raw.write(
                        WriteFileRequest(lease: lease.token, data: [], hasMore: true, upload: first.upload, offset: 1))
                }
            }
            // Each call begins the time anew.
            for _ in 0..<3 {
                clock.advance(by: .seconds(59))
                #expect(await again() == nil)
            }
            clock.advance(by: .seconds(61))
            try await eventually("it is given up") {
                clock.advance(by: .seconds(61))
                return await again()?.code == .notFound
            }
            #expect(directory.names == [])
            raw.close()
        }
    }

    @Test("a lease has 32 uploads at a time")
    func many() async throws {
        let directory = try SharedDirectory()
        try await TestServer.with { server, client in
            let lease = try await client.acquire()
            let raw = try await RawFiles(server.address)
            for index in 0..<32 {
                _ = try await raw.write(
                    WriteFileRequest(lease: lease.token, path: "\(directory.path)/\(index)", data: [1], hasMore: true))
            }
            let error = await refusal {
                _ = try await raw.write(
                    WriteFileRequest(lease: lease.token, path: "\(directory.path)/x", data: [1], hasMore: true))
            }
            #expect(error?.code == .resourceExhausted)
            try await client.release(lease)
            try await eventually("nothing of them is left") { directory.names == [] }
            raw.close()
        }
    }
}
