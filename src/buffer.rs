//! Encoded fragments that wait to be sent, bounded in bytes.
//!
//! Fragments lie one behind the other, each with its separator, in segments of [`SEGMENT_BYTES`], so that nothing is copied when a payload is cut or the oldest is dropped, and an emptied one is filled again until there is [rest](Buffer::rest).
//! A payload is a number of fragments from the front: it stays here until it is [released](Buffer::release), so what could not be sent is still where it was.

use std::collections::VecDeque;

/// What a segment holds before the next one is begun; a larger fragment has one for itself.
const SEGMENT_BYTES: usize = 64 * 1024;

/// A segment with less room than this is left alone, so that it need not grow for an ordinary fragment.
const SLACK_BYTES: usize = 2 * 1024;

/// Emptied segments that are kept while more comes: an ordinary payload's, which takes seventeen, as none is filled to the last byte.
const SPARE_MAX: usize = 18;

/// Some fragments in one piece of memory.
#[derive(Debug, Default)]
struct Segment {
    /// The fragments.
    data: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    /// How many of them, from the front, are gone.
    gone: usize,
}

impl Segment {
    /// Where the first fragment that is not gone begins.
    fn start(&self) -> usize {
        self.gone
            .checked_sub(1)
            .and_then(|last| self.ends.get(last))
            .copied()
            .unwrap_or(0)
    }

    /// Where the last fragment ends.
    fn end(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// How many fragments wait.
    fn waiting(&self) -> usize {
        self.ends.len() - self.gone
    }
}

/// The buffer of one destination.
#[derive(Debug)]
pub struct Buffer {
    /// Oldest first; only the last one grows.
    segments: VecDeque<Segment>,
    /// Emptied segments, to be filled again: fresh memory costs more than what is written to it.
    spare: Vec<Segment>,
    /// Bytes of the fragments that wait, separators included.
    bytes: usize,
    /// Fragments that wait.
    records: usize,
    /// What `bytes` never exceeds.
    bytes_max: usize,
}

/// A payload's fragments: so many from the front of the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Fragments in it.
    pub records: usize,
    /// Their bytes, a separator behind each.
    pub bytes: usize,
}

impl Buffer {
    /// A buffer that holds at most `bytes_max` bytes of fragments.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self {
            segments: VecDeque::new(),
            spare: Vec::new(),
            bytes: 0,
            records: 0,
            bytes_max,
        }
    }

    /// Bytes that wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Fragments that wait.
    #[must_use]
    pub fn records(&self) -> usize {
        self.records
    }

    /// Appends the fragment that `write` writes, and drops the oldest ones if it makes the buffer too large; returns how many were dropped; one that is larger than the whole buffer goes alone.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        let full = |segment: &Segment| segment.data.len() + SLACK_BYTES > SEGMENT_BYTES;
        if self.segments.back().is_none_or(full) {
            let mut fresh = self.spare.pop().unwrap_or_default();
            fresh.data.reserve_exact(SEGMENT_BYTES);
            self.segments.push_back(fresh);
        }
        let Some(segment) = self.segments.back_mut() else {
            return 0;
        };
        // Whatever an earlier writer left behind without finishing goes.
        let before = segment.end();
        segment.data.truncate(before);
        write(&mut segment.data);
        let after = segment.data.len();
        if after - before > self.bytes_max {
            // It would push out all others and then itself.
            segment.data.truncate(before);
            return 1;
        }
        segment.ends.push(after);
        self.records += 1;
        self.bytes += after - before;
        let mut dropped = 0;
        while self.bytes > self.bytes_max && self.records > 0 {
            self.release(1);
            dropped += 1;
        }
        dropped
    }

    /// The oldest fragments that fit a payload, to which each adds `each` bytes beside its own: at least one if any waits, even if it is too large by itself.
    #[must_use]
    pub fn batch(&self, bytes_max: usize, each: usize, records_max: usize) -> Batch {
        let mut batch = Batch {
            records: 0,
            bytes: 0,
        };
        for segment in &self.segments {
            let mut from = segment.start();
            for end in segment.ends.iter().skip(segment.gone) {
                let bytes = batch.bytes + (end - from);
                let all = bytes.saturating_add(each.saturating_mul(batch.records + 1));
                if batch.records > 0 && (all > bytes_max || batch.records >= records_max) {
                    return batch;
                }
                batch.records += 1;
                batch.bytes = bytes;
                from = *end;
            }
        }
        batch
    }

    /// A batch's bytes, in order, in as few pieces as there are segments; the last separator is left out.
    pub fn pieces(&self, batch: Batch, separator: &str) -> impl Iterator<Item = &[u8]> {
        let mut left = batch.bytes.saturating_sub(separator.len());
        self.segments.iter().map_while(move |segment| {
            if left == 0 {
                return None;
            }
            let data = segment.data.get(segment.start()..segment.end())?;
            let piece = data.get(..left.min(data.len()))?;
            left -= piece.len();
            Some(piece)
        })
    }

    /// A batch's fragments, one by one.
    pub fn fragments(&self, batch: Batch, separator: &str) -> impl Iterator<Item = &[u8]> {
        let separator = separator.len();
        let all = self.segments.iter().flat_map(move |segment| {
            let starts = std::iter::once(segment.start())
                .chain(segment.ends.iter().skip(segment.gone).copied());
            let ends = segment.ends.iter().skip(segment.gone);
            starts.zip(ends).map(move |(start, end)| {
                let end = end.saturating_sub(separator).max(start);
                segment.data.get(start..end).unwrap_or_default()
            })
        });
        all.take(batch.records)
    }

    /// Takes a batch's fragments out, but for those that have a rank: they stay in front of all others, the lower rank first and otherwise in their order.
    pub fn keep(&mut self, batch: Batch, ranks: [&dyn Fn(usize) -> bool; 2]) {
        let mut kept = Segment::default();
        for stays in ranks {
            for (at, fragment) in self.fragments(batch, "").enumerate() {
                if stays(at) {
                    kept.data.extend_from_slice(fragment);
                    kept.ends.push(kept.data.len());
                }
            }
        }
        self.release(batch.records);
        if kept.waiting() > 0 {
            self.records += kept.waiting();
            self.bytes += kept.end();
            self.segments.push_front(kept);
        }
    }

    /// Gives memory back, but for one segment: nothing comes for a while.
    pub fn rest(&mut self) {
        self.spare.truncate(1);
        self.spare.shrink_to(1);
    }

    /// Takes the oldest fragments out: they were delivered, refused or dropped.
    pub fn release(&mut self, records: usize) {
        let mut left = records;
        while left > 0 {
            let Some(segment) = self.segments.front_mut() else {
                return;
            };
            let before = segment.start();
            let count = left.min(segment.waiting());
            segment.gone += count;
            let freed = segment.start() - before;
            self.bytes -= freed;
            self.records -= count;
            left -= count;
            if segment.waiting() > 0 {
                return;
            }
            if let Some(mut empty) = self.segments.pop_front() {
                empty.data.clear();
                empty.ends.clear();
                empty.gone = 0;
                // One that grew for an unusual fragment gives its memory back.
                if empty.data.capacity() <= SEGMENT_BYTES && self.spare.len() < SPARE_MAX {
                    self.spare.push(empty);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(buffer: &mut Buffer, text: &str) -> usize {
        buffer.push(|out| out.extend_from_slice(format!("{text},").as_bytes()))
    }

    fn text(buffer: &Buffer, batch: Batch) -> String {
        let bytes: Vec<u8> = buffer.pieces(batch, ",").flatten().copied().collect();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn batches_are_cut_by_bytes_and_by_count() {
        let mut buffer = Buffer::new(1000);
        for word in ["one", "two", "three"] {
            assert_eq!(push(&mut buffer, word), 0);
        }
        assert_eq!((buffer.records(), buffer.bytes()), (3, 14));
        for (bytes, records, expected) in [
            (1000, 10, "one,two,three"),
            (8, 10, "one,two"),
            (7, 10, "one"),
            (1, 10, "one"),
            (1000, 2, "one,two"),
            (1000, 0, "one"),
        ] {
            let batch = buffer.batch(bytes, 0, records);
            assert_eq!(text(&buffer, batch), expected, "{bytes} {records}");
        }
        buffer.release(1);
        let rest = buffer.batch(1000, 0, 10);
        assert_eq!(text(&buffer, rest), "two,three");
        buffer.release(5);
        assert_eq!((buffer.records(), buffer.bytes()), (0, 0));
        assert_eq!(buffer.batch(10, 0, 10).records, 0);
        assert_eq!(buffer.pieces(buffer.batch(10, 0, 10), ",").count(), 0);
    }

    #[test]
    fn some_of_a_batch_stay_in_front() {
        let mut buffer = Buffer::new(1000);
        for n in 0..6 {
            push(&mut buffer, &format!("r{n}"));
        }
        buffer.release(1);
        let batch = buffer.batch(1000, 0, 4);
        let seen: Vec<_> = buffer.fragments(batch, ",").collect();
        assert_eq!(seen, [b"r1", b"r2", b"r3", b"r4"]);
        buffer.keep(batch, [&|at| at == 3, &|at| at % 2 == 0]);
        assert_eq!((buffer.records(), buffer.bytes()), (4, 12));
        assert_eq!(text(&buffer, buffer.batch(1000, 0, 10)), "r4,r1,r3,r5");
        push(&mut buffer, "r6");
        let batch = buffer.batch(1000, 0, 3);
        buffer.keep(batch, [&|_| false, &|_| false]);
        assert_eq!(text(&buffer, buffer.batch(1000, 0, 10)), "r5,r6");
    }

    #[test]
    fn the_oldest_go_first_when_it_is_full() {
        let mut buffer = Buffer::new(9);
        assert_eq!(push(&mut buffer, "aaa"), 0);
        assert_eq!(push(&mut buffer, "bbb"), 0);
        assert_eq!(push(&mut buffer, "ccc"), 1);
        assert_eq!(text(&buffer, buffer.batch(100, 0, 9)), "bbb,ccc");
        assert_eq!(push(&mut buffer, "too large to fit"), 1, "itself alone");
        assert_eq!(text(&buffer, buffer.batch(100, 0, 9)), "bbb,ccc");
        assert_eq!(push(&mut buffer, "d"), 1);
        assert_eq!(text(&buffer, buffer.batch(100, 0, 9)), "ccc,d");
    }

    #[test]
    fn many_segments_keep_order_and_give_memory_back() {
        let mut buffer = Buffer::new(usize::MAX);
        let mut expected = Vec::new();
        for n in 0..20_000 {
            let word = format!("record number {n}");
            push(&mut buffer, &word);
            expected.push(word);
        }
        let large = "x".repeat(3 * SEGMENT_BYTES);
        push(&mut buffer, &large);
        expected.push(large);
        push(&mut buffer, "last");
        expected.push("last".into());
        let mut seen = Vec::new();
        while buffer.records() > 0 {
            let batch = buffer.batch(100_000, 0, 777);
            seen.extend(text(&buffer, batch).split(',').map(ToOwned::to_owned));
            buffer.release(batch.records);
        }
        assert_eq!(seen, expected);
        assert!(buffer.segments.is_empty());
        let kept = |buffer: &Buffer| -> usize {
            buffer.spare.iter().map(|spare| spare.data.capacity()).sum()
        };
        assert!(kept(&buffer) <= SPARE_MAX * SEGMENT_BYTES);
        buffer.rest();
        assert!(kept(&buffer) <= SEGMENT_BYTES);
    }

    #[test]
    fn a_fragment_that_was_not_finished_leaves_no_trace() {
        let mut buffer = Buffer::new(100);
        push(&mut buffer, "a");
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            buffer.push(|out| {
                out.extend_from_slice(b"half");
                panic!("in the middle");
            })
        }));
        assert!(caught.is_err());
        push(&mut buffer, "b");
        assert_eq!(text(&buffer, buffer.batch(100, 0, 9)), "a,b");
    }
}
