//! Bytes behind what a vector holds, put into room that is made ahead: a store each, where the vector's own way is a call.
//!
//! It must not know what they say.

/// What is made ahead, in bytes. An ordinary fragment with this behind it must be within what the buffer calls ordinary, or its segments would grow.
const AHEAD_BYTES: usize = 512;

/// What is copied without a call, in bytes.
const SHORT_BYTES: usize = 64;

/// What stands in room that is not used yet: to copy it is a call, to fill a vector a loop over bytes.
static AHEAD: [u8; AHEAD_BYTES] = [0; AHEAD_BYTES];

/// The end of a vector while it is written; what was made ahead and not used goes when this does.
#[derive(Debug)]
pub(super) struct Room<'a> {
    /// The vector while it is here.
    out: Vec<u8>,
    /// Where it belongs.
    home: &'a mut Vec<u8>,
    /// Where the zeros begin.
    at: usize,
}

impl<'a> Room<'a> {
    /// Behind what is there.
    pub(super) fn new(home: &'a mut Vec<u8>) -> Self {
        let mut out = std::mem::take(home);
        let at = out.len();
        out.extend_from_slice(&AHEAD);
        Self { out, home, at }
    }

    /// Where the next byte goes.
    #[inline(always)]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The last byte that was written.
    #[inline(always)]
    pub(super) fn last(&self) -> Option<u8> {
        self.out.get(self.at.checked_sub(1)?).copied()
    }

    /// Changes a byte that was written.
    #[inline(always)]
    pub(super) fn set(&mut self, at: usize, byte: u8) {
        if let Some(place) = self.out.get_mut(at) {
            *place = byte;
        }
    }

    /// What was written from a place on, to be changed.
    pub(super) fn since(&mut self, from: usize) -> &mut [u8] {
        self.out.get_mut(from..self.at).unwrap_or_default()
    }

    /// Moves what was written from a place on to another one, which is a few bytes before or behind it.
    #[cold]
    #[inline(never)]
    pub(super) fn shift(&mut self, from: usize, to: usize) {
        let end = self.at - from + to;
        if end > self.out.len() {
            self.out.resize(end, 0);
        }
        self.out.copy_within(from..self.at, to);
        self.at = end;
    }

    /// Makes more room ahead.
    #[cold]
    #[inline(never)]
    fn more(&mut self) {
        self.out.extend_from_slice(&AHEAD);
    }

    /// Lends the next `N` bytes, of which no more than there are ahead; what of them was written must be [taken](Self::take).
    #[inline(always)]
    pub(super) fn next<const N: usize>(&mut self) -> Option<&mut [u8; N]> {
        const { assert!(N <= AHEAD_BYTES, "it is not made ahead") };
        let ahead = self.out.get(self.at..);
        if ahead.is_none_or(|ahead| ahead.len() < N) {
            self.more();
        }
        self.out.get_mut(self.at..)?.first_chunk_mut()
    }

    /// Takes so many bytes for written.
    #[inline(always)]
    pub(super) fn take(&mut self, count: usize) {
        self.at += count;
    }

    /// Takes so many bytes back.
    #[inline(always)]
    pub(super) fn back(&mut self, count: usize) {
        self.at = self.at.saturating_sub(count);
    }

    /// Puts bytes.
    #[inline(always)]
    pub(super) fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some(place) = self.next() {
            *place = bytes;
        }
        self.take(N);
    }

    /// Copies bytes, whose number is not known before.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn copy(&mut self, bytes: &[u8]) {
        let count = bytes.len();
        if count > SHORT_BYTES {
            return self.copy_long(bytes);
        }
        let Some(place) = self.next::<SHORT_BYTES>() else {
            return;
        };
        // The first and the last ones, which may be the same in part: to call what copies any number costs more.
        match count {
            0 => {}
            1..=3 => {
                let byte = |at: usize| [bytes.get(at).copied().unwrap_or_default()];
                store(place, 0, byte(0));
                store(place, count / 2, byte(count / 2));
                store(place, count - 1, byte(count - 1));
            }
            4..=8 => both_ends::<4>(place, bytes),
            9..=16 => both_ends::<8>(place, bytes),
            17..=32 => both_ends::<16>(place, bytes),
            _ => both_ends::<32>(place, bytes),
        }
        self.take(count);
    }

    /// The same for many.
    #[inline(never)]
    fn copy_long(&mut self, bytes: &[u8]) {
        match self.out.get_mut(self.at..self.at + bytes.len()) {
            Some(place) => place.copy_from_slice(bytes),
            None => {
                self.out.truncate(self.at);
                self.out.extend_from_slice(bytes);
            }
        }
        self.take(bytes.len());
    }
}

/// Puts bytes of which there are at least `N`, and at most twice as many.
#[inline(always)]
fn both_ends<const N: usize>(place: &mut [u8; SHORT_BYTES], bytes: &[u8]) {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) {
        store(place, 0, *first);
        store(place, bytes.len() - N, *last);
    }
}

/// Puts bytes into room that was lent; where they do not fit nothing.
#[inline(always)]
pub(super) fn store<const N: usize, const M: usize>(room: &mut [u8; N], at: usize, bytes: [u8; M]) {
    if let Some((place, _)) = room.get_mut(at..).and_then(<[u8]>::split_first_chunk_mut) {
        *place = bytes;
    }
}

/// The same for so many bytes of those that are here, of which others may be put behind them; gives back where what comes next goes.
#[inline(always)]
pub(super) fn lend<const N: usize>(
    room: &mut [u8; N],
    at: usize,
    bytes: &[u8],
    count: usize,
) -> usize {
    match bytes.first_chunk::<16>() {
        Some(all) if count <= 16 => store(room, at, *all),
        _ => {
            let end = at + count;
            if let (Some(place), Some(bytes)) = (room.get_mut(at..end), bytes.get(..count)) {
                place.copy_from_slice(bytes);
            }
        }
    }
    at + count
}

/// A number in decimal, at the end of twenty bytes, and where it begins.
#[cfg_attr(brooklet_hot, optimize(speed))]
pub(super) fn digits(number: u64) -> ([u8; 20], usize) {
    let mut digits = [b'0'; 20];
    let (mut rest, mut from) = (number, 20);
    while rest > 0 {
        // Two at a time; of the last two the first may be none.
        let pair = u32::try_from(rest % 100).unwrap_or(0);
        rest /= 100;
        from -= 2;
        let tens = (pair * 103) >> 10;
        if let Some([high, low]) = digits.get_mut(from..from + 2) {
            *high += tens.to_le_bytes()[0];
            *low += (pair - tens * 10).to_le_bytes()[0];
        }
    }
    let is_odd = digits.get(from) == Some(&b'0');
    (digits, (from + usize::from(is_odd)).min(19))
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.out.truncate(self.at);
        *self.home = std::mem::take(&mut self.out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_stands_behind_what_was_there_and_nothing_behind_it() {
        let text: Vec<u8> = (0..=255).cycle().take(3000).collect();
        for step in (1..70).chain([600, 1500]) {
            let mut out = b"before".to_vec();
            let mut room = Room::new(&mut out);
            for piece in text.chunks(step) {
                room.copy(piece);
                if let Some(place) = room.next() {
                    *place = *b"-----+++";
                }
                room.take(1);
            }
            drop(room);
            let expected: Vec<u8> = text
                .chunks(step)
                .flat_map(|piece| [piece, b"-"].concat())
                .collect();
            assert_eq!(out, [b"before", &expected[..]].concat(), "{step}");
        }
    }
}
