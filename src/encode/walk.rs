//! Sound JSON, walked through without checking it again: the ends of strings and values, and nothing of what they say.
//!
//! It takes JSON that was found sound before. What is not such ends early; nothing here fails or goes on for ever.

use super::quote::marks;

/// A walk over JSON.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    /// The whole text.
    text: &'a str,
    /// What is still to be read begins here.
    at: usize,
}

/// A string that was taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoted<'a> {
    /// The whole text.
    text: &'a str,
    /// Where what stands between its quotes begins.
    from: usize,
    /// Where it ends.
    to: usize,
    /// Whether that is plain text.
    pub(super) plain: bool,
}

impl<'a> Quoted<'a> {
    /// What stands between its quotes.
    pub(super) fn inside(self) -> &'a str {
        self.text.get(self.from..self.to).unwrap_or_default()
    }

    /// The same as bytes, for whom it is enough: that they are whole characters need not be seen again.
    #[inline(always)]
    pub(super) fn bytes(self) -> &'a [u8] {
        let bytes = self.text.as_bytes();
        bytes.get(self.from..self.to).unwrap_or_default()
    }

    /// The bytes of that.
    #[inline(always)]
    pub(super) fn count(self) -> usize {
        self.to - self.from
    }

    /// What stands between its quotes, with all that stands behind it.
    #[inline(always)]
    pub(super) fn rest(self) -> &'a [u8] {
        self.text.as_bytes().get(self.from..).unwrap_or_default()
    }
}

impl<'a> Walk<'a> {
    /// From the beginning of a text.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// How much is read.
    #[inline(always)]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// How much is not read yet.
    pub(super) fn left(&self) -> usize {
        self.text.len().saturating_sub(self.at)
    }

    /// What was read from a place on.
    #[inline(always)]
    pub(super) fn since(&self, from: usize) -> &'a str {
        self.text.get(from..self.at).unwrap_or_default()
    }

    /// The same as bytes.
    #[inline(always)]
    pub(super) fn bytes_since(&self, from: usize) -> &'a [u8] {
        let bytes = self.text.as_bytes();
        bytes.get(from..self.at).unwrap_or_default()
    }

    /// Ends the walk.
    pub(super) fn stop(&mut self) {
        self.at = self.text.len();
    }

    /// The next byte that is no white space.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if byte > b' ' {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Passes over a byte that is known to come next.
    #[inline(always)]
    pub(super) fn step(&mut self) {
        self.at += 1;
    }

    /// Takes the string that comes next; all that is left if it has no end.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn string(&mut self) -> Quoted<'a> {
        self.string_here()
    }

    /// The same, for the one place that takes most of them.
    #[inline(always)]
    pub(super) fn string_here(&mut self) -> Quoted<'a> {
        let text = self.text;
        let from = self.at + 1;
        let mut rest = text.as_bytes().get(from..).unwrap_or_default();
        let mut plain = true;
        let to = loop {
            while let Some((word, behind)) = rest.split_first_chunk() {
                let found = marks(u64::from_le_bytes(*word));
                if found != 0 {
                    let before = usize::try_from(found.trailing_zeros() / 8).unwrap_or(0);
                    rest = rest.get(before..).unwrap_or_default();
                    break;
                }
                rest = behind;
            }
            match rest {
                [b'"', ..] => {
                    let to = text.len() - rest.len();
                    self.at = to + 1;
                    break to;
                }
                [b'\\', _, behind @ ..] => {
                    plain = false;
                    rest = behind;
                }
                [_, behind @ ..] => rest = behind,
                [] => {
                    self.stop();
                    plain = true;
                    break from;
                }
            }
        };
        Quoted {
            text,
            from,
            to,
            plain,
        }
    }

    /// Takes what stands before the next comma, closing bracket or white space: a number or a word.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn token(&mut self) -> &'a str {
        let from = self.at;
        self.pass_token();
        self.since(from)
    }

    /// Passes over it.
    #[inline(always)]
    fn pass_token(&mut self) {
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            if matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace() {
                break;
            }
            self.at += 1;
        }
    }

    /// Takes the object or list that comes next.
    pub(super) fn whole(&mut self) -> &'a str {
        let from = self.at;
        self.pass_whole();
        self.since(from)
    }

    /// Passes over it.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn pass_whole(&mut self) {
        let mut depth = 0_u32;
        while let Some(byte) = self.next() {
            match byte {
                b'"' => {
                    self.string();
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.step();
            if depth == 0 {
                break;
            }
        }
    }

    /// Passes over any value that comes next.
    #[inline(always)]
    pub(super) fn pass(&mut self) {
        match self.next() {
            Some(b'"') => {
                self.string();
            }
            Some(b'{' | b'[') => self.pass_whole(),
            _ => self.pass_token(),
        }
    }
}
