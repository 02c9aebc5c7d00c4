// SPDX-License-Identifier: Apache-2.0

/// All numbers that a system call can have, from 0 to 2³² - 1, in stretches of neighbours that are decided alike.
struct SeccompStretches {
    struct Stretch {
        /// The first number; the last one is before the next stretch.
        var first: UInt32
        /// Decides a call, and ends.
        var code: [SeccompProgram.Instruction]
    }

    private(set) var all: [Stretch] = []

    private static let notImplemented: UInt32 = 38

    init(_ profile: SeccompProfile, for architecture: SeccompArchitecture) {
        let byDefault: [SeccompProgram.Instruction] = [.end(SeccompVerdict.fail(profile.defaultErrnoRet))]
        let rules = Self.rules(profile, architecture)
        let highest = rules.keys.max() ?? 0
        for number in 0...highest {
            append(number, rules[number].map { Self.decide($0, otherwise: byDefault) } ?? byDefault)
        }
        append(highest + 1, [.end(SeccompVerdict.fail(Self.notImplemented))])
        guard architecture == .x86_64 else { return }
        // With bit 30 set a number is of x32, which is another architecture, but is not told as one. Only -1 is of none: with
        // it a tracer leaves out a call. runc looks for numbers that are too high only without this bit, so there are four.
        append(0x4000_0000, [.end(SeccompVerdict.killThread)])
        append(0x8000_0000, [.end(SeccompVerdict.fail(Self.notImplemented))])
        append(0xC000_0000, [.end(SeccompVerdict.killThread)])
        append(0xFFFF_FFFF, byDefault)
    }

    private mutating func append(_ number: UInt32, _ code: [SeccompProgram.Instruction]) {
        if let last = all.last, last.code == code { return }
        all.append(Stretch(first: number, code: code))
    }

    /// The rules of each call. Names that the architecture doesn't have are left out.
    private static func rules(
        _ profile: SeccompProfile, _ architecture: SeccompArchitecture
    ) -> [UInt32: [SeccompProfile.Rule]] {
        let numbers = architecture.numbers
        var rules: [UInt32: [SeccompProfile.Rule]] = [:]
        for rule in profile.syscalls {
            for name in rule.names {
                if let number = numbers[name] { rules[number, default: []].append(rule) }
            }
        }
        return rules
    }

    /// A rule without conditions decides alone; else the first whose conditions are all met. (In the profile no call can meet
    /// those of two.)
    private static func decide(
        _ rules: [SeccompProfile.Rule], otherwise: [SeccompProgram.Instruction]
    ) -> [SeccompProgram.Instruction] {
        if let always = rules.first(where: { $0.args == nil }) { return [.end(verdict(always))] }
        return rules.flatMap(decide) + otherwise
    }

    /// Goes past its end if a condition is not met.
    private static func decide(_ rule: SeccompProfile.Rule) -> [SeccompProgram.Instruction] {
        var code: [SeccompProgram.Instruction] = [.end(verdict(rule))]
        for condition in (rule.args ?? []).reversed() { code = check(condition, code) }
        return code
    }

    private static func verdict(_ rule: SeccompProfile.Rule) -> UInt32 {
        switch rule.action {
        case .allow: SeccompVerdict.allow
        case .errno: SeccompVerdict.fail(rule.errnoRet ?? 1)
        }
    }

    /// `following` if the condition is met, else past its end. Arguments have 64 bits, which BPF compares in halves.
    private static func check(
        _ condition: SeccompProfile.Argument, _ following: [SeccompProgram.Instruction]
    ) -> [SeccompProgram.Instruction] {
        let (mask, wanted): (UInt64, UInt64) =
            switch condition.op {
            case .equal: (.max, condition.value)
            case .maskedEqual: (condition.value, condition.valueTwo)
            }
        var code = following
        for shift: UInt64 in [0, 32] {
            let (mask, wanted) = (
                UInt32(truncatingIfNeeded: mask >> shift), UInt32(truncatingIfNeeded: wanted >> shift)
            )
            if mask == 0, wanted == 0 { continue }
            var half: [SeccompProgram.Instruction] = [
                .load(shift == 0 ? SeccompData.low(condition.index) : SeccompData.high(condition.index))
            ]
            if mask != .max { half.append(.mask(mask)) }
            // No call has more than six arguments, so a rule is short.
            half.append(.jump(.equal, wanted, ifTrue: 0, ifFalse: UInt8(code.count)))
            code = half + code
        }
        return code
    }
}
