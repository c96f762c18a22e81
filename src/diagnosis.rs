//! [`Diagnosis`]: what was wrong with a call that failed, in words.
//!
//! Pure: an answer and where the clock stands in, a value out.

mod advice;
mod cause;
mod remedy;

use std::fmt;

use crate::event::SkewEvent;
use crate::evidence::Evidence;
use crate::local_clock::Reading;
use crate::offset::ClockOffset;

pub use cause::Cause;
pub use remedy::Remedy;

/// What was wrong with a call that failed, what was done about it, and what to do.
///
/// Its `Display` is one line for people: the cause, then what was done. Made by
/// [`SkewClock::diagnose`](crate::SkewClock::diagnose) and its siblings.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use aws_clock_skew::diagnosis::Cause;
/// use aws_clock_skew::evidence::ResponseView;
/// use aws_clock_skew::{ManualClock, SkewClock};
///
/// // 2026-01-01T10:00:00Z, on a machine whose answers say that it is 20 minutes later.
/// let machine = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_261_600));
/// let skew = SkewClock::builder().local_clock(machine).build();
/// let body = b"Signature expired: 20260101T100000Z is now earlier than 20260101T100500Z \
///     (20260101T102000Z - 15 min.)";
///
/// let diagnosis = skew.diagnose(&ResponseView::new(403, body));
/// assert!(matches!(diagnosis.cause(), Cause::Clock(Some(by)) if by.as_millis() == 1_200_000));
/// assert_eq!(
///     diagnosis.to_string(),
///     "this machine's clock is 20 min behind; nothing was corrected"
/// );
/// assert!(diagnosis.advice().contains("chronyc makestep"));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Diagnosis {
    cause: Cause,
    remedy: Remedy,
}

/// Where the clock stands when a diagnosis is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing<'a> {
    pub(crate) reading: Reading,
    /// Server − machine, if the machine's clock is known to be wrong.
    pub(crate) offset: Option<ClockOffset>,
    pub(crate) observes_only: bool,
    pub(crate) last_event: Option<&'a SkewEvent>,
}

impl Diagnosis {
    /// Reads an answer beside where the clock stands.
    pub(crate) fn of(evidence: &Evidence, standing: &Standing<'_>) -> Self {
        let signs_right = standing.offset.is_some() && !standing.observes_only;
        let wall = standing.reading.wall;
        let cause = Cause::of(evidence, wall, standing.offset, signs_right);
        Self {
            cause,
            remedy: Remedy::of(&cause, evidence, standing),
        }
    }

    /// There was no answer.
    #[cfg(feature = "sdk")]
    pub(crate) const fn without_answer(cause: Cause) -> Self {
        Self {
            cause,
            remedy: Remedy::Nothing,
        }
    }

    /// Returns what was wrong.
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// Returns what was done about it.
    pub const fn remedy(&self) -> Remedy {
        self.remedy
    }

    /// Returns what a person can do about it, in whole sentences.
    pub const fn advice(&self) -> &'static str {
        advice::on(self.cause)
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)?;
        match (self.cause, self.remedy) {
            // Nothing could have been done about what is not the clock's.
            (cause, Remedy::Nothing) if !cause.is_of_time() => Ok(()),
            (_, remedy) => write!(f, "; {remedy}"),
        }
    }
}
