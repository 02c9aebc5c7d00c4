// SPDX-License-Identifier: Apache-2.0

/// An array with an index type of its own, so that a pool's index cannot be used for a slot.
struct Table<Element: Sendable>: Sendable, RandomAccessCollection, MutableCollection {
    struct Index: Hashable, Sendable, Strideable {
        // Half an Int: a lease has two of them, and beyond 128 bytes each copy of a state is a call of memcpy.
        private let value: Int32

        init(_ number: Int) {
            value = Int32(number)
        }

        var number: Int { Int(value) }

        func distance(to other: Index) -> Int { other.number - number }
        func advanced(by distance: Int) -> Index { Index(number + distance) }
    }

    private var elements: [Element]

    init(_ elements: [Element] = []) {
        self.elements = elements
    }

    var startIndex: Index { Index(0) }
    var endIndex: Index { Index(elements.count) }

    // In place: a copy of a pool would cost more than what is looked up in it.
    subscript(index: Index) -> Element {
        _read { yield elements[index.number] }
        _modify { yield &elements[index.number] }
    }

    mutating func append(_ element: Element) -> Index {
        elements.append(element)
        return Index(elements.count - 1)
    }

    /// Every index once, beginning with `first` and wrapping around.
    func indices(from first: Index) -> some Sequence<Index> {
        let count = elements.count
        return (0..<count).lazy.map { Index((first.number + $0) % count) }
    }
}
