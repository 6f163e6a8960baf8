//! One direction of a TCP connection: segments in any order to bytes in the right one.

use std::collections::BTreeMap;

/// Bytes kept that came before their turn.
const MAX_AHEAD: usize = 4 << 20;

/// What a direction has delivered, and what waits.
#[derive(Debug, Default)]
pub(super) struct Direction {
    /// Sequence number of the first byte; none until the direction was heard of.
    base: Option<u32>,
    delivered: u64,
    /// Bytes by their offset that came before their turn.
    ahead: BTreeMap<u64, Vec<u8>>,
    ahead_bytes: usize,
    /// Offset of the end, once a FIN told.
    end: Option<u64>,
    is_closed: bool,
}

impl Direction {
    /// Whether nothing was heard of it yet.
    pub fn is_new(&self) -> bool {
        self.base.is_none()
    }

    /// The first byte has this number.
    pub fn start(&mut self, seq: u32) {
        self.base = Some(seq);
    }

    /// Whether `seq` is the number the direction starts with.
    pub fn starts_with(&self, seq: u32) -> bool {
        self.base == Some(seq)
    }

    /// Whether bytes are missing before some that came.
    pub fn has_gap(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// Takes a segment, and returns what is new and in order now.
    pub fn take(&mut self, seq: u32, payload: &[u8]) -> Vec<u8> {
        let Some(offset) = self.offset(seq) else { return Vec::new() };
        if offset > self.delivered {
            self.keep(offset, payload);
            return Vec::new();
        }
        // Overlaps: what was delivered first stays.
        let known = usize::try_from(self.delivered - offset).unwrap_or(usize::MAX);
        let mut fresh = payload.get(known..).unwrap_or_default().to_vec();
        self.delivered += fresh.len() as u64;
        while let Some(entry) = self.ahead.first_entry() {
            if *entry.key() > self.delivered {
                break;
            }
            let (offset, data) = entry.remove_entry();
            self.ahead_bytes -= data.len();
            let known = usize::try_from(self.delivered - offset).unwrap_or(usize::MAX);
            let rest = data.get(known..).unwrap_or_default();
            fresh.extend_from_slice(rest);
            self.delivered += rest.len() as u64;
        }
        fresh
    }

    /// A FIN stands behind a segment that ends at `seq`.
    pub fn finish(&mut self, seq: u32) {
        if self.end.is_none() {
            self.end = self.offset(seq);
        }
    }

    /// True once: when everything up to the FIN was delivered.
    pub fn closes_now(&mut self) -> bool {
        let closes = !self.is_closed && self.end.is_some_and(|end| end <= self.delivered);
        self.is_closed |= closes;
        closes
    }

    /// The offset of a sequence number, as near to what was delivered as it can be; none before the start.
    fn offset(&self, seq: u32) -> Option<u64> {
        let expected = self.base?.wrapping_add(self.delivered as u32);
        let distance = i64::from(seq.wrapping_sub(expected) as i32);
        self.delivered.checked_add_signed(distance)
    }

    fn keep(&mut self, offset: u64, payload: &[u8]) {
        let known = self.ahead.get(&offset).map_or(0, Vec::len);
        if payload.len() > known && self.ahead_bytes + payload.len() <= MAX_AHEAD {
            self.ahead_bytes += payload.len() - known;
            self.ahead.insert(offset, payload.to_vec());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Segments cut anywhere, repeated, overlapping and in any order give the bytes that were sent.
        #[test]
        fn any_order_gives_the_same_bytes(
            base: u32,
            bytes in proptest::collection::vec(any::<u8>(), 1..300),
            cuts in proptest::collection::vec((0usize..300, 1usize..80), 0..40),
        ) {
            let mut direction = Direction::default();
            direction.start(base);
            let mut out = Vec::new();
            let whole = (0..bytes.len()).step_by(7).map(|at| (at, 9));
            for (at, length) in cuts.into_iter().chain(whole) {
                let at = at.min(bytes.len());
                let piece = &bytes[at..bytes.len().min(at + length)];
                out.extend(direction.take(base.wrapping_add(at as u32), piece));
            }
            direction.finish(base.wrapping_add(bytes.len() as u32));
            prop_assert_eq!(out, bytes);
            prop_assert!(direction.closes_now() && !direction.closes_now() && !direction.has_gap());
        }

        #[test]
        fn what_is_kept_is_bounded(seqs in proptest::collection::vec(any::<u32>(), 0..200)) {
            let mut direction = Direction::default();
            direction.start(0);
            let payload = vec![7; 60_000];
            for seq in seqs {
                direction.take(seq, &payload);
                direction.finish(seq);
                prop_assert!(direction.ahead_bytes <= MAX_AHEAD);
                prop_assert_eq!(direction.ahead_bytes, direction.ahead.values().map(Vec::len).sum::<usize>());
            }
        }
    }
}
