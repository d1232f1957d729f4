//! The tokens of a line, and what their bytes are, found in one pass over each.
//!
//! It must not know what a token means: that is the business of `level`.

/// What the bytes of a token are: the marks that one of them has, and those that all of them have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// Of any.
    any: u8,
    /// Of all.
    all: u8,
}

/// Stands between two tokens.
const GAP: u8 = 1;
/// A decimal digit.
const DIGIT: u8 = 2;
/// What stands between the numbers of a time or a date.
const TIME_SIGN: u8 = 4;
/// What a time or a date is made of.
const IN_TIME: u8 = 8;
/// What a request's id is made of.
const IN_ID: u8 = 16;
/// What signs are made of.
const IN_SIGN: u8 = 32;

/// The marks of every byte.
const MARKS: [u8; 256] = {
    let mut all = [0; 256];
    let mut rest: &mut [u8] = &mut all;
    let mut byte = 0_u8;
    while let Some((mark, behind)) = rest.split_first_mut() {
        *mark = marks_of(byte);
        byte = byte.wrapping_add(1);
        rest = behind;
    }
    all
};

/// The marks of a byte, looked up.
#[inline(always)]
fn marks(byte: u8) -> u8 {
    MARKS.get(usize::from(byte)).copied().unwrap_or(0)
}

/// The marks of a byte.
const fn marks_of(byte: u8) -> u8 {
    let mut marks = 0;
    if byte.is_ascii_whitespace() || byte == b'|' {
        marks |= GAP;
    }
    if byte.is_ascii_digit() {
        marks |= DIGIT;
    }
    if matches!(byte, b'-' | b':' | b'/' | b'.') {
        marks |= TIME_SIGN;
    }
    if marks & (DIGIT | TIME_SIGN) != 0
        || matches!(byte, b',' | b'+' | b'T' | b'Z' | b'A' | b'P' | b'M')
    {
        marks |= IN_TIME;
    }
    if byte.is_ascii_hexdigit() || byte == b'-' {
        marks |= IN_ID;
    }
    if byte.is_ascii_punctuation() {
        marks |= IN_SIGN;
    }
    marks
}

impl Kind {
    /// Of no bytes at all.
    const EMPTY: Self = Self {
        any: 0,
        all: u8::MAX,
    };

    /// Takes notice of a byte; `false` if it is one between tokens, which is not part of it.
    #[inline(always)]
    fn take(&mut self, byte: u8) -> bool {
        let marks = marks(byte);
        if marks & GAP != 0 {
            return false;
        }
        self.any |= marks;
        self.all &= marks;
        true
    }

    /// What the bytes of a token's word are.
    pub(super) fn of_word(word: &[u8], token: &[u8], of_token: &Self) -> Self {
        if word.len() == token.len() {
            return *of_token;
        }
        let mut kind = Self::EMPTY;
        for byte in word {
            kind.take(*byte);
        }
        kind
    }

    /// Whether they are a time or a date; where something stood before, which is `known`, also a number.
    pub(super) fn is_time(&self, known: bool) -> bool {
        let (digits, signs) = (self.any & DIGIT != 0, self.any & TIME_SIGN != 0);
        digits && self.all & IN_TIME != 0 && (signs || known)
    }

    /// Whether a request's id is made of such bytes.
    pub(super) fn is_id(&self) -> bool {
        self.all & IN_ID != 0
    }

    /// Whether they are signs alone.
    pub(super) fn is_sign(&self) -> bool {
        self.all & IN_SIGN != 0
    }
}

/// Takes the next token off a line, with what its bytes are.
#[cfg_attr(brooklet_hot, optimize(speed))]
pub(super) fn next<'a>(line: &mut &'a [u8]) -> Option<(&'a [u8], Kind)> {
    while let [first, rest @ ..] = *line
        && marks(*first) & GAP != 0
    {
        *line = rest;
    }
    let mut kind = Kind::EMPTY;
    let end = line.iter().position(|byte| !kind.take(*byte));
    let (token, rest) = line.split_at_checked(end.unwrap_or(line.len()))?;
    *line = rest;
    (!token.is_empty()).then_some((token, kind))
}
