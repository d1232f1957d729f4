//! Which invocations are kept: by a hash of the request id, so that whoever uses the same fraction keeps the same ones.
//!
//! It must not use chance: the same request is kept or dropped as a whole, in every process.

use std::collections::VecDeque;

/// A fraction of all invocations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Hashes below this are kept.
    below: u64,
    /// The fraction as a JSON number.
    fraction: String,
}

/// The decimals of a fraction that count.
const DECIMALS_MAX: usize = 9;

/// The fraction of what is always kept.
pub(super) const WHOLE: &str = "1";

impl Sample {
    /// Reads a fraction from 0 to 1, with up to nine decimals; `Ok(None)` stands for 1, which keeps everything.
    ///
    /// # Errors
    /// Says what would be right.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = part.trim_end_matches('0');
        let wrong = || "must be a fraction from 0 to 1, such as 0.1".to_owned();
        if digits.len() > DECIMALS_MAX
            || !digits.bytes().all(|digit| digit.is_ascii_digit())
            || !matches!((whole, digits), ("0" | "1", "") | ("0" | "", _))
            || (whole, part) == ("", "")
        {
            return Err(wrong());
        }
        if whole == "1" {
            return Ok(None);
        }
        let billionths: u64 = format!("{digits:0<DECIMALS_MAX$}")
            .parse()
            .map_err(|_| wrong())?;
        let below = (u128::from(billionths) << 64) / 1_000_000_000;
        let fraction = if digits.is_empty() {
            "0".to_owned()
        } else {
            format!("0.{digits}")
        };
        Ok(Some(Self {
            below: u64::try_from(below).unwrap_or(u64::MAX),
            fraction,
        }))
    }

    /// Whether a request is among those that are kept.
    pub(super) fn keeps(&self, request_id: &str) -> bool {
        hash(request_id) < self.below
    }

    /// The fraction as a JSON number.
    pub(super) fn fraction(&self) -> &str {
        &self.fraction
    }
}

/// FNV-1a of 64 bits, its bits mixed once more as in MurmurHash3, so that the high ones are even.
fn hash(text: &str) -> u64 {
    let mut hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    hash ^ (hash >> 33)
}

/// Requests that are remembered; on Managed Instances many run at once.
const REMEMBERED_MAX: usize = 64;

/// Requests that something is remembered of, the oldest forgotten first.
#[derive(Debug, Default)]
pub(super) struct Remembered(VecDeque<String>);

impl Remembered {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one is among them.
    pub(super) fn has(&self, request_id: &str) -> bool {
        self.0.iter().any(|known| known == request_id)
    }

    /// Remembers one; `false` if it was remembered already.
    pub(super) fn add(&mut self, request_id: &str) -> bool {
        if self.has(request_id) {
            return false;
        }
        if self.0.len() >= REMEMBERED_MAX {
            self.0.pop_front();
        }
        self.0.push_back(request_id.to_owned());
        true
    }

    /// Forgets one.
    pub(super) fn forget(&mut self, request_id: &str) {
        self.0.retain(|known| known != request_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_read_as_decimals() {
        for (text, expected) in [
            ("0.1", Some("0.1")),
            ("0.10", Some("0.1")),
            (".5", Some("0.5")),
            ("0", Some("0")),
            ("0.000000001", Some("0.000000001")),
            ("1", None),
            ("1.0", None),
        ] {
            let sample = Sample::parse(text).expect(text);
            assert_eq!(sample.as_ref().map(Sample::fraction), expected, "{text}");
        }
        for bad in [
            "",
            ".",
            "1.1",
            "2",
            "-0.1",
            "10%",
            "1e-1",
            "0.0000000001",
            "0.x",
            "00.1",
        ] {
            assert!(Sample::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_share_that_is_kept_is_the_fraction() {
        for fraction in ["0.01", "0.1", "0.5", "0.9"] {
            let sample = Sample::parse(fraction).expect("good").expect("below 1");
            let kept = (0..100_000)
                .filter(|n| sample.keeps(&format!("4b142fc3-17b8-4cdb-a46b-{n:012x}")))
                .count();
            let expected = 100_000.0 * fraction.parse::<f64>().expect("a number");
            let kept = f64::from(u32::try_from(kept).expect("small"));
            assert!((kept - expected).abs() < 600.0, "{fraction}: {kept}");
        }
    }

    #[test]
    fn the_hash_is_the_documented_one() {
        assert_eq!(hash(""), 0xefd0_1f60_ba99_2926);
        assert_eq!(hash("a"), 0x82a2_a958_a9be_ce5b);
    }

    #[test]
    fn a_larger_fraction_keeps_all_that_a_smaller_one_keeps() {
        let of = |text| Sample::parse(text).expect("good").expect("below 1");
        let (small, large) = (of("0.1"), of("0.3"));
        for n in 0..1000 {
            let id = n.to_string();
            assert!(!small.keeps(&id) || large.keeps(&id));
        }
    }

    #[test]
    fn the_oldest_request_is_forgotten_first() {
        let mut remembered = Remembered::default();
        assert!(remembered.add("0"));
        assert!(!remembered.add("0"));
        for n in 1..=REMEMBERED_MAX {
            assert!(remembered.add(&n.to_string()));
        }
        assert!(!remembered.has("0"));
        assert!(remembered.has("1"));
    }
}
