//! Learning from unsigned answers; see `synchronize.rs`.

use super::{SkewClock, SkewStatus};
use crate::correction::Objection;
use crate::decide::{self, Exchange};
use crate::evidence::{Evidence, ResponseView};
use crate::host::Host;
use crate::judge::{RoundTrip, SignedBy};
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
            trip: RoundTrip {
                signed_at: None,
                signed_by: SignedBy::Other,
                sent: reading,
                received: reading,
            },
            // The sample has all that the responses say.
            evidence: &Evidence::read(&ResponseView::new(200, &[])),
            host: Some(host),
            service: None,
            operation: None,
            is_resend: false,
        };
        self.change(reading, |clock, events| {
            decide::keep_up(clock, reading, events);
            let now = clock.now(reading);
            let Some(sample) = samples.sample(reading, now)? else {
                return Ok(());
            };
            decide::adopt(clock, &exchange, &sample, reading, events).map_err(|objection| {
                match objection {
                    Objection::Limit => SynchronizeError::Refused,
                    Objection::Host(_) => SynchronizeError::Disputed,
                }
            })
        })?;
        Ok(self.status())
    }
}
