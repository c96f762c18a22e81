//! [`Word`]: a correction in 64 bits, so that reading the time takes one load.

use std::time::Duration;

use crate::estimator::FARTHEST;
use crate::offset::ClockOffset;

/// A published correction:
///
/// | bits | what |
/// |---|---|
/// | 63 | the correction is provisional |
/// | 16–62 | the time − the boot clock, in milliseconds, signed |
/// | 0–15 | the healing band's half-width in seconds, 1 at least |
///
/// Since the band of a correction is never zero, a word of zero can mean that
/// there is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Word(u64);

impl Word {
    pub(crate) const UNCORRECTED: u64 = 0;
    /// There is none, provisionally: an earlier one may come back.
    pub(crate) const PROVISIONALLY_UNCORRECTED: u64 = 1 << 63;

    /// Packs a correction. `point` is at most [`FARTHEST`] ms from zero (the
    /// estimator sees to it); a wider band than 18 hours is cut.
    pub(crate) fn pack(point: ClockOffset, band: Duration, is_provisional: bool) -> u64 {
        let farthest = i64::try_from(FARTHEST).unwrap_or(i64::MAX);
        let point = point.as_millis().clamp(-farthest, farthest);
        let whole = band.as_secs().saturating_add(1).min(BAND);
        (u64::from(is_provisional) << 63) | ((point.cast_unsigned() << 16) & POINT) | whole
    }

    /// Unpacks a word, or returns `None` if there is no correction.
    pub(crate) const fn unpack(word: u64) -> Option<Self> {
        if word == Self::UNCORRECTED {
            None
        } else {
            Some(Self(word))
        }
    }

    pub(crate) const fn point(self) -> ClockOffset {
        // Up to the top first, then down again with the sign.
        ClockOffset::from_millis(((self.0 << 1).cast_signed()) >> 17)
    }

    pub(crate) const fn band(self) -> Duration {
        Duration::from_secs(self.0 & BAND)
    }

    pub(crate) const fn is_provisional(self) -> bool {
        self.0 >> 63 == 1
    }
}

const BAND: u64 = 0xffff;
const POINT: u64 = 0x7fff_ffff_ffff_0000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correction_survives_packing() {
        let farthest = i64::try_from(FARTHEST).unwrap();
        for point in [0, 1, -1, 1_800_000_000_123, -5_000_000, farthest, -farthest] {
            for band in [0, 31, 3_600, 65_000] {
                for is_provisional in [false, true] {
                    let packed = Word::pack(
                        ClockOffset::from_millis(point),
                        Duration::from_secs(band),
                        is_provisional,
                    );
                    let word = Word::unpack(packed).expect("is a correction");
                    assert_eq!(word.point().as_millis(), point);
                    assert_eq!(word.band(), Duration::from_secs(band + 1));
                    assert_eq!(word.is_provisional(), is_provisional);
                }
            }
        }
        assert_eq!(Word::unpack(Word::UNCORRECTED), None);
        let provisional = Word::unpack(Word::PROVISIONALLY_UNCORRECTED);
        assert!(provisional.is_some_and(Word::is_provisional));
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        let word = Word::unpack(Word::pack(
            ClockOffset::from_millis(i64::MAX),
            Duration::MAX,
            false,
        ))
        .unwrap();
        assert_eq!(word.point().as_millis(), i64::try_from(FARTHEST).unwrap());
        assert_eq!(word.band(), Duration::from_secs(BAND));
    }
}
