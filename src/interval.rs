//! [`Interval`]: a range of offsets.

use std::time::Duration;

use crate::offset::ClockOffset;

/// A closed, non-empty range of offsets that contains the true one.
///
/// [`Interval::new`] orders its bounds, so no other code has to check that the range is not
/// empty.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Interval {
    earliest: ClockOffset,
    latest: ClockOffset,
}

impl Interval {
    /// Returns the range between two offsets, in any order.
    pub(crate) fn new(one: ClockOffset, other: ClockOffset) -> Self {
        Self {
            earliest: one.min(other),
            latest: one.max(other),
        }
    }

    /// Returns the range that contains one offset.
    pub(crate) const fn exactly(offset: ClockOffset) -> Self {
        Self {
            earliest: offset,
            latest: offset,
        }
    }

    /// Returns whether `offset` may be the true one.
    pub(crate) fn contains(self, offset: ClockOffset) -> bool {
        self.earliest <= offset && offset <= self.latest
    }

    /// Returns the range, extended by `margin` at both ends.
    pub(crate) fn widened(self, margin: Duration) -> Self {
        Self {
            earliest: self.earliest.minus(margin),
            latest: self.latest.plus(margin),
        }
    }

    /// Returns the distance from `offset` to the nearest bound, or zero if the range
    /// contains it.
    pub(crate) fn distance_to(self, offset: ClockOffset) -> Duration {
        let nearest = offset.clamp(self.earliest, self.latest);
        offset.since(nearest).magnitude()
    }

    /// Returns the distance from `offset` to the farther bound, which is the largest
    /// possible error of `offset`.
    pub(crate) fn worst_error_of(self, offset: ClockOffset) -> Duration {
        let below = offset.since(self.earliest).magnitude();
        let above = self.latest.since(offset).magnitude();
        below.max(above)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: i64) -> ClockOffset {
        ClockOffset::from_millis(millis)
    }

    #[test]
    fn a_range_is_never_inverted() {
        assert_eq!(Interval::new(at(2), at(1)), Interval::new(at(1), at(2)));
        assert_eq!(Interval::new(at(1), at(1)), Interval::exactly(at(1)));
    }

    #[test]
    fn distances_are_to_the_nearest_and_the_farther_bound() {
        let range = Interval::new(at(-1_000), at(3_000));
        assert_eq!(range.distance_to(at(0)), Duration::ZERO);
        assert_eq!(range.distance_to(at(-1_250)), Duration::from_millis(250));
        assert_eq!(range.distance_to(at(4_000)), Duration::from_secs(1));
        assert_eq!(range.worst_error_of(at(0)), Duration::from_secs(3));
        assert_eq!(
            range.worst_error_of(at(2_500)),
            Duration::from_millis(3_500)
        );
    }

    #[test]
    fn widening_saturates() {
        let range = Interval::exactly(at(i64::MAX)).widened(Duration::from_secs(1));
        assert!(range.contains(at(i64::MAX)));
        assert!(range.contains(at(i64::MAX - 1_000)));
    }
}
