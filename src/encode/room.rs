//! Bytes behind what a vector holds, put into room that is made ahead: a store each, where the vector's own way is a call.
//!
//! It must not know what they say.

/// What is made ahead, in bytes. An ordinary fragment with this behind it must be within what the buffer calls ordinary, or its segments would grow.
const AHEAD_BYTES: usize = 512;

/// What stands in room that is not used yet: to copy it is a call, to fill a vector a loop over bytes.
static AHEAD: [u8; AHEAD_BYTES] = [0; AHEAD_BYTES];

/// The end of a vector while it is written; what was made ahead and not used goes when this does.
#[derive(Debug)]
pub(super) struct Room<'a> {
    /// What was there, what was written, and zeros.
    out: &'a mut Vec<u8>,
    /// Where the zeros begin.
    at: usize,
}

impl<'a> Room<'a> {
    /// Behind what is there.
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        let at = out.len();
        out.extend_from_slice(&AHEAD);
        Self { out, at }
    }

    /// Lends the next `N` bytes, of which no more than there are ahead; what of them was written must be [taken](Self::take).
    #[inline(always)]
    pub(super) fn next<const N: usize>(&mut self) -> Option<&mut [u8; N]> {
        const { assert!(N <= AHEAD_BYTES, "it is not made ahead") };
        if self.out.len() < self.at + N {
            self.out.extend_from_slice(&AHEAD);
        }
        self.out.get_mut(self.at..)?.first_chunk_mut()
    }

    /// Takes so many bytes for written.
    #[inline(always)]
    pub(super) fn take(&mut self, count: usize) {
        self.at += count;
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
        // The first and the last ones, which may be the same in part: most are short, and to call what copies any number costs more.
        match bytes.len() {
            0 => {}
            1..=3 => {
                for byte in bytes {
                    self.put([*byte]);
                }
            }
            4..=8 => self.both_ends::<4>(bytes),
            9..=16 => self.both_ends::<8>(bytes),
            17..=32 => self.both_ends::<16>(bytes),
            count => {
                match self.out.get_mut(self.at..self.at + count) {
                    Some(place) => place.copy_from_slice(bytes),
                    None => {
                        self.out.truncate(self.at);
                        self.out.extend_from_slice(bytes);
                    }
                }
                self.take(count);
            }
        }
    }

    /// Copies bytes of which there are at least `N`, and at most twice as many.
    #[inline(always)]
    fn both_ends<const N: usize>(&mut self, bytes: &[u8]) {
        let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) else {
            return;
        };
        let end = self.at + bytes.len();
        self.put(*first);
        self.at = end - N;
        self.put(*last);
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.out.truncate(self.at);
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
