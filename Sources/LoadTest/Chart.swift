// SPDX-License-Identifier: Apache-2.0

/// A chart as SVG, which uses the colours `--c1` to `--c6` of the page.
struct Chart: Sendable {
    struct Line: Sendable {
        var name: String
        /// 1 to 6.
        var color: Int
        var points: [(x: Double, y: Double)]
        var isDashed = false
    }

    /// The tooltip of a part of the x axis.
    struct Tip: Sendable {
        var from: Double
        var to: Double
        var text: String
    }

    private static let width = 760.0
    private static let height = 260.0
    private static let left = 64.0
    private static let right = 12.0
    private static let top = 10.0
    private static let bottom = 26.0

    let title: String
    let x: Axis
    let y: Axis
    /// Stacked areas, from the x axis upwards.
    var areas: [Line] = []
    var lines: [Line] = []
    var tips: [Tip] = []

    /// The chart with its title and legend.
    var html: String {
        var parts = ["<figure><figcaption><b>\(title.escaped)</b>"]
        for line in areas + lines {
            let kind = line.isDashed ? "key dashed" : "key"
            parts.append("<span class=\"\(kind)\" style=\"--c:var(--c\(line.color))\">\(line.name.escaped)</span>")
        }
        parts.append("</figcaption>")
        parts.append(
            "<svg viewBox=\"0 0 \(Int(Chart.width)) \(Int(Chart.height))\" role=\"img\" aria-label=\"\(title.escaped)\">"
        )
        parts += grid + stacked
        for line in lines {
            let dash = line.isDashed ? " stroke-dasharray=\"4 3\"" : ""
            parts.append(
                "<polyline class=\"line\" style=\"stroke:var(--c\(line.color))\"\(dash) points=\"\(path(line.points))\"/>"
            )
        }
        for tip in tips {
            let (from, to) = (px(tip.from), px(tip.to))
            parts.append(
                "<rect class=\"tip\" x=\"\(n(from))\" y=\"\(n(Chart.top))\" width=\"\(n(max(to - from, 1)))\" "
                    + "height=\"\(n(Chart.height - Chart.top - Chart.bottom))\"><title>\(tip.text.escaped)</title></rect>"
            )
        }
        parts.append("</svg></figure>")
        return parts.joined(separator: "\n")
    }

    private var grid: [String] {
        var parts: [String] = []
        for tick in y.ticks {
            let at = py(tick.value)
            parts.append(
                "<line class=\"grid\" x1=\"\(n(Chart.left))\" x2=\"\(n(Chart.width - Chart.right))\" y1=\"\(n(at))\" "
                    + "y2=\"\(n(at))\"/><text x=\"\(n(Chart.left - 8))\" y=\"\(n(at + 4))\" text-anchor=\"end\">"
                    + "\(tick.label.escaped)</text>")
        }
        for tick in x.ticks {
            let at = px(tick.value)
            let anchor = at < Chart.left + 20 ? "start" : at > Chart.width - Chart.right - 20 ? "end" : "middle"
            parts.append(
                "<line class=\"grid\" x1=\"\(n(at))\" x2=\"\(n(at))\" y1=\"\(n(Chart.top))\" "
                    + "y2=\"\(n(Chart.height - Chart.bottom))\"/><text x=\"\(n(at))\" y=\"\(n(Chart.height - 8))\" "
                    + "text-anchor=\"\(anchor)\">\(tick.label.escaped)</text>")
        }
        return parts
    }

    /// The areas, which must have the same x values.
    private var stacked: [String] {
        guard let first = areas.first, first.points.count > 1 else { return [] }
        var floor = first.points.map { (x: $0.x, y: 0.0) }
        var parts: [String] = []
        for area in areas {
            let ceiling = zip(floor, area.points).map { (x: $0.x, y: $0.y + $1.y) }
            parts.append(
                "<polygon class=\"area\" style=\"fill:var(--c\(area.color))\" "
                    + "points=\"\(path(ceiling)) \(path(floor.reversed()))\"/>")
            floor = ceiling
        }
        return parts
    }

    private func path(_ points: [(x: Double, y: Double)]) -> String {
        points.map { "\(n(px($0.x))),\(n(py($0.y)))" }.joined(separator: " ")
    }

    private func px(_ value: Double) -> Double {
        Chart.left + clamp(x.fraction(value)) * (Chart.width - Chart.left - Chart.right)
    }

    private func py(_ value: Double) -> Double {
        Chart.height - Chart.bottom - clamp(y.fraction(value)) * (Chart.height - Chart.top - Chart.bottom)
    }

    private func clamp(_ fraction: Double) -> Double { fraction.isFinite ? min(max(fraction, 0), 1) : 0 }
    private func n(_ value: Double) -> String { Units.fixed(value, 1) }
}

extension String {
    /// The text escaped for HTML and its attributes.
    var escaped: String {
        var result = ""
        for character in self {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
        return result
    }
}
