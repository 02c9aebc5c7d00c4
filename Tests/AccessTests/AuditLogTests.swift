// SPDX-License-Identifier: Apache-2.0

import Access
import Foundation
import Glibc
import Synchronization
import Testing
import TestSupport

/// The audit log's file: rotation, and what may happen to a file that others can reach.
@Suite("The audit log's file", .serialized)
struct AuditLogTests {
    /// Calls `body` with a path in a directory of its own.
    private func withFolder(_ body: (_ path: String, _ folder: String) throws -> Void) throws {
        let folder = "/tmp/berth-auditlog-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body("\(folder)/audit.jsonl", folder)
    }

    /// The lines of a file, each of which has to be JSON.
    private func lines(_ path: String) throws -> [[String: Any]] {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(text.isEmpty || text.hasSuffix("\n"), "\(path) ends within a line")
        return try text.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any], "\($0)")
        }
    }

    private func size(_ path: String) throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
    }

    @Test(
        "rotation while eight threads write: every line is in the files once, each thread's in order, none over the size"
    )
    func rotation() throws {
        try withFolder { path, folder in
            let (threads, each, limit) = (8, 400, 40_000)
            let log = try AuditLog(path, maxSize: Int64(limit))
            DispatchQueue.concurrentPerform(iterations: threads) { thread in
                for number in 0..<each {
                    log.write([("thread", .number(thread)), ("number", .number(number)), ("fill", .text("0123456789"))])
                }
            }
            let files = (1...4).reversed().map { "\(path).\($0)" } + [path]
            let present = files.filter { FileManager.default.fileExists(atPath: $0) }
            #expect(present.count > 2, "it was rotated more than once")
            var next = [Int](repeating: 0, count: threads)
            for file in present {
                #expect(try size(file) <= limit, "\(file)")
                for line in try lines(file) {
                    let thread = try #require(line["thread"] as? Int)
                    #expect(line["number"] as? Int == next[thread], "\(file)")
                    next[thread] += 1
                }
            }
            #expect(next == [Int](repeating: each, count: threads), "nothing is lost")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == present.count)
        }
    }

    @Test("what callers name is written without characters that steer a terminal, and read back as it was")
    func steering() throws {
        try withFolder { path, _ in
            let name = "a\u{1b}[2J\u{9b}31m\u{85}\u{7f}\u{200f}\u{202e}\u{2066}\u{61c}\t\"\\é😀"
            try AuditLog(path, maxSize: 1 << 20).write([("name", .text(name))])
            #expect(try lines(path).map { $0["name"] as? String } == [name])
            let text = try String(contentsOfFile: path, encoding: .utf8)
            let steering: (Unicode.Scalar) -> Bool = { scalar in
                scalar.properties.generalCategory == .control || scalar.properties.isBidiControl
            }
            #expect(text.dropLast().unicodeScalars.filter(steering).isEmpty, "\(text)")
        }
    }

    @Test("the last four rotated files are kept, in order, and a restart goes on in the same file")
    func keptFiles() throws {
        try withFolder { path, folder in
            for start in 0..<2 {
                // Made anew each time, as after a restart.
                let log = try AuditLog(path, maxSize: 100)
                for number in 0..<20 {
                    log.write([
                        ("number", .number(start * 20 + number)), ("fill", .text(String(repeating: "x", count: 20))),
                    ])
                }
            }
            let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            #expect(names == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2", "audit.jsonl.3", "audit.jsonl.4"])
            let numbers = try (names.dropFirst().reversed() + ["audit.jsonl"]).flatMap { try lines("\(folder)/\($0)") }
                .compactMap { $0["number"] as? Int }
            #expect(numbers == Array(40 - numbers.count..<40), "the newest, without a gap: \(numbers)")
            for name in names {
                var info = stat()
                #expect(stat("\(folder)/\(name)", &info) == 0 && info.st_mode & 0o777 == 0o600, "\(name)")
            }
        }
    }

    @Test(
        "on a full disk a line is lost as a whole, which is said once, and the next that has room says how many were lost"
    )
    func fullDisk() throws {
        try withFolder { _, folder in
            let disk = "\(folder)/disk"
            try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
            #expect(mount("tmpfs", disk, "tmpfs", 0, "size=64k") == 0, "\(String(cString: strerror(errno)))")
            defer { umount2(disk, Int32(MNT_DETACH)) }
            let said = Mutex<[String]>([])
            let log = try AuditLog(
                "\(disk)/audit", maxSize: 1 << 20, onFailure: { words in said.withLock { $0.append(words) } },
                onRecovery: { lost in said.withLock { $0.append("again, without \(lost)") } })
            // Only one page is left, so that the line that does not fit begins on it.
            #expect(FileManager.default.createFile(atPath: "\(disk)/filler", contents: Data(count: 56 << 10)))
            let fill = AuditLog.Field.text(String(repeating: "x", count: 1000))
            for number in 0..<20 { log.write([("number", .number(number)), ("fill", fill)]) }
            #expect(said.withLock { $0 } == [String(cString: strerror(ENOSPC))])
            let before = try lines("\(disk)/audit").compactMap { $0["number"] as? Int }
            #expect(!before.isEmpty && before.count < 20 && before == Array(0..<before.count), "\(before)")
            #expect(unlink("\(disk)/filler") == 0)
            for number in 20..<22 { log.write([("number", .number(number)), ("fill", fill)]) }
            let after = try lines("\(disk)/audit").dropFirst(before.count)
            #expect(after.map { $0["number"] as? Int } == [20, 21])
            #expect(after.map { $0["lost"] as? Int } == [20 - before.count, nil])
            #expect(said.withLock { $0.last } == "again, without \(20 - before.count)")
        }
    }

    @Test(
        "when the file is deleted or renamed under it, the next line begins a new one; without a directory lines are lost, in words"
    )
    func deleted() throws {
        try withFolder { path, folder in
            let said = Mutex<[String]>([])
            let log = try AuditLog(path, maxSize: 1 << 20, onFailure: { words in said.withLock { $0.append(words) } })
            func numbers(_ path: String) throws -> [Int] { try lines(path).compactMap { $0["number"] as? Int } }
            log.write([("number", .number(0))])
            #expect(unlink(path) == 0)
            log.write([("number", .number(1))])
            #expect(try numbers(path) == [1])
            // As logrotate does it.
            #expect(rename(path, "\(folder)/elsewhere") == 0)
            for number in 2..<4 { log.write([("number", .number(number))]) }
            #expect(try numbers(path) == [2, 3])
            #expect(try numbers("\(folder)/elsewhere") == [1])
            // A link in its place is not followed: what is open goes on, under its other name.
            #expect(rename(path, "\(folder)/third") == 0 && symlink("/etc/passwd", path) == 0)
            log.write([("number", .number(4))])
            #expect(try numbers("\(folder)/third") == [2, 3, 4])
            try FileManager.default.removeItem(atPath: folder)
            for number in 5..<8 { log.write([("number", .number(number))]) }
            #expect(said.withLock { $0 } == [String(cString: strerror(ENOENT))])
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            log.write([("number", .number(8))])
            #expect(try lines(path).first?["lost"] as? Int == 3)
        }
    }
}
