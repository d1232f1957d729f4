//! What was probably meant: the known word that is nearest to one that nobody knows.
//!
//! It must not decide anything: what it finds is only ever asked about.

/// The most bytes of a word that is looked at: more is no slip of the pen.
const BYTES_MAX: usize = 40;

/// The most slips of the pen, each a byte too many, missing or wrong, or two in the wrong order.
const SLIPS_MAX: usize = 2;

/// The least bytes that a word must have to stand for a longer one that it begins.
const BEGINNING_MIN: usize = 3;

/// The least bytes that a known word must have to be meant by a longer one that it begins: `API` is not by `API_TOKEN`.
const BEGUN_MIN: usize = 4;

/// The word that is nearest, if one is near: with at most one slip in three bytes, or else one that begins as the other one ends.
pub(super) fn nearest<'a>(given: &str, words: &[&'a str]) -> Option<&'a str> {
    let ranked = words
        .iter()
        .filter_map(|word| Some((rank(given, word)?, word)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, word)| *word)
}

/// How far a word is from a known one; `None` if it is not near.
fn rank(given: &str, word: &str) -> Option<usize> {
    let (given, word) = (given.as_bytes(), word.as_bytes());
    if given.len() > BYTES_MAX {
        return None;
    }
    let slips_max = SLIPS_MAX.min(given.len() / 3);
    if let Some(slips) = (0..=slips_max).find(|slips| near(given, word, *slips)) {
        return Some(slips);
    }
    let begins = match given.len() < word.len() {
        true => given.len() >= BEGINNING_MIN,
        false => word.len() >= BEGUN_MIN,
    };
    let same = same(given, word) == given.len().min(word.len());
    // Of two that it may be, the one that is longer than what was given.
    (begins && same).then(|| SLIPS_MAX + 1 + usize::from(given.len() > word.len()))
}

/// How many bytes at the beginning are the same, in any case.
fn same(one: &[u8], other: &[u8]) -> usize {
    let pairs = one.iter().zip(other);
    pairs.take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count()
}

/// The nearest of these words as a question, behind what is wrong; empty if none is near.
pub(super) fn question(given: &str, words: &[&str]) -> String {
    nearest(given, words).map_or_else(String::new, |word| format!(" (did you mean {word}?)"))
}

/// Whether one word becomes the other with so many slips, at most; their number bounds the depth.
fn near(one: &[u8], other: &[u8], slips: usize) -> bool {
    let same = same(one, other);
    let behind = |word, bytes: usize| <[u8]>::get(word, same + bytes..).unwrap_or_default();
    let (one_left, other_left) = (behind(one, 0), behind(other, 0));
    let Some(slips) = slips.checked_sub(1) else {
        return one_left.is_empty() && other_left.is_empty();
    };
    let swapped = match (one_left, other_left) {
        ([a, b, ..], [c, d, ..]) => a.eq_ignore_ascii_case(d) && b.eq_ignore_ascii_case(c),
        _ => false,
    };
    near(behind(one, 1), other_left, slips)
        || near(one_left, behind(other, 1), slips)
        || near(behind(one, 1), behind(other, 1), slips)
        || (swapped && near(behind(one, 2), behind(other, 2), slips))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_understood() {
        let words = [
            "ENDPOINT",
            "API_KEY",
            "API",
            "FLUSH",
            "FLUSH_BUDGET_MS",
            "COMPRESSION",
            "SAMPLE",
        ];
        for (given, expected) in [
            ("ENDPIONT", Some("ENDPOINT")),
            ("ENPOINTT", Some("ENDPOINT")),
            ("ENDPOINTS", Some("ENDPOINT")),
            ("endpoint", Some("ENDPOINT")),
            ("COMPRESION", Some("COMPRESSION")),
            ("APIKEY", Some("API_KEY")),
            ("FLUHS", Some("FLUSH")),
            ("FLUSH_BUDGET", Some("FLUSH_BUDGET_MS")),
            ("SAMPLE_RATE", Some("SAMPLE")),
            ("API_TOKEN", None),
            ("URL", None),
            ("AP", None),
            ("XX", None),
            ("", None),
            ("ENDPOINT_OF_A_THING_THAT_NOBODY_EVER_HEARD_OF", None),
        ] {
            assert_eq!(nearest(given, &words), expected, "{given}");
        }
    }

    #[test]
    fn a_slip_counts_once_and_both_ways() {
        for (one, other, slips) in [
            ("abcd", "abcd", 0),
            ("abcd", "abd", 1),
            ("abcd", "abxd", 1),
            ("abcd", "acbd", 1),
            ("abcd", "acd_", 2),
            ("abcd", "badc", 2),
            ("abcd", "", 4),
            ("ü", "u", 2),
        ] {
            for (one, other) in [(one, other), (other, one)] {
                let (one, other) = (one.as_bytes(), other.as_bytes());
                assert!(near(one, other, slips));
                assert!(
                    slips == 0 || !near(one, other, slips - 1),
                    "{one:?} {other:?}"
                );
            }
        }
    }
}
