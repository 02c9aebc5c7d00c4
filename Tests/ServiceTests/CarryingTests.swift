// SPDX-License-Identifier: Apache-2.0

import Access
import AgentLink
import Berth
import BerthRPC
import BerthSchema
import Foundation
import NIOCore
import Pool
import Testing
import TestSupport

@testable import Service

@Suite("What goes over to the program that takes a server's place")
struct CarryingTests {
    private static func again<Value: Codable>(_ value: Value) throws -> Value {
        let (encoder, decoder) = (JSONEncoder(), JSONDecoder())
        let block = CarriedBytes.Block()
        encoder.userInfo[CarriedBytes.block] = block
        let text = try encoder.encode(value)
        decoder.userInfo[CarriedBytes.block] = CarriedBytes.Block(block.all)
        return try decoder.decode(Value.self, from: text)
    }

    @Test("a hub that goes over now and then shows random watchers what they must see", arguments: 0..<6)
    func hub(_ index: UInt64) {
        var random = SystemRandomNumberGenerator()
        let seed = random.next() &+ index
        var model = HubModel(seed: seed) { hub in
            do { return try Self.again(hub) } catch { preconditionFailure("\(error)") }
        }
        for _ in 0..<1200 { model.step() }
        model.finish()
        #expect(model.failures.isEmpty, "seed \(seed): \(model.failures.prefix(3))")
    }

    @Test("output with a gap, and bytes that are not there, are refused")
    func damaged() throws {
        var hub = OutputHub(unread: .kept)
        _ = hub.append(ByteBuffer(bytes: [1, 2, 3]), to: .stdout)
        let encoder = JSONEncoder()
        let block = CarriedBytes.Block()
        encoder.userInfo[CarriedBytes.block] = block
        let text = String(decoding: try encoder.encode(hub), as: UTF8.self)
        let decoder = JSONDecoder()
        decoder.userInfo[CarriedBytes.block] = CarriedBytes.Block(block.all)
        #expect(throws: Never.self) { try decoder.decode(OutputHub.self, from: Data(text.utf8)) }
        let moved = text.replacingOccurrences(of: "\"end\":3", with: "\"end\":4")
        #expect(moved != text)
        #expect(throws: DecodingError.self) { try decoder.decode(OutputHub.self, from: Data(moved.utf8)) }
        decoder.userInfo[CarriedBytes.block] = CarriedBytes.Block()
        #expect(throws: DecodingError.self) { try decoder.decode(OutputHub.self, from: Data(text.utf8)) }
    }

    @Test("a server that stands still answers nothing, and goes on with every byte if it does not go over")
    func standstill() async throws {
        try await TestServer.with(PoolConfiguration(size: 2)) { server, client in
            let lease = try await client.acquire()
            let program = Task {
                try await client.run(
                    Command(
                        shell: "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo $i; done; sleep 0.2; seq 1 200000",
                        cwd: "/"),
                    in: lease)
            }
            var echo = Command(["cat"], cwd: "/")
            echo.keepsStdinOpen = true
            let cat = client.execute(echo, in: lease)
            let echoed = Task { try await cat.collect() }
            var written = ""
            for round in 1...20 {
                let links = server.fleet.allLinks().compactMap { $0 as? AgentConnection }
                await server.rpc.stopAccepting()
                await server.rpc.freeze()
                server.service.freeze()
                for link in links { link.freeze() }
                // What event loops have told each other arrives, as in a takeover.
                for link in links { try await link.eventLoop.submit {}.get() }
                let writing = Task { try await cat.write(Array("\(round)\n".utf8)) }
                let waiting = Task { try await client.stats() }
                let before = try? server.service.carry()
                // Whatever has come until now is not taken.
                for _ in 1...5 { try await Task.sleep(for: .milliseconds(1)) }
                let after = try? server.service.carry()
                #expect(before?.runningCount == after?.runningCount)
                server.service.thaw()
                for link in links { link.thaw() }
                await server.rpc.goOn()
                _ = try await waiting.value
                try await writing.value
                written += "\(round)\n"
            }
            try await cat.closeInput()
            #expect(try await echoed.value.text == written)
            let numbers = (1...300).map { "\($0)\n" }.joined() + (1...200_000).map { "\($0)\n" }.joined()
            #expect(try await program.value.text == numbers)
        }
    }

    @Test("every field of an execution goes over")
    func execution() async throws {
        try await TestServer.with(PoolConfiguration(size: 1)) { server, client in
            let lease = try await client.acquire()
            var command = Command(shell: "echo out; echo err >&2; sleep 1000", cwd: "/")
            (command.resumable, command.unwatched) = (.seconds(50), .wait)
            let execution = client.execute(command, in: lease)
            var events = execution.makeAsyncIterator()
            var seen = 0
            while seen < 2 { if case .output = try await events.next() { seen += 1 } }
            server.service.freeze()
            defer { server.service.thaw() }
            let carried = try server.service.carry()
            let once = try Self.again(carried)
            let (first, second) = (carried.executions[0], once.executions[0])
            #expect(first.id == second.id && first.lease == second.lease && first.agent == second.agent)
            #expect(first.resumable == 50_000_000_000 && second.resumable == first.resumable)
            #expect(second.unwatched == Unwatched.wait.rawValue && second.argv == first.argv)
            #expect(second.hub.written == first.hub.written && second.hub.watchers.count == 1)
            #expect(second.isKept && second.member == first.member && second.client == first.client)
            // And all that this forgets to name: a state that has gone over once more is the same.
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            func text(_ value: CarriedService) throws -> Data {
                encoder.userInfo[CarriedBytes.block] = CarriedBytes.Block()
                return try encoder.encode(value)
            }
            #expect(try text(carried) == text(once))
        }
    }

    @Test("who calls is still known, and still counts no more when it was revoked meanwhile")
    func session() throws {
        let hash = [UInt8](repeating: 7, count: 32)
        let entry = TokenEntry(hash: hash, tenant: "acme", created: 1)
        let file = TokenFile(entries: [entry])
        let access = AccessControl([TenantPolicy(name: "acme")], file, ownUser: 1, seconds: { 10 })
        #expect(access.caller(hash: hash)?.tenant.name == "acme")
        #expect(access.caller(hash: [1, 2, 3]) == nil)
        let same = AccessControl([TenantPolicy(name: "acme")], file, secret: access.secret, ownUser: 1, seconds: { 10 })
        #expect(same.tenant("acme")?.mask.high == access.tenant("acme")?.mask.high, "tokens of leases stay the same")
        access.set(TokenFile())
        #expect(access.caller(hash: hash) == nil)
    }
}
