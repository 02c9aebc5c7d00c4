// SPDX-License-Identifier: Apache-2.0

import Pool
import Testing

@testable import Monitoring

@Suite struct ExpositionTests {
    @Test("names, labels and numbers are written as Prometheus reads them")
    func samples() {
        var text = Exposition()
        text.family("berth_x", .gauge, "One \\ and\na second line.")
        text.sample("berth_x", [("pool", "a\"b\\c\nd"), ("state", "ü")], 3)
        text.sample("berth_x", [], .infinity)
        text.sample("berth_x", [], 0.25)
        #expect(
            text.text == """
                # HELP berth_x One \\\\ and\\na second line.
                # TYPE berth_x gauge
                berth_x{pool="a\\"b\\\\c\\nd",state="ü"} 3
                berth_x +Inf
                berth_x 0.25

                """)
    }

    @Test("a histogram's buckets add up, each with all below it")
    func histogram() {
        var times = DurationHistogram()
        for milliseconds in [0, 1, 2, 3, 40_000_000] { times.record(.milliseconds(milliseconds)) }
        var text = Exposition()
        text.histogram("h", [], times)
        let lines = text.text.split(separator: "\n").map(String.init)
        #expect(lines.contains(#"h_bucket{le="0.0001"} 1"#))
        #expect(lines.contains(#"h_bucket{le="0.001"} 2"#))
        #expect(lines.contains(#"h_bucket{le="0.0025"} 3"#))
        #expect(lines.contains(#"h_bucket{le="1800"} 4"#))
        #expect(lines.contains(#"h_bucket{le="+Inf"} 5"#))
        #expect(lines.contains("h_sum 40000.006"))
        #expect(lines.last == "h_count 5")
        #expect(DurationHistogram.bounds == DurationHistogram.bounds.sorted())
    }
}
