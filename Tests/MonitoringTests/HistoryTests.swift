// SPDX-License-Identifier: Apache-2.0

import Foundation
import Pool
import Testing

@testable import Monitoring

@Suite struct HistoryTests {
    private func figures(_ pools: [PoolSnapshot]) -> ServerFigures {
        var figures = ServerFigures(version: "9.9.9", runtime: "runc")
        figures.pools = pools
        return figures
    }

    @Test("leases a second and times are those of the last seconds, and nothing once nothing happens")
    func window() throws {
        var history = History()
        var pool = PoolSnapshot.example
        for second in 0..<20 {
            pool.leases += 3
            for _ in 0..<3 { pool.times.warmWait.record(.zero) }
            pool.times.coldWait.record(.milliseconds(80))
            pool.times.create.record(.milliseconds(70))
            history.append(figures([pool]), uptime: Int64(second) * 1000)
        }
        let busy = try #require(history.samples.last)
        #expect(busy.leaseRate == 30)
        let (acquire, create) = (try #require(busy.pools[0].acquire), try #require(busy.pools[0].create))
        #expect(acquire.p50 == 100)
        // 80 ms is in the bucket that ends at 100 ms.
        #expect((50_000...100_000).contains(acquire.p99))
        #expect((50_000...100_000).contains(create.p50))
        for second in 20..<31 { history.append(figures([pool]), uptime: Int64(second) * 1000) }
        let idle = try #require(history.samples.last)
        #expect(idle.leaseRate == 0)
        #expect(idle.pools[0].acquire == nil && idle.pools[0].create == nil)
    }

    @Test("quantiles are within the bucket that holds them")
    func quantiles() {
        var times = DurationHistogram()
        let none = times.counts
        #expect(Quantiles(times.counts, since: none) == nil)
        for milliseconds in 1...100 { times.record(.milliseconds(milliseconds)) }
        let spread = Quantiles(times.counts, since: none)
        #expect((25_000...50_000).contains(spread?.p50 ?? 0))
        #expect((90_000...100_000).contains(spread?.p99 ?? 0))
        let before = times.counts
        times.record(.seconds(7200))
        #expect(Quantiles(times.counts, since: before)?.p50 == 1_800_000_000)
    }

    @Test("no more samples are kept than ten minutes have, and fewer of very many pools")
    func bounds() {
        var history = History()
        for second in 0..<700 { history.append(figures([.example]), uptime: Int64(second) * 1000) }
        #expect(history.samples.count == 600)
        #expect(history.samples.first?.number == 100)
        let many = (0..<1000).map { PoolSnapshot.named("pool-\($0)") }
        for second in 700..<730 { history.append(figures(many), uptime: Int64(second) * 1000) }
        #expect(history.samples.count == 24)
        #expect(history.samples.last?.number == 729)
    }

    @Test("a pool that comes or goes is null where it was not")
    func changing() throws {
        var history = History()
        history.append(figures([.named("old")]), uptime: 0)
        history.append(figures([.named("new"), .named("old")]), uptime: 1000)
        history.append(figures([.named("new")]), uptime: 2000)
        let told = try #require(
            try JSONSerialization.jsonObject(with: Data(history.json(start: "x").utf8)) as? [String: Any])
        let pools = try #require(told["pools"] as? [[String: Any]])
        #expect(pools.map { $0["name"] as? String } == ["new", "old"])
        #expect((pools[0]["idle"] as? [Any])?.map { $0 as? Int } == [nil, 2, 2])
        #expect((pools[1]["idle"] as? [Any])?.map { $0 as? Int } == [2, 2, nil])
    }

    @Test("text is written so that JSON says it again as it was, on one line")
    func escapes() throws {
        let words = "a\"b\\c\nd\u{1}\t\u{7f}ü\u{2028}😀</script>"
        let text = JSONText { $0.write(words, words) }.text
        #expect(!text.contains("\n"))
        let read = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: String]
        #expect(read == [words: words])
    }
}
