// SPDX-License-Identifier: Apache-2.0

/// A process of a program.
final class ModelProcess {
    private var steps: ArraySlice<Script.Step>
    let stays: Bool
    let isProgram: Bool
    var lives = true
    var sleeps = false
    var isWaking = false

    init(steps: [Script.Step], stays: Bool, isProgram: Bool) {
        self.steps = steps[...]
        self.stays = stays
        self.isProgram = isProgram
    }

    var next: Script.Step? { steps.first }

    func advance() { steps.removeFirst() }

    func wrote(_ count: Int) {
        guard case .write(let stream, let whole) = steps.removeFirst() else { return }
        if whole > count { steps.insert(.write(stream, whole - count), at: steps.startIndex) }
    }
}
