// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import BerthSchema
import Testing
import TestSupport

@Suite("Connections into containers whose client is cut off", .serialized)
struct ResumedConnectionTests {
    private func connect(_ raw: RawConnection, _ listener: ConnectTests.Listener, resumable: UInt32) -> RawStream {
        var request = ConnectRequest(lease: listener.lease.token, path: SystemString(listener.path))
        (request.windowBytes, request.resumableMilliseconds) = (64 << 10, resumable)
        return RawStream(raw, "Connect", request)
    }

    @Test(
        "outputs have at most 32 KiB, or 64 if the client says that it takes them", arguments: [0, 1, 64 << 10, .max])
    func pieces(most: UInt32) async throws {
        try await ConnectTests.with("def serve(c):\n  c.sendall(b'x' * 4000000); c.close()") { listener in
            let raw = try await RawConnection.open(listener.server)
            var request = ConnectRequest(lease: listener.lease.token, path: SystemString(listener.path))
            (request.windowBytes, request.maxPieceBytes) = (1 << 20, most)
            let stream = RawStream(raw, "Connect", request)
            var largest = 0
            while stream.position.stdout < 4_000_000 {
                let before = stream.position.stdout
                try await stream.next()
                largest = max(largest, Int(stream.position.stdout - before))
                try await raw.acknowledge(stream, lease: request.lease)
            }
            #expect(largest <= (most > 32 << 10 ? 64 << 10 : 32 << 10), "\(largest)")
            #expect(most <= 32 << 10 || largest > 32 << 10, "\(largest)")
            raw.close()
        }
    }

    private func input(
        _ raw: RawConnection, _ listener: ConnectTests.Listener, _ id: String, _ text: String, at offset: UInt64,
        isEnd: Bool = false
    ) async throws -> UInt64 {
        let request = InputRequest(
            lease: listener.lease.token, execution: id, offset: offset, data: Array(text.utf8), isEnd: isEnd)
        return try await raw.call("Input", request, returning: InputResponse.self).offset
    }

    @Test(
        "a resumable connection goes on where it was cut: no byte is lost or doubled, either way, and each end is told again"
    )
    func resumed() async throws {
        let code = """
            def serve(c):
              got = b''
              while d := c.recv(65536):
                got += d
                if len(got) == 5: c.sendall(b'one' * 100000)
                if got.endswith(b'!'): c.shutdown(socket.SHUT_WR)
              print(got.decode())
            """
        try await ConnectTests.with(code) { listener in
            let token = listener.lease.token
            let first = try await RawConnection.open(listener.server)
            let cut = connect(first, listener, resumable: 60_000)
            try await cut.next()
            let id = try #require(cut.started?.execution)
            #expect(try await input(first, listener, id, "first", at: 0) == 5)
            // More than is acknowledged: who sends there stands still when this is cut.
            try await cut.read(stdout: 10_000)
            first.close()

            let second = try await RawConnection.open(listener.server)
            let resumed = second.attach(
                AttachRequest(
                    lease: token, execution: id, stdoutOffset: cut.position.stdout, windowBytes: 64 << 10))
            // What was taken already is passed over.
            #expect(try await input(second, listener, id, "first second!", at: 0) == 13)
            while !resumed.hasOutputEnded {
                #expect(try await resumed.next() != nil)
                try await second.acknowledge(resumed, lease: token)
            }
            #expect(resumed.position.stdout == 300_000)
            #expect(cut.stdout + resumed.stdout == Array(String(repeating: "one", count: 100_000).utf8))
            second.close()

            let third = try await RawConnection.open(listener.server)
            let last = third.attach(
                AttachRequest(lease: token, execution: id, stdoutOffset: 300_000, windowBytes: 64 << 10))
            while !last.hasOutputEnded { #expect(try await last.next() != nil) }
            #expect(last.stdout.isEmpty)
            #expect(try await input(third, listener, id, "", at: 13, isEnd: true) == 13)
            let ended = try await last.finish()
            #expect(ended.cause == .exited && ended.stdoutBytes == 300_000)
            #expect(try await listener.lines(1) == ["first second!"])
            third.close()
        }
    }

    @Test(
        "one that is not resumable ends with its client, and one that is, when nobody came back in time",
        arguments: [0, 300])
    func left(_ resumable: UInt32) async throws {
        let code = "def serve(c):\n  c.sendall(b'hello')\n  print('gone' if c.recv(1) == b'' else 'there')"
        try await ConnectTests.with(code) { listener in
            let raw = try await RawConnection.open(listener.server)
            let stream = connect(raw, listener, resumable: resumable)
            try await stream.read(stdout: 5)
            raw.close()
            #expect(try await listener.lines(1) == ["gone"])
            try await eventually("it is listed no more as running") {
                try await listener.client.executions(in: listener.lease).count { $0.ended == nil } == 1
            }
        }
    }
}
