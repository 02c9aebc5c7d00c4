// SPDX-License-Identifier: Apache-2.0

import BenchmarkKit
import CAllocations

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Counts how often an operation allocates memory, and holds the counts to their limits: unlike times, they do not depend
/// on the machine or on what else it does.
///
///     count-allocations Benchmarks/allocations.txt
@main
struct Allocations {
    static func main() async {
        do {
            guard CommandLine.arguments.count == 2 else {
                throw BenchmarkError("usage: count-allocations FILE, which has the limits")
            }
            let limits = try Limits(CommandLine.arguments[1])
            let counts = try await wireCounts() + machineCounts() + callCounts() + serverCounts()
            try limits.check(counts)
        } catch {
            writeErrorLine("count-allocations: \(error)")
            exit(1)
        }
    }

    /// Allocations for each of `count` operations, after some that warm everything up.
    static func count(_ name: String, _ count: Int, _ body: (_ operations: Int) throws -> Void) rethrows -> Count {
        try body(max(1, count / 4))
        let before = berth_allocations()
        try body(count)
        return Count(name: name, perOperation: Double(berth_allocations() - before) / Double(count))
    }

    /// The same of operations that suspend.
    static func count(
        _ name: String, _ count: Int, suspending body: (_ operations: Int) async throws -> Void
    ) async rethrows -> Count {
        try await body(max(1, count / 4))
        let before = berth_allocations()
        try await body(count)
        return Count(name: name, perOperation: Double(berth_allocations() - before) / Double(count))
    }
}

struct Count {
    var name: String
    var perOperation: Double

    var inTenths: String {
        let tenths = Int((perOperation * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}

/// The most that each operation may allocate: lines of a number and a name; "#" begins a comment.
struct Limits {
    private let path: String
    private var limits: [(name: String, most: Double)] = []

    init(_ path: String) throws {
        self.path = path
        guard let file = fopen(path, "r") else { throw BenchmarkError("\(path): \(String(cString: strerror(errno)))") }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 512)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let words = text.split(whereSeparator: \.isWhitespace)
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            guard let most = Double(first), words.count > 1 else {
                throw BenchmarkError("\(path): not a limit: \(text)")
            }
            limits.append((words.dropFirst().joined(separator: " "), most))
        }
    }

    /// - Throws: `BenchmarkError` after it has told of everything that is wrong.
    func check(_ counts: [Count]) throws {
        var failures = 0
        func fail(_ words: String) {
            writeLine("FAILED: \(words)")
            failures += 1
        }
        for count in counts {
            guard let limit = limits.first(where: { $0.name == count.name }) else {
                fail("\"\(count.name)\" allocates \(count.inTenths) times, and has no limit in \(path)")
                continue
            }
            writeLine("\(count.inTenths)\tof at most \(limit.most)\t\(count.name)")
            // A timer or a read that was split may add a few in thousands.
            if count.perOperation > limit.most + 0.05 {
                fail("\"\(count.name)\" allocates \(count.inTenths) times; the limit in \(path) is \(limit.most)")
            }
        }
        for limit in limits where !counts.contains(where: { $0.name == limit.name }) {
            fail("\"\(limit.name)\" has a limit in \(path), and is not counted")
        }
        if failures > 0 { throw BenchmarkError("\(failures) of \(counts.count) counts are not as they should be") }
    }
}
