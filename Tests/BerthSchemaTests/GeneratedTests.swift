// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import Foundation
import Testing

@Suite("What is generated from the .proto files")
struct GeneratedTests {
    private static let proto = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../proto/berth").standardizedFileURL

    private func text(_ file: String) throws -> String {
        try String(contentsOf: Self.proto.appending(path: file), encoding: .utf8)
    }

    @Test("a service has the methods that its .proto says, by their names, and the same ones stream")
    func methods() throws {
        let rpc = /rpc (\w+)\(\w+\) returns \((stream )?/
        func check<M: ServiceMethod>(_: M.Type, _ text: Substring) {
            let said = text.matches(of: rpc).map { "\($0.1) \($0.2 != nil)" }
            #expect(M.allCases.map { "\($0.rawValue) \($0.isStreaming)" } == said)
        }
        let services = try text("v1/pool.proto").split(separator: "\nservice ")
        check(PoolService.Method.self, services[1])
        check(AdminService.Method.self, services[2])
        check(AgentService.Method.self, try text("agent/v1/agent.proto")[...])
        #expect(PoolService.name == "berth.v1.Pool")
        #expect(PoolService.execute.service == PoolService.name)
        #expect(PoolService.execute.name == "Execute")
    }

    @Test("Stats for programs has every field of the contract, by its name there")
    func json() throws {
        let stats = StatsResponse(pools: [PoolStats(breaker: .halfOpen, retired: ["died": 3])])
        let object = try #require(
            try JSONSerialization.jsonObject(with: JSONEncoder().encode(stats)) as? [String: Any])
        let pool = try #require((object["pools"] as? [[String: Any]])?.first)
        let text = try text("v1/pool.proto")
        for (message, keys) in [("StatsResponse", object.keys), ("PoolStats", pool.keys)] {
            let body = try #require(text.firstMatch(of: try Regex("message \(message) \\{([^}]*)\\}")))
            let fields = String(body[1].substring ?? "").matches(of: /(\w+) = \d+;/).map { String($0.1) }
            #expect(keys.sorted() == fields.sorted())
        }
        #expect(pool["breaker"] as? String == "half_open")
        #expect(pool["retired"] as? [String: Int] == ["died": 3])
    }

    @Test("a request says text or bytes; an answer has the text, and the bytes beside it where that is not exact")
    func systemStrings() throws {
        let odd = SystemString([0x2f, 0xff])
        #expect(StatRequest(path: "/a").encoded() == [0x12, 2, 0x2f, 0x61])
        #expect(StatRequest(path: odd).encoded() == [0x22, 2, 0x2f, 0xff])
        #expect(FileInfo(name: "a").encoded() == [0x0a, 1, 0x61])
        #expect(FileInfo(name: odd).encoded() == [0x0a, 4, 0x2f, 0xef, 0xbf, 0xbd, 0x4a, 2, 0x2f, 0xff])
        #expect(ExecuteRequest(argv: ["a", "b"]).encoded() == [0x22, 1, 0x61, 0x22, 1, 0x62])
        #expect(ExecuteRequest(argv: ["a", odd]).encoded() == [0xda, 1, 1, 0x61, 0xda, 1, 2, 0x2f, 0xff])
        #expect(
            ExecutionInfo(argv: ["a", odd]).encoded()
                == [0x12, 1, 0x61, 0x12, 4, 0x2f, 0xef, 0xbf, 0xbd, 0x5a, 1, 0x61, 0x5a, 2, 0x2f, 0xff])
        // Bytes win where both are set.
        #expect(try StatRequest(decoding: [0x12, 1, 0x61, 0x22, 1, 0x62]).path == "b")
        #expect(try ExecuteRequest(decoding: [0x22, 1, 0x61, 0xda, 1, 1, 0x62]).argv == ["b"])
        #expect(throws: SchemaError("path_raw holds a NUL byte")) { try StatRequest(decoding: [0x22, 2, 0, 0xff]) }
    }

    @Test("what is absent of a message has its default value, or is nil")
    func absent() throws {
        #expect(try Ended(decoding: []).usage == Usage())
        #expect(try ExecuteRequest(decoding: []).terminal == nil)
        #expect(try ResizeRequest(decoding: []).size == nil)
        #expect(try ResizeRequest(decoding: [0x10, 0]).size == 0)
        #expect(try Agent.ExecuteRequest(decoding: []).windowBytes == 0)
        #expect(Agent.ExecuteRequest().windowBytes == 256 << 10)
    }
}
