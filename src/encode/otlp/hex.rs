//! Hex digits, eight at a time: the ids of traces and spans.

/// A word with one in each byte.
const ONES: u64 = u64::MAX / 255;

/// The bytes of so many pairs of digits; `None` if there are more or fewer, or others.
#[cfg_attr(brooklet_hot, optimize(speed))]
pub(super) fn bytes<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    let eight = digits.as_bytes().chunks_exact(8);
    for (place, digits) in bytes.chunks_exact_mut(4).zip(eight) {
        let digits = u64::from_be_bytes(*digits.first_chunk()?);
        // What a letter has and a digit has not.
        let letters = digits >> 6 & ONES;
        let halves = (digits & (ONES * 0xf)) + letters * 9;
        // They are digits if they are what would be written for these halves.
        if halves & (ONES * 0xf0) != 0 || text(halves) != digits | letters << 5 {
            return None;
        }
        let pairs = (halves | halves >> 4) & 0x00ff_00ff_00ff_00ff;
        let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
        let all = (fours | fours >> 16).to_be_bytes();
        place.copy_from_slice(all.last_chunk::<4>()?);
    }
    Some(bytes)
}

/// The eight halves of four bytes, each in a byte.
#[inline(always)]
pub(super) fn halves(four: u32) -> u64 {
    let all = u64::from(four);
    let fours = (all | all << 16) & 0x0000_ffff_0000_ffff;
    let pairs = (fours | fours << 8) & 0x00ff_00ff_00ff_00ff;
    (pairs | pairs << 4) & (ONES * 0xf)
}

/// Eight halves as digits.
#[inline(always)]
pub(super) fn text(halves: u64) -> u64 {
    let letters = (halves + ONES * 6) >> 4 & ONES;
    halves + ONES * u64::from(b'0') + letters * u64::from(b'a' - b'9' - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_and_written_and_nothing_else_is() {
        for byte in 0..=255_u8 {
            let written = text(halves(u32::from(byte))).to_be_bytes();
            assert_eq!(written, format!("{byte:08x}").as_bytes());
            let digits = format!("{byte:02x}{byte:02X}0000");
            assert_eq!(bytes::<4>(&digits), Some([byte, byte, 0, 0]));
            let other = format!("0000000{}", char::from(byte));
            let expected = char::from(byte).to_digit(16);
            let read = bytes::<4>(&other).map(|[.., last]| u32::from(last));
            assert_eq!(read, expected, "{other}");
        }
        assert_eq!(bytes::<4>("0000000"), None);
        assert_eq!(bytes::<4>("000000000"), None);
    }
}
