// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Synchronization
import Testing

@testable import Pool

@Suite("The CPU time of a member, for whoever leases it")
struct CPUMeterTests {
    /// What a payer was told.
    private final class Told: Sendable {
        private let all = Mutex<[UInt64]>([])
        var each: [UInt64] { all.withLock { $0 } }

        func begin(_ meter: CPUMeter) { meter.begin { used in self.all.withLock { $0.append(used) } } }
    }

    @Test("what is used is told once, from the beginning of a lease to its end, and to nobody between two")
    func leases() {
        let (count, first, second) = (CPUMeter.Count(), Told(), Told())
        let meter = CPUMeter(told: count)
        count.add(microseconds: 1000)
        #expect(!meter.isCounting)
        first.begin(meter)
        #expect(meter.isCounting)
        meter.settle()
        #expect(first.each == [])
        count.add(microseconds: 7)
        meter.settle()
        meter.settle()
        count.add(microseconds: 3)
        meter.end(isOver: false)
        #expect(first.each == [7, 3])
        #expect(!meter.isCounting)
        // A reset, for one.
        count.add(microseconds: 500)
        meter.settle()
        meter.end(isOver: false)
        second.begin(meter)
        count.add(microseconds: 20)
        meter.end(isOver: true)
        meter.end(isOver: true)
        #expect(first.each == [7, 3] && second.each == [20])
        // Its grant was on the way when the member was given up.
        second.begin(meter)
        #expect(!meter.isCounting)
    }

    @Test("many threads that settle at the same time tell all of it once")
    func threads() async {
        let (count, told) = (CPUMeter.Count(), Told())
        let meter = CPUMeter(told: count)
        told.begin(meter)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<1000 {
                        count.add(microseconds: 1)
                        meter.settle()
                    }
                }
            }
        }
        meter.end(isOver: true)
        #expect(told.each.reduce(0, +) == 8000)
        #expect(!told.each.contains(0))
    }

    @Test("both versions' files are read, in their units, and one that is gone counts nothing more")
    func files() throws {
        #expect(CPUMeter.microseconds(in: "usage_usec 12345\nuser_usec 12000\nsystem_usec 345\n") == 12345)
        #expect(CPUMeter.microseconds(in: "12345678\n") == 12345)
        for text in ["", "\n", "x\n", "usage_usec x\n", "user 3\nsystem 4\n", "-1\n"] {
            #expect(CPUMeter.microseconds(in: text) == nil, "\(text)")
        }
        let path = "/tmp/berth-cpu-\(UUID().uuidString)"
        defer { unlink(path) }
        #expect(CPUMeter(file: path) == nil)
        func write(_ text: String) throws { try text.write(toFile: path, atomically: false, encoding: .utf8) }
        try write("usage_usec 100\n")
        let told = Told()
        let meter = try #require(CPUMeter(file: path))
        told.begin(meter)
        try write("usage_usec 150\n")
        meter.settle()
        unlink(path)
        meter.end(isOver: true)
        #expect(told.each == [50])
    }

    @Test("on v1, the line of the controller cpuacct leads to it, alone or with cpu; on v2, the only line does")
    func places() {
        func places(_ groups: String) -> [String] { CPUMeter.candidates(root: "/r", groups: groups) }
        #expect(places("0::/system.slice/berth.service/m1\n") == ["/r/system.slice/berth.service/m1/cpu.stat"])
        #expect(places("9:cpu,cpuacct:/b/m1\n4:memory:/b/m1\n") == ["/r/cpuacct/b/m1/cpuacct.usage"])
        #expect(places("2:cpuacct:/b/m1\n1:cpu:/b/m1\n0::/\n") == ["/r/cpuacct/b/m1/cpuacct.usage"])
        // The root group is everybody's.
        for groups in ["2:cpuacct:/\n", "0::/\n", "1:cpu:/b/m1\n", "0::/../x\n"] { #expect(places(groups).isEmpty) }
        #expect(CPUMeter(process: 0) == nil)
        #expect(CPUMeter(process: .max) == nil)
    }
}
