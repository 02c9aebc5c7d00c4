// SPDX-License-Identifier: Apache-2.0

import BerthRPC
import Foundation
import Glibc
import Testing

@Suite("Files that are read again when they change")
struct FileWatchTests {
    private struct Unreadable: Error {}

    private func withFile(_ body: (_ path: String, _ write: (String) throws -> Void) throws -> Void) throws {
        let path = "/tmp/berth-watch-\(UUID().uuidString)"
        defer { unlink(path) }
        // Another file each time, as tools write them: its stamp does not depend on the clock.
        try body(path) { try $0.write(toFile: path, atomically: true, encoding: .utf8) }
    }

    @Test("a file is read when it has changed, appears or goes, and not otherwise")
    func changes() throws {
        try withFile { path, write in
            var (watch, count) = (FileWatch(path), 0)
            func look() -> Int {
                watch.look { count += 1 }
                return count
            }
            #expect(look() == 1 && look() == 1)
            try write("a")
            #expect(look() == 2 && look() == 2)
            try write("b")
            #expect(look() == 3 && look() == 3)
            unlink(path)
            #expect(look() == 4 && look() == 4)
            watch.readNow { count += 1 }
            #expect(look() == 5)
        }
    }

    @Test("a change while the file is read is seen at the next look")
    func meanwhile() throws {
        try withFile { path, write in
            var (watch, seen) = (FileWatch(path), "")
            try write("first")
            try watch.readNow {
                seen = try String(contentsOfFile: path, encoding: .utf8)
                try write("second")
            }
            #expect(seen == "first")
            try watch.look { seen = try String(contentsOfFile: path, encoding: .utf8) }
            #expect(seen == "second")
        }
    }

    @Test("a file that could not be read is read again at the next look, though it has not changed")
    func failure() throws {
        try withFile { path, write in
            var (watch, count) = (FileWatch(path), 0)
            try write("a")
            watch.look { count += 1 }
            try write("b")
            #expect(throws: Unreadable.self) { try watch.look { throw Unreadable() } }
            #expect(throws: Unreadable.self) { try watch.look { throw Unreadable() } }
            watch.look { count += 1 }
            watch.look { count += 1 }
            #expect(count == 2)
        }
    }
}
