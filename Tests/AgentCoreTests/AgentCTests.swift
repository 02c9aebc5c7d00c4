// SPDX-License-Identifier: Apache-2.0

import CAgent
import CLinux
import Glibc
import Testing
import TestSupport

/// The C code of the agent: one convention for errors, and no code that the agent does not need.
@Suite("the agent's C")
struct AgentCTests {
    @Test("whatever fails returns a negative errno")
    func errors() {
        #expect(berth_set_pipe_size(-1, 4096) == -EBADF)
        #expect(berth_splice(-1, -1, 1) == -Int(EBADF))
        #expect("a".withCString { berth_rename(-1, $0, -1, $0, 0) } == -EBADF)
        #expect(berth_resize_terminal(-1, 24, 80) == -EBADF)
        #expect(berth_has_unread_input(-1) == -EBADF)
        var none: [UnsafePointer<CChar>?] = [nil]
        #expect(berth_empty_directory(-1, &none, .max) == -EBADF)
        var start = berth_directory()
        #expect(berth_restore_directory(-1, &start) == -EBADF)
        var names = [CChar](repeating: 0, count: 8)
        #expect(berth_attribute_names(-1, &names, names.count) == -Int(EBADF))
        #expect(berth_end_all_others(.max) == -EPERM)
    }

    @Test("the agent has none of the host's C, and the server none of the agent's")
    func apart() throws {
        let agent = try symbols(of: "berth-agent")
        #expect(agent.contains("berth_supervise") && agent.contains("berth_pipe"))
        for name in ["berth_spawn", "berth_try_container", "berth_accept", "berth_exact_sleeps"] {
            #expect(!agent.contains(name), "\(name) is in the agent")
        }
        let server = try symbols(of: "berth-full")
        #expect(server.contains("berth_spawn") && server.contains("berth_pipe"))
        for name in ["berth_supervise", "berth_end_all_others", "berth_open_terminal"] {
            #expect(!server.contains(name), "\(name) is in the server")
        }
    }

    /// The symbols of Berth's own C code in a program.
    private func symbols(of program: String) throws -> Set<String> {
        let path = try BuildProducts.program(program)
        let file = try #require(fopen(path, "re"))
        defer { fclose(file) }
        var names: Set<String> = []
        var word: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 1 << 20)
        while case let count = fread(&room, 1, room.count, file), count > 0 {
            for byte in room[..<count] {
                if byte == 0 {
                    if word.starts(with: "berth_".utf8) { names.insert(String(decoding: word, as: UTF8.self)) }
                    word.removeAll(keepingCapacity: true)
                } else if word.count < 64 {
                    word.append(byte)
                }
            }
        }
        return names
    }
}
