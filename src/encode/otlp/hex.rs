//! Hex digits, eight in a word: the ids of traces and spans.

/// A word with one in each byte.
const ONES: u64 = u64::MAX / 255;

/// Takes eight digits for each word, the first ones into its highest bytes and letters made small; `None` if there are more or fewer, or others.
#[cfg_attr(brooklet_hot, optimize(speed))]
pub(super) fn digits(text: &str, words: &mut [u64]) -> Option<()> {
    let mut rest = text.as_bytes();
    for word in words {
        let (eight, behind) = rest.split_first_chunk()?;
        let given = u64::from_be_bytes(*eight);
        let halves = halves(given);
        // What is greater than nine is a letter.
        let high = ((halves + ONES * 6) >> 4) & ONES;
        let digits = halves + ONES * u64::from(b'0') + high * u64::from(b'a' - b'9' - 1);
        // They are digits if they are what would be written for these halves.
        if halves & (ONES * 0xf0) != 0 || digits != given | letters(given) << 5 {
            return None;
        }
        (*word, rest) = (digits, behind);
    }
    rest.is_empty().then_some(())
}

/// The bytes that eight digits stand for.
#[inline(always)]
pub(super) fn bytes(digits: u64) -> [u8; 4] {
    let halves = halves(digits);
    let pairs = (halves | halves >> 4) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    let [.., a, b, c, d] = (fours | fours >> 16).to_be_bytes();
    [a, b, c, d]
}

/// What each of eight digits stands for.
#[inline(always)]
fn halves(digits: u64) -> u64 {
    (digits & (ONES * 0xf)) + letters(digits) * 9
}

/// One for each byte that has what a letter has and a digit has not.
#[inline(always)]
fn letters(digits: u64) -> u64 {
    digits >> 6 & ONES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<[u8; 4]> {
        let mut word = [0];
        digits(text, &mut word)?;
        let [word] = word;
        assert_eq!(word.to_be_bytes(), text.to_ascii_lowercase().as_bytes());
        Some(bytes(word))
    }

    #[test]
    fn digits_are_read_and_nothing_else_is() {
        for byte in 0..=255_u8 {
            let text = format!("00{byte:02x}{byte:02X}ff");
            assert_eq!(read(&text), Some([0, byte, byte, 0xff]));
            let letter = char::from(byte);
            let last = read(&format!("0000000{letter}")).map(u32::from_be_bytes);
            assert_eq!(last, letter.to_digit(16), "{letter}");
        }
        assert_eq!(read("0000000"), None);
        assert_eq!(read("000000000"), None);
    }
}
