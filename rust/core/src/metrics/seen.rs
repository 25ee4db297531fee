//! Where each row of a list stands: a hash table that is filled anew without being cleared.

/// The rows of one list, and their positions.
#[derive(Debug)]
pub(super) struct Seen {
    slots: Vec<Slot>,
    /// Only slots with this stamp are of the present list.
    stamp: u32,
    /// The hash's upper bits that count.
    shift: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    row: i64,
    stamp: u32,
    position: u32,
}

/// The odd number nearest to 2^64 divided by the golden ratio: rows at any stride scatter.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl Default for Seen {
    fn default() -> Self {
        Self { slots: vec![Slot::default(); 2], stamp: 0, shift: 63 }
    }
}

impl Seen {
    fn slot_of(&self, row: i64) -> usize {
        ((row as u64).wrapping_mul(GOLDEN) >> self.shift) as usize
    }

    /// Forgets all rows and takes these; returns the position of the first one that is repeated.
    pub(super) fn fill(&mut self, rows: &[i64]) -> Option<usize> {
        // At most a third full: most rows find their slot at once.
        let size = (rows.len() * 3).next_power_of_two().max(2);
        if size > self.slots.len() {
            self.slots = vec![Slot::default(); size];
            self.shift = 64 - size.trailing_zeros();
            self.stamp = 0;
        }
        if self.stamp == u32::MAX {
            self.slots.fill(Slot::default());
            self.stamp = 0;
        }
        self.stamp += 1;
        let mask = self.slots.len() - 1;
        for (position, &row) in rows.iter().enumerate() {
            let mut at = self.slot_of(row);
            while self.slots[at].stamp == self.stamp {
                if self.slots[at].row == row {
                    return Some(position);
                }
                at = (at + 1) & mask;
            }
            self.slots[at] = Slot { row, stamp: self.stamp, position: position as u32 };
        }
        None
    }

    /// The position of a row in the list.
    pub(super) fn position(&self, row: i64) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = self.slot_of(row);
        while self.slots[at].stamp == self.stamp && self.stamp > 0 {
            if self.slots[at].row == row {
                return Some(self.slots[at].position);
            }
            at = (at + 1) & mask;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_at_their_positions_and_only_those_of_the_last_list() {
        let mut seen = Seen::default();
        assert_eq!(seen.position(0), None);
        for (n, step) in [(100i64, 1i64), (7, 1 << 40), (1000, 64), (0, 1), (3, 1)] {
            let rows: Vec<i64> = (0..n).map(|i| i * step).collect();
            assert_eq!(seen.fill(&rows), None);
            for (position, &row) in rows.iter().enumerate() {
                assert_eq!(seen.position(row), Some(position as u32));
            }
            assert_eq!((seen.position(n * step), seen.position(-1)), (None, None));
        }
        assert_eq!(seen.fill(&[5, 9, 5, 9]), Some(2));
        seen.stamp = u32::MAX;
        assert_eq!((seen.fill(&[4]), seen.position(5), seen.position(4)), (None, None, Some(0)));
    }
}
