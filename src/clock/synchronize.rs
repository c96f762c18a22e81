//! Learning from unsigned answers; see `synchronize.rs`.

use super::{SkewClock, SkewStatus};
use crate::evidence::{Evidence, ResponseView};
use crate::host::Host;
use crate::judge::Attempt;
use crate::ruling::{self, Door, Exchange};
use crate::synchronize::{Samples, SynchronizeError};

impl SkewClock {
    /// Learns what the answers of a host have in common, if our clock cannot be
    /// right.
    pub(crate) fn learn_from(
        &self,
        mut samples: Samples,
        host: &Host,
    ) -> Result<SkewStatus, SynchronizeError> {
        let reading = self.reading();
        let exchange = Exchange {
            attempt: Attempt {
                signed_at: None,
                signing_boot: reading.boot,
                sent: reading,
                received: reading,
            },
            // The lesson has all that the samples say.
            evidence: &Evidence::read(&ResponseView::new(200, &[])),
            host: Some(host),
            service: None,
            operation: None,
            door: Door::Resigner,
            moves_at_signing: self.moves(),
            request: self.next_request(),
            is_second: false,
        };
        self.change(reading, |estimator, events| {
            ruling::keep_up(estimator, reading, events);
            let now = estimator.now(reading);
            match samples.lesson(reading, now)? {
                Some(lesson) => {
                    let ruling = ruling::adopt(estimator, &exchange, &lesson, reading, events);
                    if ruling.is_disputed {
                        return Err(SynchronizeError::Disputed);
                    }
                    ruling.resign.then_some(()).ok_or(SynchronizeError::Refused)
                }
                None => Ok(()),
            }
        })?;
        Ok(self.status())
    }
}
