//! [`SkewClock::diagnose`]: what was wrong with a call that failed.

use super::SkewClock;
use crate::diagnosis::{Diagnosis, Standing};
use crate::evidence::{Evidence, ResponseView};

impl SkewClock {
    /// Says why a call failed. Changes nothing.
    ///
    /// Call it soon: the server's time in the response is compared with the local clock
    /// as it is now, or with the corrected clock if there is a correction.
    pub fn diagnose(&self, response: &ResponseView<'_>) -> Diagnosis {
        self.diagnose_evidence(&Evidence::read(response))
    }

    pub(crate) fn diagnose_evidence(&self, evidence: &Evidence) -> Diagnosis {
        let reading = self.reading();
        let state = self.lock();
        let correction = state.clock.correction();
        Diagnosis::of(
            evidence,
            &Standing {
                reading,
                offset: correction.map(|correction| correction.offset(reading)),
                observes_only: self.is_observe_only(),
                last_event: state.throttle.last(),
            },
        )
    }
}
