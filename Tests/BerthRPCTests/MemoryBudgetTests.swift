// SPDX-License-Identifier: Apache-2.0

import BerthRPC
import BerthSchema
import BerthWire
import NIOCore
import Synchronization
import Testing
import TestSupport

/// Item B8: the memory that is held for clients.
@Suite struct MemoryBudgetTests {
    @Test("B8: a client has its share, all together have the budget, and what is given back is to be had again")
    func accounts() {
        let budget = MemoryBudget(limit: 1000, clientLimit: 600)
        let a = budget.account(of: "a")
        let b = budget.account(of: "b")
        #expect(budget.account(of: "a") === a)
        #expect(a.reserve(500) && !a.reserve(101) && a.reserve(100))
        #expect(a.isFull && !b.isFull)
        #expect(b.reserve(400) && !b.reserve(1))
        #expect(budget.held == 1000 && b.isFull)
        #expect(a.refusal.reason == .memoryLimit && a.refusal.code == .resourceExhausted)
        a.give(600)
        #expect(b.reserve(200) && !b.reserve(1), "its share")
        b.give(600)
        #expect(budget.held == 0 && a.held == 0 && b.held == 0)
        #expect(a.reserve(300, sixteenths: 8) && !a.reserve(1, sixteenths: 8))
    }

    @Test("who gave the budget is told when much has been given back, and not for each byte")
    func freed() {
        let told = Mutex(0)
        let budget = MemoryBudget(limit: 256 << 20, clientLimit: 256 << 20) { told.withLock { $0 += 1 } }
        let account = budget.account(of: "a")
        func calls() -> Int { told.withLock { $0 } }
        for _ in 0..<1000 {
            #expect(account.reserve(8 << 20))
            account.give(8 << 20)
        }
        #expect(calls() == 0)
        #expect(account.reserve(100 << 20))
        account.give(10 << 20)
        #expect(calls() == 0)
        account.give(10 << 20)
        #expect(calls() == 1, "20 MiB")
        account.give(80 << 20)
        #expect(calls() == 2 && budget.held == 0)
        #expect(account.reserve(10 << 20))
        account.give(10 << 20)
        #expect(calls() == 2)
    }

    @Test(
        "B8: large frames that do not come to their end are gathered as far as the budget goes; the rest is told, and skipped"
    )
    func unfinishedFrames() async throws {
        let budget = MemoryBudget(limit: 4 << 20, clientLimit: 2 << 20)
        try await withServer {
            $0.memory = budget
        } _: { _, port, _ in
            let size: UInt32 = 500_000
            var clients: [RawClient] = []
            for _ in 0..<4 {
                let client = try RawClient(port: port)
                try client.send(1, id: 1, [UInt8](repeating: 0, count: 100_000), length: size)
                clients.append(client)
                try await eventually("it is counted") { budget.held >= clients.count * Int(size) }
            }
            let late = try RawClient(port: port)
            try late.send(1, id: 3, [UInt8](repeating: 0, count: 100_000), length: size)
            let refusal = try late.receive()
            #expect(refusal.header.streamID == 3 && refusal.code == 8, "\(refusal)")
            #expect(refusal.response?.status?.info?.reason == "MEMORY_LIMIT")
            #expect(budget.held <= 2 << 20)
            // The rest of it is no call, and small ones are served.
            try late.send([UInt8](repeating: 0, count: Int(size) - 100_000))
            try late.sayHello()
            clients = []
            try await eventually("nothing is held") { budget.held < 100_000 }
            try late.request("Hello", id: 5, payload: [UInt8](repeating: 0, count: Int(size)))
            _ = try late.receive()
        }
        try await eventually("nothing is held") { budget.held == 0 }
    }

    @Test("B8: calls that are not answered at once count with their requests, until they end")
    func waitingCalls() async throws {
        let budget = MemoryBudget(limit: 2 << 20, clientLimit: 1 << 20)
        try await withServer {
            $0.memory = budget
        } _: { service, port, _ in
            let client = try RawClient(port: port)
            for id: UInt32 in [1, 3, 5, 7] {
                try client.request("Silent", id: id, payload: [UInt8](repeating: 0, count: 200_000))
                try await service.wait(for: "holding \(id)")
            }
            let held = budget.held
            #expect(held >= 800_000 && held <= 1 << 20, "\(held)")
            try client.request("Silent", id: 9, payload: [UInt8](repeating: 0, count: 260_000))
            let refusal = try client.receive()
            #expect(refusal.header.streamID == 9 && refusal.code == 8, "\(refusal)")
            #expect(refusal.response?.status?.info?.reason == "MEMORY_LIMIT")
            try client.request("Release", id: 11)
            for _ in 0..<5 { _ = try client.receive() }
            try await eventually("nothing is held") { budget.held == 0 }
        }
    }

    @Test("B8: what a client does not read counts too, and is given back with its connection")
    func unreadAnswers() async throws {
        let budget = MemoryBudget(limit: 256 << 20)
        try await withServer {
            $0.memory = budget
        } _: { service, port, _ in
            try await {
                let client = try RawClient(port: port, window: 64 << 10)
                try client.request("Deaf", id: 1, flags: 1)
                try await service.wait(for: "cancelled 1 resourceExhausted")
                // Of the 8 MiB that were queued, the kernel may still be taking as much as its buffers have room for.
                #expect(budget.held > 2 << 20, "\(budget.held)")
            }()
            try await eventually("nothing is held") { budget.held == 0 }
        }
    }
}
